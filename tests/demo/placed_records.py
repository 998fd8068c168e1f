"""A shop's life without brokers: its records placed as if they had been written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumer.demo.bad_records import BadRecords
from consumer.demo.cluster_reader import FoundLetter
from consumer.demo.events import TOPICS, ShopEvent
from consumer.demo.oracle import Expected
from consumer.demo.produced_records import Written, digest_of
from consumer.demo.reconciliation import ClusterContents, Said
from consumer.demo.schemas import avro_directory, read_schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, Partition
from consumer.model.status import DeliveryCounts, RecordCounts

START_MS = 1_790_000_000_000
SCHEMAS = read_schemas(avro_directory())


def life(seed: int, events: int) -> list[ShopEvent]:
    """So many events of a shop, a millisecond apart, none of them bad."""
    shop = Shop(seed)
    return [shop.next(START_MS + number) for number in range(events)]


def life_with_mishaps(seed: int, events: int) -> list[ShopEvent]:
    """The same with every fifth one bad."""
    shop = Shop(seed)
    mishaps = BadRecords(shop, SCHEMAS)
    return [(mishaps if shop.is_open and number % 5 == 0 else shop).next(START_MS + number) for number in range(events)]


def value_of(happening: ShopEvent) -> bytes | None:
    """The bytes of a record, in the registry's wire format whatever its topic."""
    return happening.raw if happening.event is None else SCHEMAS.confluent(happening.kind, happening.event)


def written(happenings: Sequence[ShopEvent]) -> list[Written]:
    """Each with a place: partitions by key, offsets without gaps."""
    ends: Counter[Partition] = Counter()

    def place(happening: ShopEvent) -> Written:
        partition = Partition(happening.topic, sum(happening.key.encode()) % TOPICS[happening.topic])
        ends[partition] += 1
        digest = digest_of(happening.key.encode() or None, value_of(happening))
        return Written(happening, partition, ends[partition] - 1, digest)

    return [place(happening) for happening in happenings]


def as_it_must_be(pipeline: str, destination: str, expected: Expected) -> tuple[ClusterContents, Said]:
    """What is found, and what the service says, if nothing at all went wrong."""
    letters = [FoundLetter(pipeline, destination, letter, one.digest) for letter, one in expected.letters.items()]
    found = ClusterContents(set(expected.arrivals), letters, dict(expected.records), taken=len(expected.arrivals))
    shelved = sum(1 for letter in expected.letters if letter.label)
    books = DeliveryCounts(expected.owed, len(expected.arrivals), expected.skipped, shelved)
    counted = Counter((destination if each.label else "", DeadLetterCause(each.cause)) for each in expected.letters)
    records = RecordCounts(expected.taken, expected.taken)
    undecodable = len(expected.letters) - shelved
    whole = DeliveryCounts(owed=undecodable, dead_lettered=undecodable)
    return found, Said(books, records, Counter(expected.skips), counted, whole)


def without_one(found: ClusterContents) -> tuple[ClusterContents, str]:
    """The same without one id, and which."""
    lost = min(found.held)
    return replace(found, held=found.held - {lost}), lost


def kinds(happenings: Sequence[ShopEvent]) -> Iterator[str]:
    """What is wrong with the bad ones."""
    return (happening.why for happening in happenings if happening.why)
