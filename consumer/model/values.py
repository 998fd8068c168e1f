"""The types of values, shared by schemas, expressions and contracts."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TypeAlias

_MILLIS = ("Z", *(f".{millis:03d}Z" for millis in range(1, 1000)))
_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC throughout; a zone would quadruple the cost of formatting


class Instant(int):
    """An instant: nanoseconds since 1970-01-01T00:00:00Z as an exact integer. Instants compare with instants only."""

    __slots__ = ()

    @property
    def ms(self) -> int:
        """Whole milliseconds since the epoch, rounded down."""
        return int(self) // 1_000_000

    def iso(self) -> str:
        """Return ISO 8601 text in UTC, with as many fraction digits as needed (none, 3, 6 or 9).

        Raises:
            OverflowError: the instant is outside the years 1 to 9999. None that was decoded or parsed is.
        """
        text = iso_text(self)
        if text is None:
            raise OverflowError("an instant is outside the years 1 to 9999")
        return text


def iso_text(time_ns: int) -> str | None:
    """Return ISO 8601 text in UTC of an epoch time in nanoseconds, or `None` outside the years 1 to 9999.

    The fraction has 0, 3, 6 or 9 digits: as many as needed.
    """
    seconds, nanos = divmod(time_ns, 1_000_000_000)
    start = _second(seconds)
    if start is None:
        return None
    if nanos % 1_000_000 == 0:
        return start + _MILLIS[nanos // 1_000_000]
    return f"{start}.{nanos // 1000:06d}Z" if nanos % 1000 == 0 else f"{start}.{nanos:09d}Z"


@lru_cache(maxsize=4096)
def _second(seconds: int) -> str | None:
    """Return an epoch second's text without fraction and zone. Cached: formatting is slow, neighbours share it.

    Not by `strftime`: it writes the year 987 with three digits.
    """
    try:
        return (_EPOCH + timedelta(seconds=seconds)).isoformat()
    except OverflowError:
        return None


Value: TypeAlias = "bool | int | Decimal | float | str | bytes | Instant | list[Value] | dict[str, Value] | None"
"""A value that an expression reads or a mapping makes. UUIDs, enums, dates and times of day are text here."""

Fields: TypeAlias = dict[str, Value]
"""The result of a mapping's `fields`, without nulls at any depth."""
