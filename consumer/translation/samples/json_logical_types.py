"""Logical types from their readable form: ISO 8601 text for times, plain numbers for decimals."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias
from uuid import UUID

from consumer.translation.samples.avro_primitives import InvalidValueError, encode_long

Json: TypeAlias = Any

_EPOCH_DAY = date(1970, 1, 1).toordinal()
_MOMENT = re.compile(
    r"(\d{4}-\d\d-\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,9}))?)?(?:(Z)|([+-])(\d\d):?(\d\d))?", re.ASCII
)
_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?", re.ASCII)
_DURATION = re.compile(
    r"P(?=.)(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.(\d{1,3}))?S)?)?",
    re.ASCII,
)
_UUID_BYTES = 16
_MAX_DIGITS = 1000
_EXACT = Context(prec=2 * _MAX_DIGITS, traps=[Inexact, InvalidOperation])


def encode_decimal(value: Json, schema: Json, path: str) -> bytes:
    """Return a decimal's Avro bytes, from a number, a text, or the bytes of Avro's own JSON."""
    size = schema["size"] if schema["type"] == "fixed" else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise InvalidValueError(path, "must be a number, or a number as text")
    number = _number(value)
    if number is None and not isinstance(value, str):
        raise InvalidValueError(path, f"has more than {_MAX_DIGITS} digits")
    if number is None:
        content = str(value).encode("latin-1", "replace")
        if size is not None and len(content) != size:
            raise InvalidValueError(path, f"must be a number, or exactly {size} bytes")
        return content if size is not None else _length_prefixed(content)
    scale = schema.get("scale", 0)
    try:
        unscaled = int(_EXACT.quantize(_EXACT.scaleb(number, scale), Decimal(1)))
    except (Inexact, InvalidOperation):
        raise InvalidValueError(path, f"has more than {scale} digits after the point") from None
    precision = schema.get("precision", _MAX_DIGITS)
    if len(str(abs(unscaled))) > precision:
        raise InvalidValueError(path, f"has more than {precision} digits")
    least = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    if size is not None and least > size:
        raise InvalidValueError(path, f"does not fit into {size} bytes")
    content = unscaled.to_bytes(size or least, "big", signed=True)
    return content if size is not None else _length_prefixed(content)


def _length_prefixed(content: bytes) -> bytes:
    return encode_long(len(content)) + content


def _number(value: int | Decimal | str) -> Decimal | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _MAX_DIGITS or len(number.as_tuple().digits) > _MAX_DIGITS:
        return None
    return number


def _timestamp(unit_ns: int, *, local: bool) -> Callable[[Json, str], Json]:
    def read(value: Json, path: str) -> Json:
        if not isinstance(value, str):
            return value
        match = _MOMENT.fullmatch(value)
        if match is None:
            raise InvalidValueError(path, "must be a number or an ISO 8601 time")
        day, hour, minute, second, fraction, zulu, sign, off_h, off_m = match.groups()
        zoned = zulu is not None or sign is not None
        if zoned is local:
            raise InvalidValueError(path, "must be a time " + ("without" if local else "with") + " a zone")
        try:
            zone: timezone = UTC
            if sign is not None:
                offset = timedelta(hours=int(off_h), minutes=int(off_m))
                zone = timezone(offset if sign == "+" else -offset)
            moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}").replace(tzinfo=zone)
            seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        except (ValueError, OverflowError):
            raise InvalidValueError(path, "is not a valid time") from None
        return _in_units(seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0")), unit_ns, path)

    return read


def _time_of_day(unit_ns: int) -> Callable[[Json, str], Json]:
    def read(value: Json, path: str) -> Json:
        if not isinstance(value, str):
            return value
        match = _TIME.fullmatch(value)
        if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3] or 0) > 59:  # noqa: PLR2004 - hours, minutes and seconds
            raise InvalidValueError(path, "must be a number or a time of day such as 12:30:00")
        seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
        return _in_units(seconds * 1_000_000_000 + int((match[4] or "0").ljust(9, "0")), unit_ns, path)

    return read


def _in_units(nanos: int, unit_ns: int, path: str) -> int:
    units, rest = divmod(nanos, unit_ns)
    if rest:
        raise InvalidValueError(path, "has more digits than its schema allows")
    return units


def _date(value: Json, path: str) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value).toordinal() - _EPOCH_DAY
    except ValueError:
        raise InvalidValueError(path, "must be a number of days or a date such as 2026-11-01") from None


def _fixed_uuid(value: Json, path: str) -> Json:
    if isinstance(value, str) and len(value) == _UUID_BYTES:
        return value
    try:
        return UUID(value).bytes
    except (ValueError, AttributeError, TypeError):
        raise InvalidValueError(path, "must be a UUID") from None


def _duration(value: Json, path: str) -> Json:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or value.endswith("T"):
        return value
    years, months, weeks, days, hours, minutes, seconds = (int(match[at] or 0) for at in range(1, 8))
    ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + int((match[8] or "0").ljust(3, "0"))
    try:
        return b"".join(each.to_bytes(4, "little") for each in (years * 12 + months, weeks * 7 + days, ms))
    except OverflowError:
        raise InvalidValueError(path, "is too long for a duration") from None


LOGICAL: dict[tuple[str, object], Callable[[Json, str], Json]] = {
    ("int", "date"): _date,
    ("int", "time-millis"): _time_of_day(1_000_000),
    ("long", "time-micros"): _time_of_day(1000),
    ("long", "timestamp-millis"): _timestamp(1_000_000, local=False),
    ("long", "timestamp-micros"): _timestamp(1000, local=False),
    ("long", "timestamp-nanos"): _timestamp(1, local=False),
    ("long", "local-timestamp-millis"): _timestamp(1_000_000, local=True),
    ("long", "local-timestamp-micros"): _timestamp(1000, local=True),
    ("long", "local-timestamp-nanos"): _timestamp(1, local=True),
    ("fixed", "uuid"): _fixed_uuid,
    ("fixed", "duration"): _duration,
}
"""(Avro type, logical type) → function from the readable form to the base type's value; other values are unchanged."""
