"""Records handed over and not yet translated, which partitions have room for more, and the ledger's slots of a lot.

Non-obvious: each partition has its own share of the limits, so that one stuck key cannot starve the others; and one
record is always admitted where nothing is open, however large it is, or it would wait for ever.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from itertools import accumulate
from math import ceil
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from consumer.delivery.delivery import Delivery
from consumer.model import UNREADABLE_HEADERS

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.model import Message, Partition
    from consumer.model.translated_batch import DeliveryColumns, Translation

_ROOM_AGAIN = 0.5
"""A full partition has room again below this part of its share: resuming costs a second, so be it seldom."""

CHUNK_BYTES = 1024 * 1024
"""Record bytes translated in one go at the most."""

HEADER_BYTES = 310
"""A header besides its name and value (measured)."""

DELIVERY_BYTES = 310
"""A delivery besides its body (measured): its object, its identity's text, its places in queues and books."""

DEAD_LETTER_BYTES = 512
"""What could not be said, until its letter is acknowledged (measured, parked: 470, with what is wrong in a line)."""

_GROWTH_KEPT = 0.9


class BufferLimits(NamedTuple):
    """What one pipeline may have open at once."""

    records: int
    """Records from the oldest open one of each partition to the last taken, settled ones between them included."""
    size: int
    """Bytes of records and of the deliveries made of them."""


class Chunk(NamedTuple):
    """Records of one ledger to be translated now."""

    ledger: PartitionLedger
    messages: Sequence[Message]
    sizes: Sequence[int]
    """Each record's bytes, as `size_of` has them."""


def size_of(message: Message) -> int:
    """Return the bytes of a record: value, key, and the names and values of its headers."""
    size = len(message.value() or b"") + len(message.key() or b"")
    if headers := _headers(message):
        size += sum([HEADER_BYTES + len(name) + len(value or b"") for name, value in headers])
    return size


def _headers(message: Message) -> Sequence[tuple[str, bytes | None]] | None:
    """Return a record's headers; ones that cannot be read are replaced by a mark, and translation refuses the record.

    This is the first look at them. The client raises on a name that is not UTF-8, and leaves a message behind that ends
    the process when its headers are looked at again (confluent-kafka 2.16.1).
    """
    try:
        return message.headers()
    except SystemError:
        cast("Any", message).set_headers([(UNREADABLE_HEADERS, None)])
        return None


class RecordBuffer:
    """The ledgers in force, their backlog of untranslated records, and their room."""

    def __init__(self, limits: BufferLimits) -> None:
        """Start with no ledger."""
        self._limits = limits
        self.ledgers: dict[Partition, PartitionLedger] = {}
        self._backlog: dict[Partition, deque[Message]] = {}
        self._waiting: set[Partition] = set()
        self._full: set[Partition] = set()
        self._growth = 1.0

    def assign(self, ledger: PartitionLedger) -> None:
        """Let records of a new ledger come."""
        self.ledgers[ledger.partition] = ledger
        self._backlog[ledger.partition] = deque()

    def revoke(self, ledger: PartitionLedger) -> None:
        """Drop a ledger and its backlog: nothing of that was taken, the next owner reads it again."""
        partition = ledger.partition
        if self.ledgers.get(partition) is not ledger:
            return
        del self.ledgers[partition]
        self._backlog.pop(partition, None)
        self._waiting.discard(partition)
        self._full.discard(partition)

    def add(self, messages: Sequence[Message], numbers: Mapping[Partition, int]) -> None:
        """Add records as they came; those of another ledger than the one in force are dropped."""
        backlog = self._backlog
        current = {p: backlog[p] for p, t in self.ledgers.items() if t.may_send and numbers.get(p) == t.epoch}
        for message in messages:
            queue = current.get((message.topic(), message.partition()))  # type: ignore[call-overload]  # a tuple equals its named form
            if queue is not None:
                queue.append(message)

    def put_back(self, ledger: PartitionLedger, messages: Sequence[Message]) -> None:
        """Return records whose schema is missing: their partition waits."""
        if self.ledgers.get(ledger.partition) is ledger:
            self._backlog[ledger.partition].extendleft(reversed(messages))
            self._waiting.add(ledger.partition)

    def record_growth(self, size: int, weight: int) -> None:
        """Learn that records of `size` bytes count for `weight` once their deliveries are made.

        An `each` can make a hundred deliveries of one record. The next chunk is cut by what such records came to, so
        that it does not pass the limit of bytes; what is learnt fades slowly.
        """
        self._growth = max(1.0, self._growth * _GROWTH_KEPT, weight / max(1, size))

    def schemas_changed(self) -> None:
        """Let partitions that wait for a schema try again."""
        self._waiting.clear()

    def drop_backlog(self) -> None:
        """Take nothing more in: the pipeline is leaving."""
        for queue in self._backlog.values():
            queue.clear()

    def take_chunks(self, most: int) -> list[Chunk]:
        """Take up to `most` records that may be translated now, from all partitions with room, oldest first in each."""
        found: list[Chunk] = []
        size = 0
        for partition, queue in self._backlog.items():
            if not queue or partition in self._waiting:
                continue
            ledger = self.ledgers[partition]
            if not ledger.may_send:
                continue  # being given back: what is not open yet is the next owner's
            if not self._fits(ledger):
                continue
            chunk = self._chunk(ledger, queue, most, CHUNK_BYTES - size)
            found.append(chunk)
            most -= len(chunk.messages)
            size += sum(chunk.sizes)
            if most <= 0 or size >= CHUNK_BYTES:
                break
        return found

    def _chunk(self, ledger: PartitionLedger, queue: deque[Message], most: int, most_bytes: int) -> Chunk:
        """Take at least one record off a partition's backlog, and more while its room and the chunk's allow."""
        room = self._limits.records / len(self.ledgers) - ledger.retained
        room_bytes = min(most_bytes, (self._limits.size / len(self.ledgers) - ledger.open_bytes) / self._growth)
        taken = [queue.popleft() for _ in range(min(len(queue), most, max(1, ceil(room))))]
        sizes = [size_of(message) for message in taken]
        # By the lot: nearly always all of them fit. Each but the first needs some room left by those before it.
        count = 1 + bisect_left(list(accumulate(sizes[:-1])), room_bytes)
        queue.extendleft(reversed(taken[count:]))
        del taken[count:], sizes[count:]
        return Chunk(ledger, taken, sizes)

    def _fits(self, ledger: PartitionLedger) -> bool:
        """Tell whether a partition has room, hysteresis included.

        What counts is the span. Were it the open records, one that never ends would let all that is taken after it be
        kept for ever, and be delivered again after a crash, without any limit.
        """
        partition = ledger.partition
        share = _ROOM_AGAIN if partition in self._full else 1.0
        count, span = len(self.ledgers), ledger.retained
        fits = span == 0 or (
            span < share * self._limits.records / count and ledger.open_bytes < share * self._limits.size / count
        )
        if not fits:
            self._full.add(partition)
        elif partition in self._full:
            self._full.discard(partition)
        return fits

    def full_partitions(self) -> frozenset[Partition]:
        """Return the partitions that can take nothing more now: no room, or older records of theirs still wait here."""
        for ledger in self.ledgers.values():
            self._fits(ledger)
        return frozenset(partition for partition in self.ledgers if partition in self._full or self._backlog[partition])

    def waiting_for_schema(self) -> Collection[Partition]:
        """Return the partitions that wait for a schema."""
        return tuple(self._waiting)


class LedgerSlots(NamedTuple):
    """Where the records of a lot stand: by index in the lot, each one's ledger and slot."""

    ledgers: list[PartitionLedger]
    slots: list[int]
    not_entered: list[tuple[PartitionLedger, Sequence[Message]]]
    """What was not entered: its schema is missing, or that of an earlier record of its partition."""
    weight: int
    """Bytes that the whole lot counts for, with all it owes."""

    def deliveries(self, column: DeliveryColumns) -> list[Delivery]:
        """Return one destination's deliveries of the lot, in order, each with its place in the ledger."""
        rows = zip(
            column.bodies,
            column.keys,
            column.envelopes,
            column.identities,
            column.times_ms,
            column.entries,
            map(self.ledgers.__getitem__, column.records),
            map(self.slots.__getitem__, column.records),
            strict=True,
        )
        return [Delivery(*row) for row in rows]


def record_in_ledger(chunks: Sequence[Chunk], translation: Translation, accounts: Mapping[str, int]) -> LedgerSlots:
    """Enter the records of `chunks`, translated in this order; `accounts` are the ledger's, by destination."""
    weights = [size for chunk in chunks for size in chunk.sizes]
    owed = _owed(translation, weights, accounts)
    waiting = set(translation.waiting)
    places = LedgerSlots([], [], [], sum(weights))
    start = 0
    for ledger, messages, _ in chunks:
        end = start + len(messages)
        ready = end
        if waiting:
            ready = next((index for index in range(start, end) if index in waiting), end)
        if ready < end:
            places.not_entered.append((ledger, messages[ready - start :]))
        columns = [column[start:ready] for column in owed]
        first = ledger.accept(messages[: ready - start], columns, weights[start:ready])
        places.ledgers.extend([ledger] * (end - start))
        places.slots.extend(range(first, first + end - start))
        start = end
    return places


def _owed(translation: Translation, weights: list[int], accounts: Mapping[str, int]) -> list[list[int]]:
    """Return how many deliveries each record owes to each account; add their bytes to its weight.

    Each counts for more than its body: else an `each` of many small elements would pass any limit unnoticed.
    """
    owed = [[0] * len(weights) for _ in accounts]
    for name, column in translation.columns.items():
        mine = owed[accounts[name]]
        for record, body in zip(column.records, column.bodies, strict=True):
            mine[record] += 1
            weights[record] += len(body) + DELIVERY_BYTES
    for faulty in translation.faults:
        owed[accounts[faulty.entry.destination if faulty.entry else ""]][faulty.record] += 1
        weights[faulty.record] += DEAD_LETTER_BYTES
    return owed
