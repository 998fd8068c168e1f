"""One delivery: one event for one destination, its attempts, and its failure history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import BatchEnvelope, Entry


@dataclass(frozen=True, slots=True, eq=False)
class FailureHistory:
    """What is known against a delivery. Frozen, so that all of a batch with the same past share one.

    A failed call makes one or few, so that their memory is that of calls, not of deliveries.
    """

    successes_at_last: int
    """How many calls to its endpoint had succeeded at its last failure."""
    other_failures_at_last: int
    """How many of the others' calls had failed there by then, its own counted where it was one of the others."""
    failures: int = 0
    counted_failures: int = 0
    """How many of the failures were, since it first stood alone or last failed in an outage."""
    lone_failures: int = 0
    """How many of its last failures it met by itself."""
    last_counted: bool = False
    """Whether the last one was damning."""
    was_split: bool = False
    """Whether it was in a batch that was halved for it."""
    first_counted_s: float = 0.0
    """When the first of its damning failures was (monotonic seconds)."""
    other_deliveries_at_first: int = 0
    """How many deliveries the others' calls had brought there by then."""
    other_successes_at_first: int = 0
    """How many of the others' calls had succeeded by then."""
    other_failures_since_first: int = 0
    """How many of the others' calls have failed since then."""


class Delivery:
    """One delivery on its way through a lane.

    Mutable and slotted on purpose: it is made once an event, and a frozen noun costs twice as much.
    """

    __slots__ = (
        "attempts",
        "body",
        "entry",
        "envelope",
        "envelope",
        "event_ms",
        "failure_history",
        "first_failed_ms",
        "fragment",
        "identity",
        "key",
        "ledger",
        "slot",
    )

    def __init__(  # noqa: PLR0917 - one argument a column of the lot, given by position from a zip
        self,
        body: bytes,
        key: int,
        envelope: BatchEnvelope,
        identity: str,
        event_ms: int,
        entry: Entry,
        ledger: PartitionLedger,
        slot: int,
    ) -> None:
        """Make one from a row of a lot's columns and its place in the ledger."""
        self.body = body
        self.key = key
        self.envelope = envelope
        self.identity = identity
        self.event_ms = event_ms
        self.entry = entry
        self.ledger = ledger
        self.slot = slot
        self.fragment = 0
        """Which half of a split batch it belongs to; 0 = none. Different pieces never share a call again."""
        self.attempts = 0
        self.first_failed_ms = 0
        self.failure_history: FailureHistory | None = None
        """What is known against it; nothing until it has failed."""
