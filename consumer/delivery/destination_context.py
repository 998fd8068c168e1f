"""The parts of one destination that its lanes share: options, guards, rate limit and credentials.

The context knows no lane. The dispatcher builds it, owns the lanes, and passes it to lanes and outcome handlers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.circuit_breaker import CircuitBreakers, EndpointHealth
    from consumer.delivery.guards.directive_filter import DirectiveFilter
    from consumer.delivery.guards.flood_guard import DestinationFloodGuard
    from consumer.delivery.guards.poison_detector import PoisonDetector
    from consumer.delivery.guards.time_window import TimeWindow
    from consumer.delivery.http.credentials import Credentials
    from consumer.delivery.http.rate_limiter import RateLimiter, RequestGate
    from consumer.delivery.keyed_queue import WaitReason, Waits
    from consumer.delivery.options import DestinationOptions, SettlementSink
    from consumer.destinations import Destination
    from consumer.model import Endpoint, Fault
    from consumer.model.observer import DeliveryEvents


@dataclass(frozen=True, slots=True)
class DestinationContext:
    """The parts that all lanes of one destination share within one pipeline."""

    destination: Destination
    options: DestinationOptions
    observer: DeliveryEvents
    sink: SettlementSink
    """Receives ended deliveries."""
    credentials: Credentials
    rate_limiter: RateLimiter
    request_gate: RequestGate
    circuit_breakers: CircuitBreakers[Endpoint]
    endpoint_health: EndpointHealth
    poison_detector: PoisonDetector
    flood_guard: DestinationFloodGuard
    time_window: TimeWindow
    directive_filter: DirectiveFilter
    next_fragment: Callable[[], int]
    """Returns a new number for a fragment of a split batch."""
    random: Callable[[], float]
    """Returns 0 ≤ x < 1, the back-off's jitter."""

    @property
    def name(self) -> str:
        """The destination's name."""
        return self.destination.name

    def admission(self) -> Waits | None:
        """Return the function that finds why a delivery must wait, or `None` if no delivery has a reason to."""
        if self.circuit_breakers or self.flood_guard.circuit_breakers or self.directive_filter:
            return self._reason_to_wait
        return self.time_window.reason if self.time_window.active else None

    def _reason_to_wait(self, delivery: Delivery) -> WaitReason | Fault | None:
        if self.directive_filter and (reason := self.directive_filter.reason(delivery)):
            return reason
        if (endpoint := delivery.envelope.endpoint) in self.circuit_breakers:
            return "endpoint", endpoint
        return self.flood_guard.reason(delivery) or self.time_window.reason(delivery)
