"""The unit that is owed: one event, said once to one destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from consumer.delivery.guards.poison_detector import Evidence
    from consumer.delivery.ledger.partition_ledger import Tenure
    from consumer.model import Entry, Shape


class Delivery:
    """One delivery on its way through a lane.

    Mutable and slotted on purpose: it is made once an event, and a frozen noun costs twice as much.
    """

    __slots__ = (
        "attempts",
        "body",
        "entry",
        "event_ms",
        "evidence",
        "first_failed_ms",
        "identity",
        "key",
        "piece",
        "shape",
        "slot",
        "tenure",
    )

    def __init__(  # noqa: PLR0917 - one argument a column of the lot, given by position from a zip
        self,
        body: bytes,
        key: int,
        shape: Shape,
        identity: str,
        event_ms: int,
        entry: Entry,
        tenure: Tenure,
        slot: int,
    ) -> None:
        """Make one from a row of a lot's columns and its place in the ledger."""
        self.body = body
        self.key = key
        self.shape = shape
        self.identity = identity
        self.event_ms = event_ms
        self.entry = entry
        self.tenure = tenure
        self.slot = slot
        self.piece = 0
        """Which half of a split batch it belongs to; 0 = none. Different pieces never share a call again."""
        self.attempts = 0
        self.first_failed_ms = 0
        self.evidence: Evidence | None = None
        """What is known against it; nothing until it has failed."""
