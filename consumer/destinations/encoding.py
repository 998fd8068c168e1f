"""Encode values as JSON: exact numbers, ISO 8601 times, and a fault that names the field that has no JSON form.

Non-obvious:

* orjson writes a subclass of `int` as a number and NaN as `null`, without an error. An `Instant` would arrive as
  nanoseconds, a NaN as null. So subclasses go through `_to_json`, and a body that holds `null` is searched for NaN.
* A detail quotes the names of a delivery's top-level fields, which come from the mapping. It never quotes a name inside
  an object: that name may come from an event's map and be a person's name or address.
"""

from __future__ import annotations

import math
import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import orjson

from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Instant, iso_text

MAX_DIGITS = 100
"""Digits of a decimal on either side of the point: more than money or measures need, too few to fill memory."""

_DECIMAL = re.compile(r"-?[0-9]{1,100}(?:\.[0-9]{1,100})?")
_WRITTEN_NAME = re.compile(r"[A-Za-z][A-Za-z_]{0,39}")
_LARGEST, _SMALLEST = 2**64 - 1, -(2**63)
_DEEPEST = 200

SORTED = orjson.OPT_SORT_KEYS | orjson.OPT_PASSTHROUGH_SUBCLASS
_OPTIONS = orjson.OPT_PASSTHROUGH_SUBCLASS


def exact(number: Decimal) -> str | None:
    """Return a decimal's exact text without exponent, or `None` if it is not finite or has too many digits."""
    text = str(number)
    if _DECIMAL.fullmatch(text):
        return text
    if not number.is_finite() or abs(number.adjusted()) >= MAX_DIGITS:
        return None
    text = format(number, "f")
    return text if _DECIMAL.fullmatch(text) else None


def dumps(value: Mapping[str, Any]) -> bytes | None:
    """Encode an object as JSON; return `None` if a value has no JSON form. `why_not` then names it."""
    try:
        body = orjson.dumps(value, _to_json, _OPTIONS)
    except TypeError:
        return None
    return None if b"null" in body and why_not(value) else body


def canonical(value: Mapping[str, Any]) -> bytes | None:
    """Encode like `dumps`, keys sorted: equal objects give equal bytes."""
    try:
        body = orjson.dumps(value, _to_json, SORTED)
    except TypeError:
        return None
    return None if b"null" in body and why_not(value) else body


def exact_size_copy(body: bytes) -> bytes:
    """Copy a body that orjson made into memory of its own size.

    orjson writes into a buffer of some kilobytes and returns it shrunk, but the freed end stays unused. Thousands of
    bodies waiting for a destination would take 4 KB each (tried, orjson 3.13). A body joined from parts is a copy
    already.
    """
    return bytes(memoryview(body))


def encoding_fault(value: Mapping[str, Any]) -> Fault:
    """Return the fault of an object for which `dumps` returned `None`."""
    return Fault(DeadLetterCause.CONTRACT, why_not(value) or "the fields cannot be written as JSON")


def field_fault(path: str, what: str) -> Fault:
    """Return the fault of one field that violates the destination's contract."""
    return Fault(DeadLetterCause.CONTRACT, f"{path}: {what}")


def safe_field_name(name: object) -> str:
    """Return the name of a delivery's top-level field for an error text; an unusual name is not quoted.

    Never call it for a name inside an object: `JaneDoe` from an event's map looks like any field name.
    """
    return name if isinstance(name, str) and _WRITTEN_NAME.fullmatch(name) else "(unusual name)"


def why_not(value: Mapping[str, Any]) -> str | None:
    """Return which top-level field has no JSON form, and why; `None` if all have one.

    Slow, and runs only on what orjson refused. Not recursive: the depth may be the reason.
    """
    open_values: list[tuple[str, Any, int]] = [("", value, 0)]
    while open_values:
        path, item, depth = open_values.pop()
        if depth > _DEEPEST:
            return "the fields are nested too deeply"
        if isinstance(item, Mapping):
            for name, inner in item.items():
                within = path or safe_field_name(name)
                if problem := _name_problem(name):
                    return f"{within}: {problem}"
                open_values.append((within, inner, depth + 1))
        elif isinstance(item, list):
            open_values.extend((path, inner, depth + 1) for inner in item)
        elif problem := _value_problem(item):
            return f"{path}: {problem}"
    return None


def _name_problem(name: object) -> str | None:
    if type(name) is not str:
        return "a name must be text"
    return _value_problem(name)


def _value_problem(value: object) -> str | None:
    match value:
        case bool() | None | bytes():
            return None
        case Instant():
            return None if iso_text(value) else "the time lies outside the years 1 to 9999"
        case int():
            return None if _SMALLEST <= value <= _LARGEST else "the integer does not fit in 64 bits"
        case float():
            return None if math.isfinite(value) else "the number is not finite"
        case Decimal():
            return None if exact(value) else "the number is not finite, or has too many digits"
        case str():
            return None if value.isascii() or _is_unicode(value) else "the text is not valid Unicode"
        case _:
            return "a value of this type has no JSON form"


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _to_json(value: object) -> object:
    """Convert a value of a type that orjson does not know. A `TypeError` ends the encoding."""
    convert = _CONVERTERS.get(type(value))
    converted = convert(value) if convert else _to_plain(value)
    if converted is None:
        raise TypeError
    return converted


def _decimal_to_json(value: Decimal) -> orjson.Fragment | None:
    text = exact(value)
    return None if text is None else orjson.Fragment(text)


def _to_plain(value: object) -> object:
    """Return the plain value of a subclass instance (for example a named Avro record), or `None`."""
    for plain in _PLAIN:
        if isinstance(value, plain):
            return plain(value)
    return None


_PLAIN: tuple[type[Any], ...] = (dict, list, str, int, float, bytes, Decimal)
_CONVERTERS: dict[type, Callable[[Any], object]] = {
    Instant: iso_text,
    Decimal: _decimal_to_json,
    bytes: lambda value: b64encode(value).decode(),
}


def size_fault(size: int, limit: int) -> Fault:
    """Return the fault of a delivery that is too large for any request of its destination (sizes in bytes)."""
    return Fault(DeadLetterCause.TOO_LARGE, f"{size} bytes; the limit is {limit}")
