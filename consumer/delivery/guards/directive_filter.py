"""An operator's pauses and quarantines, applied to the deliveries of one destination."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.model import Fault
from consumer.model.directives import NONE, QUARANTINED

if TYPE_CHECKING:
    from consumer.delivery.delivery import Delivery
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import Partition
    from consumer.model.directives import Directives, Pause, Quarantine

_PAUSED: WaitReason = ("paused", "")
"""One wait reason for all pauses: when any pause changes, every waiting delivery is checked again."""


class DirectiveFilter:
    """The pauses and quarantines that apply to one destination. False while there are none."""

    def __init__(self, destination: str, directives: Directives = NONE) -> None:
        """Keep the pauses and quarantines in `directives` that cover `destination`."""
        self._destination = destination
        self._apply(directives)

    def replace(self, directives: Directives) -> bool:
        """Replace the directives; return whether that changed a pause or a quarantine of this destination."""
        before = self.pauses, self.quarantines
        self._apply(directives)
        return before != (self.pauses, self.quarantines)

    def _apply(self, directives: Directives) -> None:
        destination = self._destination
        self.pauses: tuple[Pause, ...] = tuple(
            each for each in directives.pauses if each.destination in {None, destination}
        )
        self.quarantines: tuple[Quarantine, ...] = tuple(
            each for each in directives.quarantines if each.destination in {None, destination}
        )
        self._paused_types = {each.event_type for each in self.pauses}
        self._quarantined_offsets = {
            (each.topic, each.partition, each.offset) for each in self.quarantines if each.key is None
        }
        self._quarantined_topics = {topic for topic, _, _ in self._quarantined_offsets}
        self._quarantined_keys = [
            (each.topic, each.partition, each.key) for each in self.quarantines if each.key is not None
        ]
        self._key_hashes: dict[Partition, frozenset[int]] = {}

    def __bool__(self) -> bool:
        """Return True if any pause or quarantine applies to this destination."""
        return bool(self.pauses or self.quarantines)

    def reason(self, delivery: Delivery) -> WaitReason | Fault | None:
        """Return why a delivery must wait, why it is never sent, or `None` if no directive covers it."""
        if self.quarantines and self._is_quarantined(delivery):
            return QUARANTINED
        if None in self._paused_types or delivery.entry.event_type in self._paused_types:
            return _PAUSED
        return None

    def _is_quarantined(self, delivery: Delivery) -> bool:
        ledger = delivery.ledger
        if self._quarantined_keys and delivery.key in self._key_hashes_of(ledger.partition):
            return True
        return self.quarantines_offset(ledger, delivery.slot)

    def quarantines_offset(self, ledger: PartitionLedger, slot: int) -> bool:
        """Return True if a directive quarantines the offset of the record at `slot`, whatever the record owes."""
        topic, index = ledger.partition
        return (
            topic in self._quarantined_topics
            and (topic, index, ledger.record(slot).offset()) in self._quarantined_offsets
        )

    def _key_hashes_of(self, partition: Partition) -> frozenset[int]:
        """Return the ordering keys quarantined in a partition, hashed as the translation hashes them.

        An ordering key is text if the mapping names one, else the record's key bytes. The operator's text covers both.
        """
        keys = self._key_hashes.get(partition)
        if keys is None:
            keys = self._key_hashes[partition] = frozenset(
                hash((partition.topic, partition.index, key))
                for topic, index, text in self._quarantined_keys
                if topic == partition.topic and index in {None, partition.index}
                for key in (text, text.encode(errors="surrogatepass"))
            )
        return keys
