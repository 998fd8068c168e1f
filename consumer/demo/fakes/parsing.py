"""Strict parsing by the vendors' documents: JSON, timestamps, ULIDs, Basic credentials."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeAlias

Document: TypeAlias = dict[str, Any]

_SPACE = re.compile(r"[ \t\n\r]*")
_ISO = re.compile(
    r"(\d{4})-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])[Tt]"
    r"([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)([.]\d{1,9})?([Zz]|[+-]([01]\d|2[0-3]):[0-5]\d)",
    re.ASCII,
)
_ULID = re.compile(r"[0-7][0-9A-HJKMNP-TV-Z]{25}")
_LONG_DAYS = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}


class RequestParseError(ValueError):
    """The body is not one JSON object. The text says why."""


def _unique(pairs: list[tuple[str, Any]]) -> Document:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise RequestParseError("a key occurs twice in one object")
    return found


def _no_constant(name: str) -> NoReturn:
    raise RequestParseError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_no_constant)


def read_object(body: bytes, array: str | None = None) -> tuple[Document, list[bytes]]:
    """Return one JSON object, and the exact bytes of each element of its member `array`.

    Args:
        body: the whole body, UTF-8.
        array: the member whose elements are returned as bytes. None are returned if it is absent or no array.

    Raises:
        RequestParseError: not UTF-8, not JSON, not an object, data after it, a repeated key, an unpaired surrogate.
    """
    try:
        text = body.decode()
        document, elements = _members(text, array)
        if "\\ud" in text or "\\uD" in text:
            # An unpaired surrogate cannot be encoded in UTF-8: storing it would fail later and elsewhere.
            json.dumps(document, ensure_ascii=False).encode()
    except RequestParseError:
        raise
    except (ValueError, RecursionError) as error:
        raise RequestParseError(f"not JSON: {type(error).__name__}") from error
    return document, elements


def _members(text: str, array: str | None) -> tuple[Document, list[bytes]]:
    at = _skip(text, 0)
    if text[at : at + 1] != "{":
        raise RequestParseError("the body is not a JSON object")
    found: list[tuple[str, Any]] = []
    elements: list[bytes] = []
    at = _skip(text, at + 1)
    more = text[at : at + 1] != "}"
    at += not more
    while more:
        if text[at : at + 1] != '"':
            raise RequestParseError("a key of the body is no string")
        key, at = _DECODER.raw_decode(text, at)
        at = _expect(text, at, ":")
        if key == array and text[at : at + 1] == "[":
            value, at = _array(text, at, elements)
        else:
            value, at = _DECODER.raw_decode(text, at)
        found.append((key, value))
        at, more = _comma_or(text, at, "}")
    if _skip(text, at) != len(text):
        raise RequestParseError("there is data after the JSON object")
    return _unique(found), elements


def _array(text: str, at: int, elements: list[bytes]) -> tuple[list[Any], int]:
    values: list[Any] = []
    at = _skip(text, at + 1)
    more = text[at : at + 1] != "]"
    at += not more
    while more:
        value, end = _DECODER.raw_decode(text, at)
        values.append(value)
        elements.append(text[at:end].encode())
        at, more = _comma_or(text, end, "]")
    return values, at


def _skip(text: str, at: int) -> int:
    found = _SPACE.match(text, at)
    return found.end() if found else at


def _expect(text: str, at: int, mark: str) -> int:
    at = _skip(text, at)
    if text[at : at + 1] != mark:
        raise RequestParseError(f"expected {mark}")
    return _skip(text, at + 1)


def _comma_or(text: str, at: int, end: str) -> tuple[int, bool]:
    at = _skip(text, at)
    mark = text[at : at + 1]
    if mark == end:
        return at + 1, False
    if mark != ",":
        raise RequestParseError(f"expected , or {end}")
    return _skip(text, at + 1), True


def is_timestamp(value: object) -> bool:
    """Whether this is an ISO 8601 timestamp with a time zone, on a date that exists."""
    found = _ISO.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    year, month, day = int(found[1]), int(found[2]), int(found[3])
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    return day <= _LONG_DAYS[month] and (month != 2 or day < 29 or leap)  # noqa: PLR2004 - February, 29


def is_ulid(value: object) -> bool:
    """Whether this is a ULID in its canonical form: 26 characters of Crockford's base 32, 128 bits."""
    return isinstance(value, str) and _ULID.fullmatch(value) is not None


def is_nonempty(value: object) -> bool:
    """Whether this is a non-empty string."""
    return isinstance(value, str) and value != ""


def is_integer(value: object) -> bool:
    """Whether this is a JSON integer of at most 64 bits. Booleans are not, although Python counts them as `int`."""
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def is_boolean(value: object) -> bool:
    """Whether this is a JSON Boolean."""
    return isinstance(value, bool)


def is_object(value: object) -> bool:
    """Whether this is a JSON object."""
    return isinstance(value, dict)


def is_string(value: object) -> bool:
    """Whether this is a JSON string. It may be empty."""
    return isinstance(value, str)


ValueCheck: TypeAlias = Callable[[object], bool]
"""A check of one JSON value."""


def is_json_content_type(content_type: str) -> bool:
    """Whether a `Content-Type` header announces JSON in UTF-8."""
    kind, _, rest = content_type.lower().partition(";")
    return kind.strip() == "application/json" and rest.strip().replace('"', "") in ("", "charset=utf-8")


def parse_basic_auth(header: str | None) -> tuple[str, str] | None:
    """Return user and password of an `Authorization: Basic` header, or `None` if it is not valid."""
    scheme, _, coded = (header or "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(coded.strip(), validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return (user, password) if colon else None
