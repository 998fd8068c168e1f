"""Records handed over: each partition's share of room, and what waits for a schema."""

from dataclasses import dataclass
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery import record_buffer as module
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import BufferLimits, RecordBuffer, size_of
from consumer.model import UNREADABLE_HEADERS, DeadLetterCause, Fault, Partition
from consumer.translation.avro.wire_format import writer_schema_key

P, Q = Partition("orders", 0), Partition("orders", 1)


@dataclass(eq=False)
class FakeMessage:
    where: Partition
    at: int
    size: int = 10
    extra: list[tuple[str, bytes | None]] | None = None

    def topic(self) -> str:
        return self.where.topic

    def partition(self) -> int:
        return self.where.index

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


class Garbled(FakeMessage):
    """What the client makes of a header whose name is not UTF-8: a second look at its headers would end the process."""

    looks = 0

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        if self.extra is None:
            self.looks += 1
            assert self.looks == 1
            raise SystemError
        return self.extra

    def set_headers(self, headers: list[tuple[str, bytes | None]]) -> None:
        self.extra = headers


def messages(where: Partition, *offsets: int, size: int = 10) -> list[Any]:
    return [FakeMessage(where, offset, size) for offset in offsets]


def intake(records: int = 10, size: int = 10_000, partitions: tuple[Partition, ...] = (P,)) -> RecordBuffer:
    made = RecordBuffer(BufferLimits(records, size))
    for partition in partitions:
        made.assign(PartitionLedger(partition, 1, 0, 1))
    return made


def take(room: RecordBuffer, most: int = 1000) -> list[int]:
    """Open everything that may be opened now; return the offsets."""
    taken = []
    while chunks := room.take_chunks(most):
        for chunk in chunks:
            weights = [module.size_of(message) for message in chunk.messages]
            chunk.ledger.accept(chunk.messages, [[1] * len(weights)], weights)
            taken += [message.offset() for message in chunk.messages]
    return taken


def test_records_come_out_in_order_and_no_more_than_the_limit() -> None:
    room = intake(records=4)
    room.add(messages(P, *range(10)), {P: 1})
    assert take(room) == [0, 1, 2, 3]
    assert room.full_partitions() == {P}


def test_room_comes_back_only_below_half_of_the_share() -> None:
    room = intake(records=4)
    room.add(messages(P, *range(6)), {P: 1})
    take(room)
    ledger = room.ledgers[P]
    ledger.settle(0, 0)
    ledger.settle(1, 0)
    assert take(room) == []
    ledger.settle(2, 0)
    assert take(room) == [4, 5]
    assert room.full_partitions() == frozenset()


def test_one_partition_that_is_stuck_leaves_the_others_their_share() -> None:
    room = intake(records=8, partitions=(P, Q))
    room.add([*messages(P, *range(20)), *messages(Q, *range(3))], {P: 1, Q: 1})
    take(room)
    assert room.ledgers[P].open_records == 4
    assert room.ledgers[Q].open_records == 3
    assert room.full_partitions() == {P}


def test_behind_one_that_never_ends_no_more_is_kept_than_the_limit_however_much_of_it_has_ended() -> None:
    room = intake(records=8)
    room.add(messages(P, *range(100)), {P: 1})
    taken = take(room)
    ledger = room.ledgers[P]
    for slot in range(1, len(taken)):
        ledger.settle(slot, 0)
        taken += take(room)
    assert len(taken) == ledger.retained == 8
    assert ledger.open_records == 1
    assert room.full_partitions() == {P}
    ledger.settle(0, 0)
    assert ledger.retained == 0
    assert take(room) == list(range(8, 16))


def test_one_record_is_always_admitted_however_large() -> None:
    room = intake(size=100)
    room.add(messages(P, 0, 1, size=5000), {P: 1})
    assert take(room) == [0]
    room.ledgers[P].settle(0, 0)
    assert take(room) == [1]


@given(st.lists(st.integers(1, 400), max_size=30), st.integers(1, 12), st.integers(1, 800))
def test_what_is_open_never_passes_the_limit_by_more_than_one_record(sizes: list[int], records: int, size: int) -> None:
    room = intake(records=records, size=size)
    room.add([FakeMessage(P, offset, each) for offset, each in enumerate(sizes)], {P: 1})
    take(room)
    ledger = room.ledgers[P]
    assert ledger.open_records <= records
    assert ledger.open_bytes <= size + max(sizes, default=0)
    slot = 0
    while ledger.open_records:
        ledger.settle(slot, 0)
        slot += 1
        take(room)
    assert ledger.accepted == len(sizes), "nothing waits for ever"


def test_records_of_another_tenure_than_the_one_in_force_are_dropped() -> None:
    room = intake()
    room.add(messages(P, 0), {P: 7})
    room.add(messages(Q, 0), {Q: 1})
    room.add(messages(P, 1), {})
    assert take(room) == []
    room.ledgers[P].may_send = False
    room.add(messages(P, 2), {P: 1})
    assert take(room) == []


def test_what_is_not_open_when_a_partition_is_given_back_is_left_to_its_next_owner() -> None:
    room = intake()
    room.add(messages(P, 0, 1), {P: 1})
    room.ledgers[P].may_send = False
    assert take(room) == []
    assert room.ledgers[P].committable_offset() == 0


def test_a_partition_that_waits_for_a_schema_waits_alone_and_in_order() -> None:
    room = intake(partitions=(P, Q))
    room.add([*messages(P, 0, 1, 2), *messages(Q, 0)], {P: 1, Q: 1})
    first = {chunk.ledger.partition: chunk for chunk in room.take_chunks(100)}
    room.put_back(first[P].ledger, first[P].messages[1:])
    room.add(messages(P, 3), {P: 1})
    assert room.take_chunks(100) == []
    assert room.waiting_for_schema() == (P,)
    assert P in room.full_partitions()
    assert Q not in room.full_partitions()
    room.schemas_changed()
    assert [message.offset() for chunk in room.take_chunks(100) for message in chunk.messages] == [1, 2, 3]


def test_an_ended_tenure_takes_its_backlog_along_and_leaves_its_successor_alone() -> None:
    room = intake()
    old = room.ledgers[P]
    room.add(messages(P, 0, 1), {P: 1})
    room.revoke(old)
    assert room.take_chunks(100) == []
    new = PartitionLedger(P, 2, 0, 1)
    room.assign(new)
    room.revoke(old)
    assert room.ledgers == {P: new}
    room.put_back(old, messages(P, 0))
    assert not room.waiting_for_schema()


def test_headers_count_with_their_names() -> None:
    bare: Any = FakeMessage(P, 0, 10)
    dressed: Any = FakeMessage(P, 0, 10, [("trace", b"12345678"), ("trace", None)])
    assert (module.size_of(bare), module.size_of(dressed)) == (10, 28 + 2 * module.HEADER_BYTES)


def test_records_that_grow_are_taken_fewer_at_a_time() -> None:
    room = intake(records=1000, size=1000)
    room.add(messages(P, *range(100)), {P: 1})
    room.record_growth(10, 200)
    assert len(room.take_chunks(1000)[0].messages) == 5
    for _ in range(100):
        room.record_growth(10, 10)
    assert len(room.take_chunks(1000)[0].messages) == 95


def test_a_chunk_ends_where_its_bytes_do() -> None:
    room = intake(records=100, size=100 * module.CHUNK_BYTES)
    room.add(messages(P, 0, 1, 2, size=module.CHUNK_BYTES // 2), {P: 1})
    assert [len(chunk.messages) for chunk in room.take_chunks(100)] == [2]


def test_headers_that_cannot_be_read_are_looked_at_once_and_the_record_is_refused() -> None:
    garbled = Garbled(P, 0)
    assert size_of(garbled) == 10
    assert garbled.headers() == [(UNREADABLE_HEADERS, None)]
    fault = writer_schema_key(garbled, garbled.value())
    assert isinstance(fault, Fault)
    assert fault.cause is DeadLetterCause.UNDECODABLE
