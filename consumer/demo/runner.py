"""The whole demo: the shop, the faults and the screen around the same `app` that `run` uses, and then the books."""

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
from consumer.demo.environment import DemoError, Environment, Options, folder_for, set_up
from consumer.demo.fault_schedule import Faults
from consumer.demo.live_view import LiveView
from consumer.demo.progress import ProgressReader
from consumer.demo.reconciliation import Page
from consumer.demo.report import print_books
from consumer.demo.schemas import SchemasMissingError
from consumer.demo.verify import close_books
from consumer.destinations import Destination
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver
from consumer.observability.log.observer import LogObserver

_LOOK_S = 0.1
_STANDSTILL_S = 30.0
"""If nothing at all was settled for so long, waiting for the rest makes no sense."""


def play(options: Options, console: Console) -> bool:
    """Run the demo; tell whether the books agree.

    Raises:
        DemoError: something the demo needs is not to be had.
    """
    with ExitStack() as house:
        try:
            folder = house.enter_context(folder_for(keep=options.keep, say=console.out))
            stage, about = set_up(options, folder, house)
        except (EmbeddedKafkaError, SchemasMissingError, OSError) as error:
            raise DemoError(str(error)) from error
        for line in about:
            console.out(line, highlight=False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            pages = runner.run(_perform(options, stage, console))
    print_books(console, pages)
    return not any(page.wrong for page in pages)


async def _perform(options: Options, stage: Environment, console: Console) -> list[Page]:
    loop = asyncio.get_running_loop()
    leave, asked_to_end = asyncio.Event(), asyncio.Event()
    running: list[PipelineRunner] = []
    hurried = False

    def interrupted() -> None:
        nonlocal hurried
        if asked_to_end.is_set():
            hurried = True
            for each in running:
                each.pipeline.skip_drain()
            leave.set()
        asked_to_end.set()
        stage.till.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)

    pace = options.pace
    length_s = pace.for_s or (pace.events / pace.per_s if pace.events else 60.0)
    faults = Faults(stage.servers, stage.setting, options.asked, length_s)
    faults.prepare()
    looking = ProgressReader(stage.sources, stage.tallies, stage.till.notes, faults.news)
    until_s = None if options.keep_running and pace.for_s is None else pace.for_s
    app = asyncio.create_task(
        run_app(
            stage.plan,
            observer_factory=lambda name, destinations: _watchers(stage, name, destinations),
            status_sources=stage.sources,
            shutdown=leave,
            on_started=running.extend,
        )
    )
    stage.till.start()
    with LiveView(console, looking, until_s):
        await _business(stage, faults, app, looking.began)
        looking.phase = "the shop is closed, delivering the rest"
        if options.keep_running and not asked_to_end.is_set():
            looking.phase = f"the shop is closed: {stage.till.why}; Ctrl-C ends"
            await asyncio.wait(
                [app, waiting := asyncio.create_task(asked_to_end.wait())], return_when="FIRST_COMPLETED"
            )
            waiting.cancel()
        faults.mend(time.monotonic() - looking.began)
        await _all_settled(stage, running, app, leave)
        looking.phase = "leaving: commits and goodbyes"
        leave.set()
        fallen = await app
    if stage.till.notes.failed is not None:
        raise DemoError(stage.till.notes.failed)
    if fallen:
        raise DemoError("; ".join(f"a pipeline crashed: {type(error).__name__}: {error}" for error in fallen))
    first = min((t.first_delivery_at for t in stage.tallies.values() if t.first_delivery_at is not None), default=None)
    seconds = time.monotonic() - looking.began
    console.out(
        f"\n{len(stage.till.notes)} events in {seconds:.0f} s; "
        + ("nothing was delivered" if first is None else f"the first delivery after {first - looking.began:.1f} s"),
        highlight=False,
    )
    try:
        return await asyncio.to_thread(
            close_books,
            running,
            stage.till.notes,
            stage.servers,
            stage.tallies,
            stage.setting.environ["KAFKA_BOOTSTRAP_SERVERS"],
            hurried=hurried,
        )
    except ClusterReadError as error:
        raise DemoError(str(error)) from error


def _watchers(stage: Environment, name: str, destinations: Mapping[str, Destination]) -> Observer:
    endpoints = {each: [endpoint.name for endpoint in one.endpoints] for each, one in destinations.items()}
    events, topics = tuple(stage.plan.mapping.events), stage.plan.settings.topics
    counting = stage.metrics.observer(name, endpoints, events, topics)
    return FanOutObserver(counting, LogObserver(stage.log, name), stage.tallies[name])


async def _business(stage: Environment, faults: Faults, app: asyncio.Task[list[BaseException]], began: float) -> None:
    """Wait until the shop has closed, playing the faults meanwhile."""
    while not stage.till.ended.is_set() and not app.done():
        faults.turn(time.monotonic() - began)
        await asyncio.sleep(_LOOK_S)


async def _all_settled(
    stage: Environment, running: list[PipelineRunner], app: asyncio.Task[list[BaseException]], leave: asyncio.Event
) -> None:
    """Wait until every pipeline has settled all that was written, as long as anything still moves."""
    last: list[Mapping[object, object]] = []
    moved = time.monotonic()
    while not app.done() and not leave.is_set() and time.monotonic() - moved < _STANDSTILL_S:
        ends = stage.till.notes.ends()
        committables = [each.pipeline.committable_offsets().offsets for each in running]
        if all(
            committable.get(partition, (0, 0))[1] >= end
            for committable in committables
            for partition, end in ends.items()
        ):
            return
        now: list[Mapping[object, object]] = [dict(committable) for committable in committables]
        if now != last:
            last, moved = now, time.monotonic()
        await asyncio.sleep(_LOOK_S)
