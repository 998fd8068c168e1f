"""Run the service until SIGTERM or SIGINT.

The first signal starts the shutdown: requests in flight end, offsets are committed. The second signal skips the drain;
undelivered records are read again after the next start. Exit code: 0 if every pipeline ended in order.
"""

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
from consumer.cli.exit_codes import FAILURE, INVALID, SUCCESS, add_config
from consumer.cli.process_tuning import collect_rarely, share_one_arena
from consumer.config.process_environment import environment_findings
from consumer.config.run_config import directive_targets, load_run_config
from consumer.directives.watcher import DirectivesWatcher
from consumer.kafka.properties import librdkafka_version
from consumer.model.findings import Finding, errors
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.observability.http.server import StatusServer
from consumer.observability.log.observer import LogObserver
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterable, Mapping

    from consumer.config.run_config import RunConfig
    from consumer.destinations import Destination
    from consumer.model.observer import Observer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_config(parser)
    parser.add_argument("--pipeline", metavar="NAME", help="run only this pipeline of the file")
    parser.add_argument("--log", choices=("json", "text"), default="json", help="format of the log (default: json)")
    parser.add_argument(
        "--log-level",
        choices=("debug", "info", "warning", "error"),
        default="info",
        help="lowest level that is logged (default: info)",
    )


def run(args: argparse.Namespace) -> int:
    """Run the service until SIGTERM or SIGINT; return 0 if every pipeline ended in order."""
    share_one_arena(os.environ)
    loaded = load_run_config(Path(args.config), pipeline=args.pipeline)
    findings = errors([*environment_findings(os.environ), *loaded.findings])
    if loaded.config is None or findings:
        _report(findings, args.log, INVALID)
        return INVALID
    log_stream = sys.stdout
    metrics = Metrics(build={"version": __version__, "librdkafka": librdkafka_version()})
    log = Log(log_stream, args.log_level, text=args.log == "text", counted=metrics.log_counted)
    log.capture()
    for finding in loaded.findings:
        log.write("warning", "configuration warning", at=finding.where(), about=finding.path, message=finding.message)
    collect_rarely()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        try:
            return runner.run(_serve(loaded.config, log, metrics, args.log))
        finally:
            log.close()


def _report(findings: Iterable[Finding], log_format: str, code: int) -> None:
    """Write the reasons why the service cannot start on standard error, in the format of the log."""
    if log_format == "text":
        print("cdp-consumer cannot start:", file=sys.stderr)
        for finding in findings:
            print(f"  {finding.text()}", file=sys.stderr)
        return
    log = Log(sys.stderr, "error")
    for finding in findings:
        log.write(
            "error",
            "configuration error" if code == INVALID else "start failed",
            at=finding.where() or None,
            about=finding.path or None,
            message=finding.message,
            hint=finding.hint or None,
        )


async def _serve(config: RunConfig, log: Log, metrics: Metrics, log_format: str) -> int:
    settings = config.settings
    directives_observer = DirectivesObserver(log)
    directives_watcher = _directives_watcher(config, log, directives_observer)
    sources = StatusSources(None if directives_watcher is None else directives_observer)
    shutdown = asyncio.Event()
    loop = asyncio.get_running_loop()
    running: list[PipelineRunner] = []

    def request_shutdown() -> None:
        if shutdown.is_set():
            for each in running:
                each.pipeline.skip_drain()  # the second signal: undelivered records are released and read again later
        shutdown.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, request_shutdown)

    def observer_of(pipeline: str, destinations: Mapping[str, Destination]) -> Observer:
        endpoints = {name: [endpoint.name for endpoint in each.endpoints] for name, each in destinations.items()}
        metrics_observer = metrics.observer(pipeline, endpoints, tuple(config.mapping.events), settings.topics)
        return FanOutObserver(metrics_observer, LogObserver(log, pipeline))

    server = StatusServer((settings.http.host, settings.http.port), metrics, sources)
    metrics.watch(sources)
    try:
        port = server.start()
    except OSError as error:
        address = f"{settings.http.host}:{settings.http.port}"
        message = f"cannot listen on {address}: {error.strerror}"
        _report([Finding("error", "", None, None, "http.address", message)], log_format, FAILURE)
        return FAILURE
    log.write(
        "info", "starting", version=__version__, port=port, pipelines=", ".join(p.name for p in settings.pipelines)
    )
    try:
        crashes = await run_app(
            config,
            observer_factory=observer_of,
            status_sources=sources,
            shutdown=shutdown,
            on_started=running.extend,
            directives_watcher=directives_watcher,
        )
    finally:
        server.close()
    for each in crashes:
        log.write("error", "pipeline crashed", error=describe(each))
    code = FAILURE if crashes else SUCCESS
    log.write("info", "process exiting", code=code)
    return code


def _directives_watcher(config: RunConfig, log: Log, observer: DirectivesObserver) -> DirectivesWatcher | None:
    path = config.settings.directives
    if path is None:
        return None

    def missing() -> None:
        log.write(
            "warning",
            "directives file missing",
            file=str(path),
            hint="Create the file to give directives; until then there are none.",
        )

    return DirectivesWatcher(
        path, directive_targets(config), FanOutObserver(observer), missing=missing, clock_ms=config.clock_ms
    )


def describe(error: BaseException) -> str:
    """Return a text that is safe to log: our own message, or the class of a foreign error and where it was raised.

    The message of a foreign error may contain personal data.
    """
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(each) for each in error.exceptions)
    if type(error).__module__.startswith("consumer."):
        return str(error)
    frame = error.__traceback__
    while frame is not None and frame.tb_next is not None:
        frame = frame.tb_next
    where = "" if frame is None else f" at {Path(frame.tb_frame.f_code.co_filename).name}:{frame.tb_lineno}"
    return f"{type(error).__name__}{where}"
