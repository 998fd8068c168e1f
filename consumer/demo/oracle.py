"""What must be where when all is over: ids at each destination, and letters, worked out without the service.

The ids are the documented formula, worked out a second time. Nothing here is shared with the service: an oracle that
asks the service for its ids would believe whatever it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import NamedTuple
from uuid import UUID

from consumer.demo.events import NAMESPACE, Arrives, Owed, ShopEvent
from consumer.demo.produced_records import Written
from consumer.model import Partition, SkipReason

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LETTERS = 26


class Letter(NamedTuple):
    """One dead letter, by everything that tells it from any other."""

    label: str
    """"" = the whole record."""
    cause: str
    partition: Partition
    offset: int
    delivery_id: str


@dataclass(slots=True)
class Expected:
    """What one destination's pipeline owes."""

    arrivals: dict[str, Written] = field(default_factory=dict)
    """By the id the destination keeps it under."""
    labels: dict[str, str] = field(default_factory=dict)
    """Each arrival's label."""
    letters: dict[Letter, Written] = field(default_factory=dict)
    skips: Counter[tuple[str, str, SkipReason]] = field(default_factory=Counter)
    """As the service counts them: destination ("" = the whole record), event type, reason."""
    records: dict[Partition, int] = field(default_factory=dict)
    """Offset behind the last record of each partition."""
    taken: int = 0

    @property
    def owed(self) -> int:
        """Count what is owed to the destination itself: whole records are nobody's."""
        skipped = sum(count for (destination, _, _), count in self.skips.items() if destination)
        return len(self.arrivals) + skipped + sum(1 for letter in self.letters if letter.label)

    @property
    def skipped(self) -> int:
        """Count the deliveries deliberately not made."""
        return sum(count for (destination, _, _), count in self.skips.items() if destination)


def expect(destination: str, written: Iterable[Written]) -> Expected:
    """Return what `destination` must come to hold of these records, and what its pipeline must shelve and skip."""
    expected = Expected()
    for one in written:
        expected.taken += 1
        expected.records[one.partition] = max(expected.records.get(one.partition, 0), one.offset + 1)
        for owed in one.happening.owed:
            if owed.destination == destination:
                _enter(expected, owed, one)
    return expected


def _enter(expected: Expected, owed: Owed, written: Written) -> None:
    happening, end = written.happening, owed.end
    if isinstance(end, SkipReason):
        event_type = f"{NAMESPACE}.{happening.kind}" if happening.kind else ""
        expected.skips[owed.destination if owed.label else "", event_type, end] += 1
        return
    sixteen = _sixteen(owed, happening, written)
    in_form = format_id(owed.destination, sixteen, happening.time_ms)
    if isinstance(end, Arrives):
        name = owed.arrives_as or in_form
        expected.arrivals[name] = written
        expected.labels[name] = owed.label
        return
    delivery_id = in_form if owed.label else sixteen.hex()  # what nobody could decode is nobody's: plain hex
    expected.letters[Letter(owed.label, str(end), written.partition, written.offset, delivery_id)] = written


def _sixteen(owed: Owed, happening: ShopEvent, written: Written) -> bytes:
    place = coordinates_parts(*written.partition, written.offset)
    if not owed.label:
        return delivery_digest("", "", "", place)
    own_id = happening.own_id
    who = place if own_id is None else own_id_parts(own_id)
    element: tuple[str, ...] = () if owed.element is None else (owed.element,)
    if owed.repeated_at is not None:
        element = ("#", str(owed.repeated_at))
    return delivery_digest(f"{NAMESPACE}.{happening.kind}", owed.destination, owed.label, who, *element)


def _parts(*contents: bytes) -> bytes:
    return b"".join(len(content).to_bytes(4, "big") + content for content in contents)


def own_id_parts(own_id: str) -> bytes:
    """Return the parts that say which event, for one that has an id of its own."""
    return _parts(b"id", own_id.encode())


def coordinates_parts(topic: str, partition: int, offset: int) -> bytes:
    """Return the parts that say which event, for one that is known by where it stands."""
    return _parts(b"at", topic.encode(), partition.to_bytes(4, "big"), offset.to_bytes(8, "big"))


def delivery_digest(event_type: str, destination: str, label: str, who: bytes, *element: str) -> bytes:
    """Return the 16 bytes of a delivery: BLAKE2b over parts that are each preceded by their length."""
    said = _parts(event_type.encode(), destination.encode(), label.encode()) + who
    return blake2b(said + _parts(*(each.encode() for each in element)), digest_size=16).digest()


def as_uuid(sixteen: bytes) -> str:
    """Return them as a UUID of version 8: the form of Copilot and Yotpo."""
    number = int.from_bytes(sixteen, "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0b11 << 62) | 0b10 << 62
    return str(UUID(int=number))


def as_ulid(sixteen: bytes, time_ms: int) -> str:
    """Return them as a ULID of this time, epoch milliseconds: the form of Customer.io."""
    number = time_ms << 80 | int.from_bytes(sixteen[6:], "big")
    return "".join(_LETTERS[number >> 5 * place & 31] for place in reversed(range(_ULID_LETTERS)))


def format_id(destination: str, sixteen: bytes, time_ms: int) -> str:
    """Return them as `destination` is given them."""
    return as_ulid(sixteen, time_ms) if destination == "customerio" else as_uuid(sixteen)
