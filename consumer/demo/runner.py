"""Runs the demo: events, faults and the live view around the same `app` that `run` uses, then the reconciliation."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Mapping
from contextlib import ExitStack

import uvloop
from rich.console import Console

from consumer.app import PipelineRunner
from consumer.app import run as run_app
from consumer.demo.cluster_reader import ClusterReadError
from consumer.demo.embedded_kafka import EmbeddedKafkaError
from consumer.demo.environment import DemoError, Environment, Options, set_up, temporary_folder
from consumer.demo.fault_schedule import FaultSchedule
from consumer.demo.live_view import LiveView
from consumer.demo.progress import ProgressReader
from consumer.demo.reconciliation import Reconciliation
from consumer.demo.report import print_report
from consumer.demo.schemas import SchemasMissingError
from consumer.demo.verify import reconcile_pipelines
from consumer.destinations import Destination
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.observability.log.observer import LogObserver

_POLL_S = 0.1
_STALLED_S = 30.0
"""Seconds without any progress after which the demo no longer waits for the rest."""


def run_demo(options: Options, console: Console) -> bool:
    """Run the demo. Return True if the accounting balances.

    Raises:
        DemoError: a part cannot be started, or a pipeline crashed.
    """
    with ExitStack() as stack:
        try:
            folder = stack.enter_context(temporary_folder(keep=options.keep, say=console.out))
            environment, addresses = set_up(options, folder, stack)
        except (EmbeddedKafkaError, SchemasMissingError, OSError) as error:
            raise DemoError(str(error)) from error
        for line in addresses:
            console.out(line, highlight=False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            results = runner.run(_run(options, environment, console))
    print_report(console, results)
    return not any(result.differences for result in results)


async def _run(options: Options, environment: Environment, console: Console) -> list[Reconciliation]:
    loop = asyncio.get_running_loop()
    shutdown, interrupted = asyncio.Event(), asyncio.Event()
    runners: list[PipelineRunner] = []
    drain_skipped = False
    producer = environment.producer

    def on_signal() -> None:
        """End production at the first signal, skip the drain at the second."""
        nonlocal drain_skipped
        if interrupted.is_set():
            drain_skipped = True
            for each in runners:
                each.pipeline.skip_drain()
            shutdown.set()
        interrupted.set()
        producer.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, on_signal)

    rate = options.rate
    length_s = rate.for_s or (rate.events / rate.per_s if rate.events else 60.0)
    faults = FaultSchedule(environment.servers, environment.config, options.faults, length_s)
    faults.add_rules()
    progress = ProgressReader(environment.sources, environment.observers, producer.records, faults.messages)
    until_s = None if options.keep_running and rate.for_s is None else rate.for_s
    app = asyncio.create_task(
        run_app(
            environment.run_config,
            observer_factory=lambda name, destinations: _observers(environment, name, destinations),
            status_sources=environment.sources,
            shutdown=shutdown,
            on_started=runners.extend,
        )
    )
    producer.start()
    with LiveView(console, progress, until_s):
        await _produce_all(environment, faults, app, progress.started)
        progress.phase = "production is over, delivering the rest"
        if options.keep_running and not interrupted.is_set():
            progress.phase = f"production is over: {producer.stop_reason}. Press Ctrl-C to end"
            waiting = asyncio.create_task(interrupted.wait())
            await asyncio.wait([app, waiting], return_when="FIRST_COMPLETED")
            waiting.cancel()
        faults.end_all(time.monotonic() - progress.started)
        await _wait_until_settled(environment, runners, app, shutdown)
        progress.phase = "shutting down: last commits"
        shutdown.set()
        crashes = await app
    if producer.records.failure is not None:
        raise DemoError(producer.records.failure)
    if crashes:
        raise DemoError("; ".join(f"a pipeline crashed: {type(error).__name__}: {error}" for error in crashes))
    console.out(f"\n{_summary(environment, progress.started)}", highlight=False)
    try:
        return await asyncio.to_thread(
            reconcile_pipelines,
            runners,
            producer.records,
            environment.servers,
            environment.observers,
            environment.config.environ["KAFKA_BOOTSTRAP_SERVERS"],
            drain_skipped=drain_skipped,
        )
    except ClusterReadError as error:
        raise DemoError(str(error)) from error


def _summary(environment: Environment, started: float) -> str:
    produced = f"{len(environment.producer.records)} events in {time.monotonic() - started:.0f} s"
    deliveries = [each.first_delivery_at for each in environment.observers.values() if each.first_delivery_at]
    if not deliveries:
        return f"{produced}, no delivery"
    return f"{produced}, first delivery after {min(deliveries) - started:.1f} s"


def _observers(environment: Environment, name: str, destinations: Mapping[str, Destination]) -> Observer:
    endpoints = {each: [endpoint.name for endpoint in one.endpoints] for each, one in destinations.items()}
    events, topics = tuple(environment.run_config.mapping.events), environment.run_config.settings.topics
    metrics = environment.metrics.observer(name, endpoints, events, topics)
    return FanOutObserver(metrics, LogObserver(environment.log, name), environment.observers[name])


async def _produce_all(
    environment: Environment, faults: FaultSchedule, app: asyncio.Task[list[BaseException]], started: float
) -> None:
    """Wait until production is over, and meanwhile start and end the faults."""
    while not environment.producer.finished.is_set() and not app.done():
        faults.apply_due(time.monotonic() - started)
        await asyncio.sleep(_POLL_S)


async def _wait_until_settled(
    environment: Environment,
    runners: list[PipelineRunner],
    app: asyncio.Task[list[BaseException]],
    shutdown: asyncio.Event,
) -> None:
    """Wait until every pipeline has settled every produced record, or makes no progress any more."""
    last: list[Mapping[object, object]] = []
    moved = time.monotonic()
    while not app.done() and not shutdown.is_set() and time.monotonic() - moved < _STALLED_S:
        ends = environment.producer.records.log_ends()
        committables = [each.pipeline.committable_offsets().offsets for each in runners]
        if all(
            committable.get(partition, (0, 0))[1] >= end
            for committable in committables
            for partition, end in ends.items()
        ):
            return
        now: list[Mapping[object, object]] = [dict(committable) for committable in committables]
        if now != last:
            last, moved = now, time.monotonic()
        await asyncio.sleep(_POLL_S)
