"""A delivery's identity: the same 128 bits on every attempt, restart and redrive.

BLAKE2b with a digest of 16 bytes over these parts, each preceded by its length (4 bytes, big-endian): the event's full
name, the destination, the label; then `id` and the event's own id as text, or `at`, topic, partition (4 bytes) and
offset (8 bytes), numbers big-endian; then, of an element of an `each`, its own id. The mapping's version and an entry's
place in it are left out: a rollout must not make new deliveries of old ones.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

from consumer.model.values import Instant, Value

_SIZE = 16
_OWN = (2).to_bytes(4, "big") + b"id"
_PLACE = (2).to_bytes(4, "big") + b"at"
_MOST_DIGITS = 1_300
_MOST_EXPONENT = 10_000


def part(content: bytes) -> bytes:
    """Return one part as it is hashed."""
    return len(content).to_bytes(4, "big") + content


def of_entry(event_type: str, destination: str, label: str) -> blake2b:
    """Return the hash that all deliveries of one entry begin with: `finish` copies it."""
    return blake2b(part(event_type.encode()) + part(destination.encode()) + part(label.encode()), digest_size=_SIZE)


def own(text: str) -> bytes:
    """Return the part that says which event: its own id."""
    return _OWN + part(text.encode(errors="surrogatepass"))


def place(topic: str, partition: int) -> bytes:
    """Return the part that says which event by its place, but for the offset."""
    return _PLACE + part(topic.encode()) + part(partition.to_bytes(4, "big", signed=True)) + b"\x00\x00\x00\x08"


def at(place_of_partition: bytes, offset: int) -> bytes:
    """Return the whole part that says which event by its place."""
    return place_of_partition + offset.to_bytes(8, "big", signed=True)


def finish(begun: blake2b, event: bytes, element: str | None = None) -> bytes:
    """Return the 16 bytes of one delivery."""
    state = begun.copy()
    state.update(event if element is None else event + part(element.encode(errors="surrogatepass")))
    return state.digest()


def as_text(value: Value) -> str | None:
    """Return an id or an ordering key as text; `None` if the value is of a type that names nothing."""
    if type(value) is str:
        return value
    if isinstance(value, Instant):
        return value.iso()
    if type(value) is int:
        return str(value) if value.bit_length() < 4 * _MOST_DIGITS else None
    if isinstance(value, Decimal):
        # Not `str`: 1E+2 and 100 are one number, and so are 1.5 and 1.50.
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or abs(exponent) > _MOST_EXPONENT:
            return None
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bytes):
        return value.hex()
    return None
