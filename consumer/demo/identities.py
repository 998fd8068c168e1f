"""Under which id a destination must come to hold a delivery: the documented formula, worked out a second time.

Nothing here is shared with the service: an oracle that asks the service for its ids would believe whatever it says.
"""

from __future__ import annotations

from hashlib import blake2b
from uuid import UUID

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_ULID_LETTERS = 26


def _parts(*contents: bytes) -> bytes:
    return b"".join(len(content).to_bytes(4, "big") + content for content in contents)


def by_own_id(own_id: str) -> bytes:
    """Return the parts that say which event, for one that has an id of its own."""
    return _parts(b"id", own_id.encode())


def by_place(topic: str, partition: int, offset: int) -> bytes:
    """Return the parts that say which event, for one that is known by where it stands."""
    return _parts(b"at", topic.encode(), partition.to_bytes(4, "big"), offset.to_bytes(8, "big"))


def digest(event_type: str, destination: str, label: str, who: bytes, *element: str) -> bytes:
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


def in_form_of(destination: str, sixteen: bytes, time_ms: int) -> str:
    """Return them as `destination` is given them."""
    return as_ulid(sixteen, time_ms) if destination == "customerio" else as_uuid(sixteen)
