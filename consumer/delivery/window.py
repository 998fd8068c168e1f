"""Time windows: whether an event's time lets it go now, must be waited for, or is past hope.

Non-obvious: their clock is known only from the `Date` of their answers. What was learnt is kept against our monotonic
clock, so that when our wall clock is put right the skew is gone at once, without another answer.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from consumer.model import Cause, Fault, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.queue import Scope
    from consumer.observe import Observer

AHEAD_S = 60.0
"""How far ahead of our clock an event may be and still be waited for; also how far their clock may be from ours."""

_SKEW: Scope = ("clock", "skew")


def placed(event_ms: int, max_age_ms: int | None, now_ms: float) -> float | Fault | None:
    """Return where an event's time stands in its destination's window, by one clock.

    All times are epoch milliseconds; `max_age_ms` is the window's, `None` = there is none.

    Returns:
        `None` inside the window; the seconds until it is there, if it is a little ahead; else why it will never be.
    """
    if max_age_ms is None:
        return None
    age_ms = now_ms - event_ms
    if 0 <= age_ms <= max_age_ms:
        return None
    if age_ms > 0:
        return Fault(Cause.OUT_OF_WINDOW, "the event is older than the destination takes")
    ahead_s = -age_ms / 1000
    return ahead_s if ahead_s <= AHEAD_S else Fault(Cause.OUT_OF_WINDOW, "the event's time lies in the future")


class Window:
    """One destination's view of time. `active` once any of its deliveries has a window at all."""

    def __init__(self, name: str, look_s: float, release: Callable[[Scope], None], observer: Observer) -> None:
        """Let `release` be told when a wait is over; what is kept for a skew is looked at every `look_s` seconds."""
        self.active = False
        self._name = name
        self._look_s = look_s
        self._release = release
        self._observer = observer
        self._timers: dict[Scope, asyncio.TimerHandle] = {}
        self._ahead_s: float | None = None
        self._held_since: float | None = None

    @property
    def skew_s(self) -> float:
        """Seconds their clock is ahead of ours, as far as known."""
        return 0.0 if self._ahead_s is None else self._ahead_s + time.monotonic() - time.time()

    def heard(self, date: str | None) -> None:
        """Learn their time from the `Date` header of an answer (RFC 9110 §6.6.1); anything else teaches nothing."""
        if not date:
            return
        try:
            theirs = parsedate_to_datetime(date)
            if theirs.tzinfo is None:
                theirs = theirs.replace(tzinfo=UTC)
            self._ahead_s = theirs.timestamp() - time.monotonic()
        except (TypeError, ValueError, IndexError, OverflowError):  # all of them come out of arbitrary text
            return
        self._end_hold()

    def reason(self, delivery: Delivery) -> Scope | Fault | None:
        """Return what a delivery must wait for, why it can never go, or `None` where its time is all right."""
        stands = placed(delivery.event_ms, delivery.shape.max_age_ms, time.time() * 1000)
        if stands is None:
            return None
        if isinstance(stands, float):
            return self._until(("clock", delivery.event_ms // 1000), stands)
        if abs(self.skew_s) > AHEAD_S:
            self._hold()
            return self._until(_SKEW, self._look_s)
        return stands

    def close(self) -> None:
        """Let no timer of ours fire any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _until(self, scope: Scope, wait_s: float) -> Scope:
        if scope not in self._timers:
            self._timers[scope] = asyncio.get_running_loop().call_later(wait_s, self._time_came, scope)
        return scope

    def _time_came(self, scope: Scope) -> None:
        del self._timers[scope]
        self._end_hold()
        self._release(scope)

    def _hold(self) -> None:
        if self._held_since is None:
            self._held_since = time.monotonic()
            fault = Fault(Trouble.CLOCK_SKEW, "the destination's clock and ours disagree")
            self._observer.held(self._name, "clock", fault)

    def _end_hold(self) -> None:
        if self._held_since is None or abs(self.skew_s) > AHEAD_S:
            return
        self._observer.resumed(self._name, "clock", time.monotonic() - self._held_since)
        self._held_since = None
        if timer := self._timers.pop(_SKEW, None):
            timer.cancel()
            self._release(_SKEW)
