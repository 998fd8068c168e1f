"""What an oracle knows: every record that was produced, and how each thing it owes must end."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

Headers = list[tuple[str, bytes | None]]


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """One delivery that a record owes, or one letter it must become.

    Attributes:
        pipeline: whose it is.
        destination: where it goes; none for a record that cannot be decoded.
        label: its entry in the mapping; none likewise.
        delivery_id: its identity as letters name it.
        kept_as: the id under which its server keeps it, and names it in its log of requests.
        key: what orders it.
        partition: its record's.
        offset: its record's.
        turn: its place among what its record owes to the destination.
        mark: bytes that its body on the wire must hold, for the id alone could stand on another event's body.
        cause: why it must end as a letter; none: it must be delivered.
        status: what the server will have answered about it, where it was asked.
        event_type: as its letter must name it.
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
        """Where it stands in its key's order."""
        return (self.offset, self.position)


@dataclass(slots=True)
class ProducedRecord:
    """One record as it was produced, and what it owes.

    Attributes:
        kind: what sort of record it is, for the count of kinds.
        skips: deliberately not delivered, by (pipeline, destination or "none", reason).
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
