"""Events of a simulated shop as produced records, without brokers, and the state that must result from them."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumer.demo.bad_records import BadRecords
from consumer.demo.cluster_reader import StoredDeadLetter
from consumer.demo.events import TOPICS, ShopEvent
from consumer.demo.oracle import ExpectedState
from consumer.demo.produced_records import ProducedRecord, content_digest_of
from consumer.demo.reconciliation import ObservedState, ServiceCounts
from consumer.demo.schemas import avro_directory, read_schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, Partition
from consumer.model.status import DeliveryCounts, RecordCounts

START_MS = 1_790_000_000_000
SCHEMAS = read_schemas(avro_directory())


def good_events(seed: int, count: int) -> list[ShopEvent]:
    """Events of a shop, one millisecond apart, none of them bad."""
    shop = Shop(seed)
    return [shop.next(START_MS + number) for number in range(count)]


def mixed_events(seed: int, count: int) -> list[ShopEvent]:
    """The same with every fifth one bad."""
    shop = Shop(seed)
    bad = BadRecords(shop, SCHEMAS)
    return [(bad if shop.is_open and number % 5 == 0 else shop).next(START_MS + number) for number in range(count)]


def value_of(event: ShopEvent) -> bytes | None:
    """The value of a record, in Confluent's wire format whatever its topic."""
    return event.raw if event.datum is None else SCHEMAS.confluent(event.kind, event.datum)


def as_produced(events: Sequence[ShopEvent]) -> list[ProducedRecord]:
    """Each event with coordinates: partitions by key, offsets without gaps."""
    ends: Counter[Partition] = Counter()

    def place(event: ShopEvent) -> ProducedRecord:
        partition = Partition(event.topic, sum(event.key.encode()) % TOPICS[event.topic])
        ends[partition] += 1
        digest = content_digest_of(event.key.encode() or None, value_of(event))
        return ProducedRecord(event, partition, ends[partition] - 1, digest)

    return [place(event) for event in events]


def faultless(pipeline: str, destination: str, expected: ExpectedState) -> tuple[ObservedState, ServiceCounts]:
    """The observed state and the service's counters of a run without a fault of the service."""
    dead_letters = [
        StoredDeadLetter(pipeline, destination, key, record.content_digest)
        for key, record in expected.dead_letters.items()
    ]
    observed = ObservedState(set(expected.stored), dead_letters, dict(expected.log_ends), received=len(expected.stored))
    dead_lettered = sum(1 for key in expected.dead_letters if key.label)
    deliveries = DeliveryCounts(expected.owed, len(expected.stored), expected.skipped, dead_lettered)
    causes = Counter((destination if key.label else "", DeadLetterCause(key.cause)) for key in expected.dead_letters)
    records = RecordCounts(expected.record_count, expected.record_count)
    count = len(expected.dead_letters) - dead_lettered
    undecodable = DeliveryCounts(owed=count, dead_lettered=count)
    return observed, ServiceCounts(deliveries, records, Counter(expected.skips), causes, undecodable)


def without_one(observed: ObservedState) -> tuple[ObservedState, str]:
    """The same state without one id, and that id."""
    lost = min(observed.stored_ids)
    return replace(observed, stored_ids=observed.stored_ids - {lost}), lost


def defects(events: Sequence[ShopEvent]) -> Iterator[str]:
    """The defects of the bad events."""
    return (event.defect for event in events if event.defect)
