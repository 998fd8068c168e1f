"""The ledger as a state machine, compared with a model of plain sets."""

from dataclasses import dataclass, field

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from consumer.delivery.ledger.accounting import Accounting
from consumer.delivery.ledger.partition_ledger import LedgerError, PartitionLedger
from consumer.model import Partition
from tests.examples import examples

DESTINATIONS = ("copilot", "yotpo")
ACCOUNTS = (*DESTINATIONS, "")
PARTITION = Partition("orders", 3)


@dataclass
class FakeRecord:
    at: int

    def offset(self) -> int:
        return self.at


@dataclass
class Model:
    """A ledger as sets: the deliveries that each record still owes, by slot."""

    ledger: PartitionLedger
    next_offset: int
    offsets: list[int] = field(default_factory=list)
    owed: list[dict[int, int]] = field(default_factory=list)
    weights: list[int] = field(default_factory=list)
    furthest: int = 0
    ended: bool = False

    def open_slots(self) -> list[int]:
        return [slot for slot, owed in enumerate(self.owed) if any(owed.values())]

    def committable(self) -> int:
        return min((self.offsets[slot] for slot in self.open_slots()), default=self.next_offset)


class LedgerMachine(RuleBasedStateMachine):
    """Ledgers begin, accept records with gaps between their offsets, settle in any order, and end."""

    compact_after = 4096
    scan_limit = 10_000

    def __init__(self) -> None:
        super().__init__()
        self.accounting = Accounting(DESTINATIONS)
        self.past: list[Model] = []
        self.epoch = 0
        self.model = self.begin(0)

    def begin(self, start: int) -> Model:
        self.epoch += 1
        ledger = PartitionLedger(
            PARTITION,
            self.epoch,
            start,
            len(ACCOUNTS),
            compact_after=self.compact_after,
            scan_limit=self.scan_limit,
        )
        return Model(ledger, start, furthest=start)

    @rule(
        gaps=st.lists(st.integers(0, 3), min_size=0, max_size=12),
        data=st.data(),
    )
    def accept_records(self, gaps: list[int], data: st.DataObject) -> None:
        model, offset = self.model, self.model.next_offset
        owed: list[list[int]] = [[] for _ in ACCOUNTS]
        records: list[FakeRecord] = []
        first = len(model.offsets)
        for gap in gaps:
            offset += gap
            counts = data.draw(st.tuples(*[st.integers(0, 2)] * len(ACCOUNTS)))
            records.append(FakeRecord(offset))
            for column, count in zip(owed, counts, strict=True):
                column.append(count)
            model.offsets.append(offset)
            model.owed.append(dict(enumerate(counts)))
            model.weights.append(data.draw(st.integers(0, 9)))
            for name, count in zip(ACCOUNTS, counts, strict=True):
                self.accounting.accounts[name].owed += count
            offset += 1
        model.next_offset = offset
        assert model.ledger.accept(records, owed, model.weights[first:]) == first  # type: ignore[arg-type]

    @precondition(lambda self: bool(self.model.open_slots()))
    @rule(data=st.data())
    def settle_one(self, data: st.DataObject) -> None:
        slot = data.draw(st.sampled_from(self.model.open_slots()))
        destination = data.draw(st.sampled_from([d for d, count in self.model.owed[slot].items() if count]))
        assert self.model.ledger.record(slot).offset() == self.model.offsets[slot]
        assert self.model.ledger.settle(slot, destination)
        self.model.owed[slot][destination] -= 1
        self.accounting.accounts[ACCOUNTS[destination]].delivered += 1

    @precondition(lambda self: bool(self.model.open_slots()))
    @rule()
    def settle_everything_from_the_end(self) -> None:
        for slot in reversed(self.model.open_slots()):
            for destination, count in self.model.owed[slot].items():
                for _ in range(count):
                    assert self.model.ledger.settle(slot, destination)
                self.accounting.accounts[ACCOUNTS[destination]].delivered += count
                self.model.owed[slot][destination] = 0

    @precondition(lambda self: bool(self.model.open_slots()))
    @rule(data=st.data())
    def settle_a_batch(self, data: st.DataObject) -> None:
        destination = data.draw(st.integers(0, len(ACCOUNTS) - 1))
        owing = [slot for slot in self.model.open_slots() if self.model.owed[slot][destination]]
        slots = data.draw(st.permutations(owing)) if owing else []
        records = self.model.ledger.settle_all(slots, destination)
        assert [record.offset() for record in records] == [self.model.offsets[slot] for slot in slots]
        for slot in slots:
            self.model.owed[slot][destination] -= 1
        self.accounting.accounts[ACCOUNTS[destination]].delivered += len(slots)

    @precondition(lambda self: bool(self.model.offsets))
    @rule(data=st.data())
    def settle_without_owing(self, data: st.DataObject) -> None:
        slot = data.draw(st.integers(0, len(self.model.offsets) - 1))
        free = [destination for destination, count in self.model.owed[slot].items() if not count]
        for destination in free:
            with pytest.raises(LedgerError):
                self.model.ledger.settle(slot, destination)
        if len(free) == len(ACCOUNTS):
            with pytest.raises(LedgerError):
                self.model.ledger.record(slot)

    @precondition(lambda self: bool(self.model.offsets))
    @rule()
    def accept_an_offset_again(self) -> None:
        with pytest.raises(LedgerError):
            self.model.ledger.accept([FakeRecord(self.model.offsets[-1])], [[1], [0], [0]], [1])  # type: ignore[list-item]

    @rule()
    def end_the_ledger(self) -> None:
        self.accounting.close(self.model.ledger)
        self.model.ended = True
        self.past.append(self.model)
        self.model = self.begin(self.model.committable())

    @precondition(lambda self: bool(self.past))
    @rule(data=st.data())
    def late_outcome_of_an_ended_ledger_changes_nothing(self, data: st.DataObject) -> None:
        model = data.draw(st.sampled_from(self.past))
        before = model.ledger.committable_offset()
        for slot in model.open_slots():
            for destination in model.owed[slot]:
                assert not model.ledger.settle(slot, destination)
        assert model.ledger.committable_offset() == before

    @invariant()
    def committable_offset_is_the_oldest_open_and_never_goes_back(self) -> None:
        for model in (self.model, *self.past):
            assert model.ledger.committable_offset() == model.committable() >= model.furthest
            model.furthest = model.committable()

    @invariant()
    def open_counts_agree_with_the_model(self) -> None:
        ledger, slots = self.model.ledger, self.model.open_slots()
        assert ledger.count_open_records() == ledger.open_records == len(slots)
        assert ledger.open_bytes == sum(self.model.weights[slot] for slot in slots)
        for destination in range(len(ACCOUNTS)):
            counted = ledger.count_open_deliveries(destination)
            assert ledger.open_deliveries(destination) == counted
            assert counted == sum(owed[destination] for owed in self.model.owed)
            owing = [slot for slot in slots if self.model.owed[slot][destination]]
            found = ledger.oldest_open_for(destination)
            if not owing:
                assert found is None
            else:
                near = owing[0] - slots[0] < self.scan_limit
                assert found is not None
                assert found.offset() == self.model.offsets[owing[0] if near else slots[0]]
        assert ledger.retained == (len(self.model.offsets) - slots[0] if slots else 0)
        oldest = ledger.oldest_record()
        assert (None if oldest is None else oldest.offset()) == (self.model.committable() if slots else None)

    @invariant()
    def accounting_balances(self) -> None:
        for destination, account in enumerate(self.accounting.accounts.values()):
            assert account.counts(self.model.ledger.open_deliveries(destination)).mismatch == 0
        records = self.accounting.record_counts([self.model.ledger])
        assert records.mismatch == 0
        assert records.accepted == sum(len(m.offsets) for m in (self.model, *self.past))
        assert records.released == sum(len(model.open_slots()) for model in self.past)


@pytest.mark.parametrize("compact_after", [1, 2, 7, 4096])
def test_ledger_agrees_with_a_model_of_sets(compact_after: int) -> None:
    class SmallLedgers(LedgerMachine):
        pass

    SmallLedgers.compact_after = SmallLedgers.scan_limit = compact_after
    run_state_machine_as_test(
        SmallLedgers, settings=settings(max_examples=examples(60), stateful_step_count=30, deadline=None)
    )
