"""One pipeline whose translator and lanes a test holds in its hands."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import SimpleNamespace
from typing import Any

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.circuit_breaker import OpenCircuit
from consumer.delivery.http.rate_limiter import RateLimiter
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import BufferLimits
from consumer.kafka.loop_bridge import Assignment, CommittableOffsets, RecordBatch
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Entry, Fault, Message, Partition, SkipReason
from consumer.model.directives import Directives
from consumer.model.observer import Observer
from consumer.model.translated_batch import DeliveryColumns, Translation, TranslationFailure
from consumer.pipeline.pipeline import Pipeline
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic
from tests.unit.test_record_buffer import FakeMessage

P, Q = Partition("orders", 0), Partition("orders", 1)
ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
SHAPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
MISSING = 42


class FakeTranslator:
    """One delivery a record, but for offsets that are skipped, bad, or wait for a schema."""

    def __init__(self) -> None:
        self.skip: set[int] = set()
        self.bad: set[int] = set()
        self.waits: set[int] = set()
        self.turns = 0
        self.each = 1

    def translate(self, lot: Sequence[Message]) -> Translation:
        self.turns += 1
        made = Translation({"yotpo": (column := DeliveryColumns())})
        stuck: set[int] = set()
        for index, message in enumerate(lot):
            offset = message.offset()
            if message.partition() in stuck or offset in self.waits:
                stuck.add(message.partition())
                made.waiting.append(index)
                made.missing.add(MISSING)
            elif offset in self.bad:
                made.faults.append(TranslationFailure(index, None, Fault(DeadLetterCause.UNDECODABLE), f"bad-{offset}"))
            elif offset in self.skip:
                key = ("yotpo", "shop.Order", SkipReason.FILTERED)
                made.skipped[key] = made.skipped.get(key, 0) + 1
            else:
                column.bodies += [b"body"] * self.each
                column.keys += [offset] * self.each
                column.envelopes += [SHAPE] * self.each
                column.identities += [str(offset)] * self.each
                column.times_ms += [0] * self.each
                column.entries += [ENTRY] * self.each
                column.records += [index] * self.each
        return made


class FakeLanes:
    """Keeps what is put; the test delivers it."""

    def __init__(self) -> None:
        self.name = "yotpo"
        self.rate_limiter = RateLimiter(5.0)
        self.here: list[Delivery] = []
        self.in_flight: list[Delivery] = []
        self.answer: asyncio.Future[None] | None = None
        self.hurried = False
        self.goes = True
        self.requests_in_flight = 0
        self.lanes: list[None] = []
        self.circuit_breakers: list[tuple[Endpoint, OpenCircuit]] = []
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self.credentials = SimpleNamespace(problem=lambda: None)
        self.poison_candidates = 0
        self.flood_guard = SimpleNamespace(tripped=tuple)
        self.said: list[Directives] = []

    def apply_directives(self, directives: Directives) -> None:
        self.said.append(directives)

    def enqueue(self, deliveries: list[Delivery]) -> None:
        self.here += deliveries

    def drop_revoked(self, ledgers: Sequence[PartitionLedger]) -> list[asyncio.Future[None]]:
        self.here = [each for each in self.here if each.ledger.may_send]
        return [self.answer] if self.answer and any(each.ledger in ledgers for each in self.in_flight) else []

    def open_bytes(self) -> int:
        return sum(len(each.body) for each in self.here)

    def can_make_progress(self, until: float | None = None) -> bool:  # noqa: ARG002
        return self.goes and bool(self.here or self.in_flight)

    def end_linger(self) -> None:
        self.hurried = True

    async def run(self) -> None:
        await asyncio.Event().wait()


class RecordingObserver(Observer):
    """Keeps how many deliveries were made of records, by event type."""

    def __init__(self) -> None:
        self.made: Counter[tuple[str, str]] = Counter()

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        self.made += Counter({(destination, event): count for event, count in events.items()})


class PipelineHarness:
    def __init__(self, records: int, drain_s: float, grace_check_s: float = 1.0) -> None:
        self.shelf = FakeDeadLetterTopic()
        self.translator, self.lanes = FakeTranslator(), FakeLanes()
        self.settling = Settlement(["yotpo"], self.shelf, self.shelf.schema_id, self.shelf.event_type, Observer())
        self.wanted: list[int | str] = []
        self.told = RecordingObserver()
        self.committed: list[CommittableOffsets] = []
        self.pipeline = Pipeline(
            "cdp-yotpo",
            limits=BufferLimits(records, 1_000_000),
            drain_s=drain_s,
            translator=self.translator,
            settlement=self.settling,
            request_schema=self.wanted.append,
            observer=self.told,
            grace_check_s=grace_check_s,
        )
        self.pipeline.dispatchers["yotpo"] = self.lanes  # type: ignore[assignment]
        self.number = 0
        self.ledgers: dict[Partition, int] = {}

    def assign(self, *partitions: Partition, start: int = 0, total: int = 4) -> None:
        news = {}
        for partition in partitions:
            self.number += 1
            news[partition] = self.ledgers[partition] = self.number
        self.pipeline.assigned(Assignment(news, dict.fromkeys(partitions, start), total))

    async def give(self, partition: Partition, *offsets: int) -> None:
        lot: list[Any] = [FakeMessage(partition, offset) for offset in offsets]
        await asyncio.wait_for(self.pipeline.accept_batch(RecordBatch(lot, dict(self.ledgers))), 120)

    def deliver(self, count: int | None = None) -> None:
        some, self.lanes.here = self.lanes.here[:count], self.lanes.here[len(self.lanes.here[:count]) :]
        self.settling.delivered("yotpo", some)

    def committable(self, partition: Partition) -> int:
        return self.pipeline.committable_offsets().offsets[partition][1]

    def check_books(self) -> None:
        ledgers = tuple(self.pipeline.record_buffer.ledgers.values())
        for index, account in enumerate(self.settling.accounting.accounts.values()):
            assert account.counts(sum(ledger.open_deliveries(index) for ledger in ledgers)).mismatch == 0
        assert self.settling.accounting.record_counts(ledgers).mismatch == 0


@asynccontextmanager
async def house(
    records: int = 100, drain_s: float = 600.0, every_s: float = 0.01, grace_check_s: float = 1.0
) -> AsyncIterator[PipelineHarness]:
    made = PipelineHarness(records, drain_s, grace_check_s)
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
    async with asyncio.timeout(120):
        while not predicate():  # noqa: ASYNC110 - what is looked at is told by nobody
            await asyncio.sleep(0.002)
