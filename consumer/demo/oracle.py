"""The oracle: delivery ids, dead letters and skips that must result from the produced records.

The ids follow the documented formula, implemented here a second time. Nothing is shared with the service's translation:
an oracle that asked the service for its ids would accept any id.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from consumer.demo.events import NAMESPACE, Delivered, OwedDelivery
from consumer.demo.produced_records import ProducedRecord
from consumer.model import Partition, SkipReason

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LENGTH = 26


class DeadLetterKey(NamedTuple):
    """The identity of a dead letter."""

    label: str
    """"" = the whole record."""
    cause: str
    partition: Partition
    offset: int
    delivery_id: str


@dataclass(slots=True)
class ExpectedState:
    """The state that one destination's pipeline must reach."""

    stored: dict[str, ProducedRecord] = field(default_factory=dict)
    """The records to be delivered, by the id under which the destination stores them."""
    labels: dict[str, str] = field(default_factory=dict)
    """The label of each delivery, by the same id."""
    dead_letters: dict[DeadLetterKey, ProducedRecord] = field(default_factory=dict)
    skips: Counter[tuple[str, str, SkipReason]] = field(default_factory=Counter)
    """As the service counts them: destination ("" = the whole record), event type, reason."""
    log_ends: dict[Partition, int] = field(default_factory=dict)
    """The offset after the last record of each partition."""
    record_count: int = 0

    @property
    def owed(self) -> int:
        """The number of owed deliveries. A whole record is owed to no destination and does not count."""
        return len(self.stored) + self.skipped + sum(1 for key in self.dead_letters if key.label)

    @property
    def skipped(self) -> int:
        """The number of deliberately skipped deliveries, without whole records."""
        return sum(count for (destination, _, _), count in self.skips.items() if destination)


def expect(destination: str, records: Iterable[ProducedRecord]) -> ExpectedState:
    """Return the state that `destination` and its pipeline must reach after these records."""
    expected = ExpectedState()
    for record in records:
        expected.record_count += 1
        end = max(expected.log_ends.get(record.partition, 0), record.offset + 1)
        expected.log_ends[record.partition] = end
        for owed in record.event.owed:
            if owed.destination == destination:
                _add_delivery(expected, owed, record)
    return expected


def _add_delivery(expected: ExpectedState, owed: OwedDelivery, record: ProducedRecord) -> None:
    event, outcome = record.event, owed.outcome
    if isinstance(outcome, SkipReason):
        event_type = f"{NAMESPACE}.{event.kind}" if event.kind else ""
        expected.skips[owed.destination if owed.label else "", event_type, outcome] += 1
        return
    digest = _digest(owed, record)
    formatted = format_id(owed.destination, digest, event.time_ms)
    if isinstance(outcome, Delivered):
        stored_id = owed.stored_as or formatted
        expected.stored[stored_id] = record
        expected.labels[stored_id] = owed.label
        return
    # An undecodable record belongs to no destination: its id is plain hex.
    delivery_id = formatted if owed.label else digest.hex()
    key = DeadLetterKey(owed.label, str(outcome), record.partition, record.offset, delivery_id)
    expected.dead_letters[key] = record


def _digest(owed: OwedDelivery, record: ProducedRecord) -> bytes:
    coordinates = coordinates_parts(*record.partition, record.offset)
    if not owed.label:
        return delivery_digest("", "", "", coordinates)
    own_id = record.event.own_id
    event_parts = coordinates if own_id is None else own_id_parts(own_id)
    element: tuple[str, ...] = () if owed.element is None else (owed.element,)
    if owed.repeated_at is not None:
        element = ("#", str(owed.repeated_at))
    event_type = f"{NAMESPACE}.{record.event.kind}"
    return delivery_digest(event_type, owed.destination, owed.label, event_parts, *element)


def _length_prefixed(*parts: bytes) -> bytes:
    return b"".join(len(part).to_bytes(4, "big") + part for part in parts)


def own_id_parts(own_id: str) -> bytes:
    """Return the hashed parts that identify an event by its own id."""
    return _length_prefixed(b"id", own_id.encode())


def coordinates_parts(topic: str, partition: int, offset: int) -> bytes:
    """Return the hashed parts that identify an event by topic, partition and offset."""
    return _length_prefixed(b"at", topic.encode(), partition.to_bytes(4, "big"), offset.to_bytes(8, "big"))


def delivery_digest(event_type: str, destination: str, label: str, event_parts: bytes, *element: str) -> bytes:
    """Return the 16 bytes that identify a delivery: BLAKE2b over parts, each preceded by its length in four bytes.

    Args:
        event_type: full name of the event's schema.
        destination: its name.
        label: the mapping entry's label.
        event_parts: the result of `own_id_parts` or `coordinates_parts`.
        element: the id of the element in an entry with `each`; `"#"` and the position if the id is a repeated one.
    """
    entry = _length_prefixed(event_type.encode(), destination.encode(), label.encode())
    return blake2b(
        entry + event_parts + _length_prefixed(*(part.encode() for part in element)), digest_size=16
    ).digest()


def as_uuid(digest: bytes) -> str:
    """Return the digest as a UUID of version 8, the form for Copilot and Yotpo."""
    number = int.from_bytes(digest, "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=number))


def as_ulid(digest: bytes, time_ms: int) -> str:
    """Return the digest as a ULID of `time_ms` (epoch milliseconds), the form for Customer.io."""
    number = time_ms << 80 | int.from_bytes(digest[6:], "big")
    return "".join(_CROCKFORD[number >> 5 * place & 31] for place in reversed(range(_ULID_LENGTH)))


def format_id(destination: str, digest: bytes, time_ms: int) -> str:
    """Return the digest in the form for `destination`."""
    return as_ulid(digest, time_ms) if destination == "customerio" else as_uuid(digest)
