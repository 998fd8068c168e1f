"""What happens in the shop: an event on its way to Kafka, and with it what must become of it everywhere."""

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
"""Topic → partitions. Devices have no registry client: their topic holds single-object encoding."""

DESTINATIONS = ("copilot", "customerio", "yotpo")


class Arrives(Enum):
    """The good end."""

    DELIVERED = "delivered"


DELIVERED = Arrives.DELIVERED
End: TypeAlias = Arrives | SkipReason | DeadLetterCause
"""Delivered, deliberately skipped, or in the dead-letter topic for that cause."""


@dataclass(frozen=True, slots=True)
class Owed:
    """One delivery that is owed, and how it must end. Without a label it is the whole record, once for the pipeline."""

    destination: str
    label: str
    end: End
    element: str | None = None
    """The own id of the element it speaks of."""
    repeated_at: int | None = None
    """Position of an element whose id stood in the record before: it has no identity of its own."""
    arrives_as: str | None = None
    """The id it is kept under where the destination's own endpoint knows none (Copilot's consent)."""


@dataclass(frozen=True, slots=True)
class ShopEvent:
    """One record to be written."""

    topic: str
    key: str
    kind: str
    """Name of its type without the namespace."""
    event: Mapping[str, Any] | None
    """`None` = `raw` is written as it is."""
    time_ms: int
    """When it happened."""
    owed: tuple[Owed, ...]
    raw: bytes | None = None
    headers: tuple[tuple[str, bytes], ...] = ()
    written_ms: int | None = None
    """Timestamp of the record; `None` = now."""
    why: str = ""
    """What is wrong with it, in two or three words, if it was made wrong on purpose."""

    @property
    def own_id(self) -> str | None:
        """The event's own id as text, if its type has one."""
        said = None if self.event is None else self.event.get("event_id")
        return str(UUID(bytes=said)) if isinstance(said, bytes) else said
