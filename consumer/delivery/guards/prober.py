"""The prober: while a circuit is open, one lane at a time sends one delivery; changed credentials are tried at once."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.guards.time_window import SKEW
from consumer.delivery.keyed_queue import ANY, ProbeFilter

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.circuit_breaker import CircuitBreakers, OpenCircuit
    from consumer.delivery.guards.directive_filter import DirectiveFilter
    from consumer.delivery.guards.flood_guard import DestinationFloodGuard
    from consumer.delivery.guards.time_window import TimeWindow
    from consumer.delivery.http.credentials import Credentials
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.model import Endpoint
    from consumer.model.observer import Observer

_LOOK_S = 0.05
_SECRETS_EVERY_S = 2.0
_NOTHING_S = 1.0
"""Where nothing that waits can go, it is looked at again after this: all of it was gone through."""


class ProbingLane(Protocol):
    """A lane, as the prober sees it."""

    probe: WaitReason | None
    """What it is asked to probe with its next request."""

    def count_waiting(self, scope: WaitReason) -> int:
        """Count what waits for `scope`."""

    def can_probe(self, scope: WaitReason, fit: Callable[[Delivery], bool], proof: ProbeFilter) -> bool:
        """Return True if a delivery that waits for `scope` can probe it."""

    def wake(self) -> None:
        """Look again at what may be done."""


class Prober:
    """One destination's prober."""

    def __init__(
        self,
        name: str,
        something_held: asyncio.Event,
        *,
        circuit_breakers: CircuitBreakers[Endpoint],
        flood_guard: DestinationFloodGuard,
        time_window: TimeWindow,
        directive_filter: DirectiveFilter,
        credentials: Credentials,
        observer: Observer,
    ) -> None:
        """Probe what the circuit breakers and the flood guard hold; `something_held` is set when either begins to."""
        self._name = name
        self._something_held = something_held
        self._circuit_breakers = circuit_breakers
        self._flood_guard = flood_guard
        self._time_window = time_window
        self._directive_filter = directive_filter
        self._credentials = credentials
        self._observer = observer
        self._lanes: Sequence[ProbingLane] = ()
        self._next_lane = 0

    async def run(self, lanes: Sequence[ProbingLane]) -> None:
        """Probe through these lanes, for ever."""
        self._lanes = lanes
        holds, guarded = self._circuit_breakers, self._flood_guard.circuit_breakers
        secrets_read = 0.0
        while True:
            if not holds and not guarded:
                self._something_held.clear()
                await self._something_held.wait()
            await asyncio.sleep(min(_LOOK_S, holds.probe_s / 4))
            if time.monotonic() - secrets_read >= _SECRETS_EVERY_S:
                if await self._credentials.refresh():
                    self._observer.credential_renewed(self._name, ok=True)
                    holds.probe_now(time.monotonic())
                secrets_read = time.monotonic()
            now = time.monotonic()
            # Probes first: what goes in between at one guard could keep the lanes from the probe of another.
            for scope, hold in sorted(self._holds(), key=lambda held: now < held[1].next_probe):
                if hold.probe_due(now) and self._can_end(scope):
                    hold.probing = self._request_probe(scope, hold)

    def _holds(self) -> list[tuple[WaitReason, OpenCircuit]]:
        endpoints: list[tuple[WaitReason, OpenCircuit]] = [
            (("endpoint", endpoint), hold) for endpoint, hold in self._circuit_breakers
        ]
        return endpoints + [(("guard", event_type), hold) for event_type, hold in self._flood_guard.circuit_breakers]

    def open_circuit(self, scope: WaitReason) -> OpenCircuit | None:
        """Return what is held under `scope`, if it still is."""
        return next((hold for held, hold in self._holds() if held == scope), None)

    def can_probe(self, scope: WaitReason, tried: Collection[int]) -> Callable[[Delivery], bool]:
        """Return what tells whether a delivery may probe what is held under `scope`: not of keys `tried` already."""
        holds, window = self._circuit_breakers, self._time_window
        kind, held = scope

        def fit(delivery: Delivery) -> bool:
            to = delivery.envelope.endpoint
            # The guard's event types and the clock have no endpoint of their own: they are probed where none is held.
            elsewhere = to != held if kind == "endpoint" and scope != SKEW else to in holds
            if delivery.key in tried or elsewhere:
                return False
            reason = window.reason(delivery)
            # Its time will come by itself, unless nobody knows what time it is: the answer to a probe says that.
            return not isinstance(reason, tuple) or (reason == SKEW and not window.date_known)

        return fit

    def probe_filter(self, scope: WaitReason, hold: OpenCircuit) -> ProbeFilter:
        """Return what a hold is probed for now.

        Any answer tells whether an endpoint is mended; the flood guard waits for one to an entry that was refused.
        Others of its event type go in between, one at a time, and are no probes: new keys may come faster than they go,
        each beginning with one that proves nothing.
        """
        kind, held = scope
        if kind != "guard":
            return ANY
        proves = self._flood_guard.is_proof(str(held))
        if hold.is_passthrough:
            return ProbeFilter(lambda delivery: not proves(delivery), lambda _: False)

        def passes(delivery: Delivery) -> bool:
            if delivery.envelope.endpoint in self._circuit_breakers or self._flood_guard.reason(delivery) not in {
                None,
                scope,
            }:
                return False
            return not isinstance(
                self._directive_filter.reason(delivery), tuple
            )  # what is quarantined ends, and is in nobody's way

        return ProbeFilter(proves, passes)

    def _can_end(self, scope: WaitReason) -> bool:
        """Tell whether a probe may end a hold: that of clocks known to disagree ends when one is put right."""
        return scope != SKEW or not self._time_window.date_known

    def _request_probe(self, scope: WaitReason, hold: OpenCircuit) -> bool:
        """Have a lane probe what is held; tell whether one will."""
        lanes = self._lanes
        numbers = [(self._next_lane + step) % len(lanes) for step in range(len(lanes))]
        waiting = [number for number in numbers if lanes[number].count_waiting(scope)]
        # A lane asked already would forget the other scope, and nobody would ask for that one again.
        able = [number for number in waiting if lanes[number].probe is None]
        proof, fits = self.probe_filter(scope, hold), self.can_probe(scope, ())
        for number in able:
            if lanes[number].can_probe(scope, fits, proof):
                self._next_lane = number + 1
                lanes[number].probe = scope
                lanes[number].wake()
                return True
        if able and able == waiting:
            hold.schedule_probe(time.monotonic() + min(_NOTHING_S, self._circuit_breakers.probe_s))
        return False
