"""Named cases of the ledger. Its state machine covers the rest."""

from dataclasses import dataclass

import pytest

from consumer.delivery.ledger.partition_ledger import LedgerError, PartitionLedger
from consumer.model import Partition


@dataclass
class FakeRecord:
    at: int

    def offset(self) -> int:
        return self.at


def ledger(*offsets: int, owed: int = 1, start: int = 0) -> PartitionLedger:
    made = PartitionLedger(Partition("orders", 0), 1, start, 1)
    made.accept([FakeRecord(offset) for offset in offsets], [[owed] * len(offsets)], [10] * len(offsets))  # type: ignore[misc]
    return made


def test_committable_offset_without_records_is_the_start() -> None:
    assert PartitionLedger(Partition("orders", 0), 1, 17, 2).committable_offset() == 17


def test_committable_offset_skips_gaps_between_offsets() -> None:
    """Compaction and transaction markers leave gaps."""
    made = ledger(3, 7, 20)
    assert made.committable_offset() == 3
    made.settle(1, 0)
    assert made.committable_offset() == 3
    made.settle(0, 0)
    assert made.committable_offset() == 20
    made.settle(2, 0)
    assert made.committable_offset() == 21


@pytest.mark.parametrize("before", [0, 4000, 4095])
def test_many_records_that_owe_nothing_end_at_once(before: int) -> None:
    made = ledger(*range(before), owed=0)
    made.accept([FakeRecord(before + n) for n in range(5000)], [[0] * 5000], [1] * 5000)  # type: ignore[misc]
    assert made.committable_offset() == before + 5000
    assert (made.open_records, made.open_bytes, made.settled) == (0, 0, before + 5000)


def test_slots_stay_valid_across_compaction() -> None:
    made = ledger(*range(10_000))
    for slot in range(9_999):
        made.settle(slot, 0)
    assert made.record(9_999).offset() == 9_999
    with pytest.raises(LedgerError):
        made.record(5_000)
    with pytest.raises(LedgerError):
        made.settle(5_000, 0)
    assert made.committable_offset() == 9_999


def test_settling_twice_raises() -> None:
    made = ledger(0)
    made.settle(0, 0)
    with pytest.raises(LedgerError):
        made.settle(0, 0)


def test_late_outcome_of_an_ended_ledger_changes_nothing() -> None:
    made = ledger(0, 1)
    made.end()
    assert not made.settle(0, 0)
    assert made.committable_offset() == 0
    assert made.count_open_records() == 2


def test_partly_settled_batch_commits_only_past_ended_records() -> None:
    made = PartitionLedger(Partition("orders", 0), 1, 0, 2)
    made.accept([FakeRecord(n) for n in range(3)], [[1, 1, 1], [0, 1, 0]], [10] * 3)  # type: ignore[misc]
    assert [each.offset() for each in made.settle_all([1, 2], 0)] == [1, 2]
    assert made.committable_offset() == 0, "the first is still owed"
    assert [each.offset() for each in made.settle_all([0], 0)] == [0]
    assert made.committable_offset() == 1, "the other destination is owed the second"
    made.settle_all([1], 1)
    assert made.committable_offset() == 3
    made.end()
    assert made.settle_all([1], 1) == []


def test_record_ended_behind_an_open_one_is_committable_after_it() -> None:
    made = ledger(0, 1, 2)
    made.settle(1, 0)
    assert made.committable_offset() == 0
    made.settle(0, 0)
    assert made.committable_offset() == 2


@pytest.mark.parametrize("offsets", [(3, 3), (4, 3), (9, 10, 5)])
def test_offsets_out_of_order_raise_and_accept_nothing(offsets: tuple[int, ...]) -> None:
    made = ledger(1)
    with pytest.raises(LedgerError, match="came after"):
        made.accept([FakeRecord(each) for each in offsets], [[1] * len(offsets)], [10] * len(offsets))  # type: ignore[misc]
    assert (made.accepted, made.open_records, made.next_offset) == (1, 1, 2)
