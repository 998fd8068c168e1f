"""Records that are not translated yet, the partitions that have room for more, and the ledger slots of a batch.

Non-obvious: each partition has its own share of the limits, so that one stuck key cannot starve the others. A partition
without open records always admits one record, however large: otherwise that record would wait forever.
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

_RESUME_BELOW = 0.5
"""A full partition has room again below this fraction of its share. Resuming costs a second, so it must be rare."""

CHUNK_BYTES = 1024 * 1024
"""Most record bytes translated in one chunk."""

HEADER_BYTES = 310
"""Memory of a header besides its name and value (measured)."""

DELIVERY_BYTES = 310
"""Memory of a delivery besides its body (measured): object, identity text, entries in queues and ledger."""

DEAD_LETTER_BYTES = 512
"""Memory of a failed translation until its dead letter is acknowledged (measured, parked: 470, with a short text)."""

_GROWTH_DECAY = 0.9


class BufferLimits(NamedTuple):
    """Limits of one pipeline's open records."""

    records: int
    """Records from the oldest open one of each partition to the last accepted, settled ones between them included."""
    size: int
    """Bytes of records and of their deliveries."""


class Chunk(NamedTuple):
    """Records of one ledger to translate now."""

    ledger: PartitionLedger
    messages: Sequence[Message]
    sizes: Sequence[int]
    """Each record's bytes, as `size_of` counts them."""


def size_of(message: Message) -> int:
    """Return the bytes of a record: value, key, and headers with their names."""
    size = len(message.value() or b"") + len(message.key() or b"")
    if headers := _headers(message):
        size += sum([HEADER_BYTES + len(name) + len(value or b"") for name, value in headers])
    return size


def _headers(message: Message) -> Sequence[tuple[str, bytes | None]] | None:
    """Return a record's headers. Replace unreadable ones by a mark, for which translation refuses the record.

    This must be the first read. The client raises on a name that is not UTF-8. Reading the headers of such a message a
    second time ends the process (confluent-kafka 2.16.1).
    """
    try:
        return message.headers()
    except SystemError:
        cast("Any", message).set_headers([(UNREADABLE_HEADERS, None)])
        return None


class RecordBuffer:
    """The current ledgers, their backlogs of untranslated records, and their room."""

    def __init__(self, limits: BufferLimits) -> None:
        """Start without ledgers."""
        self._limits = limits
        self.ledgers: dict[Partition, PartitionLedger] = {}
        self._backlog: dict[Partition, deque[Message]] = {}
        self._waiting_for_schema: set[Partition] = set()
        self._full: set[Partition] = set()
        self._growth = 1.0

    def assign(self, ledger: PartitionLedger) -> None:
        """Accept records of a new ledger."""
        self.ledgers[ledger.partition] = ledger
        self._backlog[ledger.partition] = deque()

    def revoke(self, ledger: PartitionLedger) -> None:
        """Drop a ledger and its backlog. The backlog was not accepted, so the next owner reads it again."""
        partition = ledger.partition
        if self.ledgers.get(partition) is not ledger:
            return
        del self.ledgers[partition]
        self._backlog.pop(partition, None)
        self._waiting_for_schema.discard(partition)
        self._full.discard(partition)

    def add(self, messages: Sequence[Message], epochs: Mapping[Partition, int]) -> None:
        """Append records in the order given. Drop those of another epoch than the partition's current ledger."""
        backlog = self._backlog
        current = {
            partition: backlog[partition]
            for partition, ledger in self.ledgers.items()
            if ledger.may_send and epochs.get(partition) == ledger.epoch
        }
        for message in messages:
            queue = current.get((message.topic(), message.partition()))  # type: ignore[call-overload]  # a tuple equals its named form
            if queue is not None:
                queue.append(message)

    def put_back(self, ledger: PartitionLedger, messages: Sequence[Message]) -> None:
        """Return records whose schema is missing. Their partition waits for it."""
        if self.ledgers.get(ledger.partition) is ledger:
            self._backlog[ledger.partition].extendleft(reversed(messages))
            self._waiting_for_schema.add(ledger.partition)

    def record_growth(self, size: int, weight: int) -> None:
        """Record that records of `size` bytes count for `weight` bytes together with their deliveries.

        An `each` can make a hundred deliveries of one record. The next chunk is made smaller by the same factor, so
        that it stays within the limit of bytes. The factor decays slowly.
        """
        self._growth = max(1.0, self._growth * _GROWTH_DECAY, weight / max(1, size))

    def schemas_changed(self) -> None:
        """Let partitions that wait for a schema try again."""
        self._waiting_for_schema.clear()

    def drop_backlog(self) -> None:
        """Drop all untranslated records: the pipeline shuts down."""
        for queue in self._backlog.values():
            queue.clear()

    def take_chunks(self, limit: int) -> list[Chunk]:
        """Take up to `limit` records to translate now, from all partitions with room, oldest first in each."""
        chunks: list[Chunk] = []
        size = 0
        for partition, queue in self._backlog.items():
            if not queue or partition in self._waiting_for_schema:
                continue
            ledger = self.ledgers[partition]
            if not ledger.may_send:
                continue  # being revoked: the next owner reads its backlog
            if not self._has_room(ledger):
                continue
            chunk = self._chunk(ledger, queue, limit, CHUNK_BYTES - size)
            chunks.append(chunk)
            limit -= len(chunk.messages)
            size += sum(chunk.sizes)
            if limit <= 0 or size >= CHUNK_BYTES:
                break
        return chunks

    def _chunk(self, ledger: PartitionLedger, queue: deque[Message], limit: int, byte_limit: int) -> Chunk:
        """Take at least one record of a partition's backlog, and more while its room and the chunk's allow."""
        room = self._limits.records / len(self.ledgers) - ledger.retained
        room_bytes = min(byte_limit, (self._limits.size / len(self.ledgers) - ledger.open_bytes) / self._growth)
        messages = [queue.popleft() for _ in range(min(len(queue), limit, max(1, ceil(room))))]
        sizes = [size_of(message) for message in messages]
        # All at once, because nearly always all of them fit. Each but the first needs room left by those before it.
        count = 1 + bisect_left(list(accumulate(sizes[:-1])), room_bytes)
        queue.extendleft(reversed(messages[count:]))
        del messages[count:], sizes[count:]
        return Chunk(ledger, messages, sizes)

    def _has_room(self, ledger: PartitionLedger) -> bool:
        """Return True if a partition has room, with hysteresis.

        The retained records count, not the open ones. Otherwise a record that never ends would let any number of later
        ones be retained behind it, and be delivered again after a crash.
        """
        partition = ledger.partition
        share = _RESUME_BELOW if partition in self._full else 1.0
        count, retained = len(self.ledgers), ledger.retained
        has_room = retained == 0 or (
            retained < share * self._limits.records / count and ledger.open_bytes < share * self._limits.size / count
        )
        if not has_room:
            self._full.add(partition)
        elif partition in self._full:
            self._full.discard(partition)
        return has_room

    def full_partitions(self) -> frozenset[Partition]:
        """Return the partitions that accept no more records now: without room, or with records in the backlog."""
        for ledger in self.ledgers.values():
            self._has_room(ledger)
        return frozenset(partition for partition in self.ledgers if partition in self._full or self._backlog[partition])

    def waiting_for_schema(self) -> Collection[Partition]:
        """Return the partitions that wait for a schema."""
        return tuple(self._waiting_for_schema)


class LedgerSlots(NamedTuple):
    """The ledger and slot of each record of a batch, by its index."""

    ledgers: list[PartitionLedger]
    slots: list[int]
    not_accepted: list[tuple[PartitionLedger, Sequence[Message]]]
    """Records not accepted, because their schema, or that of an earlier record of their partition, is missing."""
    weight: int
    """Bytes that the whole batch counts for, with the deliveries that it owes."""

    def deliveries(self, column: DeliveryColumns) -> list[Delivery]:
        """Return the batch's deliveries to one destination, in order, each with its ledger and slot."""
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
    """Accept the translated records of `chunks` in their ledgers.

    Args:
        chunks: the records, in the order of the translation.
        translation: the result of their translation.
        accounts: destination → index of its account in the ledger.
    """
    weights = [size for chunk in chunks for size in chunk.sizes]
    owed = _owed(translation, weights, accounts)
    waiting = set(translation.waiting)
    result = LedgerSlots([], [], [], sum(weights))
    start = 0
    for ledger, messages, _ in chunks:
        end = start + len(messages)
        ready = end
        if waiting:
            ready = next((index for index in range(start, end) if index in waiting), end)
        if ready < end:
            result.not_accepted.append((ledger, messages[ready - start :]))
        columns = [column[start:ready] for column in owed]
        first = ledger.accept(messages[: ready - start], columns, weights[start:ready])
        result.ledgers.extend([ledger] * (end - start))
        result.slots.extend(range(first, first + end - start))
        start = end
    return result


def _owed(translation: Translation, weights: list[int], accounts: Mapping[str, int]) -> list[list[int]]:
    """Return how many deliveries each record owes to each destination, and add their bytes to its weight.

    A delivery counts for more than its body. Otherwise an `each` of many small elements would exceed any limit
    unnoticed.
    """
    owed = [[0] * len(weights) for _ in accounts]
    for name, column in translation.columns.items():
        of_account = owed[accounts[name]]
        for record, body in zip(column.records, column.bodies, strict=True):
            of_account[record] += 1
            weights[record] += len(body) + DELIVERY_BYTES
    for failure in translation.faults:
        owed[accounts[failure.entry.destination if failure.entry else ""]][failure.record] += 1
        weights[failure.record] += DEAD_LETTER_BYTES
    return owed
