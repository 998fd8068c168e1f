"""The prober: while anything is held, one lane at a time tries one delivery; changed credentials are tried at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.window import SKEW

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.hold import Hold
    from consumer.delivery.lanes import Lanes
    from consumer.delivery.queue import Scope

_LOOK_S = 0.05
_SECRETS_EVERY_S = 2.0


class Prober:
    """One destination's prober."""

    def __init__(self, road: Lanes) -> None:
        """Probe what is held of `road` through its lanes."""
        self._road = road
        self._something = asyncio.Event()
        self._next_lane = 0

    def wake(self) -> None:
        """Begin: something is held."""
        self._something.set()

    async def run(self) -> None:
        """Probe, for ever."""
        holds, guarded = self._road.holds, self._road.guarding.held
        secrets_read = 0.0
        while True:
            if not holds and not guarded:
                self._something.clear()
                await self._something.wait()
            await asyncio.sleep(min(_LOOK_S, holds.probe_s / 4))
            if time.monotonic() - secrets_read >= _SECRETS_EVERY_S:
                if await self._road.credentials.refresh():
                    self._road.observer.credential_renewed(self._road.name, ok=True)
                    holds.probe_now(time.monotonic())
                secrets_read = time.monotonic()
            now = time.monotonic()
            for scope, hold in self._held():
                if not hold.probing and now >= hold.next_probe and self._tells(scope):
                    hold.probing = self._ask(scope)

    def _held(self) -> list[tuple[Scope, Hold]]:
        endpoints: list[tuple[Scope, Hold]] = [(("endpoint", endpoint), hold) for endpoint, hold in self._road.holds]
        return endpoints + [(("guard", event_type), hold) for event_type, hold in self._road.guarding.held]

    def hold(self, scope: Scope) -> Hold | None:
        """Return what is held under `scope`, if it still is."""
        return next((hold for held, hold in self._held() if held == scope), None)

    def fits(self, scope: Scope, hold: Hold) -> Callable[[Delivery], bool]:
        """Return what tells whether a delivery may probe a hold."""
        holds, window = self._road.holds, self._road.window
        kind, held = scope

        def fit(delivery: Delivery) -> bool:
            to = delivery.shape.endpoint
            # The guard's event types and the clock have no endpoint of their own: they are probed where none is held.
            elsewhere = to != held if kind == "endpoint" and scope != SKEW else to in holds
            if delivery.key in hold.probed_keys or elsewhere:
                return False
            reason = window.reason(delivery)
            # Its time will come by itself, unless nobody knows what time it is: the answer to a probe says that.
            return not isinstance(reason, tuple) or (reason == SKEW and not window.known)

        return fit

    def _tells(self, scope: Scope) -> bool:
        """Tell whether a probe may end a hold: that of clocks known to disagree ends when one is put right."""
        return scope != SKEW or not self._road.window.known

    def _ask(self, scope: Scope) -> bool:
        """Have a lane probe what is held; tell whether one will."""
        lanes = self._road.lanes
        for step in range(len(lanes)):
            number = (self._next_lane + step) % len(lanes)
            lane = lanes[number]
            # A lane asked already would forget the other scope, and nobody would ask for that one again.
            if lane.probe is None and lane.waiting(scope):
                self._next_lane = number + 1
                lane.probe = scope
                lane.wake()
                return True
        return False
