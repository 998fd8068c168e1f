"""Limits on label values: each label has a closed list of values, or a maximum number of them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from typing import Generic, Protocol, TypeVar

OTHER = "other"
"""Replaces every value that is not allowed."""

NONE = "none"
"""The destination of a whole record. Prometheus treats an empty label value as a missing label."""

_CODE = re.compile(r"_?[A-Z][A-Z0-9_]{1,63}")
_CODES_LIMIT = 64
_TOPICS_LIMIT = 256

_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
_EXACT = frozenset(
    (*range(200, 209), *range(300, 309), *range(400, 419), *range(421, 427), 428, 429, 431, 451, *range(500, 512), 520)
)
"""Status codes in use. Any other code that a server sends is counted by its class."""


class LabelAllowlist:
    """Allows the known values, and up to `limit` more that match `pattern`; any other becomes `other`."""

    def __init__(self, known: Iterable[str] = (), *, limit: int = 0, pattern: re.Pattern[str] | None = None) -> None:
        self._known = {value: value for value in known}
        self._remaining = limit
        self._pattern = pattern

    @property
    def known(self) -> tuple[str, ...]:
        """The values allowed so far."""
        return tuple(self._known)

    def __call__(self, value: str) -> str:
        """Return the value if it is allowed, else `other`."""
        if value in self._known:
            return value
        if self._remaining <= 0 or not value or (self._pattern is not None and not self._pattern.fullmatch(value)):
            return OTHER
        self._remaining -= 1
        self._known[value] = value
        return value


def codes() -> LabelAllowlist:
    """Return the allowlist of error codes: anything like a librdkafka constant, up to a maximum number."""
    return LabelAllowlist(limit=_CODES_LIMIT, pattern=_CODE)


def topics(known: Iterable[str]) -> LabelAllowlist:
    """Return the allowlist of topics. Topics that match a subscribed expression are added as they appear."""
    return LabelAllowlist((topic for topic in known if not topic.startswith("^")), limit=_TOPICS_LIMIT)


def destination_label(destinations: LabelAllowlist, destination: str) -> str:
    """Return the label of a destination, `none` for a whole record."""
    return destinations(destination) if destination else NONE


def status_class(status: int | None) -> str:
    """Return the class of a status (`2xx`), `429` by itself, `error` without a response."""
    if status is None:
        return "error"
    if status == 429:  # noqa: PLR2004  being rate limited is no client error: it gets a series of its own
        return "429"
    return _CLASSES.get(status // 100, OTHER)


def status_code(status: int | None) -> str:
    """Return the exact status if it is in use, else its class, `none` without a response."""
    if status is None:
        return NONE
    return str(status) if status in _EXACT else _CLASSES.get(status // 100, OTHER)


Series = TypeVar("Series")
Series_co = TypeVar("Series_co", covariant=True)


class _Family(Protocol[Series_co]):
    def labels(self, *values: str) -> Series_co: ...


class LabelledSeries(Generic[Series]):
    """A metric family with its series cached: the library's own lookup of a label set costs more than counting."""

    def __init__(self, family: _Family[Series]) -> None:
        self._family = family
        self._series: dict[tuple[str, ...], Series] = {}

    def __call__(self, *labels: str) -> Series:
        """Return the series with these label values. A new one starts at 0."""
        series = self._series.get(labels)
        if series is None:
            series = self._series[labels] = self._family.labels(*labels)
        return series


def preinitialize(families: Iterable[Callable[..., object]], *values: Iterable[str]) -> None:
    """Create the series of every combination of these label values now, at 0.

    `rate()` misses the first failure of a series that is created by it.
    """
    for family, labels in product(families, product(*values)):
        family(*labels)
