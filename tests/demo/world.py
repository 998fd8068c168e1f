"""A shop's life without brokers: its records placed as if they had been written."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace

from consumer.demo.bad_records import Mishaps
from consumer.demo.cluster_reader import FoundLetter
from consumer.demo.events import TOPICS, Happening
from consumer.demo.oracle import Expected
from consumer.demo.produced_records import Written, digest_of
from consumer.demo.reconciliation import Found, Said
from consumer.demo.schemas import avro_directory, read_schemas
from consumer.demo.shop import Shop
from consumer.model import Cause, Partition
from consumer.model.status import DeliveryBooks, RecordBooks

START_MS = 1_790_000_000_000
SCHEMAS = read_schemas(avro_directory())


def life(seed: int, events: int) -> list[Happening]:
    """So many events of a shop, a millisecond apart, none of them bad."""
    shop = Shop(seed)
    return [shop.next(START_MS + number) for number in range(events)]


def life_with_mishaps(seed: int, events: int) -> list[Happening]:
    """The same with every fifth one bad."""
    shop = Shop(seed)
    mishaps = Mishaps(shop, SCHEMAS)
    return [(mishaps if shop.is_open and number % 5 == 0 else shop).next(START_MS + number) for number in range(events)]


def value_of(happening: Happening) -> bytes | None:
    """The bytes of a record, in the registry's wire format whatever its topic."""
    return happening.raw if happening.event is None else SCHEMAS.confluent(happening.kind, happening.event)


def written(happenings: Sequence[Happening]) -> list[Written]:
    """Each with a place: partitions by key, offsets without gaps."""
    ends: Counter[Partition] = Counter()

    def place(happening: Happening) -> Written:
        partition = Partition(happening.topic, sum(happening.key.encode()) % TOPICS[happening.topic])
        ends[partition] += 1
        digest = digest_of(happening.key.encode() or None, value_of(happening))
        return Written(happening, partition, ends[partition] - 1, digest)

    return [place(happening) for happening in happenings]


def as_it_must_be(pipeline: str, destination: str, expected: Expected) -> tuple[Found, Said]:
    """What is found, and what the service says, if nothing at all went wrong."""
    letters = [FoundLetter(pipeline, destination, letter, one.digest) for letter, one in expected.letters.items()]
    found = Found(set(expected.arrivals), letters, dict(expected.records), taken=len(expected.arrivals))
    shelved = sum(1 for letter in expected.letters if letter.label)
    books = DeliveryBooks(expected.owed, len(expected.arrivals), expected.skipped, shelved)
    counted = Counter((destination if each.label else "", Cause(each.cause)) for each in expected.letters)
    records = RecordBooks(expected.taken, expected.taken)
    undecodable = len(expected.letters) - shelved
    whole = DeliveryBooks(owed=undecodable, dead_lettered=undecodable)
    return found, Said(books, records, Counter(expected.skips), counted, whole)


def without_one(found: Found) -> tuple[Found, str]:
    """The same without one id, and which."""
    lost = min(found.held)
    return replace(found, held=found.held - {lost}), lost


def kinds(happenings: Sequence[Happening]) -> Iterator[str]:
    """What is wrong with the bad ones."""
    return (happening.why for happening in happenings if happening.why)
