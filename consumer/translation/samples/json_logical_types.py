"""Logical types as people write them: ISO 8601 text for times, plain numbers for decimals."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Context, Decimal, Inexact, InvalidOperation
from typing import Any, TypeAlias
from uuid import UUID

from consumer.translation.samples.avro_primitives import UnfitError, write_long

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
_MOST_DIGITS = 1000
_EXACT = Context(prec=2 * _MOST_DIGITS, traps=[Inexact, InvalidOperation])


def decimal_bytes(value: Json, schema: Json, path: str) -> bytes:
    """Return a decimal as Avro writes it: from a number, its text, or the bytes of Avro's own JSON."""
    size = schema["size"] if schema["type"] == "fixed" else None
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise UnfitError(path, "must be a number, as such or as text")
    number = _number(value)
    if number is None and not isinstance(value, str):
        raise UnfitError(path, f"has more than {_MOST_DIGITS} digits")
    if number is None:
        content = str(value).encode("latin-1", "replace")
        if size is not None and len(content) != size:
            raise UnfitError(path, f"must be a number, or exactly {size} bytes")
        return content if size is not None else _sized(content)
    scale = schema.get("scale", 0)
    try:
        unscaled = int(_EXACT.quantize(_EXACT.scaleb(number, scale), Decimal(1)))
    except (Inexact, InvalidOperation):
        raise UnfitError(path, f"has more than {scale} digits after the point") from None
    precision = schema.get("precision", _MOST_DIGITS)
    if len(str(abs(unscaled))) > precision:
        raise UnfitError(path, f"has more than {precision} digits")
    least = (unscaled if unscaled >= 0 else ~unscaled).bit_length() // 8 + 1
    if size is not None and least > size:
        raise UnfitError(path, f"does not fit into {size} bytes")
    content = unscaled.to_bytes(size or least, "big", signed=True)
    return content if size is not None else _sized(content)


def _sized(content: bytes) -> bytes:
    return write_long(len(content)) + content


def _number(value: int | Decimal | str) -> Decimal | None:
    try:
        number = Decimal(value)
    except InvalidOperation:
        return None
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS or len(number.as_tuple().digits) > _MOST_DIGITS:
        return None
    return number


def _timestamp(unit_ns: int, *, local: bool) -> Callable[[Json, str], Json]:
    def read(value: Json, path: str) -> Json:
        if not isinstance(value, str):
            return value
        match = _MOMENT.fullmatch(value)
        if match is None:
            raise UnfitError(path, "must be a number or an ISO 8601 time")
        day, hour, minute, second, fraction, zulu, sign, off_h, off_m = match.groups()
        zoned = zulu is not None or sign is not None
        if zoned is local:
            raise UnfitError(path, "must be a time " + ("without" if local else "with") + " a zone")
        try:
            zone: timezone = UTC
            if sign is not None:
                offset = timedelta(hours=int(off_h), minutes=int(off_m))
                zone = timezone(offset if sign == "+" else -offset)
            moment = datetime.fromisoformat(f"{day}T{hour}:{minute}:{second or '00'}").replace(tzinfo=zone)
            seconds = (moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
        except (ValueError, OverflowError):
            raise UnfitError(path, "is no time of any calendar") from None
        return _in_units(seconds * 1_000_000_000 + int((fraction or "0").ljust(9, "0")), unit_ns, path)

    return read


def _time_of_day(unit_ns: int) -> Callable[[Json, str], Json]:
    def read(value: Json, path: str) -> Json:
        if not isinstance(value, str):
            return value
        match = _TIME.fullmatch(value)
        if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3] or 0) > 59:  # noqa: PLR2004 - a clock
            raise UnfitError(path, "must be a number or a time of day such as 12:30:00")
        seconds = int(match[1]) * 3600 + int(match[2]) * 60 + int(match[3] or 0)
        return _in_units(seconds * 1_000_000_000 + int((match[4] or "0").ljust(9, "0")), unit_ns, path)

    return read


def _in_units(nanos: int, unit_ns: int, path: str) -> int:
    units, rest = divmod(nanos, unit_ns)
    if rest:
        raise UnfitError(path, "is finer than its schema can say")
    return units


def _date(value: Json, path: str) -> Json:
    if not isinstance(value, str):
        return value
    try:
        return date.fromisoformat(value).toordinal() - _EPOCH_DAY
    except ValueError:
        raise UnfitError(path, "must be a number of days or a date such as 2026-11-01") from None


def _fixed_uuid(value: Json, path: str) -> Json:
    if isinstance(value, str) and len(value) == _UUID_BYTES:
        return value
    try:
        return UUID(value).bytes
    except (ValueError, AttributeError, TypeError):
        raise UnfitError(path, "must be a UUID") from None


def _duration(value: Json, path: str) -> Json:
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or value.endswith("T"):
        return value
    years, months, weeks, days, hours, minutes, seconds = (int(match[at] or 0) for at in range(1, 8))
    ms = ((hours * 60 + minutes) * 60 + seconds) * 1000 + int((match[8] or "0").ljust(3, "0"))
    try:
        return b"".join(each.to_bytes(4, "little") for each in (years * 12 + months, weeks * 7 + days, ms))
    except OverflowError:
        raise UnfitError(path, "is longer than a duration can be") from None


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
"""(Avro type, logical type) → from what people write to what the type is written as; anything else passes as it is."""
