"""The record buffer: each partition's share of the limits, and partitions that wait for a schema."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import CHUNK_BYTES, HEADER_BYTES, BufferLimits, RecordBuffer, size_of
from consumer.model import UNREADABLE_HEADERS, DeadLetterCause, Fault, Partition
from consumer.translation.avro.wire_format import writer_schema_key

P, Q = Partition("orders", 0), Partition("orders", 1)


@dataclass(eq=False)
class FakeMessage:
    of: Partition
    at: int
    size: int = 10
    extra: list[tuple[str, bytes | None]] | None = None

    def topic(self) -> str:
        return self.of.topic

    def partition(self) -> int:
        return self.of.index

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes | None:
        return None

    def value(self) -> bytes:
        return b"v" * self.size

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self.extra

    def timestamp(self) -> tuple[int, int]:
        return 1, 0


class UnreadableHeaders(FakeMessage):
    """A message with a header name that is not UTF-8: reading its headers twice would end the process."""

    reads = 0

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        if self.extra is None:
            self.reads += 1
            assert self.reads == 1
            raise SystemError
        return self.extra

    def set_headers(self, headers: list[tuple[str, bytes | None]]) -> None:
        self.extra = headers


def messages(of: Partition, *offsets: int, size: int = 10) -> list[Any]:
    return [FakeMessage(of, offset, size) for offset in offsets]


def buffer_with(records: int = 10, size: int = 10_000, partitions: tuple[Partition, ...] = (P,)) -> RecordBuffer:
    made = RecordBuffer(BufferLimits(records, size))
    for partition in partitions:
        made.assign(PartitionLedger(partition, 1, 0, 1))
    return made


def accept_all(buffer: RecordBuffer, most: int = 1000) -> list[int]:
    """Accept all records that the ledgers have room for; return their offsets."""
    accepted = []
    while chunks := buffer.take_chunks(most):
        for chunk in chunks:
            weights = [size_of(message) for message in chunk.messages]
            chunk.ledger.accept(chunk.messages, [[1] * len(weights)], weights)
            accepted += [message.offset() for message in chunk.messages]
    return accepted


def test_records_come_out_in_order_and_within_the_limit() -> None:
    buffer = buffer_with(records=4)
    buffer.add(messages(P, *range(10)), {P: 1})
    assert accept_all(buffer) == [0, 1, 2, 3]
    assert buffer.full_partitions() == {P}


def test_full_partition_has_room_again_below_half_of_its_share() -> None:
    buffer = buffer_with(records=4)
    buffer.add(messages(P, *range(6)), {P: 1})
    accept_all(buffer)
    ledger = buffer.ledgers[P]
    ledger.settle(0, 0)
    ledger.settle(1, 0)
    assert accept_all(buffer) == []
    ledger.settle(2, 0)
    assert accept_all(buffer) == [4, 5]
    assert buffer.full_partitions() == frozenset()


def test_stalled_partition_leaves_the_others_their_share() -> None:
    buffer = buffer_with(records=8, partitions=(P, Q))
    buffer.add([*messages(P, *range(20)), *messages(Q, *range(3))], {P: 1, Q: 1})
    accept_all(buffer)
    assert buffer.ledgers[P].open_records == 4
    assert buffer.ledgers[Q].open_records == 3
    assert buffer.full_partitions() == {P}


def test_records_behind_a_stuck_one_never_exceed_the_limit() -> None:
    """Ended records behind the oldest open one count too: they are retained and not committed."""
    buffer = buffer_with(records=8)
    buffer.add(messages(P, *range(100)), {P: 1})
    accepted = accept_all(buffer)
    ledger = buffer.ledgers[P]
    for slot in range(1, len(accepted)):
        ledger.settle(slot, 0)
        accepted += accept_all(buffer)
    assert len(accepted) == ledger.retained == 8
    assert ledger.open_records == 1
    assert buffer.full_partitions() == {P}
    ledger.settle(0, 0)
    assert ledger.retained == 0
    assert accept_all(buffer) == list(range(8, 16))


def test_one_record_is_always_admitted_however_large() -> None:
    buffer = buffer_with(size=100)
    buffer.add(messages(P, 0, 1, size=5000), {P: 1})
    assert accept_all(buffer) == [0]
    buffer.ledgers[P].settle(0, 0)
    assert accept_all(buffer) == [1]


@given(st.lists(st.integers(1, 400), max_size=30), st.integers(1, 12), st.integers(1, 800))
def test_open_records_exceed_the_limit_by_at_most_one(sizes: list[int], records: int, size: int) -> None:
    buffer = buffer_with(records=records, size=size)
    buffer.add([FakeMessage(P, offset, each) for offset, each in enumerate(sizes)], {P: 1})
    accept_all(buffer)
    ledger = buffer.ledgers[P]
    assert ledger.open_records <= records
    assert ledger.open_bytes <= size + max(sizes, default=0)
    slot = 0
    while ledger.open_records:
        ledger.settle(slot, 0)
        slot += 1
        accept_all(buffer)
    assert ledger.accepted == len(sizes), "no record waits forever"


def test_records_of_another_epoch_are_dropped() -> None:
    buffer = buffer_with()
    buffer.add(messages(P, 0), {P: 7})
    buffer.add(messages(Q, 0), {Q: 1})
    buffer.add(messages(P, 1), {})
    assert accept_all(buffer) == []
    buffer.ledgers[P].may_send = False
    buffer.add(messages(P, 2), {P: 1})
    assert accept_all(buffer) == []


def test_revoked_partition_leaves_its_backlog_to_the_next_owner() -> None:
    buffer = buffer_with()
    buffer.add(messages(P, 0, 1), {P: 1})
    buffer.ledgers[P].may_send = False
    assert accept_all(buffer) == []
    assert buffer.ledgers[P].committable_offset() == 0


def test_partition_waiting_for_a_schema_waits_alone_and_in_order() -> None:
    buffer = buffer_with(partitions=(P, Q))
    buffer.add([*messages(P, 0, 1, 2), *messages(Q, 0)], {P: 1, Q: 1})
    first = {chunk.ledger.partition: chunk for chunk in buffer.take_chunks(100)}
    buffer.put_back(first[P].ledger, first[P].messages[1:])
    buffer.add(messages(P, 3), {P: 1})
    assert buffer.take_chunks(100) == []
    assert buffer.waiting_for_schema() == (P,)
    assert P in buffer.full_partitions()
    assert Q not in buffer.full_partitions()
    buffer.schemas_changed()
    assert [message.offset() for chunk in buffer.take_chunks(100) for message in chunk.messages] == [1, 2, 3]


def test_revoked_ledger_drops_its_backlog_and_not_its_successors() -> None:
    buffer = buffer_with()
    old = buffer.ledgers[P]
    buffer.add(messages(P, 0, 1), {P: 1})
    buffer.revoke(old)
    assert buffer.take_chunks(100) == []
    new = PartitionLedger(P, 2, 0, 1)
    buffer.assign(new)
    buffer.revoke(old)
    assert buffer.ledgers == {P: new}
    buffer.put_back(old, messages(P, 0))
    assert not buffer.waiting_for_schema()


def test_header_names_count_towards_the_size() -> None:
    bare: Any = FakeMessage(P, 0, 10)
    with_headers: Any = FakeMessage(P, 0, 10, [("trace", b"12345678"), ("trace", None)])
    assert (size_of(bare), size_of(with_headers)) == (10, 28 + 2 * HEADER_BYTES)


def test_records_that_grow_make_smaller_chunks() -> None:
    buffer = buffer_with(records=1000, size=1000)
    buffer.add(messages(P, *range(100)), {P: 1})
    buffer.record_growth(10, 200)
    assert len(buffer.take_chunks(1000)[0].messages) == 5
    for _ in range(100):
        buffer.record_growth(10, 10)
    assert len(buffer.take_chunks(1000)[0].messages) == 95


def test_chunk_ends_at_its_byte_limit() -> None:
    buffer = buffer_with(records=100, size=100 * CHUNK_BYTES)
    buffer.add(messages(P, 0, 1, 2, size=CHUNK_BYTES // 2), {P: 1})
    assert [len(chunk.messages) for chunk in buffer.take_chunks(100)] == [2]


def test_unreadable_headers_are_read_once_and_refuse_the_record() -> None:
    message = UnreadableHeaders(P, 0)
    assert size_of(message) == 10
    assert message.headers() == [(UNREADABLE_HEADERS, None)]
    fault = writer_schema_key(message, message.value())
    assert isinstance(fault, Fault)
    assert fault.cause is DeadLetterCause.UNDECODABLE
