"""One pipeline whose translator and dispatcher are controlled by the test."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
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
ENVELOPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
MISSING = 42


class FakeTranslator:
    """Makes one delivery of each record, unless its offset is filtered, undecodable, or waits for a schema."""

    def __init__(self) -> None:
        self.filtered: set[int] = set()
        self.undecodable: set[int] = set()
        self.unknown_schema: set[int] = set()
        self.translations = 0
        self.deliveries_per_record = 1
        self.quarantined: Collection[tuple[str, int, int]] = ()

    def quarantine(self, positions: Collection[tuple[str, int, int]]) -> None:
        self.quarantined = positions

    def translate(self, records: Sequence[Message]) -> Translation:
        self.translations += 1
        translation = Translation({"yotpo": (column := DeliveryColumns())})
        stopped: set[int] = set()
        for index, message in enumerate(records):
            offset = message.offset()
            if message.partition() in stopped or offset in self.unknown_schema:
                stopped.add(message.partition())
                translation.waiting.append(index)
                translation.missing.add(MISSING)
            elif offset in self.undecodable:
                translation.faults.append(
                    TranslationFailure(index, None, Fault(DeadLetterCause.UNDECODABLE), f"bad-{offset}")
                )
            elif offset in self.filtered:
                key = ("yotpo", "shop.Order", SkipReason.FILTERED)
                translation.skipped[key] = translation.skipped.get(key, 0) + 1
            else:
                column.bodies += [b"body"] * self.deliveries_per_record
                column.keys += [offset] * self.deliveries_per_record
                column.envelopes += [ENVELOPE] * self.deliveries_per_record
                column.identities += [str(offset)] * self.deliveries_per_record
                column.times_ms += [0] * self.deliveries_per_record
                column.entries += [ENTRY] * self.deliveries_per_record
                column.records += [index] * self.deliveries_per_record
        return translation


class FakeDispatcher:
    """Keeps the queued deliveries. The test settles them."""

    def __init__(self) -> None:
        self.name = "yotpo"
        self.rate_limiter = RateLimiter(5.0)
        self.queued: list[Delivery] = []
        self.in_flight: list[Delivery] = []
        self.answered: asyncio.Future[None] | None = None
        self.linger_ended = False
        self.progresses = True
        self.requests_in_flight = 0
        self.lanes: list[None] = []
        self.circuit_breakers: list[tuple[Endpoint, OpenCircuit]] = []
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self.credentials = SimpleNamespace(problem=lambda: None)
        self.poison_candidates = 0
        self.flood_guard = SimpleNamespace(tripped=tuple)
        self.directives: list[Directives] = []

    def apply_directives(self, directives: Directives) -> None:
        self.directives.append(directives)

    def enqueue(self, deliveries: list[Delivery]) -> None:
        self.queued += deliveries

    def drop_revoked(self, ledgers: Sequence[PartitionLedger]) -> list[asyncio.Future[None]]:
        self.queued = [each for each in self.queued if each.ledger.may_send]
        return [self.answered] if self.answered and any(each.ledger in ledgers for each in self.in_flight) else []

    def open_bytes(self) -> int:
        return sum(len(each.body) for each in self.queued)

    def can_make_progress(self, until: float | None = None) -> bool:  # noqa: ARG002
        return self.progresses and bool(self.queued or self.in_flight)

    def end_linger(self) -> None:
        self.linger_ended = True

    async def run(self) -> None:
        await asyncio.Event().wait()


class RecordingObserver(Observer):
    """Keeps how many deliveries were translated, by event type."""

    def __init__(self) -> None:
        self.translated: Counter[tuple[str, str]] = Counter()

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        self.translated += Counter({(destination, event): count for event, count in events.items()})


class PipelineHarness:
    def __init__(self, records: int, drain_s: float, grace_check_s: float = 1.0) -> None:
        self.dead_letter_topic = FakeDeadLetterTopic()
        self.translator, self.dispatcher = FakeTranslator(), FakeDispatcher()
        self.settlement = Settlement(
            ["yotpo"],
            self.dead_letter_topic,
            self.dead_letter_topic.schema_id,
            self.dead_letter_topic.event_type,
            Observer(),
        )
        self.requested_schemas: list[int | str] = []
        self.observer = RecordingObserver()
        self.committed: list[CommittableOffsets] = []
        self.pipeline = Pipeline(
            "cdp-yotpo",
            limits=BufferLimits(records, 1_000_000),
            drain_s=drain_s,
            translator=self.translator,
            settlement=self.settlement,
            request_schema=self.requested_schemas.append,
            observer=self.observer,
            grace_check_s=grace_check_s,
        )
        self.pipeline.dispatchers["yotpo"] = self.dispatcher  # type: ignore[assignment]
        self.last_epoch = 0
        self.epochs: dict[Partition, int] = {}

    def assign(self, *partitions: Partition, start: int = 0, total: int = 4) -> None:
        news = {}
        for partition in partitions:
            self.last_epoch += 1
            news[partition] = self.epochs[partition] = self.last_epoch
        self.pipeline.assigned(Assignment(news, dict.fromkeys(partitions, start), total))

    async def consume(self, partition: Partition, *offsets: int) -> None:
        records: list[Any] = [FakeMessage(partition, offset) for offset in offsets]
        await asyncio.wait_for(self.pipeline.accept_batch(RecordBatch(records, dict(self.epochs))), 120)

    def deliver(self, count: int | None = None) -> None:
        batch, self.dispatcher.queued = (
            self.dispatcher.queued[:count],
            self.dispatcher.queued[len(self.dispatcher.queued[:count]) :],
        )
        self.settlement.delivered("yotpo", batch)

    def committable(self, partition: Partition) -> int:
        return self.pipeline.committable_offsets().offsets[partition][1]

    def check_accounting(self) -> None:
        ledgers = tuple(self.pipeline.record_buffer.ledgers.values())
        for index, account in enumerate(self.settlement.accounting.accounts.values()):
            assert account.counts(sum(ledger.open_deliveries(index) for ledger in ledgers)).mismatch == 0
        assert self.settlement.accounting.record_counts(ledgers).mismatch == 0


@asynccontextmanager
async def pipeline_harness(
    records: int = 100, drain_s: float = 600.0, every_s: float = 0.01, grace_check_s: float = 1.0
) -> AsyncIterator[PipelineHarness]:
    harness = PipelineHarness(records, drain_s, grace_check_s)
    running = asyncio.create_task(harness.pipeline.run(harness.committed.append, every_s))
    try:
        yield harness
        assert not running.done()
        harness.check_accounting()
    finally:
        running.cancel()
        with suppress(asyncio.CancelledError):
            await running


async def until(predicate: Any) -> None:  # noqa: ANN401
    async with asyncio.timeout(120):
        while not predicate():  # noqa: ASYNC110 - the predicate sends no notification
            await asyncio.sleep(0.002)
