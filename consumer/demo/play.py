"""The whole demo: cluster, registry, servers and shop around the same `app` that `run` uses, and then the books."""

from __future__ import annotations

import asyncio
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import uvloop
from rich.console import Console

from consumer import __version__
from consumer.app import Running
from consumer.app import run as run_app
from consumer.demo.books import Page
from consumer.demo.closing import close_books
from consumer.demo.embedded_kafka import EmbeddedKafka, EmbeddedKafkaError
from consumer.demo.fakes import threaded
from consumer.demo.faults import Asked, Faults
from consumer.demo.found import UnreadableError
from consumer.demo.happening import TOPICS
from consumer.demo.printing import print_books
from consumer.demo.registry import SchemaRegistry
from consumer.demo.schemas import SchemasMissingError, avro_directory, read_schemas
from consumer.demo.screen import Screen
from consumer.demo.setting import LETTER_PARTITIONS, LETTERS, Servers, Setting, make_servers, write_setting
from consumer.demo.shop import Shop
from consumer.demo.snapshot import Looking
from consumer.demo.tally import Tally
from consumer.demo.till import Pace, Till
from consumer.destinations import Destination
from consumer.findings import errors
from consumer.kafka.options import librdkafka_version
from consumer.observe import Observer
from consumer.plan import Plan, read_plan
from consumer.watch.http import StatusServer
from consumer.watch.log import Log
from consumer.watch.metrics import Metrics
from consumer.watch.sources import Sources
from consumer.watch.together import Together

ENDED, FAILED = 0, 1

_LOOK_S = 0.1
_STANDSTILL_S = 30.0
"""If nothing at all was settled for so long, waiting for the rest makes no sense."""


class DemoError(Exception):
    """The demo cannot go on; the text says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for on the command line."""

    seed: int
    pace: Pace
    asked: Asked
    keep_running: bool
    keep: bool


@dataclass(frozen=True, slots=True)
class _Stage:
    """Everything that stands before the first record is written."""

    plan: Plan
    servers: Servers
    setting: Setting
    till: Till
    metrics: Metrics
    log: Log
    sources: Sources
    tallies: dict[str, Tally]


def play(options: Options, console: Console) -> int:
    """Run the demo; 0 if the books agree.

    Raises:
        DemoError: something the demo needs is not to be had.
    """
    with ExitStack() as house:
        try:
            folder = house.enter_context(_folder(keep=options.keep, say=console.out))
            stage, about = _set(options, folder, house)
        except (EmbeddedKafkaError, SchemasMissingError, OSError) as error:
            raise DemoError(str(error)) from error
        for line in about:
            console.out(line, highlight=False)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            pages = runner.run(_perform(options, stage, console))
    print_books(console, pages)
    return FAILED if any(page.wrong for page in pages) else ENDED


def _set(options: Options, folder: Path, house: ExitStack) -> tuple[_Stage, list[str]]:
    avro = avro_directory()
    schemas = read_schemas(avro)
    kafka = house.enter_context(EmbeddedKafka())
    for topic, partitions in {**TOPICS, LETTERS: LETTER_PARTITIONS}.items():
        kafka.create_topic(topic, partitions)
    registry = house.enter_context(SchemaRegistry(schemas.registered))
    servers = make_servers()
    house.enter_context(threaded(servers.copilot, servers.customerio, servers.yotpo))
    metrics = Metrics(build={"version": __version__, "librdkafka": librdkafka_version()})
    sources = Sources()
    metrics.watch(sources)
    status = StatusServer(("127.0.0.1", 0), metrics, sources)
    port = status.start()
    house.callback(status.close)
    log_file = house.enter_context((folder / "demo.log").open("w", encoding="utf-8"))
    log = Log(log_file, "info", counted=metrics.log_counted)
    house.callback(log.close)
    log.capture()
    setting = write_setting(folder, avro, servers, kafka.bootstrap, registry.url, port)
    planned = read_plan(setting.file, setting.environ)
    if planned.plan is None:
        said = "\n".join(f"  {finding.text()}" for finding in errors(planned.findings))
        raise DemoError(f"the demo's own configuration is refused:\n{said}")
    till = Till(Shop(options.seed), schemas, options.pace, kafka.bootstrap, LETTER_PARTITIONS)
    tallies = {pipeline.name: Tally() for pipeline in planned.plan.settings.pipelines}
    about = [
        f"status page    http://127.0.0.1:{port}/   metrics http://127.0.0.1:{port}/metrics",
        f"configuration  {setting.file}   log {folder / 'demo.log'}",
        f"mapping        {avro / 'mapping.yaml'}",
    ]
    return _Stage(planned.plan, servers, setting, till, metrics, log, sources, tallies), about


@contextmanager
def _folder(*, keep: bool, say: Callable[[str], None]) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="cdp-demo-"))
    try:
        yield folder
    finally:
        if keep:
            say(f"kept: {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


async def _perform(options: Options, stage: _Stage, console: Console) -> list[Page]:
    loop = asyncio.get_running_loop()
    leave, asked_to_end = asyncio.Event(), asyncio.Event()
    running: list[Running] = []
    hurried = False

    def interrupted() -> None:
        nonlocal hurried
        if asked_to_end.is_set():
            hurried = True
            for each in running:
                each.pipeline.hurry()
            leave.set()
        asked_to_end.set()
        stage.till.close()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, interrupted)

    pace = options.pace
    length_s = pace.for_s or (pace.events / pace.per_s if pace.events else 60.0)
    faults = Faults(stage.servers, stage.setting, options.asked, length_s)
    faults.prepare()
    looking = Looking(stage.sources, stage.tallies, stage.till.notes, faults.news)
    until_s = None if options.keep_running and pace.for_s is None else pace.for_s
    app = asyncio.create_task(
        run_app(
            stage.plan,
            watchers=lambda name, destinations: _watchers(stage, name, destinations),
            sources=stage.sources,
            leave=leave,
            started=running.extend,
        )
    )
    stage.till.start()
    with Screen(console, looking, until_s):
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
        raise DemoError("; ".join(f"a pipeline fell: {type(error).__name__}: {error}" for error in fallen))
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
    except UnreadableError as error:
        raise DemoError(str(error)) from error


def _watchers(stage: _Stage, name: str, destinations: Mapping[str, Destination]) -> Observer:
    endpoints = {each: [endpoint.name for endpoint in one.endpoints] for each, one in destinations.items()}
    events, topics = tuple(stage.plan.mapping.events), stage.plan.settings.topics
    counting = stage.metrics.observer(name, endpoints, events, topics)
    return Together(counting, stage.log.observer(name), stage.tallies[name])


async def _business(stage: _Stage, faults: Faults, app: asyncio.Task[list[BaseException]], began: float) -> None:
    """Wait until the shop has closed, playing the faults meanwhile."""
    while not stage.till.ended.is_set() and not app.done():
        faults.turn(time.monotonic() - began)
        await asyncio.sleep(_LOOK_S)


async def _all_settled(
    stage: _Stage, running: list[Running], app: asyncio.Task[list[BaseException]], leave: asyncio.Event
) -> None:
    """Wait until every pipeline has settled all that was written, as long as anything still moves."""
    last: list[Mapping[object, object]] = []
    moved = time.monotonic()
    while not app.done() and not leave.is_set() and time.monotonic() - moved < _STANDSTILL_S:
        ends = stage.till.notes.ends()
        frontiers = [each.pipeline.frontier().offsets for each in running]
        if all(frontier.get(partition, (0, 0))[1] >= end for frontier in frontiers for partition, end in ends.items()):
            return
        now: list[Mapping[object, object]] = [dict(frontier) for frontier in frontiers]
        if now != last:
            last, moved = now, time.monotonic()
        await asyncio.sleep(_LOOK_S)
