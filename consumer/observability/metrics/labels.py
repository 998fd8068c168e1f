"""Which label values are let onto the page: a label is a closed list, or it has a lid."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import product
from typing import Generic, Protocol, TypeVar

OTHER = "other"
"""Stands for every value that was not let in."""

NONE = "none"
"""Stands for the destination of a whole record: Prometheus reads an empty label as no label at all."""

_CODE = re.compile(r"_?[A-Z][A-Z0-9_]{1,63}")
_CODES_LIMIT = 64
_TOPICS_LIMIT = 256

_CLASSES = {1: "1xx", 2: "2xx", 3: "3xx", 4: "4xx", 5: "5xx"}
_EXACT = frozenset(
    (*range(200, 209), *range(300, 309), *range(400, 419), *range(421, 427), 428, 429, 431, 451, *range(500, 512), 520)
)
"""Statuses that have a name somewhere: anything else a server invents is counted by its class."""


class LabelAllowlist:
    """Lets in the values it knows, and up to `limit` more that match `pattern`; the rest is `other`."""

    def __init__(self, known: Iterable[str] = (), *, limit: int = 0, pattern: re.Pattern[str] | None = None) -> None:
        self._known = {value: value for value in known}
        self._room = limit
        self._pattern = pattern

    @property
    def known(self) -> tuple[str, ...]:
        """The values let in so far."""
        return tuple(self._known)

    def __call__(self, value: str) -> str:
        """Return the value if it may be a label, else `other`."""
        if value in self._known:
            return value
        if self._room <= 0 or not value or (self._pattern is not None and not self._pattern.fullmatch(value)):
            return OTHER
        self._room -= 1
        self._known[value] = value
        return value


def codes() -> LabelAllowlist:
    """Return the lid for librdkafka's constants: they look like one, and there are not endlessly many."""
    return LabelAllowlist(limit=_CODES_LIMIT, pattern=_CODE)


def topics(known: Iterable[str]) -> LabelAllowlist:
    """Return the lid for topics: those a regular expression matches are known only once they come."""
    return LabelAllowlist((topic for topic in known if not topic.startswith("^")), limit=_TOPICS_LIMIT)


def addressee(destinations: LabelAllowlist, destination: str) -> str:
    """Return the label of a destination, `none` for what concerns a whole record."""
    return destinations(destination) if destination else NONE


def status_class(status: int | None) -> str:
    """Return `2xx` and so on, `429` by itself, `error` where no answer came."""
    if status is None:
        return "error"
    if status == 429:  # noqa: PLR2004  told to wait is no fault of the call: it gets its own line everywhere
        return "429"
    return _CLASSES.get(status // 100, OTHER)


def status_code(status: int | None) -> str:
    """Return the exact status where it has a name, else its class, `none` where no answer came."""
    if status is None:
        return NONE
    return str(status) if status in _EXACT else _CLASSES.get(status // 100, OTHER)


Child = TypeVar("Child")
Made_co = TypeVar("Made_co", covariant=True)


class _Family(Protocol[Made_co]):
    def labels(self, *values: str) -> Made_co: ...


class LabelledSeries(Generic[Child]):
    """One pipeline's series of a family, kept: looking a label set up in the library costs more than counting."""

    def __init__(self, family: _Family[Child], *first: str) -> None:
        self._family = family
        self._first = first
        self._kept: dict[tuple[str, ...], Child] = {}

    def __call__(self, *rest: str) -> Child:
        """Return the series with these values for the labels after the first ones; a new one starts at 0."""
        child = self._kept.get(rest)
        if child is None:
            child = self._kept[rest] = self._family.labels(*self._first, *rest)
        return child


def preinitialize(families: Iterable[Callable[..., object]], *axes: Iterable[str]) -> None:
    """Make the series of every combination of these label values now, at 0."""
    for family, values in product(families, product(*axes)):
        family(*values)
