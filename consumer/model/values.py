"""The types of values, shared by schemas, expressions and contracts."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from typing import TypeAlias

_NANOS = 1_000_000_000


class Instant(int):
    """An instant: nanoseconds since 1970-01-01T00:00:00Z as an exact integer. Instants compare with instants only."""

    __slots__ = ()

    @property
    def ms(self) -> int:
        """Whole milliseconds since the epoch, rounded down."""
        return int(self) // 1_000_000

    def iso(self) -> str:
        """Return ISO 8601 text in UTC, with as many fraction digits as needed (none, 3, 6 or 9)."""
        seconds, nanos = divmod(int(self), _NANOS)
        text = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
        if nanos == 0:
            return text + "Z"
        digits = f"{nanos:09d}"
        if digits.endswith("000000"):
            return f"{text}.{digits[:3]}Z"
        return f"{text}.{digits[:6]}Z" if digits.endswith("000") else f"{text}.{digits}Z"


Value: TypeAlias = "bool | int | Decimal | float | str | bytes | Instant | list[Value] | dict[str, Value] | None"
"""A value that an expression reads or a mapping makes. UUIDs, enums, dates and times of day are text here."""

Fields: TypeAlias = dict[str, Value]
"""The result of a mapping's `fields`, without nulls at any depth."""
