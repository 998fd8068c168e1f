"""The key of a record's schema, read from its headers or its first bytes."""

from __future__ import annotations

from uuid import UUID

from consumer.model import UNREADABLE_HEADERS, DeadLetterCause, Fault, Message
from consumer.model.translated_batch import SchemaKey

_HEADER = "__value_schema_id"
_KEY_HEADER = "__key_schema_id"
_BY_ID = 0
_BY_GUID = 1
_ID_SIZE = 5
_GUID_SIZE = 17
_SINGLE_OBJECT = b"\xc3\x01"
_SINGLE_OBJECT_SIZE = 10
_FINGERPRINT_DIGITS = 16

_EMPTY = Fault(DeadLetterCause.UNDECODABLE, "the value is empty")
_HEADER_MALFORMED = Fault(DeadLetterCause.UNDECODABLE, f"the header {_HEADER} is neither a schema id nor a GUID")
_HEADERS_UNREADABLE = Fault(
    DeadLetterCause.UNDECODABLE, "the name of a header is not UTF-8; the dead letter has no headers of the record"
)
_NO_MAGIC = Fault(
    DeadLetterCause.UNDECODABLE, "the value begins neither with a schema id nor with the single-object marker"
)


def writer_schema_key(message: Message, value: bytes) -> tuple[SchemaKey, int] | Fault:
    """Return the key of the writer's schema and where the datum begins in `value`.

    A schema id in a header has priority; then the value is the datum alone. Confluent's `HeaderSchemaIdSerializer`
    writes 0x00 and a 4-byte id, or 0x01 and a 16-byte GUID. Otherwise the value begins with Confluent's prefix (0x00,
    4-byte id, big-endian) or with Avro's single-object marker (C3 01, 8-byte CRC-64-AVRO fingerprint, little-endian).
    """
    if not value:
        return _EMPTY
    headers = message.headers()
    if headers:
        for name, content in reversed(headers):
            if name == UNREADABLE_HEADERS:
                return _HEADERS_UNREADABLE
            if name == _HEADER and content is not None:
                key = _in_header(content)
                return _HEADER_MALFORMED if key is None else (key, 0)
    if value[0] == _BY_ID and len(value) >= _ID_SIZE:
        return int.from_bytes(value[1:_ID_SIZE], "big"), _ID_SIZE
    if value.startswith(_SINGLE_OBJECT) and len(value) >= _SINGLE_OBJECT_SIZE:
        return f"{int.from_bytes(value[2:_SINGLE_OBJECT_SIZE], 'little'):016x}", _SINGLE_OBJECT_SIZE
    return _NO_MAGIC


def has_key_schema_header(message: Message) -> bool:
    """Return True if a header names the schema of the record's key. Then the key itself has no schema id."""
    return any(name == _KEY_HEADER and content is not None for name, content in message.headers() or ())


def is_fingerprint(key: SchemaKey) -> bool:
    """Return True if only the schema directory can have the key, never a registry."""
    return isinstance(key, str) and len(key) == _FINGERPRINT_DIGITS


def _in_header(content: bytes) -> SchemaKey | None:
    if len(content) == _ID_SIZE and content[0] == _BY_ID:
        return int.from_bytes(content[1:], "big")
    if len(content) == _GUID_SIZE and content[0] == _BY_GUID:
        return str(UUID(bytes=content[1:]))
    return None
