"""The prober of a destination: one lane at a time sends one delivery while a circuit is open.

Changed credentials are tried at once.
"""

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
    from consumer.model.observer import DeliveryEvents

_CHECK_S = 0.05
_SEARCH_AGAIN_S = 1.0
"""Wait before the next search if no waiting delivery can be sent.

A search visits every waiting delivery, so it must not run at every check.
"""


class ProbingLane(Protocol):
    """The part of a lane that the prober needs."""

    probe: WaitReason | None
    """What the lane shall probe with its next request."""

    def count_waiting(self, scope: WaitReason) -> int:
        """Return how many deliveries wait for `scope`."""

    def can_probe(self, scope: WaitReason, fit: Callable[[Delivery], bool], proof: ProbeFilter) -> bool:
        """Return True if a delivery that waits for `scope` can probe it."""

    def wake(self) -> None:
        """Check again what can be sent."""


class Prober:
    """Sends probes for the holds of one destination's endpoints and flood guard."""

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
        observer: DeliveryEvents,
        secrets_check_s: float,
    ) -> None:
        """Probe the holds of `circuit_breakers` and `flood_guard`. `something_held` is set when a hold begins.

        `secrets_check_s`: seconds between two reads of the secret files while anything is held.
        """
        self._name = name
        self._something_held = something_held
        self._circuit_breakers = circuit_breakers
        self._flood_guard = flood_guard
        self._time_window = time_window
        self._directive_filter = directive_filter
        self._credentials = credentials
        self._observer = observer
        self._secrets_check_s = secrets_check_s
        self._lanes: Sequence[ProbingLane] = ()
        self._next_lane = 0

    async def run(self, lanes: Sequence[ProbingLane]) -> None:
        """Probe through these lanes until cancelled."""
        self._lanes = lanes
        endpoints, event_types = self._circuit_breakers, self._flood_guard.circuit_breakers
        secrets_read_at = 0.0
        while True:
            if not endpoints and not event_types:
                self._something_held.clear()
                await self._something_held.wait()
            await asyncio.sleep(min(_CHECK_S, endpoints.probe_s / 4))
            if time.monotonic() - secrets_read_at >= self._secrets_check_s:
                if await self._credentials.refresh():
                    self._observer.credential_renewed(self._name, ok=True)
                    endpoints.probe_now(time.monotonic())
                secrets_read_at = time.monotonic()
            now = time.monotonic()
            # Probes first: the pass-through deliveries of one event type could occupy the lanes another needs.
            for scope, hold in sorted(self._holds(), key=lambda each: now < each[1].next_probe):
                if hold.probe_due(now) and self._can_end(scope):
                    hold.probing = self._request_probe(scope, hold)

    def _holds(self) -> list[tuple[WaitReason, OpenCircuit]]:
        endpoints: list[tuple[WaitReason, OpenCircuit]] = [
            (("endpoint", endpoint), hold) for endpoint, hold in self._circuit_breakers
        ]
        return endpoints + [(("guard", event_type), hold) for event_type, hold in self._flood_guard.circuit_breakers]

    def open_circuit(self, scope: WaitReason) -> OpenCircuit | None:
        """Return the hold for `scope`, or `None` if it has ended."""
        return next((hold for held_scope, hold in self._holds() if held_scope == scope), None)

    def probe_predicate(self, scope: WaitReason, probed: Collection[int]) -> Callable[[Delivery], bool]:
        """Return a predicate: True for a delivery that can probe the hold for `scope`.

        Keys in `probed` are excluded.
        """
        holds, window = self._circuit_breakers, self._time_window
        kind, held = scope

        def can_probe(delivery: Delivery) -> bool:
            to = delivery.envelope.endpoint
            # Event types and the clock have no endpoint of their own: their probes go to endpoints that are not held.
            elsewhere = to != held if kind == "endpoint" and scope != SKEW else to in holds
            if delivery.key in probed or elsewhere:
                return False
            reason = window.reason(delivery)
            # A delivery that is early is sent later without a probe. But while the destination's clock is unknown, the
            # `Date` of a probe's response is needed.
            return not isinstance(reason, tuple) or (reason == SKEW and not window.date_known)

        return can_probe

    def probe_filter(self, scope: WaitReason, hold: OpenCircuit) -> ProbeFilter:
        """Return which deliveries can be sent for a hold now.

        Any response tells whether an endpoint works again. The flood guard needs the response to an entry that was
        refused. Other deliveries of its event type pass through between the probes, one at a time. Without that, new
        keys could arrive faster than keys are probed, each beginning with a delivery that proves nothing.
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
            # A quarantined delivery ends, and is not in the way. A paused one waits.
            return not isinstance(self._directive_filter.reason(delivery), tuple)

        return ProbeFilter(proves, passes)

    def _can_end(self, scope: WaitReason) -> bool:
        """Return True if a probe can end the hold. Clocks known to disagree need a correction, not a probe."""
        return scope != SKEW or not self._time_window.date_known

    def _request_probe(self, scope: WaitReason, hold: OpenCircuit) -> bool:
        """Let one lane probe the hold; return False if no lane can."""
        lanes = self._lanes
        numbers = [(self._next_lane + step) % len(lanes) for step in range(len(lanes))]
        waiting = [number for number in numbers if lanes[number].count_waiting(scope)]
        # A lane with a probe request keeps it: overwritten, the other hold would stay marked as being probed forever.
        able = [number for number in waiting if lanes[number].probe is None]
        probe_filter, can_probe = self.probe_filter(scope, hold), self.probe_predicate(scope, ())
        for number in able:
            if lanes[number].can_probe(scope, can_probe, probe_filter):
                self._next_lane = number + 1
                lanes[number].probe = scope
                lanes[number].wake()
                return True
        if able and able == waiting:
            hold.schedule_probe(time.monotonic() + min(_SEARCH_AGAIN_S, self._circuit_breakers.probe_s))
        return False
