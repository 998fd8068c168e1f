"""One delivery: one event for one destination, its attempts, and its failure history."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import BatchEnvelope, Entry


@dataclass(frozen=True, slots=True, eq=False)
class FailureHistory:
    """The failures of a delivery so far. Frozen, so that all deliveries of a batch with the same history share one.

    A failed request creates one or few, so the memory grows with requests, not with deliveries.
    `consumer.delivery.guards.poison_detector` defines which failures count and what *other* requests are.
    """

    successes_at_last: int
    """Successful requests to its endpoint as of its last failure."""
    other_failures_at_last: int
    """Failed other requests to its endpoint by then, its own included if that was one of the others."""
    failures: int = 0
    counted_failures: int = 0
    """Failures that count, since it first failed as a batch of one or last failed in an outage."""
    lone_failures: int = 0
    """How many of its latest failures, without a gap, it had as a batch of one."""
    last_counted: bool = False
    """Whether the last failure counts."""
    was_split: bool = False
    """Whether it was in a batch that was split as poison."""
    first_counted_s: float = 0.0
    """When the first of the counted failures happened (monotonic seconds)."""
    other_deliveries_at_first: int = 0
    """Deliveries that other requests had delivered to the endpoint by then."""
    other_successes_at_first: int = 0
    """Successful other requests by then."""
    other_failures_since_first: int = 0
    """Failed other requests since then."""


class Delivery:
    """One delivery on its way through a lane.

    Mutable and slotted on purpose: one is made per event, and a frozen dataclass costs twice as much.
    """

    __slots__ = (
        "attempts",
        "body",
        "entry",
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

    def __init__(  # noqa: PLR0917 - one argument per column of the batch, passed by position from a zip
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
        """Build one from a row of translated columns and its slot in the ledger."""
        self.body = body
        self.key = key
        self.envelope = envelope
        self.identity = identity
        self.event_ms = event_ms
        self.entry = entry
        self.ledger = ledger
        self.slot = slot
        self.fragment = 0
        """The fragment of a split batch that it belongs to; 0 = none. Two fragments never share a request again."""
        self.attempts = 0
        self.first_failed_ms = 0
        self.failure_history: FailureHistory | None = None
        """`None` until a failure of it may be its own fault."""
