"""A delivery's identity: the same 128 bits on every attempt, restart and redrive.

BLAKE2b with a digest of 16 bytes over these parts, each preceded by its length (4 bytes, big-endian):

1. the event's full name, the destination, the label;
2. `id` and the event's own id as text; or `at`, topic, partition (4 bytes) and offset (8 bytes), numbers big-endian;
3. for an element of an `each`: its own id.

The mapping's version and an entry's position in it are left out: a rollout must not turn old deliveries into new ones.
"""

from __future__ import annotations

from decimal import Decimal
from hashlib import blake2b

from consumer.model.identifiers import id_problem
from consumer.model.values import Instant, Value
from consumer.translation.expressions.record_scope import type_name
from consumer.translation.unmappable import UnmappableError

_SIZE = 16
_OWN_ID = (2).to_bytes(4, "big") + b"id"
_POSITION = (2).to_bytes(4, "big") + b"at"
_MAX_DIGITS = 1_300
_MAX_EXPONENT = 10_000


def prefixed(content: bytes) -> bytes:
    """Return one part with its length before it, as it is hashed."""
    return len(content).to_bytes(4, "big") + content


def entry_hash(event_type: str, destination: str, label: str) -> blake2b:
    """Return the hash of the parts that all deliveries of one entry share; `digest` copies it."""
    parts = prefixed(event_type.encode()) + prefixed(destination.encode()) + prefixed(label.encode())
    return blake2b(parts, digest_size=_SIZE)


def own_id(text: str) -> bytes:
    """Return the part that identifies an event by its own id."""
    return _OWN_ID + prefixed(text.encode(errors="surrogatepass"))


def partition_prefix(topic: str, partition: int) -> bytes:
    """Return the part that identifies an event by its position in Kafka, without the offset."""
    return (
        _POSITION + prefixed(topic.encode()) + prefixed(partition.to_bytes(4, "big", signed=True)) + b"\x00\x00\x00\x08"
    )


def position(prefix: bytes, offset: int) -> bytes:
    """Return the part that identifies an event by its position; `prefix` is from `partition_prefix`."""
    return prefix + offset.to_bytes(8, "big", signed=True)


def digest(entry: blake2b, event: bytes, element: str | None = None) -> bytes:
    """Return the 16 bytes of one delivery."""
    state = entry.copy()
    state.update(event if element is None else event + prefixed(element.encode(errors="surrogatepass")))
    return state.digest()


def own_id_text(value: Value) -> str:
    """Return the own id of an event or of an element as text.

    Raises:
        UnmappableError: it is null, of a type that cannot be an id, or a text that cannot identify anything.
    """
    text = id_text(value)
    if text is None:
        raise UnmappableError(f"must be text, a number or a time, not {type_name(value)}")
    if (problem := id_problem(text)) is not None:
        raise UnmappableError(problem)
    return text


def id_text(value: Value) -> str | None:
    """Return an id or an ordering key as text; `None` for a type that cannot be one."""
    if type(value) is str:
        return value
    if isinstance(value, Instant):
        return value.iso()
    if type(value) is int:
        return str(value) if value.bit_length() < 4 * _MAX_DIGITS else None
    if isinstance(value, Decimal):
        # Not `str`: 1E+2 and 100 are one number, and so are 1.5 and 1.50.
        exponent = value.as_tuple().exponent
        if not isinstance(exponent, int) or abs(exponent) > _MAX_EXPONENT:
            return None
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, bytes):
        return value.hex()
    return None
