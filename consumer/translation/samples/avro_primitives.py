"""The bytes of Avro's primitive types, encoded from JSON values."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any, TypeAlias

Json: TypeAlias = Any

_BITS = {"int": 31, "long": 63}


class InvalidValueError(Exception):
    """A value that does not fit its schema. `JsonToAvro` catches it."""

    def __init__(self, path: str, message: str) -> None:
        """Keep the path within the value, and what is wrong."""
        super().__init__(message)
        self.path = path
        self.message = message


def encode_long(number: int) -> bytes:
    """Return the zigzag varint of a whole number of 64 bits."""
    number = (number << 1) ^ (number >> 63)
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def encode_primitive(value: Json, kind: str, path: str) -> bytes:
    """Return the bytes of a value of a primitive type."""
    match kind:
        case "null":
            if value is not None:
                raise InvalidValueError(path, "must be null")
            return b""
        case "boolean":
            return b"\1" if require_type(value, bool, path, "true or false") else b"\0"
        case "int" | "long":
            whole = int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
            if type(whole) is not int or not -(1 << _BITS[kind]) <= whole < 1 << _BITS[kind]:
                raise InvalidValueError(path, f"must be a whole number of {_BITS[kind] + 1} bits")
            return encode_long(whole)
        case "float" | "double":
            return _encode_float(value, kind, path)
        case "bytes":
            content = to_bytes(value, path)
            return encode_long(len(content)) + content
        case _:
            return encode_text(require_type(value, str, path, "text"))


def _encode_float(value: Json, kind: str, path: str) -> bytes:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise InvalidValueError(path, "must be a number")
    try:
        return struct.pack("<f" if kind == "float" else "<d", float(value))
    except OverflowError:
        raise InvalidValueError(path, f"is too large for a {kind}") from None


def to_bytes(value: Json, path: str) -> bytes:
    """Return the bytes of a `bytes` or `fixed`, which Avro's JSON writes with one character for each byte."""
    if isinstance(value, bytes):
        return value
    try:
        return str(require_type(value, str, path, "text with one character for each byte")).encode("latin-1")
    except UnicodeEncodeError:
        raise InvalidValueError(path, "has a character above U+00FF, which is not a byte") from None


def encode_text(value: str) -> bytes:
    """Return a text's bytes with their length before them."""
    content = value.encode("utf-8", "surrogatepass")
    return encode_long(len(content)) + content


def require_type(value: Json, type_: type, path: str, expected: str) -> Json:
    """Return the value if it is of this JSON type; else raise `InvalidValueError`."""
    if not isinstance(value, type_):
        raise InvalidValueError(path, f"must be {expected}")
    return value
