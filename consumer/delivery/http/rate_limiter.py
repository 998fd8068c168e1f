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
    from consumer.model.observer import Observer


_SLACK = 1.02
"""Calls are spaced a little wider than the rate says: two a window apart may arrive closer."""

_WINDOW_S = 1.0

_ARRIVED_S = 1.0
"""A call that was on its way for so long has arrived. Counted longer, one that hangs would stop all the others."""

_WIRE_NAP_S = 0.02
"""How often to look for an answer, where all that the rate allows is on the wire."""

_FENCE_POLL_S = 0.02

_LONGEST_NAP_S = 1.0
"""A lane that waits for the rate looks again after this: the share of it may have changed meanwhile."""


class RateLimiter:
    """One destination's clock: told waits stop all its lanes; a rate spaces its calls, and counts them.

    A rate belongs to the destination's account, so that a process may use only its share of it, by assigned ÷ all
    partitions. A lost share counts at once, a gained one after a window: the member that had it may have used it until
    now.

    Spacing alone would keep the average, and not every window: two members that may each make 2.5 calls a second can
    both make a third within one, and a call that is late on its way arrives beside the next. So whole calls are
    counted, from their start until a second after the last instant at which they can have arrived: that of their
    answer, or a second after their start. Of a share of 2.5 that is 2 in any second, of any below 2 it is 1.
    """

    def __init__(self, rate_per_s: float | None) -> None:
        """Start with a share of nothing if there is a rate, and no waits."""
        self.rate_per_s = rate_per_s
        self._share = 0.0
        self._gain: tuple[float, float] | None = None
        self.last_request = float("-inf")
        """When the last call started, a call for a token included."""
        self.paused_until = float("-inf")
        self._calls = 0
        self._on_wire: dict[int, float] = {}  # when each call started, in that order
        self._arrived: deque[float] = deque()  # by when at the latest, rising

    def set_share(self, share: float, now: float) -> None:
        """Set this process's share of the rate, 0 to 1."""
        current = self.share_at(now)
        if share > current:
            due = now + _WINDOW_S
            if self._gain is not None and share <= self._gain[1]:
                due = self._gain[0]  # told again, not gained again: repeats would put it off for ever
            self._share, self._gain = current, (due, share)
        else:
            self._share, self._gain = share, None

    def share_at(self, now: float) -> float:
        """Return the share in force."""
        if self._gain is not None and now >= self._gain[0]:
            self._share, self._gain = self._gain[1], None
        return self._share

    def pause_until(self, until: float) -> None:
        """Let no call start before `until` (the destination asked for it)."""
        self.paused_until = max(self.paused_until, until)

    def delay(self, now: float) -> tuple[float, str]:
        """Return the seconds the next request must still wait (0 = go), and whose limit it is: `server` or `local`."""
        told = self.paused_until - now
        if told > 0:
            return told, "server"
        if self.rate_per_s is None:
            return 0.0, ""
        mine = self.rate_per_s * self.share_at(now)
        if mine <= 0:
            return _WINDOW_S / 10, "local"
        return max(0.0, self.last_request + _SLACK / mine - now, self._full_for(mine, now)), "local"

    def _full_for(self, mine: float, now: float) -> float:
        """Return seconds until fewer calls than `mine` a second may have arrived within any second from now on."""
        while self._on_wire and (late := next(iter(self._on_wire.items())))[1] <= now - _ARRIVED_S:
            self.record_response(late[0], now)
        while self._arrived and self._arrived[0] <= now - _WINDOW_S:
            self._arrived.popleft()
        most = max(1, int(mine + 1e-9))  # a third of 3 is 1, in floats too
        too_many = len(self._on_wire) + len(self._arrived) - most
        if too_many < 0:
            return 0.0
        return self._arrived[too_many] + _WINDOW_S - now if too_many < len(self._arrived) else _WIRE_NAP_S

    def record_start(self, now: float) -> None:
        """Note that a call's turn has come."""
        self.last_request = now

    def record_sent(self, now: float) -> int:
        """Note that a call goes on the wire: from now on it may arrive at any time. Return its number."""
        self._calls += 1
        self._on_wire[self._calls] = now
        return self._calls

    def record_response(self, call: int, now: float) -> None:
        """Note that a call on the wire has ended, and so has arrived by now or never will."""
        if (sent := self._on_wire.pop(call, None)) is not None:
            insort(self._arrived, min(now, sent + _ARRIVED_S))


class RequestGate:
    """One destination's turns."""

    def __init__(self, name: str, pace: RateLimiter, may_call: Callable[[], bool], observer: Observer) -> None:
        """Give turns by `pace`, and none while `may_call` says no: that is the fence."""
        self._name = name
        self._pace = pace
        self._may_call = may_call
        self._observer = observer

    async def wait_until_open(self, not_before: Callable[[], float]) -> None:
        """Return when a lane may start a call; `not_before` says when its own back-off is over (monotonic seconds)."""
        while True:
            now = time.monotonic()
            wait_s, source = self._pace.delay(now)
            if (own_s := not_before() - now) > wait_s:
                wait_s, source = own_s, ""
            if wait_s <= 0:
                if self._may_call():
                    return
                wait_s, source = _FENCE_POLL_S, ""
            if source == "local":
                wait_s = min(wait_s, _LONGEST_NAP_S)
            await asyncio.sleep(wait_s)
            if source:
                self._observer.request_delayed(self._name, source, wait_s)

    async def may_start(self, batch: Sequence[Delivery], began: float) -> bool:
        """Tell whether a call whose turn came at `began` may start now.

        While its credentials were fetched a partition may have gone, the fence may have shut, or another lane been told
        to wait. And others called, the token call at least: a rate counts that too, so the turn is waited for anew.
        """
        if self._pace.rate_per_s is None or self._pace.last_request == began:
            return self._still(batch)
        return await self.may_repeat(batch)

    def _still(self, batch: Sequence[Delivery]) -> bool:
        return (
            self._may_call()
            and self._pace.paused_until <= time.monotonic()
            and all(delivery.ledger.may_send for delivery in batch)
        )

    async def may_repeat(self, batch: Sequence[Delivery]) -> bool:
        """Wait for a call's second turn under the rate; tell whether it may still start."""
        while self._still(batch):
            now = time.monotonic()
            wait_s, _ = self._pace.delay(now)
            if wait_s <= 0:
                self._pace.record_start(now)
                return True
            await asyncio.sleep(min(wait_s, _LONGEST_NAP_S))
        return False
