"""The oracle's data: every produced record, and the outcome of each delivery that it owes."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """One delivery that a record owes, or one dead letter it must become.

    Attributes:
        pipeline: its pipeline.
        destination: its destination; `None` for an undecodable record.
        label: its mapping entry; `None` likewise.
        delivery_id: its id, as dead letters name it.
        stored_id: the id under which its server stores it, and names it in the recorded requests.
        key: its ordering key.
        partition: its record's.
        offset: its record's.
        position: its position among the deliveries that its record owes to the destination.
        marker: bytes that its request body must contain, because the id alone could be on another event's body.
        cause: the cause of its dead letter; `None`: it must be delivered.
        status: the server's response status for it, if a request was made.
        event_type: as its dead letter must name it.
        schema_id: likewise.
    """

    pipeline: str
    destination: str | None
    label: str | None
    delivery_id: str
    stored_id: str
    key: str
    partition: int
    offset: int
    position: int
    marker: bytes = b""
    cause: str | None = None
    status: int | None = None
    event_type: str | None = None
    schema_id: str | None = None

    @property
    def order(self) -> tuple[int, int]:
        """Its position in the order of its key."""
        return (self.offset, self.position)


@dataclass(slots=True)
class ProducedRecord:
    """One produced record and its owed deliveries.

    Attributes:
        kind: the kind of record, for the count of kinds.
        skips: the skipped deliveries, by (pipeline, destination or "none", reason).
    """

    kind: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Headers
    timestamp_ms: int
    owed: list[OwedDelivery] = field(default_factory=list)
    skips: Counter[tuple[str, str, str]] = field(default_factory=Counter)
