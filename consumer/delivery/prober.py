"""The prober: while anything is held, one lane at a time tries one delivery; changed credentials are tried at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.window import CLOCK, SKEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.hold import Hold
    from consumer.delivery.lanes import Lanes
    from consumer.model import Endpoint

_LOOK_S = 0.05
_SECRETS_EVERY_S = 2.0


class Prober:
    """One destination's prober."""

    def __init__(self, road: Lanes) -> None:
        """Probe the holds of `road` through its lanes."""
        self._road = road
        self._held = asyncio.Event()
        self._next_lane = 0

    def wake(self) -> None:
        """Begin: something is held."""
        self._held.set()

    async def run(self) -> None:
        """Probe, for ever."""
        holds = self._road.holds
        secrets_read = 0.0
        while True:
            if not holds:
                self._held.clear()
                await self._held.wait()
            await asyncio.sleep(min(_LOOK_S, holds.probe_s / 4))
            if time.monotonic() - secrets_read >= _SECRETS_EVERY_S:
                if await self._road.credentials.refresh():
                    self._road.observer.credential_renewed(self._road.name, ok=True)
                    holds.probe_now(time.monotonic())
                secrets_read = time.monotonic()
            now = time.monotonic()
            for endpoint, hold in holds:
                if not hold.probing and now >= hold.next_probe and self._tells(endpoint):
                    hold.probing = self._ask(endpoint)

    def fits(self, endpoint: Endpoint, hold: Hold) -> Callable[[Delivery], bool]:
        """Return what tells whether a delivery may probe a hold."""
        holds, window = self._road.holds, self._road.window

        def fit(delivery: Delivery) -> bool:
            to = delivery.shape.endpoint
            if delivery.key in hold.probed_keys or (to in holds if endpoint == CLOCK else to != endpoint):
                return False
            reason = window.reason(delivery)
            # Its time will come by itself, unless nobody knows what time it is: the answer to a probe says that.
            return not isinstance(reason, tuple) or (reason == SKEW and not window.known)

        return fit

    def _tells(self, held: Endpoint) -> bool:
        """Tell whether a probe may end a hold: that of clocks known to disagree ends when one is put right."""
        return held != CLOCK or not self._road.window.known

    def _ask(self, endpoint: Endpoint) -> bool:
        """Have a lane probe an endpoint; tell whether one will."""
        lanes = self._road.lanes
        for step in range(len(lanes)):
            number = (self._next_lane + step) % len(lanes)
            lane = lanes[number]
            # A lane asked already would forget the other endpoint, and nobody would ask for that one again.
            if lane.probe is None and lane.waits_for(endpoint):
                self._next_lane = number + 1
                lane.probe = endpoint
                lane.wake()
                return True
        return False
