"""Everything that stands before the first record is written: cluster, registry, servers, status page, plan, shop."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer import __version__
from consumer.config.run_config import RunConfig, load_run_config
from consumer.demo.config_file import LETTER_PARTITIONS, LETTERS, DemoConfig, Servers, make_servers, write_setting
from consumer.demo.embedded_kafka import EmbeddedKafka
from consumer.demo.event_producer import EventProducer, ProductionRate
from consumer.demo.events import TOPICS
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fault_schedule import FaultSchedule
from consumer.demo.observer import Tally
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
    """The demo cannot go on; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    seed: int
    pace: ProductionRate
    asked: FaultSchedule
    keep_running: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class Environment:
    """Everything that stands before the first record is written."""

    plan: RunConfig
    servers: Servers
    setting: DemoConfig
    till: EventProducer
    metrics: Metrics
    log: Log
    sources: StatusSources
    tallies: dict[str, Tally]


def set_up(options: Options, folder: Path, house: ExitStack) -> tuple[Environment, list[str]]:
    """Raise everything in order, to be taken down with `house`; return it, and lines about where it is.

    Raises:
        DemoError: the configuration is refused.
        EmbeddedKafkaError, SchemasMissingError, OSError: something is not to be had.
    """
    avro = avro_directory()
    schemas = read_schemas(avro)
    kafka = house.enter_context(EmbeddedKafka())
    for topic, partitions in {**TOPICS, LETTERS: LETTER_PARTITIONS}.items():
        kafka.create_topic(topic, partitions)
    registry = house.enter_context(SchemaRegistry(schemas.registered))
    servers = make_servers()
    house.enter_context(ThreadRunner(servers.copilot, servers.customerio, servers.yotpo))
    metrics = Metrics(build={"version": __version__, "librdkafka": librdkafka_version()})
    sources = StatusSources()
    metrics.watch(sources)
    status = StatusServer(("127.0.0.1", 0), metrics, sources)
    port = status.start()
    house.callback(status.close)
    log_file = house.enter_context((folder / "demo.log").open("w", encoding="utf-8"))
    log = Log(log_file, "info", counted=metrics.log_counted)
    house.callback(log.close)
    log.capture()
    setting = write_setting(folder, avro, servers, kafka.bootstrap, registry.url, port)
    loaded = load_run_config(setting.file, setting.environ)
    if loaded.config is None:
        said = "\n".join(f"  {finding.text()}" for finding in errors(loaded.findings))
        raise DemoError(f"the demo's own configuration is refused:\n{said}")
    till = EventProducer(Shop(options.seed), schemas, options.pace, kafka.bootstrap, LETTER_PARTITIONS)
    tallies = {pipeline.name: Tally() for pipeline in loaded.config.settings.pipelines}
    about = [
        f"status page    http://127.0.0.1:{port}/   metrics http://127.0.0.1:{port}/metrics",
        f"configuration  {setting.file}   log {folder / 'demo.log'}",
        f"mapping        {avro / 'mapping.yaml'}",
    ]
    return Environment(loaded.config, servers, setting, till, metrics, log, sources, tallies), about


@contextmanager
def folder_for(*, keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    """Make a folder for the configuration and the log, and take it away again unless it is to be kept."""
    folder = Path(tempfile.mkdtemp(prefix="cdp-demo-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)
