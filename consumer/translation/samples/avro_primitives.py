"""The bytes of Avro's primitive types, from values as JSON has them."""

from __future__ import annotations

import struct
from decimal import Decimal
from typing import Any, TypeAlias

Json: TypeAlias = Any

PRIMITIVES = ("null", "boolean", "int", "long", "float", "double", "bytes", "string")
_BITS = {"int": 31, "long": 63}


class UnfitError(Exception):
    """A value that does not fit its schema; never leaves `plain.py`."""

    def __init__(self, path: str, message: str) -> None:
        """Say where in the value, and what is wrong."""
        super().__init__(message)
        self.path = path
        self.message = message


def write_long(number: int) -> bytes:
    """Return Avro's zigzag form of a whole number of 64 bits."""
    number = (number << 1) ^ (number >> 63)
    written = bytearray()
    while number > 0x7F:  # noqa: PLR2004 - seven bits a byte
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)


def primitive(value: Json, kind: str, path: str) -> bytes:
    """Return the bytes of a value of one primitive type."""
    match kind:
        case "null":
            if value is not None:
                raise UnfitError(path, "must be null")
            return b""
        case "boolean":
            return b"\1" if typed(value, bool, path, "true or false") else b"\0"
        case "int" | "long":
            whole = int(value) if isinstance(value, Decimal) and value == value.to_integral_value() else value
            if type(whole) is not int or not -(1 << _BITS[kind]) <= whole < 1 << _BITS[kind]:
                raise UnfitError(path, f"must be a whole number of {_BITS[kind] + 1} bits")
            return write_long(whole)
        case "float" | "double":
            return _floating(value, kind, path)
        case "bytes":
            content = content_of(value, path)
            return write_long(len(content)) + content
        case _:
            return text_bytes(typed(value, str, path, "text"))


def _floating(value: Json, kind: str, path: str) -> bytes:
    if isinstance(value, str) and value in {"NaN", "Infinity", "-Infinity"}:
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Decimal):
        raise UnfitError(path, "must be a number")
    try:
        return struct.pack("<f" if kind == "float" else "<d", float(value))
    except OverflowError:
        raise UnfitError(path, f"is too large for a {kind}") from None


def content_of(value: Json, path: str) -> bytes:
    """Return the bytes of a `bytes` or `fixed`: Avro's JSON has a character for each."""
    if isinstance(value, bytes):
        return value
    try:
        return str(typed(value, str, path, "text, a character for each byte")).encode("latin-1")
    except UnicodeEncodeError:
        raise UnfitError(path, "holds a character that is no byte (above U+00FF)") from None


def text_bytes(value: str) -> bytes:
    """Return a text with its length before it."""
    content = value.encode("utf-8", "surrogatepass")
    return write_long(len(content)) + content


def typed(value: Json, wanted: type, path: str, in_words: str) -> Json:
    """Return the value if it is of the wanted JSON type."""
    if not isinstance(value, wanted):
        raise UnfitError(path, f"must be {in_words}")
    return value
