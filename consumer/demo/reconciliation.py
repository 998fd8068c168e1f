"""The reconciliation: owed deliveries compared, id by id, with the servers, the dead-letter topic and the offsets.

Four independent sources must agree: the oracle, the local servers, the brokers, and the service's own counters.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from consumer.demo.cluster_reader import StoredDeadLetter
from consumer.demo.oracle import DeadLetterKey, ExpectedState
from consumer.demo.produced_records import ProducedRecord
from consumer.model import DeadLetterCause, Partition, SkipReason
from consumer.model.status import DeliveryCounts, RecordCounts


@dataclass(frozen=True, slots=True)
class ServiceCounts:
    """The service's own counters of one pipeline."""

    deliveries: DeliveryCounts
    records: RecordCounts
    skips: Counter[tuple[str, str, SkipReason]]
    """By destination ("" = the whole record), event type and reason."""
    dead_letters: Counter[tuple[str, DeadLetterCause]]
    """By destination ("" = the whole record) and cause."""
    undecodable: DeliveryCounts = field(default_factory=DeliveryCounts)
    """The accounting of undecodable records: each owes one dead letter, whatever the destination."""


@dataclass(frozen=True, slots=True)
class ObservedState:
    """The state of the server and of the brokers."""

    stored_ids: AbstractSet[str]
    """The ids that the server has stored."""
    dead_letters: Sequence[StoredDeadLetter]
    """The dead letters of this pipeline."""
    committed: Mapping[Partition, int]
    dropped: int = 0
    """Events that the server dropped behind a success response."""
    received: int = 0
    """Events that the server accepted, repeats included."""
    statuses: Counter[int | None] = field(default_factory=Counter)
    """The server's responses by status. `None` = no response."""


@dataclass(frozen=True, slots=True)
class Reconciliation:
    """The result for one pipeline."""

    pipeline: str
    destination: str
    expected: ExpectedState
    observed: ObservedState
    counted: ServiceCounts
    differences: tuple[str, ...] = field(default=())
    """One sentence for each difference."""


_MustHaveEnded = Callable[[ProducedRecord], bool]


def reconcile(
    pipeline: str,
    destination: str,
    expected: ExpectedState,
    observed: ObservedState,
    counted: ServiceCounts,
    *,
    drain_skipped: bool = False,
) -> Reconciliation:
    """Compare the sources for one pipeline.

    Args:
        pipeline: its name.
        destination: its one destination.
        expected: from the oracle.
        observed: from the server and the brokers.
        counted: from the service.
        drain_skipped: the drain was cut short. Then only records below the committed offsets must have ended, and the
            counters must balance but need not reach the expected values.
    """

    def must_have_ended(record: ProducedRecord) -> bool:
        return not drain_skipped or record.offset < observed.committed.get(record.partition, 0)

    differences = [
        *_deliveries(destination, expected, observed, must_have_ended),
        *_dead_letters(expected, observed, must_have_ended),
        *(() if drain_skipped else _offsets(expected, observed)),
        *_mismatches(counted),
        *(() if drain_skipped else _counters(expected, counted)),
    ]
    return Reconciliation(pipeline, destination, expected, observed, counted, tuple(differences))


def _deliveries(
    destination: str, expected: ExpectedState, observed: ObservedState, must_have_ended: _MustHaveEnded
) -> Iterator[str]:
    for stored_id, record in expected.stored.items():
        if stored_id not in observed.stored_ids and must_have_ended(record):
            yield f"{destination} has not stored {stored_id}: {expected.labels[stored_id]} of {_described(record)}"
    for stored_id in sorted(observed.stored_ids - expected.stored.keys()):
        yield f"{destination} has stored {stored_id}, which was not owed"
    if observed.dropped:
        yield f"{destination} responded with success but dropped {observed.dropped} events"


def _dead_letters(expected: ExpectedState, observed: ObservedState, must_have_ended: _MustHaveEnded) -> Iterator[str]:
    # Dead letters are at-least-once: one that was written twice counts once.
    found = {one.key: one for one in observed.dead_letters}
    for key, record in expected.dead_letters.items():
        stored = found.get(key)
        if stored is None:
            if must_have_ended(record):
                yield f"missing dead letter: {_named(key)} of {_described(record)}"
        elif stored.content_digest != record.content_digest:
            yield f"dead letter {key.delivery_id}: its key or value differs from {_described(record)}"
    for key in found:
        if key not in expected.dead_letters:
            yield f"unexpected dead letter: {_named(key)} of {_coordinates(key.partition, key.offset)}"


def _offsets(expected: ExpectedState, observed: ObservedState) -> Iterator[str]:
    for partition, end in sorted(expected.log_ends.items()):
        committed = observed.committed.get(partition)
        if committed != end:
            offset = "no offset" if committed is None else f"offset {committed}"
            yield f"{partition.topic}[{partition.index}]: {offset} is committed, but the log ends at {end}"


def _mismatches(counted: ServiceCounts) -> Iterator[str]:
    if counted.deliveries.mismatch:
        yield f"the service's accounting of deliveries does not balance: {counted.deliveries}"
    if counted.undecodable.mismatch:
        yield f"the service's accounting of undecodable records does not balance: {counted.undecodable}"
    if counted.records.mismatch:
        yield f"the service's accounting of records does not balance: {counted.records}"


def _counters(expected: ExpectedState, counted: ServiceCounts) -> Iterator[str]:
    undecodable = sum(1 for key in expected.dead_letters if not key.label)
    dead_lettered = len(expected.dead_letters) - undecodable
    counters = {
        "deliveries owed": (expected.owed, counted.deliveries.owed),
        "deliveries delivered": (len(expected.stored), counted.deliveries.delivered),
        "deliveries skipped": (expected.skipped, counted.deliveries.skipped),
        "deliveries dead-lettered": (dead_lettered, counted.deliveries.dead_lettered),
        "deliveries open": (0, counted.deliveries.open),
        "deliveries released": (0, counted.deliveries.released),
        "dead letters of undecodable records": (
            undecodable,
            sum(count for (destination, _), count in counted.dead_letters.items() if not destination),
        ),
        "undecodable records owed": (undecodable, counted.undecodable.owed),
        "undecodable records dead-lettered": (undecodable, counted.undecodable.dead_lettered),
        "records accepted": (expected.record_count, counted.records.accepted),
        "records settled": (expected.record_count, counted.records.settled),
    }
    for name, (right, actual) in counters.items():
        if right != actual:
            yield f"the service counted {actual} {name}, expected {right}"
    causes = Counter(key.cause for key in expected.dead_letters)
    counted_causes = Counter[str]()
    for (_, cause), count in counted.dead_letters.items():
        counted_causes[str(cause)] += count
    yield from _different("dead letters", causes, counted_causes)
    yield from _different("skips", _skips_by_name(expected.skips), _skips_by_name(counted.skips))


def _different(what: str, right: Counter[str], counted: Counter[str]) -> Iterator[str]:
    for name in sorted(right.keys() | counted.keys()):
        if right[name] != counted[name]:
            yield f"the service counted {counted[name]} {what} {name}, expected {right[name]}"


def _skips_by_name(skips: Counter[tuple[str, str, SkipReason]]) -> Counter[str]:
    return Counter({_skip_name(*scope): count for scope, count in skips.items()})


def _skip_name(destination: str, event_type: str, reason: SkipReason) -> str:
    whole = "" if destination else " (whole record)"
    return f"{reason} of {event_type.rpartition('.')[2] or 'records'}{whole}"


def _named(key: DeadLetterKey) -> str:
    return f"{key.cause} {key.delivery_id} for {key.label or 'the whole record'}"


def _described(record: ProducedRecord) -> str:
    kind = record.event.kind or "a record"
    defect = f" ({record.event.defect})" if record.event.defect else ""
    return f"{kind}{defect} at {_coordinates(record.partition, record.offset)}"


def _coordinates(partition: Partition, offset: int) -> str:
    return f"{partition.topic}[{partition.index}]@{offset}"
