"""How one destination is called: the options of its lanes, and where deliveries end."""

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
    """How one destination is called. All times in seconds."""

    lanes: int = 4
    """Ordered queues, each with one call on the wire."""
    timeout_s: float = 15.0
    """A whole call: connecting, sending and reading together."""
    linger_s: float = 0.2
    """How long a batch that is not full waits for more."""
    backoff: Backoff = _BACKOFF
    probe_s: float = 30.0
    """Between the probes of a hold."""
    secrets_check_s: float = 2.0
    """Between two reads of the secret files while an endpoint or an event type is held."""
    rate_per_s: float | None = None
    """Calls per second of all processes together; `None` = no limit of ours."""
    flood_guard: FloodGuardOptions = _GUARD
    poison_detection: PoisonDetectionOptions = _POISON_DETECTION


class SettlementSink(Protocol):
    """Where deliveries end."""

    def delivered(self, batch: Sequence[Delivery]) -> None:
        """The destination has them."""

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """The destination will never take it: dead-letter it, and say when the dead-letter topic has it."""
