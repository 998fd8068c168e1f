"""Whose turn it is: told waits, the rate, a lane's own back-off and the fence are over before a call starts."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.http.rate_limiter import Pace
    from consumer.model.observer import Observer

_FENCE_POLL_S = 0.02

_LONGEST_NAP_S = 1.0
"""A lane that waits for the rate looks again after this: the share of it may have changed meanwhile."""


class Turns:
    """One destination's turns."""

    def __init__(self, name: str, pace: Pace, may_call: Callable[[], bool], observer: Observer) -> None:
        """Give turns by `pace`, and none while `may_call` says no: that is the fence."""
        self._name = name
        self._pace = pace
        self._may_call = may_call
        self._observer = observer

    async def wait(self, not_before: Callable[[], float]) -> None:
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
                self._observer.throttled(self._name, source, wait_s)

    async def may_start(self, batch: Sequence[Delivery], began: float) -> bool:
        """Tell whether a call whose turn came at `began` may start now.

        While its credentials were fetched a partition may have gone, the fence may have shut, or another lane been told
        to wait. And others called, the token call at least: a rate counts that too, so the turn is waited for anew.
        """
        if self._pace.rate_per_s is None or self._pace.last_call == began:
            return self._still(batch)
        return await self.may_repeat(batch)

    def _still(self, batch: Sequence[Delivery]) -> bool:
        return (
            self._may_call()
            and self._pace.told_until <= time.monotonic()
            and all(delivery.tenure.sending for delivery in batch)
        )

    async def may_repeat(self, batch: Sequence[Delivery]) -> bool:
        """Wait for a call's second turn under the rate; tell whether it may still start."""
        while self._still(batch):
            now = time.monotonic()
            wait_s, _ = self._pace.delay(now)
            if wait_s <= 0:
                self._pace.started(now)
                return True
            await asyncio.sleep(min(wait_s, _LONGEST_NAP_S))
        return False
