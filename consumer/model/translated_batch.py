"""The result of translating one batch of records: deliveries in parallel columns, skips and failures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import NamedTuple, Protocol, TypeAlias

from consumer.model import BatchEnvelope, Entry, Fault, Message, SkipReason

_EVENT_TYPE = attrgetter("event_type")


class DeliveryColumns:
    """The deliveries of one batch to one destination, as parallel lists. An object for each would cost too much CPU."""

    __slots__ = ("bodies", "entries", "envelopes", "identities", "keys", "records", "times_ms")

    def __init__(self) -> None:
        """Start empty."""
        self.bodies: list[bytes] = []
        self.keys: list[int] = []
        """Hash of (topic, partition, ordering key). It orders deliveries and chooses the lane."""
        self.envelopes: list[BatchEnvelope] = []
        self.identities: list[str] = []
        """The delivery's id, as the destination receives it."""
        self.times_ms: list[int] = []
        """The event's time, epoch milliseconds."""
        self.entries: list[Entry] = []
        self.records: list[int] = []
        """Index of the record in the batch. It never falls, and repeats if an `each` makes several deliveries."""

    def by_event_type(self) -> Mapping[str, int]:
        """Count the deliveries of each event type."""
        return Counter(map(_EVENT_TYPE, self.entries))


SchemaKey: TypeAlias = int | str
"""The registry's numeric id, or text: the registry's GUID, or the hex fingerprint of single-object encoding."""


class TranslationFailure(NamedTuple):
    """A record, or one delivery of it, that cannot be translated. It becomes a dead letter without any request."""

    record: int
    entry: Entry | None
    """`None` = the whole record, once per pipeline: it could not be decoded."""
    fault: Fault
    identity: str


@dataclass(slots=True)
class Translation:
    """The result of translating one batch of records."""

    columns: dict[str, DeliveryColumns]
    """By destination name."""
    skipped: dict[tuple[str, str, SkipReason], int] = field(default_factory=dict)
    """Deliveries (and whole records) deliberately not made, by (destination or "", event type or "", reason)."""
    faults: list[TranslationFailure] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    """Records not translated yet, in order: their schema, or an earlier one's in the partition, is missing."""
    missing: set[SchemaKey] = field(default_factory=set)
    decoded: dict[str, int] = field(default_factory=dict)
    """Records decoded, by event type."""


class Translates(Protocol):
    """Translation, as the pipeline calls it."""

    def translate(self, records: Sequence[Message]) -> Translation:
        """Translate records to deliveries, skips and failures. Never waits."""

    def quarantine(self, positions: Collection[tuple[str, int, int]]) -> None:
        """Replace the quarantined (topic, partition, offset)s: a record there never waits for its schema."""
