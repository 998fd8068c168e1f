"""Time windows: whether an event's time lets it go now, must be waited for, or is past hope.

Non-obvious: their clock is known only from the `Date` of their answers. What was learnt is kept against our monotonic
clock, so that when our wall clock is put right the skew is gone at once, without another answer. Until a `Date` was
heard, and again when the last one is long ago, ours may be the one that is wrong: what it puts outside the window is
held, and one delivery of it is sent, for the sake of the answer.
"""

from __future__ import annotations

import asyncio
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING

from consumer.model import DeadLetterCause, Endpoint, Fault, TransientCause, status

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.circuit_breaker import CircuitBreakers
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.model.observer import Observer

MAX_SKEW_S = 60.0
"""How far ahead of our clock an event may be and still be waited for; also how far their clock may be from ours."""

DATE_VALID_S = 600.0
"""How long a `Date` tells that the clocks agree: ours may be put wrong meanwhile."""

CLOCK = Endpoint(status.CLOCK, "", "")
"""What is held while the clocks disagree or theirs is not known: no address, but shown and probed like one."""

SKEW: WaitReason = ("endpoint", CLOCK)

_FIRST_PROBE_S = 1.0
"""Calls under way bring a `Date` sooner than this, mostly, and no probe is needed."""


def check_window(event_ms: int, max_age_ms: int | None, now_ms: float) -> float | Fault | None:
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
        return Fault(DeadLetterCause.OUT_OF_WINDOW, "the event is older than the destination takes")
    ahead_s = -age_ms / 1000
    return (
        ahead_s
        if ahead_s <= MAX_SKEW_S
        else Fault(DeadLetterCause.OUT_OF_WINDOW, "the event's time lies in the future")
    )


class TimeWindow:
    """One destination's view of time. `active` once any of its deliveries has a window at all."""

    def __init__(
        self,
        name: str,
        circuit_breakers: CircuitBreakers[Endpoint],
        release: Callable[[WaitReason], None],
        hold_started: Callable[[], None],
        observer: Observer,
    ) -> None:
        """Let `release` be told when a wait is over, and `began` when a hold begins.

        What is held for the clocks is looked at as often as `holds` are probed.
        """
        self.active = False
        self._name = name
        self._circuit_breakers = circuit_breakers
        self._release = release
        self._hold_started = hold_started
        self._observer = observer
        self._timers: dict[WaitReason, asyncio.TimerHandle] = {}
        self._ahead_s = self._date_at_s = float("-inf")

    @property
    def skew_s(self) -> float:
        """Seconds their clock is ahead of ours, by the last `Date` there was."""
        return self._ahead_s + time.monotonic() - time.time()

    @property
    def date_known(self) -> bool:
        """Whether their clock is known: a `Date` was heard lately."""
        return time.monotonic() - self._date_at_s <= DATE_VALID_S

    @property
    def clocks_agree(self) -> bool:
        """Whether their clock is known and ours agrees with it: only then can an event be refused for its time."""
        return self.date_known and abs(self.skew_s) <= MAX_SKEW_S

    def record_server_date(self, date: str | None) -> None:
        """Learn their time from the `Date` header of an answer (RFC 9110 §6.6.1); anything else teaches nothing."""
        if not date:
            return
        try:
            theirs = parsedate_to_datetime(date)
            if theirs.tzinfo is None:
                theirs = theirs.replace(tzinfo=UTC)
            ahead_s = theirs.timestamp() - time.monotonic()
        except (TypeError, ValueError, IndexError, OverflowError):  # all of them come out of arbitrary text
            return
        self._ahead_s, self._date_at_s = ahead_s, time.monotonic()
        self._end_hold_if_clocks_agree()

    def reason(self, delivery: Delivery) -> WaitReason | Fault | None:
        """Return what a delivery must wait for, why it can never go, or `None` where its time is all right."""
        stands = check_window(delivery.event_ms, delivery.envelope.max_age_ms, time.time() * 1000)
        if stands is None:
            return None
        if isinstance(stands, float):
            return self._wait_for(("clock", delivery.event_ms // 1000), stands)
        if self.clocks_agree:
            return stands
        self._hold()
        return self._wait_for(SKEW, self._circuit_breakers.probe_s)

    def expired(self, delivery: Delivery) -> Fault | None:
        """Return why a delivery's time can never be right, as far as that can be told."""
        stands = check_window(delivery.event_ms, delivery.envelope.max_age_ms, time.time() * 1000)
        return stands if isinstance(stands, Fault) and self.clocks_agree else None

    def drop_revoked(self) -> None:
        """Hold nothing more: all that waited is looked at anew, and may belong to another member by now."""
        self._end_hold()

    def close(self) -> None:
        """Let no timer of ours fire any more."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _wait_for(self, scope: WaitReason, wait_s: float) -> WaitReason:
        if scope not in self._timers:
            self._timers[scope] = asyncio.get_running_loop().call_later(wait_s, self._timer_fired, scope)
        return scope

    def _timer_fired(self, scope: WaitReason) -> None:
        del self._timers[scope]
        self._end_hold_if_clocks_agree()
        self._release(scope)

    def _hold(self) -> None:
        if CLOCK not in self._circuit_breakers:
            fault = Fault(
                TransientCause.CLOCK_SKEW,
                "the destination's clock and ours disagree"
                if self.date_known
                else "outside the time window by our clock, and the destination's is not known yet",
            )
            self._circuit_breakers.open(
                CLOCK, fault, time.monotonic(), min(_FIRST_PROBE_S, self._circuit_breakers.probe_s)
            )
            self._observer.hold_started(self._name, CLOCK.name, fault)
            self._hold_started()
        if self.date_known and SKEW not in self._timers and (hold := self._circuit_breakers.get(CLOCK)):
            hold.next_probe = (
                time.monotonic() + self._circuit_breakers.probe_s
            )  # nothing is asked: it is when we look again

    def _end_hold_if_clocks_agree(self) -> None:
        if self.clocks_agree:
            self._end_hold()

    def _end_hold(self) -> None:
        now = time.monotonic()
        if (ended := self._circuit_breakers.close(CLOCK, now, success=False)) is None:
            return
        self._observer.hold_ended(self._name, CLOCK.name, now - ended.since)
        if timer := self._timers.pop(SKEW, None):
            timer.cancel()
            self._release(SKEW)
