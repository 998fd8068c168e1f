"""An operator's pauses and quarantines, applied to one destination's deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from consumer.model import DeadLetterCause, Fault
from consumer.model.directives import NONE

if TYPE_CHECKING:
    from consumer.delivery.delivery import Delivery
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import Partition
    from consumer.model.directives import Directives, Pause, Quarantine

_PAUSED: WaitReason = ("paused", "")
"""One for all: whenever anything about pauses changes, all that waits is looked at anew."""

QUARANTINED = Fault(DeadLetterCause.QUARANTINED, "by an operator's directive")
"""What a quarantine makes of whatever it names."""


class DirectiveFilter:
    """The pauses and quarantines of one destination; false while there are none."""

    def __init__(self, destination: str, directives: Directives = NONE) -> None:
        """Take those that speak of `destination`."""
        self._destination = destination
        self._apply(directives)

    def replace(self, directives: Directives) -> bool:
        """Use these directives instead of the present ones; return whether that changes a pause or a quarantine."""
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
        """Tell whether there is anything to be asked about."""
        return bool(self.pauses or self.quarantines)

    def reason(self, delivery: Delivery) -> WaitReason | Fault | None:
        """Return what a delivery must wait for, why it is never sent, or `None` where nothing was said of it."""
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
        """Tell whether the position of a record is quarantined, whatever it owes."""
        topic, index = ledger.partition
        return (
            topic in self._quarantined_topics
            and (topic, index, ledger.record(slot).offset()) in self._quarantined_offsets
        )

    def _key_hashes_of(self, partition: Partition) -> frozenset[int]:
        """Return the ordering keys that are quarantined in a partition, hashed as the translation hashes them.

        An ordering key is text where the mapping names one, else the record's bytes: what the operator wrote is both.
        """
        keys = self._key_hashes.get(partition)
        if keys is None:
            keys = self._key_hashes[partition] = frozenset(
                hash((partition.topic, partition.index, key))
                for topic, index, word in self._quarantined_keys
                if topic == partition.topic and index in {None, partition.index}
                for key in (word, word.encode(errors="surrogatepass"))
            )
        return keys
