"""`cdp-consumer run`: the service."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from consumer import __version__
from consumer.app import PipelineRunner
from consumer.app import run as run_app
from consumer.cli.exit_codes import ENDED, FAILED, WRONG, add_config
from consumer.cli.process_tuning import collect_seldom, share_one_pool
from consumer.config.run_config import directive_targets, load_run_config
from consumer.directives.watcher import DirectivesWatcher
from consumer.kafka.properties import librdkafka_version
from consumer.model.findings import errors
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.observability.http.server import StatusServer
from consumer.observability.log.observer import LogObserver
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

if TYPE_CHECKING:
    import argparse
    from collections.abc import Mapping

    from consumer.config.run_config import RunConfig
    from consumer.destinations import Destination
    from consumer.model.observer import Observer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's options."""
    add_config(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="run this pipeline of the file only")
    parser.add_argument("--log", choices=("json", "text"), default="json", help="how lines are written (default: json)")
    parser.add_argument(
        "--log-level", choices=("debug", "info", "warning", "error"), default="info", help="default: info"
    )


def run(args: argparse.Namespace) -> int:
    """Run the service until SIGTERM or SIGINT; 0 if every pipeline left in order."""
    share_one_pool(os.environ)
    loaded = load_run_config(Path(args.config), pipeline=args.pipeline)
    if loaded.config is None:
        wrong = errors(loaded.findings)
        print("cdp-consumer cannot start:", file=sys.stderr)
        for finding in wrong:
            print(f"  {finding.text()}", file=sys.stderr)
        return WRONG
    log_stream = sys.stdout
    metrics = Metrics(build={"version": __version__, "librdkafka": librdkafka_version()})
    log = Log(log_stream, args.log_level, text=args.log == "text", counted=metrics.log_counted)
    log.capture()
    for finding in loaded.findings:
        log.write("warning", "configuration warning", at=finding.where(), about=finding.path, message=finding.message)
    collect_seldom()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(loaded.config, log, metrics))
        finally:
            log.close()


async def _serve(config: RunConfig, log: Log, metrics: Metrics) -> int:
    settings = config.settings
    told = DirectivesObserver(log)
    steering = _steering(config, log, told)
    sources = StatusSources(None if steering is None else told)
    leave = asyncio.Event()
    loop = asyncio.get_running_loop()
    running: list[PipelineRunner] = []

    def asked_to_leave() -> None:
        if leave.is_set():
            for each in running:
                each.pipeline.skip_drain()  # the second signal: undelivered records are released and read again later
        leave.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_leave)

    def watchers(pipeline: str, destinations: Mapping[str, Destination]) -> Observer:
        endpoints = {name: [endpoint.name for endpoint in each.endpoints] for name, each in destinations.items()}
        counting = metrics.observer(pipeline, endpoints, tuple(config.mapping.events), settings.topics)
        return FanOutObserver(counting, LogObserver(log, pipeline))

    server = StatusServer((settings.http.host, settings.http.port), metrics, sources)
    metrics.watch(sources)
    try:
        port = server.start()
    except OSError as error:
        address = f"{settings.http.host}:{settings.http.port}"
        print(
            f"cdp-consumer cannot start:\n  http.address: {address} cannot be used: {error.strerror}", file=sys.stderr
        )
        return FAILED
    log.write(
        "info", "starting", version=__version__, port=port, pipelines=", ".join(p.name for p in settings.pipelines)
    )
    try:
        fallen = await run_app(
            config,
            observer_factory=watchers,
            status_sources=sources,
            shutdown=leave,
            on_started=running.extend,
            directives_watcher=steering,
        )
    finally:
        server.close()
    for each in fallen:
        log.write("error", "pipeline crashed", error=describe(each))
    log.write("info", "process exiting", code=FAILED if fallen else ENDED)
    return FAILED if fallen else ENDED


def _steering(config: RunConfig, log: Log, told: DirectivesObserver) -> DirectivesWatcher | None:
    path = config.settings.directives
    if path is None:
        return None

    def missing() -> None:
        log.write("warning", "directives file missing", file=str(path), hint="nothing is directed until it is there")

    return DirectivesWatcher(
        path, directive_targets(config), FanOutObserver(told), missing=missing, clock_ms=config.clock_ms
    )


def describe(error: BaseException) -> str:
    """Return what may be said of an error: our own words, else its class and where it arose; no foreign text."""
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(each) for each in error.exceptions)
    if type(error).__module__.startswith("consumer."):
        return str(error)
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    where = "" if place is None else f" at {Path(place.tb_frame.f_code.co_filename).name}:{place.tb_lineno}"
    return f"{type(error).__name__}{where}"
