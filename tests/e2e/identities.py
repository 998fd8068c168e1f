"""Delivery identities worked out a second time, from their description alone: the product's own can be wrong."""

from __future__ import annotations

import hashlib
import uuid

_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32, of which a ULID is written


def digest(event_type: str, destination: str, label: str, who: tuple[bytes, ...], *element: str) -> bytes:
    """Return the 128 bits: BLAKE2b over the parts, each preceded by its length in four bytes."""
    parts = (event_type.encode(), destination.encode(), label.encode(), *who, *(one.encode() for one in element))
    return hashlib.blake2b(b"".join(len(part).to_bytes(4, "big") + part for part in parts), digest_size=16).digest()


def by_own_id(own: str) -> tuple[bytes, ...]:
    """Return the parts that name an event by its own id."""
    return (b"id", own.encode())


def by_place(topic: str, partition: int, offset: int) -> tuple[bytes, ...]:
    """Return the parts that name an event by where it stands."""
    return (b"at", topic.encode(), partition.to_bytes(4, "big"), offset.to_bytes(8, "big"))


def as_uuid(bits: bytes) -> str:
    """Return them as Copilot and Yotpo get them: a UUID of version 8."""
    number = int.from_bytes(bits, "big")
    number = number & ~(0xF << 76) | 8 << 76
    number = number & ~(0x3 << 62) | 2 << 62
    return str(uuid.UUID(int=number))


def as_ulid(bits: bytes, time_ms: int) -> str:
    """Return them as Customer.io gets them: 48 bits of time, 80 of the hash."""
    number = time_ms << 80 | int.from_bytes(bits, "big") & (1 << 80) - 1
    return "".join(_LETTERS[number >> shift & 31] for shift in range(125, -1, -5))
