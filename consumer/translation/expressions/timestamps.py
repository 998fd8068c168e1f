"""Timestamps as texts and as epoch milliseconds, read exactly."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone

from consumer.model.values import Instant

_ISO = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d{1,9}))?)?"
    r"(?:[Zz]|([+-])(\d\d):?([0-5]\d)?)",
    re.ASCII,
)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FIRST_MS = -62_135_596_800_000
_END_MS = 253_402_300_800_000


def parse_instant(value: str | int) -> Instant | None:
    """Read ISO 8601 text with an offset or `Z`, or whole epoch milliseconds.

    Return `None` for anything else, and outside the years 1 to 9999. A text without an offset is not an instant.
    """
    if isinstance(value, int):
        return Instant(value * 1_000_000) if _FIRST_MS <= value < _END_MS else None
    match = _ISO.fullmatch(value)
    if match is None:
        return None
    year, month, day, hour, minute, second, fraction, sign, hours, minutes = match.groups()
    try:
        away = timedelta(hours=int(hours or 0), minutes=int(minutes or 0))
        zone = timezone(-away if sign == "-" else away)
        moment = datetime(int(year), int(month), int(day), int(hour), int(minute), int(second or 0), tzinfo=zone)
    except ValueError:
        return None
    passed = moment - _EPOCH
    whole = passed.days * 86_400 + passed.seconds
    if not _FIRST_MS <= whole * 1000 < _END_MS:
        return None
    return Instant(whole * 1_000_000_000 + int((fraction or "").ljust(9, "0")))
