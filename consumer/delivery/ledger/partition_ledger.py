"""The deliveries that one assignment of one partition still owes, and therefore how far it is safe to commit.

Non-obvious: offsets have gaps (compaction, transaction markers). So the committable offset is always one of the offsets
that were *given*, or one past the last of them, never a sum. A ledger that has ended does not change any more: late
outcomes are ignored here and nowhere else.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.model import Message, Partition

_COMPACT_AFTER = 4096
"""Ended slots are removed in runs of at least this many. One by one, each removal would shift the arrays."""

_SCAN_LIMIT = 10_000
"""Slots scanned for the oldest record that owes one destination. A scan occupies the loop meanwhile."""


class LedgerError(Exception):
    """A bug: a delivery was settled that was not owed, or offsets did not rise."""


class PartitionLedger:
    """One assignment of one partition: the records accepted under it and the deliveries each still owes.

    A *slot* numbers the records of a ledger from 0 in the order they were accepted. `_owed[d]` counts the open
    deliveries of each slot to destination `d`. A slot with no open delivery to any destination has ended, and its
    record is dropped.
    """

    __slots__ = (
        "_compact_after",
        "_ended_to",
        "_first_slot",
        "_offsets",
        "_open",
        "_owed",
        "_records",
        "_remaining",
        "_scan_limit",
        "_weights",
        "accepted",
        "active",
        "epoch",
        "may_send",
        "next_offset",
        "open_bytes",
        "open_records",
        "partition",
        "settled",
    )

    def __init__(
        self,
        partition: Partition,
        epoch: int,
        start: int,
        destinations: int,
        *,
        compact_after: int = _COMPACT_AFTER,
        scan_limit: int = _SCAN_LIMIT,
    ) -> None:
        """Start with nothing owed.

        Args:
            partition: the assigned partition.
            epoch: the number of this assignment.
            start: the offset at which consumption starts.
            destinations: how many accounts deliveries can be owed to.
            compact_after: ended slots are removed in runs of at least this many.
            scan_limit: how many slots `oldest_open_for` scans.
        """
        self.partition = partition
        self.epoch = epoch
        self._compact_after = compact_after
        self._scan_limit = scan_limit
        self.active = True
        """Whether outcomes still count."""
        self.may_send = True
        """Whether new requests may carry its deliveries: False as soon as the partition is being revoked."""
        self.next_offset = start
        self.open_records = 0
        self.open_bytes = 0
        self.accepted = 0
        self.settled = 0
        self._first_slot = 0
        self._ended_to = 0  # index of the oldest slot that has not ended
        self._offsets = array("q")
        self._remaining = array("L")
        self._owed = [array("L") for _ in range(destinations)]
        self._open = [0] * destinations
        self._weights = array("Q")
        self._records: list[Message | None] = []

    def accept(self, records: Sequence[Message], owed: Sequence[Sequence[int]], weights: Sequence[int]) -> int:
        """Accept records in offset order and return the first one's slot.

        Args:
            records: the records; their offsets rise.
            owed: for each destination, how many deliveries each record owes it.
            weights: bytes that each record counts for while it is open.

        Raises:
            LedgerError: an offset is not above the previous one.
        """
        offsets = array("q", [record.offset() for record in records])
        before = self.next_offset - 1
        for offset in offsets:
            if offset <= before:
                msg = f"{self.partition}: offset {offset} came after {before}. Please report this."
                raise LedgerError(msg)
            before = offset
        slot = self._first_slot + len(self._offsets)
        remaining = array("L", map(sum, zip(*owed, strict=True)))
        self._offsets.extend(offsets)
        self._remaining.extend(remaining)
        for destination, (mine, new) in enumerate(zip(self._owed, owed, strict=True)):
            mine.extend(new)
            self._open[destination] += sum(new)
        self._weights.extend(weights)
        self._records.extend(records)
        self.next_offset = before + 1
        self.accepted += len(records)
        self.open_records += len(records)
        self.open_bytes += sum(weights)
        if 0 in remaining:
            for index, count in enumerate(remaining, slot - self._first_slot):
                if not count:
                    self._end_slot(index)
            # Only now: compacting between two of them would shift the indices of the rest.
            self._advance()
        return slot

    def settle(self, slot: int, destination: int) -> bool:
        """Settle one delivery. Return True if it counted; it does not once the ledger has ended."""
        if not self.active:
            return False
        index = slot - self._first_slot
        owed = self._owed[destination]
        if index < 0 or not owed[index]:  # a negative index would silently address another record
            msg = f"{self.partition}: slot {slot} owes destination {destination} nothing. Please report this."
            raise LedgerError(msg)
        owed[index] -= 1
        self._open[destination] -= 1
        remaining = self._remaining[index] - 1
        self._remaining[index] = remaining
        if not remaining:
            self._end_slot(index)
            if index == self._ended_to:
                self._advance()
        return True

    def settle_all(self, slots: Iterable[int], destination: int) -> list[Message]:
        """Settle one delivery of each slot. Return the records; none once the ledger has ended."""
        if not self.active:
            return []
        first_slot, records, owed, remaining = self._first_slot, self._records, self._owed[destination], self._remaining
        weights, size, ended = self._weights, 0, 0
        settled: list[Message] = []
        for slot in slots:
            index = slot - first_slot
            message = records[index] if index >= 0 else None
            if message is None or not owed[index]:
                msg = f"{self.partition}: slot {slot} owes nothing to destination {destination}. Please report this."
                raise LedgerError(msg)
            settled.append(message)
            owed[index] -= 1
            still_owed = remaining[index] = remaining[index] - 1
            if not still_owed:
                records[index] = None
                size += weights[index]
                ended += 1
        self._open[destination] -= len(settled)
        self.open_records -= ended
        self.settled += ended
        self.open_bytes -= size
        # Only now: compacting between two of them would shift the indices of the rest.
        if self._ended_to < len(remaining) and not remaining[self._ended_to]:
            self._advance()
        return settled

    def _end_slot(self, index: int) -> None:
        self.open_records -= 1
        self.settled += 1
        self.open_bytes -= self._weights[index]
        self._records[index] = None

    def _advance(self) -> None:
        remaining, end, size = self._remaining, self._ended_to, len(self._remaining)
        while end < size and not remaining[end]:
            end += 1
        self._ended_to = end
        if end >= self._compact_after and end * 2 >= size:
            self._compact(end)

    def _compact(self, count: int) -> None:
        for column in (self._offsets, self._remaining, self._weights, *self._owed):
            del column[:count]
        del self._records[:count]
        self._first_slot += count
        self._ended_to = 0

    def committable_offset(self) -> int:
        """Return the offset below which nothing is owed: the oldest open record's, else one past the last accepted."""
        if self._ended_to < len(self._offsets):
            return self._offsets[self._ended_to]
        return self.next_offset

    def record(self, slot: int) -> Message:
        """Return the record of an open slot."""
        index = slot - self._first_slot
        message = self._records[index] if index >= 0 else None
        if message is None:
            msg = f"{self.partition}: slot {slot} has ended. Please report this."
            raise LedgerError(msg)
        return message

    def oldest_record(self) -> Message | None:
        """Return the oldest open record, or `None` when nothing is open."""
        return self._records[self._ended_to] if self._ended_to < len(self._records) else None

    @property
    def retained(self) -> int:
        """Slots from the oldest open one to the last accepted, settled ones included: retained and not committed."""
        return len(self._remaining) - self._ended_to

    def oldest_open_for(self, destination: int) -> Message | None:
        """Return the oldest record that owes one destination; the oldest open one if that is beyond the scan limit."""
        if not self._open[destination]:
            return None
        start = self._ended_to
        near = enumerate(self._owed[destination][start : start + self._scan_limit], start)
        return self._records[next((index for index, owed in near if owed), start)]

    def open_deliveries(self, destination: int) -> int:
        """Return the running count of open deliveries to one destination."""
        return self._open[destination]

    def count_open_deliveries(self, destination: int) -> int:
        """Count the open deliveries to one destination slot by slot, as a check of the running count."""
        return sum(self._owed[destination][self._ended_to :])

    def count_open_records(self) -> int:
        """Count the open records slot by slot, as a check of `open_records`."""
        return sum(1 for remaining in self._remaining[self._ended_to :] if remaining)

    def end(self) -> None:
        """End the ledger. Its open deliveries stay for the accounting, and no outcome changes it any more."""
        self.active = False
        self.may_send = False
