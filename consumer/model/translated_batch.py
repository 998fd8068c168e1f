"""What became of one lot of records: its deliveries in parallel columns, what was skipped, and what cannot be said."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeAlias

from consumer.model import BatchEnvelope, Entry, Fault, Message, SkipReason

_EVENT_TYPE = attrgetter("event_type")


class DeliveryColumns:
    """The deliveries of one lot to one destination, as parallel lists: a noun for each would cost too much."""

    __slots__ = ("bodies", "entries", "envelopes", "identities", "keys", "records", "times_ms")

    def __init__(self) -> None:
        """Start empty."""
        self.bodies: list[bytes] = []
        self.keys: list[int] = []
        """Hash of (topic, partition, ordering key): orders deliveries, and chooses the lane."""
        self.envelopes: list[BatchEnvelope] = []
        self.identities: list[str] = []
        """The delivery's id as the destination receives it."""
        self.times_ms: list[int] = []
        """The event's time, epoch milliseconds."""
        self.entries: list[Entry] = []
        self.records: list[int] = []
        """Index of the record within the lot; rises, and repeats where an `each` makes several deliveries."""

    def by_event_type(self) -> Mapping[str, int]:
        """Count the deliveries of each event type."""
        return Counter(map(_EVENT_TYPE, self.entries))


SchemaKey: TypeAlias = int | str
"""A registry's numeric id, or a text: a registry's GUID, or the hex fingerprint of single-object encoding."""


class TranslationFailure(NamedTuple):
    """A record, or one delivery of it, that cannot be said: it goes to the dead-letter topic without any call."""

    record: int
    entry: Entry | None
    """`None`: the whole record, once for the pipeline (it could not be decoded)."""
    fault: Fault
    identity: str


@dataclass(slots=True)
class Translation:
    """What became of one lot."""

    columns: dict[str, DeliveryColumns]
    """By destination name."""
    skipped: dict[tuple[str, str, SkipReason], int] = field(default_factory=dict)
    """Deliveries (and whole records) deliberately not made, by (destination or "", event type or "", reason)."""
    faults: list[TranslationFailure] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    """Records left untranslated, in order: their schema is missing, or that of an earlier one of the partition."""
    missing: set[SchemaKey] = field(default_factory=set)
    decoded: dict[str, int] = field(default_factory=dict)
    """Records decoded, by event type."""


class Translates(Protocol):
    """The one door of translation."""

    def translate(self, records: Sequence[Message]) -> Translation:
        """Turn a lot into deliveries, skips and faults; never waits."""
