"""What one assignment of one partition still owes, and therefore how far it is safe to commit.

Non-obvious: offsets have holes (compaction, transaction markers), so the committable offset is always one of the
offsets that were *given*, or one past the last of them, never a sum. A ledger that has ended moves nothing any more:
late outcomes are ignored here and nowhere else.
"""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from consumer.model import Message, Partition

_COMPACT_AFTER = 4096
"""Ended slots are forgotten in runs of at least this many: one by one would cost a shift of the arrays each time."""

_NEAR = 10_000
"""So many slots are looked through for the oldest that owes one destination: whoever looks keeps the loop meanwhile."""


class LedgerError(Exception):
    """A bug: something was settled that was not owed, or offsets did not rise."""


class PartitionLedger:
    """One assignment of one partition: the records taken under it and what each still owes, by destination.

    A *slot* numbers the records of a ledger from 0 in the order they were taken. `owed[d]` counts the open deliveries
    of each slot to destination `d`; a slot with nothing left in any of them has ended, and its record is let go.
    """

    __slots__ = (
        "_ended_to",
        "_first",
        "_kept",
        "_left",
        "_offsets",
        "_open",
        "_owed",
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

    def __init__(self, partition: Partition, number: int, start: int, destinations: int) -> None:
        """Begin at offset `start` with nothing owed."""
        self.partition = partition
        self.epoch = number
        self.active = True
        """Whether outcomes still count."""
        self.may_send = True
        """Whether new calls may carry its deliveries: false as soon as the partition is being given back."""
        self.next_offset = start
        self.open_records = 0
        self.open_bytes = 0
        self.accepted = 0
        self.settled = 0
        self._first = 0
        self._ended_to = 0  # index of the oldest slot not ended; everything below it has
        self._offsets = array("q")
        self._left = array("L")
        self._owed = [array("L") for _ in range(destinations)]
        self._open = [0] * destinations
        self._weights = array("Q")
        self._kept: list[Message | None] = []

    def accept(self, records: Sequence[Message], owed: Sequence[Sequence[int]], weights: Sequence[int]) -> int:
        """Take records in offset order and return the first one's slot.

        Args:
            records: the records; their offsets rise.
            owed: for each destination, how many deliveries each record owes it.
            weights: bytes each record counts for while it is open.

        Raises:
            LedgerError: an offset that is not above the last one.
        """
        offsets = array("q", [record.offset() for record in records])
        before = self.next_offset - 1
        for offset in offsets:
            if offset <= before:
                msg = f"offset {offset} of {self.partition} came after {before}"
                raise LedgerError(msg)
            before = offset
        slot = self._first + len(self._offsets)
        left = array("L", map(sum, zip(*owed, strict=True)))
        self._offsets.extend(offsets)
        self._left.extend(left)
        for destination, (mine, new) in enumerate(zip(self._owed, owed, strict=True)):
            mine.extend(new)
            self._open[destination] += sum(new)
        self._weights.extend(weights)
        self._kept.extend(records)
        self.next_offset = before + 1
        self.accepted += len(records)
        self.open_records += len(records)
        self.open_bytes += sum(weights)
        if 0 in left:
            for index, count in enumerate(left, slot - self._first):
                if not count:
                    self._end(index)
            # Only now: forgetting between two of them would shift the places of the rest.
            self._advance()
        return slot

    def settle(self, slot: int, destination: int) -> bool:
        """Note that one delivery ended; tell whether it counted (it does not once the ledger is over)."""
        if not self.active:
            return False
        index = slot - self._first
        owed = self._owed[destination]
        if index < 0 or not owed[index]:  # a negative index would silently be another record's
            msg = f"slot {slot} of {self.partition} owes nothing to destination {destination}"
            raise LedgerError(msg)
        owed[index] -= 1
        self._open[destination] -= 1
        left = self._left[index] - 1
        self._left[index] = left
        if not left:
            self._end(index)
            if index == self._ended_to:
                self._advance()
        return True

    def settle_all(self, slots: Iterable[int], destination: int) -> list[Message]:
        """Note that one delivery of each slot ended; return the records (none once the ledger is over)."""
        if not self.active:
            return []
        first, kept, owed, left = self._first, self._kept, self._owed[destination], self._left
        weights, size, ended = self._weights, 0, 0
        records: list[Message] = []
        for slot in slots:
            index = slot - first
            message = kept[index] if index >= 0 else None
            if message is None or not owed[index]:
                msg = f"slot {slot} of {self.partition} owes nothing to destination {destination}"
                raise LedgerError(msg)
            records.append(message)
            owed[index] -= 1
            rest = left[index] = left[index] - 1
            if not rest:
                kept[index] = None
                size += weights[index]
                ended += 1
        self._open[destination] -= len(records)
        self.open_records -= ended
        self.settled += ended
        self.open_bytes -= size
        # Only now: forgetting between two of them would shift the places of the rest.
        if self._ended_to < len(left) and not left[self._ended_to]:
            self._advance()
        return records

    def _end(self, index: int) -> None:
        self.open_records -= 1
        self.settled += 1
        self.open_bytes -= self._weights[index]
        self._kept[index] = None

    def _advance(self) -> None:
        left, end, size = self._left, self._ended_to, len(self._left)
        while end < size and not left[end]:
            end += 1
        self._ended_to = end
        if end >= _COMPACT_AFTER and end * 2 >= size:
            self._forget(end)

    def _forget(self, count: int) -> None:
        for column in (self._offsets, self._left, self._weights, *self._owed):
            del column[:count]
        del self._kept[:count]
        self._first += count
        self._ended_to = 0

    def committable_offset(self) -> int:
        """Return the offset below which nothing is owed: the oldest open record's, else the one past the last taken."""
        if self._ended_to < len(self._offsets):
            return self._offsets[self._ended_to]
        return self.next_offset

    def record(self, slot: int) -> Message:
        """Return the kept record of an open slot."""
        index = slot - self._first
        message = self._kept[index] if index >= 0 else None
        if message is None:
            msg = f"slot {slot} of {self.partition} has ended"
            raise LedgerError(msg)
        return message

    def oldest_record(self) -> Message | None:
        """Return the oldest open record, or `None` when nothing is open."""
        return self._kept[self._ended_to] if self._ended_to < len(self._kept) else None

    @property
    def retained(self) -> int:
        """Slots from the oldest open one to the last taken, settled ones included: what is kept, and not committed."""
        return len(self._left) - self._ended_to

    def oldest_open_for(self, destination: int) -> Message | None:
        """Return the oldest record that still owes one destination; the oldest of all, if that is far behind it."""
        if not self._open[destination]:
            return None
        start = self._ended_to
        near = enumerate(self._owed[destination][start : start + _NEAR], start)
        return self._kept[next((index for index, owed in near if owed), start)]

    def open_deliveries(self, destination: int) -> int:
        """Return how many deliveries to one destination are open, as counted where a slot changes."""
        return self._open[destination]

    def count_open_deliveries(self, destination: int) -> int:
        """Count what is open to one destination, slot by slot: what the running count is held against."""
        return sum(self._owed[destination][self._ended_to :])

    def count_open_records(self) -> int:
        """Count the open records, slot by slot: what `open_records` is held against."""
        return sum(1 for left in self._left[self._ended_to :] if left)

    def end(self) -> None:
        """End the ledger: what is open stays as it is for the books, and no outcome moves it any more."""
        self.active = False
        self.may_send = False
