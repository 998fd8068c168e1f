"""An event of the shop on its way to Kafka, with the outcome that each of its deliveries must have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeAlias
from uuid import UUID

from consumer.model import DeadLetterCause, SkipReason

NAMESPACE = "com.acme.shop"

CUSTOMERS, VIEWS, ORDERS, DEVICES = "shop.customers", "shop.views", "shop.orders", "shop.devices"
TOPICS: Mapping[str, int] = {CUSTOMERS: 4, VIEWS: 6, ORDERS: 4, DEVICES: 4}
"""Topic → partitions. Devices have no registry client: their topic has single-object encoding."""

DESTINATIONS = ("copilot", "customerio", "yotpo")


class Delivered(Enum):
    """The outcome of a delivery that succeeds."""

    DELIVERED = "delivered"


DELIVERED = Delivered.DELIVERED
Outcome: TypeAlias = Delivered | SkipReason | DeadLetterCause
"""Delivered, deliberately skipped for a reason, or dead-lettered with a cause."""


@dataclass(frozen=True, slots=True)
class OwedDelivery:
    """One owed delivery and its expected outcome. Without a label it is the whole record, once for each pipeline."""

    destination: str
    label: str
    outcome: Outcome
    element: str | None = None
    """The own id of the delivery's element, in an entry with `each`."""
    repeated_at: int | None = None
    """Position of an element whose id occurred earlier in the record: it has no identity of its own."""
    stored_as: str | None = None
    """The id under which the server stores it, if the endpoint takes no id (Copilot's consent)."""


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """One record to be produced."""

    topic: str
    key: str
    kind: str
    """Name of the event type, without the namespace."""
    datum: Mapping[str, Any] | None
    """`None` = `raw` is written unchanged."""
    time_ms: int
    """Event time, epoch milliseconds."""
    owed: tuple[OwedDelivery, ...]
    raw: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int | None = None
    """Timestamp of the record, epoch milliseconds. `None` = now."""
    defect: str = ""
    """What is wrong with a bad record, in two or three words."""

    @property
    def own_id(self) -> str | None:
        """The event's own id as text. `None` if its type has none."""
        value = None if self.datum is None else self.datum.get("event_id")
        return str(UUID(bytes=value)) if isinstance(value, bytes) else value
