"""The options of one destination's dispatcher, and the interface that receives ended deliveries."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.backoff import Backoff
from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.model import Fault

_BACKOFF = Backoff(0.5, 30.0)
_GUARD = FloodGuardOptions()
_POISON_DETECTION = PoisonDetectionOptions()


@dataclass(frozen=True, slots=True)
class DestinationOptions:
    """Options of one destination. All times in seconds."""

    lanes: int = 4
    """Ordered queues, each with one request in flight."""
    timeout_s: float = 15.0
    """For a whole request: connecting, sending and reading together."""
    linger_s: float = 0.2
    """How long a batch that is not full waits for more deliveries."""
    backoff: Backoff = _BACKOFF
    probe_s: float = 30.0
    """Between two probes of a hold."""
    secrets_check_s: float = 2.0
    """Between two reads of the secret files while an endpoint or an event type is held."""
    rate_per_s: float | None = None
    """Requests per second of all processes together; `None` = no rate limit of ours."""
    flood_guard: FloodGuardOptions = _GUARD
    poison_detection: PoisonDetectionOptions = _POISON_DETECTION


class SettlementSink(Protocol):
    """Receives deliveries that have ended. A Protocol, because `pipeline` implements it and is the layer above."""

    def delivered(self, batch: Sequence[Delivery]) -> None:
        """Settle deliveries that the destination accepted."""

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """Dead-letter a refused delivery. Call `acknowledged` once the dead-letter topic has acknowledged it."""
