"""Time windows: whether an event's time lets it be sent now, later, or never.

Non-obvious: the destination's clock is known only from the `Date` headers of its responses. It is kept relative to our
monotonic clock. So when our wall clock is corrected, the skew disappears at once, without another response. Before the
first `Date`, and when the last one is too old, our own clock may be the wrong one. Deliveries that our clock puts
outside the window are held then, and one of them is sent as a probe, for the `Date` of its response.
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
    from consumer.model.observer import DeliveryEvents

MAX_SKEW_S = 60.0
"""How far an event may be ahead of our clock and still wait for its time.

Also the largest difference of the two clocks at which an event is refused for its time.
"""

DATE_VALID_S = 600.0
"""How long a `Date` is trusted. Our clock may be set wrong later."""

CLOCK = Endpoint(status.CLOCK, "", "")
"""The target that is held while the clocks disagree, or the destination's is unknown. Not a real endpoint."""

SKEW: WaitReason = ("endpoint", CLOCK)

_FIRST_PROBE_S = 1.0
"""Requests in flight usually bring a `Date` sooner than this, and no probe is needed."""


def check_window(event_ms: int, max_age_ms: int | None, now_ms: float) -> float | Fault | None:
    """Compare an event's time with its destination's window.

    Args:
        event_ms: the event's time, epoch milliseconds.
        max_age_ms: the length of the window in milliseconds; `None` = there is no window.
        now_ms: the clock to use, epoch milliseconds.

    Returns:
        `None` inside the window; the seconds to wait if the event is at most `MAX_SKEW_S` ahead; else the fault.
    """
    if max_age_ms is None:
        return None
    age_ms = now_ms - event_ms
    if 0 <= age_ms <= max_age_ms:
        return None
    if age_ms > 0:
        return Fault(DeadLetterCause.OUT_OF_WINDOW, "the event is older than the destination accepts")
    ahead_s = -age_ms / 1000
    return (
        ahead_s if ahead_s <= MAX_SKEW_S else Fault(DeadLetterCause.OUT_OF_WINDOW, "the event's time is in the future")
    )


class TimeWindow:
    """The time window of one destination.

    Attributes:
        active: whether any delivery had a window so far. The owner sets it.
    """

    def __init__(
        self,
        name: str,
        circuit_breakers: CircuitBreakers[Endpoint],
        end_wait: Callable[[WaitReason], None],
        hold_started: Callable[[], None],
        observer: DeliveryEvents,
        *,
        wall_clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start with the destination's clock unknown.

        Args:
            name: the destination.
            circuit_breakers: where the clock is held. Its probe interval is also the interval at which a known
                disagreement of the clocks is checked again.
            end_wait: called with the wait reason when a wait is over.
            hold_started: called when a hold begins.
            observer: receives what happens.
            wall_clock: our wall clock, epoch seconds.
            monotonic: our monotonic clock, seconds.
        """
        self.active = False
        self._name = name
        self._circuit_breakers = circuit_breakers
        self._end_wait = end_wait
        self._hold_started = hold_started
        self._observer = observer
        self._wall_clock = wall_clock
        self._monotonic = monotonic
        self._timers: dict[WaitReason, asyncio.TimerHandle] = {}
        self._ahead_s = self._date_at_s = float("-inf")

    @property
    def skew_s(self) -> float:
        """Seconds that the destination's clock is ahead of ours, by its last `Date`. Infinite before the first."""
        return self._ahead_s + self._monotonic() - self._wall_clock()

    @property
    def date_known(self) -> bool:
        """Whether the destination's clock is known: its last `Date` is recent enough."""
        return self._monotonic() - self._date_at_s <= DATE_VALID_S

    @property
    def clocks_agree(self) -> bool:
        """Whether the destination's clock is known and ours agrees. Only then can an event be refused for its time."""
        return self.date_known and abs(self.skew_s) <= MAX_SKEW_S

    def record_server_date(self, date: str | None) -> None:
        """Learn the destination's time from the `Date` header of a response (RFC 9110 §6.6.1). Ignore anything else."""
        if not date:
            return
        try:
            server_time = parsedate_to_datetime(date)
            if server_time.tzinfo is None:
                server_time = server_time.replace(tzinfo=UTC)
            ahead_s = server_time.timestamp() - self._monotonic()
        except (TypeError, ValueError, IndexError, OverflowError):  # arbitrary text raises each of them
            return
        self._ahead_s, self._date_at_s = ahead_s, self._monotonic()
        self._end_hold_if_clocks_agree()

    def reason(self, delivery: Delivery) -> WaitReason | Fault | None:
        """Return why a delivery must wait, why it can never be sent, or `None` if it can be sent now."""
        result = check_window(delivery.event_ms, delivery.envelope.max_age_ms, self._wall_clock() * 1000)
        if result is None:
            return None
        if isinstance(result, float):
            return self._wait_for(("clock", delivery.event_ms // 1000), result)
        if self.clocks_agree:
            return result
        self._hold()
        return self._wait_for(SKEW, self._circuit_breakers.probe_s)

    def expired(self, delivery: Delivery) -> Fault | None:
        """Return why a delivery can never be sent because of its time, or `None` if that is not certain."""
        result = check_window(delivery.event_ms, delivery.envelope.max_age_ms, self._wall_clock() * 1000)
        return result if isinstance(result, Fault) and self.clocks_agree else None

    def drop_revoked(self) -> None:
        """End the hold. All waiting deliveries are checked again, and some may belong to another member now."""
        self._end_hold()

    def close(self) -> None:
        """Cancel all timers."""
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
        self._end_wait(scope)

    def _hold(self) -> None:
        if CLOCK not in self._circuit_breakers:
            fault = Fault(
                TransientCause.CLOCK_SKEW,
                "the clocks of the destination and of this process disagree"
                if self.date_known
                else "outside the time window by the clock of this process; the destination's clock is not known yet",
            )
            self._circuit_breakers.open(
                CLOCK, fault, self._monotonic(), min(_FIRST_PROBE_S, self._circuit_breakers.probe_s)
            )
            self._observer.hold_started(self._name, CLOCK.name, fault)
            self._hold_started()
        if self.date_known and SKEW not in self._timers and (hold := self._circuit_breakers.get(CLOCK)):
            hold.next_probe = (
                self._monotonic() + self._circuit_breakers.probe_s
            )  # no probe is sent: this is the next check of the clocks

    def _end_hold_if_clocks_agree(self) -> None:
        if self.clocks_agree:
            self._end_hold()

    def _end_hold(self) -> None:
        now = self._monotonic()
        if (ended := self._circuit_breakers.close(CLOCK, now, success=False)) is None:
            return
        self._observer.hold_ended(self._name, CLOCK.name, now - ended.since)
        if timer := self._timers.pop(SKEW, None):
            timer.cancel()
            self._end_wait(SKEW)
