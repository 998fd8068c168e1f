"""Sets up everything the demo needs before the first event: cluster, registry, servers, status page, configuration."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer import __version__
from consumer.config.run_config import RunConfig, load_run_config
from consumer.demo.config_file import (
    DEAD_LETTER_PARTITIONS,
    DEAD_LETTER_TOPIC,
    DemoConfig,
    Servers,
    make_servers,
    write_config,
)
from consumer.demo.embedded_kafka import EmbeddedKafka
from consumer.demo.event_producer import EventProducer, ProductionRate
from consumer.demo.events import TOPICS
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fault_schedule import FaultOptions
from consumer.demo.observer import CountingObserver
from consumer.demo.registry import SchemaRegistry
from consumer.demo.schemas import avro_directory, read_schemas
from consumer.demo.shop import Shop
from consumer.kafka.properties import librdkafka_version
from consumer.model.findings import errors
from consumer.observability.http.server import StatusServer
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources


class DemoError(Exception):
    """The demo cannot continue. The text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """The options of the command line."""

    seed: int
    rate: ProductionRate
    faults: FaultOptions
    keep_running: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that `set_up` has started or loaded."""

    run_config: RunConfig
    servers: Servers
    config: DemoConfig
    producer: EventProducer
    metrics: Metrics
    log: Log
    sources: StatusSources
    observers: dict[str, CountingObserver]
    """By pipeline."""


def set_up(options: Options, folder: Path, stack: ExitStack) -> tuple[Environment, list[str]]:
    """Start everything and leave the clean-up to `stack`; return it, with the lines that tell the user its addresses.

    Raises:
        DemoError: the configuration is invalid.
        EmbeddedKafkaError, SchemasMissingError, OSError: a part cannot be started or is missing.
    """
    avro = avro_directory()
    schemas = read_schemas(avro)
    kafka = stack.enter_context(EmbeddedKafka())
    for topic, partitions in {**TOPICS, DEAD_LETTER_TOPIC: DEAD_LETTER_PARTITIONS}.items():
        kafka.create_topic(topic, partitions)
    registry = stack.enter_context(SchemaRegistry(schemas.registered))
    servers = make_servers()
    stack.enter_context(ThreadRunner(servers.copilot, servers.customerio, servers.yotpo))
    metrics = Metrics(build={"version": __version__, "librdkafka": librdkafka_version()})
    sources = StatusSources()
    metrics.watch(sources)
    status = StatusServer(("127.0.0.1", 0), metrics, sources)
    port = status.start()
    stack.callback(status.close)
    log_file = stack.enter_context((folder / "demo.log").open("w", encoding="utf-8"))
    log = Log(log_file, "info", counted=metrics.log_counted)
    stack.callback(log.close)
    log.capture()
    config = write_config(folder, avro, servers, kafka.bootstrap, registry.url, port)
    loaded = load_run_config(config.file, config.environ)
    if loaded.config is None:
        findings = "\n".join(f"  {finding.text()}" for finding in errors(loaded.findings))
        raise DemoError(f"the demo's own configuration is invalid:\n{findings}")
    producer = EventProducer(Shop(options.seed), schemas, options.rate, kafka.bootstrap, DEAD_LETTER_PARTITIONS)
    observers = {pipeline.name: CountingObserver() for pipeline in loaded.config.settings.pipelines}
    addresses = [
        f"status page    http://127.0.0.1:{port}/   metrics http://127.0.0.1:{port}/metrics",
        f"configuration  {config.file}   log {folder / 'demo.log'}",
        f"mapping        {avro / 'mapping.yaml'}",
    ]
    environment = Environment(loaded.config, servers, config, producer, metrics, log, sources, observers)
    return environment, addresses


@contextmanager
def temporary_folder(*, keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Make a folder for the configuration and the log, and remove it at the end unless `keep`."""
    folder = Path(tempfile.mkdtemp(prefix="cdp-demo-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
