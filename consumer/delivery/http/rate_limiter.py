"""When a request may start: the rate limit, waits that the server asked for, the lane's back-off and the fence."""

from __future__ import annotations

import asyncio
import time
from bisect import insort
from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.model.observer import DeliveryEvents


_SLACK = 1.02
"""Factor on the spacing of requests: two that start exactly one interval apart may arrive closer together."""

_WINDOW_S = 1.0

_ARRIVED_S = 1.0
"""A request in flight for this long has arrived. If it counted for longer, one that hangs would stop all others."""

_IN_FLIGHT_POLL_S = 0.02
"""How often to check for a response when all the requests that the rate allows are in flight."""

_FENCE_POLL_S = 0.02

_RECHECK_S = 1.0
"""Longest sleep for the rate limit: this process's share of the rate may change during the wait."""


def _always() -> bool:
    return True


def _never() -> bool:
    return False


def _at_once() -> float:
    return float("-inf")


def _ignore(_source: str, _seconds: float) -> None:
    pass


class RateLimiter:
    """One destination's rate limit. A wait that the server asks for stops all lanes; a rate spaces the requests.

    The rate belongs to the destination's account. A process uses its share of it: assigned partitions ÷ all partitions.
    A smaller share counts at once. A larger one counts a window later, because the member that had it may have used it
    until now.

    Spacing alone keeps the average, but not every window. Two members that may each send 2.5 requests a second can
    both send a third within one second. A request delayed on its way arrives beside the next. So whole requests are
    counted, from their start until one second after the last instant at which they can have arrived. That instant is
    the response, or one second after the start. A share of 2.5 allows 2 requests in any second, one below 2 allows 1.
    """

    def __init__(self, rate_per_s: float | None, *, recheck_s: float = _RECHECK_S) -> None:
        """Start without a pause and, if there is a rate, with a share of 0.

        Args:
            rate_per_s: requests per second of all processes together; `None` = no rate limit.
            recheck_s: longest sleep of `acquire` before it reads the share again.
        """
        self.rate_per_s = rate_per_s
        self._recheck_s = recheck_s
        self._share = 0.0
        self._gain: tuple[float, float] | None = None
        self.last_request = float("-inf")
        """When the last request started, token requests included (monotonic seconds)."""
        self.paused_until = float("-inf")
        self._requests = 0
        self._in_flight: dict[int, float] = {}  # start of each request, in that order
        self._arrivals: deque[float] = deque()  # latest possible arrival of each finished request, rising

    def set_share(self, share: float, now: float) -> None:
        """Set this process's share of the rate, 0 to 1."""
        current = self.share_at(now)
        if share > current:
            due = now + _WINDOW_S
            if self._gain is not None and share <= self._gain[1]:
                due = self._gain[0]  # not a new gain: repeating the same share must not put it off forever
            self._share, self._gain = current, (due, share)
        else:
            self._share, self._gain = share, None

    def share_at(self, now: float) -> float:
        """Return the share that applies at `now`."""
        if self._gain is not None and now >= self._gain[0]:
            self._share, self._gain = self._gain[1], None
        return self._share

    def pause_until(self, until: float) -> None:
        """Start no request before `until` (monotonic seconds), as the server asked."""
        self.paused_until = max(self.paused_until, until)

    def is_paused(self) -> bool:
        """Return True during a wait that the server asked for."""
        return self.paused_until > time.monotonic()

    def delay(self, now: float) -> tuple[float, str]:
        """Return the seconds that the next request must wait (0 = none) and their source: `server`, `local` or ""."""
        paused_s = self.paused_until - now
        if paused_s > 0:
            return paused_s, "server"
        if self.rate_per_s is None:
            return 0.0, ""
        own_rate = self.rate_per_s * self.share_at(now)
        if own_rate <= 0:
            return _WINDOW_S / 10, "local"
        return max(0.0, self.last_request + _SLACK / own_rate - now, self._window_delay(own_rate, now)), "local"

    def _window_delay(self, own_rate: float, now: float) -> float:
        """Return the seconds until one more request keeps every one-second window at or below `own_rate`."""
        while self._in_flight and (oldest := next(iter(self._in_flight.items())))[1] <= now - _ARRIVED_S:
            self.record_response(oldest[0], now)
        while self._arrivals and self._arrivals[0] <= now - _WINDOW_S:
            self._arrivals.popleft()
        allowed = max(1, int(own_rate + 1e-9))  # a third of 3 is 1, in floats too
        excess = len(self._in_flight) + len(self._arrivals) - allowed
        if excess < 0:
            return 0.0
        return self._arrivals[excess] + _WINDOW_S - now if excess < len(self._arrivals) else _IN_FLIGHT_POLL_S

    async def acquire(
        self,
        *,
        give_up: Callable[[], bool] = _never,
        not_before: Callable[[], float] = _at_once,
        may_start: Callable[[], bool] = _always,
        on_delay: Callable[[str, float], None] = _ignore,
    ) -> float | None:
        """Wait until a request may start. Return that instant, or `None` if `give_up` ended the wait.

        All conditions are read again after each sleep: the share, the pause and the back-off may change meanwhile. The
        limiter does not count the request yet: the caller calls `record_start` before it awaits anything.

        Args:
            give_up: ends the wait; called before each check of the limits.
            not_before: end of the caller's own back-off (monotonic seconds).
            may_start: the fence; polled once all limits allow the request.
            on_delay: called after each sleep for a limit, with its source and the seconds. Waits for the back-off and
                the fence are not reported.
        """
        while not give_up():
            now = time.monotonic()
            wait_s, source = self.delay(now)
            if (own_s := not_before() - now) > wait_s:
                wait_s, source = own_s, ""
            if wait_s <= 0:
                if may_start():
                    return now
                wait_s, source = _FENCE_POLL_S, ""
            if source == "local":
                wait_s = min(wait_s, self._recheck_s)
            await asyncio.sleep(wait_s)
            if source:
                on_delay(source, wait_s)
        return None

    def record_start(self, now: float) -> None:
        """Record that a request starts at `now`. The next one keeps its distance from it."""
        self.last_request = now

    def record_sent(self, now: float) -> int:
        """Record that a request is in flight and may arrive at any time from now on. Return its number."""
        self._requests += 1
        self._in_flight[self._requests] = now
        return self._requests

    def record_response(self, request: int, now: float) -> None:
        """Record that request number `request` has ended: it has arrived by now, or never will."""
        if (sent := self._in_flight.pop(request, None)) is not None:
            insort(self._arrivals, min(now, sent + _ARRIVED_S))


class RequestGate:
    """Lets the requests of one destination start: rate limit, back-off, fence, and revoked partitions."""

    def __init__(
        self, name: str, rate_limiter: RateLimiter, may_send: Callable[[], bool], observer: DeliveryEvents
    ) -> None:
        """Open as `rate_limiter` allows, and not while `may_send` returns False: that is the fence."""
        self._name = name
        self._rate_limiter = rate_limiter
        self._may_send = may_send
        self._observer = observer

    async def wait_until_open(self, not_before: Callable[[], float]) -> None:
        """Wait until a lane may start a request; `not_before` is the end of its own back-off (monotonic seconds)."""
        await self._rate_limiter.acquire(not_before=not_before, may_start=self._may_send, on_delay=self._report_delay)

    def _report_delay(self, source: str, seconds: float) -> None:
        self._observer.request_delayed(self._name, source, seconds)

    async def may_start(self, batch: Sequence[Delivery], began: float) -> bool:
        """Return True if a request that `wait_until_open` let through at `began` may still start.

        Fetching credentials takes time. Meanwhile a partition may have been revoked, the fence may have closed, or the
        server may have asked another lane to wait. Other requests may have started, at least the token request. The
        rate counts them, so this request waits for the rate again.
        """
        if self._rate_limiter.rate_per_s is None or self._rate_limiter.last_request == began:
            return self._is_allowed(batch)
        return await self.may_repeat(batch)

    def _is_allowed(self, batch: Sequence[Delivery]) -> bool:
        return (
            self._may_send()
            and not self._rate_limiter.is_paused()
            and all(delivery.ledger.may_send for delivery in batch)
        )

    async def may_repeat(self, batch: Sequence[Delivery]) -> bool:
        """Wait for the rate limit before a request is sent again. Return True if it may still start."""
        start = await self._rate_limiter.acquire(give_up=lambda: not self._is_allowed(batch))
        if start is None:
            return False
        self._rate_limiter.record_start(start)
        return True
