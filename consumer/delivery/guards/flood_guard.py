"""The flood guard: where an implausible share of recent events is refused, the rest waits and is not dead-lettered.

Counted are verdicts on single events, for each kind (an event type; for causes of decoding a topic) and cause. A cause
is watched from its first refusal on, until none is left in the window: while nothing is refused, nothing is counted.
The refusal that closes the guard is the first that waits. So letters of one kind and cause that are written within nine
tenths of the window are never more than `refusals` - 1, or `share` of the verdicts counted, whichever is more: with the
defaults 49, where everything is refused. Each process counts for itself, and afresh when it starts and when the guard
has opened.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.model import Cause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.model.directives import AcceptRefusals
    from consumer.model.observer import Observer

EXEMPT = frozenset({Cause.OUT_OF_WINDOW, Cause.QUARANTINED})
"""Causes that are no sign of a fault of ours, however many there are: events grow old, and an operator meant it."""

_PARTS = 10
"""The window slides in steps of this part of it."""


@dataclass(frozen=True, slots=True)
class GuardOptions:
    """When the guard closes: so many refusals within so many seconds, and more than this share of the verdicts."""

    refusals: int = 50
    window_s: float = 600.0
    share: float = 0.5


@dataclass(frozen=True, slots=True)
class Closed:
    """One scope in which nothing is dead-lettered now."""

    kind: str
    """The event type; for a cause of decoding the topic."""
    cause: Cause
    since: float
    """Monotonic seconds."""
    refused: int
    of: int
    """So many verdicts were counted when it closed, and so many of them were refusals of this cause."""
    waiting: int
    """Deliveries, or letters, that wait."""


class Guard:
    """What was refused lately, and what is closed because of it."""

    def __init__(
        self, name: str, options: GuardOptions, waiting: Callable[[str, Cause], int], observer: Observer
    ) -> None:
        """Start open. `name`: the destination, "" for causes of decoding; `waiting` counts what waits in a scope."""
        self.name = name
        self._options = options
        self._waiting = waiting
        self._observer = observer
        self._watched: dict[str, dict[Cause, _Tally]] = {}
        self._closed: dict[tuple[str, Cause], _Closure] = {}
        self._accepted: tuple[AcceptRefusals, ...] = ()

    @property
    def watching(self) -> bool:
        """Whether any verdict must be told at all."""
        return bool(self._watched)

    def begin(self, kind: str, cause: Cause, now: float) -> None:
        """Watch a cause, before the verdicts that came together with its first refusal are told (`now`: monotonic)."""
        if self.lets(kind, cause) or (kind, cause) in self._closed:
            return
        step, watched = self._step(now), self._watched.setdefault(kind, {})
        if cause in watched and watched[cause].last > step - _PARTS:
            watched[cause].last = step
        else:
            watched[cause] = _Tally(step)

    def fine(self, kind: str, count: int, now: float) -> None:
        """Count verdicts that refused nothing."""
        if watched := self._watched.get(kind):
            step = self._step(now)
            for cause, tally in list(watched.items()):
                tally.add(step, 0, count)
                if tally.last <= step - _PARTS:
                    self._forget(kind, cause)

    def refused(self, kind: str, cause: Cause, now: float, label: str = "") -> bool:
        """Count a refusal; tell whether it must wait. `label`: that of the mapping's entry, if it is of one."""
        if self.lets(kind, cause):
            return False
        if (kind, cause) in self._closed:
            return True
        self.begin(kind, cause, now)
        step, watched = self._step(now), self._watched[kind]
        for other, each in watched.items():
            each.add(step, int(other is cause), 1)
        tally = watched[cause]
        tally.labels.add(label)
        if tally.refused < self._options.refusals or tally.refused <= self._options.share * tally.of:
            return False
        self._forget(kind, cause)
        self._closed[kind, cause] = _Closure(now, tally.refused, tally.of, frozenset(tally.labels))
        self._observer.guard_closed(self.name, kind, cause, tally.refused, tally.of)
        return True

    def lets(self, kind: str, cause: Cause) -> bool:
        """Tell whether refusals of a cause are written, however many there are."""
        return cause in EXEMPT or any(self._speaks_of(each, kind, cause) for each in self._accepted)

    def is_closed(self, kind: str, cause: Cause) -> bool:
        """Tell whether it is closed for a kind and cause."""
        return (kind, cause) in self._closed

    def labels(self, kind: str) -> frozenset[str]:
        """Return the entries whose refusals closed it for a kind: that one of theirs is taken is a sign of mending."""
        return frozenset().union(*(closure.labels for (closed, _), closure in self._closed.items() if closed == kind))

    def open(self, kind: str, now: float) -> None:
        """Open for a kind, since a probe was taken."""
        self._open([scope for scope in self._closed if scope[0] == kind], now, "probe")

    def accept(self, accepted: Iterable[AcceptRefusals], now: float) -> Sequence[tuple[str, Cause]]:
        """Let the refusals through that these directives speak of, and no others; return the scopes that opens.

        Where one has ended, counting starts afresh.
        """
        self._accepted = tuple(accepted)
        opened = [scope for scope in self._closed if self.lets(*scope)]
        self._open(opened, now, "directive")
        for kind, cause in [(kind, cause) for kind, causes in self._watched.items() for cause in causes]:
            if self.lets(kind, cause):
                self._forget(kind, cause)
        return opened

    def closed(self) -> Sequence[Closed]:
        """Return the scopes that are closed."""
        return [
            Closed(kind, cause, closure.since, closure.refused, closure.of, self._waiting(kind, cause))
            for (kind, cause), closure in self._closed.items()
        ]

    def _open(self, scopes: Iterable[tuple[str, Cause]], now: float, by: str) -> None:
        for kind, cause in scopes:
            closure = self._closed.pop((kind, cause))
            self._observer.guard_opened(self.name, kind, cause, now - closure.since, by)

    def _speaks_of(self, accepted: AcceptRefusals, kind: str, cause: Cause) -> bool:
        if accepted.cause is not cause:
            return False
        if not self.name:
            return accepted.topic in {None, kind}
        return (
            accepted.topic is None and accepted.destination in {None, self.name} and accepted.event_type in {None, kind}
        )

    def _step(self, now: float) -> int:
        return int(now * _PARTS / self._options.window_s)

    def _forget(self, kind: str, cause: Cause) -> None:
        watched = self._watched[kind]
        del watched[cause]
        if not watched:
            del self._watched[kind]


def together(closed: Iterable[Closed]) -> Sequence[Closed]:
    """Return each scope once, where guards of what was asked and of what could not be said are closed for the same."""
    found: dict[tuple[str, Cause], Closed] = {}
    for one in closed:
        other = found.get((one.kind, one.cause))
        found[one.kind, one.cause] = (
            one
            if other is None
            else Closed(
                one.kind,
                one.cause,
                min(one.since, other.since),
                one.refused + other.refused,
                one.of + other.of,
                one.waiting + other.waiting,
            )
        )
    return tuple(found.values())


@dataclass(frozen=True, slots=True)
class _Closure:
    since: float
    refused: int
    of: int
    labels: frozenset[str]


class _Tally:
    """The verdicts of one kind since a cause is watched, as far as they lie in the window."""

    __slots__ = ("_steps", "labels", "last", "of", "refused")

    def __init__(self, step: int) -> None:
        self.last = step  # that of its last refusal
        self.refused = self.of = 0
        self.labels: set[str] = set()
        self._steps: deque[list[int]] = deque()

    def add(self, step: int, refused: int, of: int) -> None:
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append([step, 0, 0])
        self._steps[-1][1] += refused
        self._steps[-1][2] += of
        self.refused += refused
        self.of += of
        while self._steps[0][0] <= step - _PARTS:
            _, past_refused, past_of = self._steps.popleft()
            self.refused -= past_refused
            self.of -= past_of
