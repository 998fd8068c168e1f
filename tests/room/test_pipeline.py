"""The path of one pipeline with a translator and lanes that a test holds in its hands."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from consumer import pipeline as module
from consumer.delivery.delivery import Delivery
from consumer.delivery.intake import Limits
from consumer.delivery.ledger import Tenure
from consumer.delivery.pace import Pace
from consumer.kafka.hatch import Assignment, Frontier, Lot
from consumer.model import (
    Cause,
    Column,
    Endpoint,
    Entry,
    Fault,
    FaultyRecord,
    Message,
    Partition,
    Shape,
    Skip,
    Translation,
)
from consumer.observe import Observer
from consumer.pipeline import Pipeline
from consumer.settling import Settling
from tests.lanes.road import FakeShelf
from tests.room.test_intake import FakeMessage

P, Q = Partition("orders", 0), Partition("orders", 1)
ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
SHAPE = Shape(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
MISSING = 42


class FakeTranslator:
    """One delivery a record, but for offsets that are skipped, bad, or wait for a schema."""

    def __init__(self) -> None:
        self.skip: set[int] = set()
        self.bad: set[int] = set()
        self.waits: set[int] = set()
        self.turns = 0

    def translate(self, lot: Sequence[Message]) -> Translation:
        self.turns += 1
        made = Translation({"yotpo": (column := Column())})
        stuck: set[int] = set()
        for index, message in enumerate(lot):
            offset = message.offset()
            if message.partition() in stuck or offset in self.waits:
                stuck.add(message.partition())
                made.waiting.append(index)
                made.missing.add(MISSING)
            elif offset in self.bad:
                made.faults.append(FaultyRecord(index, None, Fault(Cause.UNDECODABLE), f"bad-{offset}"))
            elif offset in self.skip:
                key = ("yotpo", "shop.Order", Skip.FILTERED)
                made.skipped[key] = made.skipped.get(key, 0) + 1
            else:
                column.bodies.append(b"body")
                column.keys.append(offset)
                column.shapes.append(SHAPE)
                column.identities.append(str(offset))
                column.times_ms.append(0)
                column.entries.append(ENTRY)
                column.records.append(index)
        return made


class FakeLanes:
    """Keeps what is put; the test delivers it."""

    def __init__(self) -> None:
        self.name = "yotpo"
        self.pace = Pace(5.0)
        self.here: list[Delivery] = []
        self.on_wire: list[Delivery] = []
        self.answer: asyncio.Future[None] | None = None
        self.hurried = False
        self.goes = True

    def put(self, deliveries: list[Delivery]) -> None:
        self.here += deliveries

    def withdraw(self, tenures: Sequence[Tenure]) -> list[asyncio.Future[None]]:
        self.here = [each for each in self.here if each.tenure.sending]
        return [self.answer] if self.answer and any(each.tenure in tenures for each in self.on_wire) else []

    def can_go(self, until: float | None = None) -> bool:  # noqa: ARG002
        return self.goes and bool(self.here or self.on_wire)

    def hasten(self) -> None:
        self.hurried = True

    async def run(self) -> None:
        await asyncio.Event().wait()


class House:
    def __init__(self, records: int, drain_s: float) -> None:
        self.shelf = FakeShelf()
        self.translator, self.lanes = FakeTranslator(), FakeLanes()
        self.settling = Settling(["yotpo"], self.shelf, self.shelf, Observer())
        self.wanted: list[int | str] = []
        self.committed: list[Frontier] = []
        self.pipeline = Pipeline(
            "cdp-yotpo",
            limits=Limits(records, 1_000_000),
            drain_s=drain_s,
            translator=self.translator,
            settling=self.settling,
            want=self.wanted.append,
            observer=Observer(),
        )
        self.pipeline.lanes["yotpo"] = self.lanes  # type: ignore[assignment]
        self.number = 0
        self.tenures: dict[Partition, int] = {}

    def assign(self, *partitions: Partition, start: int = 0, total: int = 4) -> None:
        news = {}
        for partition in partitions:
            self.number += 1
            news[partition] = self.tenures[partition] = self.number
        self.pipeline.assigned(Assignment(news, dict.fromkeys(partitions, start), len(self.tenures), total))

    async def give(self, partition: Partition, *offsets: int) -> None:
        lot: list[Any] = [FakeMessage(partition, offset) for offset in offsets]
        await asyncio.wait_for(self.pipeline.accept(Lot(lot, dict(self.tenures))), 5)

    def deliver(self, count: int | None = None) -> None:
        some, self.lanes.here = self.lanes.here[:count], self.lanes.here[len(self.lanes.here[:count]) :]
        self.settling.delivered("yotpo", some)

    def frontier(self, partition: Partition) -> int:
        return self.pipeline.frontier().offsets[partition][1]

    def check_books(self) -> None:
        tenures = tuple(self.pipeline.intake.tenures.values())
        still_open = self.settling.books.open(tenures)
        for name, account in self.settling.books.accounts.items():
            assert account.difference(still_open[name]) == 0
        taken, settled, open_records, released = self.settling.books.records(tenures)
        assert taken == settled + open_records + released


@asynccontextmanager
async def house(records: int = 100, drain_s: float = 5.0, every_s: float = 0.01) -> AsyncIterator[House]:
    made = House(records, drain_s)
    running = asyncio.create_task(made.pipeline.run(made.committed.append, every_s))
    try:
        yield made
        assert not running.done()
        made.check_books()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(predicate: Any) -> None:  # noqa: ANN401
    async with asyncio.timeout(5):
        while not predicate():  # noqa: ASYNC110 - what is looked at is told by nobody
            await asyncio.sleep(0.002)


def test_the_frontier_is_committed_as_it_moves_and_only_then() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1, 5)
            assert here.frontier(P) == 0
            here.deliver(2)
            await until(lambda: here.committed and here.committed[-1].offsets[P] == (1, 5))
            here.deliver()
            await until(lambda: here.committed[-1].offsets[P] == (1, 6))
            commits = len(here.committed)
            await asyncio.sleep(0.05)
            assert len(here.committed) == commits

    asyncio.run(run())


def test_skipped_records_are_booked_and_pass_and_bad_ones_wait_for_their_letter() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            here.shelf.at_once = False
            here.translator.skip, here.translator.bad = {0, 2}, {1}
            await here.give(P, 0, 1, 2)
            assert here.frontier(P) == 1
            assert here.settling.books.accounts["yotpo"].skipped == 2
            here.check_books()
            here.shelf.acknowledge()
            assert here.frontier(P) == 3
            assert here.settling.books.accounts[""].dead_lettered == 1

    asyncio.run(run())


def test_a_full_pipeline_accepts_no_more_until_there_is_room_and_forgets_nothing() -> None:
    async def run() -> None:
        async with house(records=4) as here:
            here.assign(P)
            accepting = asyncio.create_task(here.give(P, *range(10)))
            await until(lambda: len(here.lanes.here) == 4)
            await asyncio.sleep(0.02)
            assert not accepting.done()
            assert here.pipeline.full == {P}
            seen = []
            while not accepting.done() or here.lanes.here:
                seen += [each.slot for each in here.lanes.here]
                here.deliver()
                await asyncio.sleep(0.005)
            assert seen == list(range(10))
            assert here.pipeline.full == frozenset()

    asyncio.run(run())


def test_one_full_partition_among_others_keeps_nobody_waiting() -> None:
    async def run() -> None:
        async with house(records=4) as here:
            here.assign(P, Q)
            await here.give(P, *range(10))
            assert here.pipeline.full == {P}
            await here.give(Q, 0)
            assert {each.tenure.partition for each in here.lanes.here} == {P, Q}

    asyncio.run(run())


def test_a_missing_schema_stops_its_partition_only_and_what_waits_goes_on_in_order() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q)
            here.translator.waits = {1}
            await here.give(P, 0, 1, 2)
            await here.give(Q, 7)
            assert here.wanted
            assert [each.identity for each in here.lanes.here] == ["0", "7"]
            assert here.pipeline.full == {P}
            here.translator.waits = set()
            here.pipeline.schemas_changed()
            await until(lambda: len(here.lanes.here) == 4)
            assert [each.identity for each in here.lanes.here] == ["0", "7", "1", "2"]
            assert here.pipeline.full == frozenset()

    asyncio.run(run())


def test_waiting_for_a_schema_ends_by_the_clock_though_another_partition_is_never_quiet(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "_GRACE_LOOK_S", 0.1)

    async def run() -> None:
        async with house(records=10_000) as here:
            here.assign(P, Q)
            here.translator.waits = {1}
            await here.give(P, 1)
            here.translator.waits = set()  # its grace is over: nobody tells, the translator judges it anew
            offset = 10
            async with asyncio.timeout(5):
                while not any(each.tenure.partition == P for each in here.lanes.here):
                    await here.give(Q, offset)
                    offset += 1
                    await asyncio.sleep(0.01)

    asyncio.run(run())


def test_a_drain_waits_for_calls_on_the_wire_and_releases_the_rest() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q)
            await here.give(P, 0, 1)
            await here.give(Q, 0)
            lanes = here.lanes
            lanes.on_wire, lanes.here = lanes.here[:1], lanes.here[1:]
            lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0.02)
            assert not draining.done()
            assert [each.tenure.partition for each in lanes.here] == [Q]
            here.settling.delivered("yotpo", lanes.on_wire)
            lanes.answer.set_result(None)
            assert (await draining).offsets == {P: (1, 1)}
            assert set(here.pipeline.frontier().offsets) == {Q}
            assert here.settling.books.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_a_drain_ends_with_its_budget_though_a_call_is_never_answered() -> None:
    async def run() -> None:
        async with house(drain_s=0.1) as here:
            here.assign(P)
            await here.give(P, 0)
            here.lanes.on_wire, here.lanes.here = here.lanes.here, []
            here.lanes.answer = asyncio.get_running_loop().create_future()
            frontier = await asyncio.wait_for(here.pipeline.drain([P]), 5)
            assert frontier.offsets == {P: (1, 0)}
            here.settling.delivered("yotpo", here.lanes.on_wire)  # late: it stays released
            assert here.settling.books.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_a_partition_lost_while_it_is_drained_is_released_once_and_its_successor_lives() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1)
            here.lanes.on_wire = here.lanes.here[:1]
            here.lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0)
            here.pipeline.lost([P])
            here.assign(P)
            here.lanes.answer.set_result(None)
            assert (await draining).offsets == {}
            assert here.pipeline.frontier().offsets == {P: (2, 0)}
            assert here.settling.books.accounts["yotpo"].released == 2
            await here.give(P, 0)
            assert [each.tenure.number for each in here.lanes.here] == [2]

    asyncio.run(run())


def test_a_partition_assigned_while_it_is_still_drained_starts_a_tenure_of_its_own() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0)
            here.lanes.on_wire = here.lanes.here[:1]
            here.lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0)
            here.assign(P)
            here.lanes.answer.set_result(None)
            await draining
            assert here.pipeline.frontier().offsets == {P: (2, 0)}
            here.check_books()

    asyncio.run(run())


def test_the_share_of_the_rate_follows_the_partitions_held_and_shrinks_at_once() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q, total=4)
            pace = here.lanes.pace
            assert pace.share_at(asyncio.get_running_loop().time() + 2) == 0.5
            await here.pipeline.drain([P])
            assert pace.share_at(0) == 0.25
            here.pipeline.lost([Q])
            assert pace.share_at(0) == 0.0

    asyncio.run(run())


def test_leaving_delivers_what_goes_releases_what_does_not_and_takes_nothing_more() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1, 2)
            leaving = asyncio.create_task(here.pipeline.finish())
            await asyncio.sleep(0.05)
            assert here.lanes.hurried
            assert not leaving.done()
            await here.give(P, 3)
            here.deliver(2)
            here.lanes.goes = False
            assert (await asyncio.wait_for(leaving, 5)).offsets == {P: (1, 2)}
            assert here.pipeline.left
            assert here.settling.books.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_who_is_asked_to_leave_twice_waits_for_nothing_but_the_wire() -> None:
    async def run() -> None:
        async with house(drain_s=60) as here:
            here.assign(P)
            await here.give(P, 0)
            leaving = asyncio.create_task(here.pipeline.finish())
            await asyncio.sleep(0.05)
            assert not leaving.done()
            here.pipeline.hurry()
            assert (await asyncio.wait_for(leaving, 2)).offsets == {P: (1, 0)}

    asyncio.run(run())
