"""The prober: while anything is held, one lane at a time tries one delivery; changed credentials are tried at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.guards.time_window import SKEW
from consumer.delivery.keyed_queue import ANY, Proof

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.dispatcher import Lanes
    from consumer.delivery.guards.circuit_breaker import Hold
    from consumer.delivery.keyed_queue import Scope

_LOOK_S = 0.05
_SECRETS_EVERY_S = 2.0
_NOTHING_S = 1.0
"""Where nothing that waits can go, it is looked at again after this: all of it was gone through."""


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
            # Probes first: what goes in between at one guard could keep the lanes from the probe of another.
            for scope, hold in sorted(self._held(), key=lambda held: now < held[1].next_probe):
                if hold.due(now) and self._tells(scope):
                    hold.probing = self._ask(scope, hold)

    def _held(self) -> list[tuple[Scope, Hold]]:
        endpoints: list[tuple[Scope, Hold]] = [(("endpoint", endpoint), hold) for endpoint, hold in self._road.holds]
        return endpoints + [(("guard", event_type), hold) for event_type, hold in self._road.guarding.held]

    def hold(self, scope: Scope) -> Hold | None:
        """Return what is held under `scope`, if it still is."""
        return next((hold for held, hold in self._held() if held == scope), None)

    def fits(self, scope: Scope, tried: Collection[int]) -> Callable[[Delivery], bool]:
        """Return what tells whether a delivery may probe what is held under `scope`: not of keys `tried` already."""
        holds, window = self._road.holds, self._road.window
        kind, held = scope

        def fit(delivery: Delivery) -> bool:
            to = delivery.shape.endpoint
            # The guard's event types and the clock have no endpoint of their own: they are probed where none is held.
            elsewhere = to != held if kind == "endpoint" and scope != SKEW else to in holds
            if delivery.key in tried or elsewhere:
                return False
            reason = window.reason(delivery)
            # Its time will come by itself, unless nobody knows what time it is: the answer to a probe says that.
            return not isinstance(reason, tuple) or (reason == SKEW and not window.known)

        return fit

    def proof(self, scope: Scope, hold: Hold) -> Proof:
        """Return what a hold is probed for now.

        Any answer tells whether an endpoint is mended; the flood guard waits for one to an entry that was refused.
        Others of its event type go in between, one at a time, and are no probes: new keys may come faster than they go,
        each beginning with one that proves nothing.
        """
        kind, held = scope
        if kind != "guard":
            return ANY
        road = self._road
        proves = road.guarding.proves(str(held))
        if hold.other:
            return Proof(lambda delivery: not proves(delivery), lambda _: False)

        def passes(delivery: Delivery) -> bool:
            if delivery.shape.endpoint in road.holds or road.guarding.reason(delivery) not in {None, scope}:
                return False
            return not isinstance(road.said.reason(delivery), tuple)  # what is quarantined ends, and is in nobody's way

        return Proof(proves, passes)

    def _tells(self, scope: Scope) -> bool:
        """Tell whether a probe may end a hold: that of clocks known to disagree ends when one is put right."""
        return scope != SKEW or not self._road.window.known

    def _ask(self, scope: Scope, hold: Hold) -> bool:
        """Have a lane probe what is held; tell whether one will."""
        lanes = self._road.lanes
        numbers = [(self._next_lane + step) % len(lanes) for step in range(len(lanes))]
        waiting = [number for number in numbers if lanes[number].waiting(scope)]
        # A lane asked already would forget the other scope, and nobody would ask for that one again.
        able = [number for number in waiting if lanes[number].probe is None]
        proof, fits = self.proof(scope, hold), self.fits(scope, ())
        for number in able:
            if lanes[number].finds(scope, fits, proof):
                self._next_lane = number + 1
                lanes[number].probe = scope
                lanes[number].wake()
                return True
        if able and able == waiting:
            hold.go_on(time.monotonic() + min(_NOTHING_S, self._road.holds.probe_s))
        return False
