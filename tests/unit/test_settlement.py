"""Where deliveries end: once, in the right account, and only on the broker's word."""

# ruff: noqa: ARG002 - an observer hears more than it keeps

import pytest

from consumer.delivery.delivery import Delivery
from consumer.delivery.ledger.partition_ledger import LedgerError, PartitionLedger
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Entry, Fault, Partition
from consumer.model.observer import Observer
from consumer.model.translated_batch import TranslationFailure
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic, FakeRecord

ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
SHAPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
REFUSED = Fault(DeadLetterCause.REFUSED, "no", 400)


class RecordingObserver(Observer):
    """Keeps what could not be said."""

    def __init__(self) -> None:
        self.faulty_ones: list[tuple[str, str, DeadLetterCause]] = []

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        self.faulty_ones.append((destination, event_type, cause))


class SettlementHarness:
    def __init__(self, owed: int = 1) -> None:
        self.shelf = shelf = FakeDeadLetterTopic()
        self.shelf.at_once = False
        self.told = RecordingObserver()
        self.settling = Settlement(["copilot", "yotpo"], shelf, shelf.schema_id, shelf.event_type, self.told)
        self.rooms = 0
        self.settling.on_settled = self.room
        self.ledger = PartitionLedger(Partition("orders", 0), 1, 0, 3)
        self.ledger.accept([FakeRecord(0), FakeRecord(1)], [[0, 0], [owed, owed], [0, 0]], [1, 1])  # type: ignore[list-item]
        self.settling.accounting.accounts["yotpo"].owed += 2 * owed
        self.deliveries = [Delivery(b"x", 1, SHAPE, f"id-{n}", 0, ENTRY, self.ledger, n) for n in range(2)]
        self.acknowledged = 0

    def room(self) -> None:
        self.rooms += 1

    def ack(self) -> None:
        self.acknowledged += 1

    def balanced(self) -> bool:
        accounts = self.settling.accounting.accounts.values()
        still_open = [self.ledger.open_deliveries(index) if self.ledger.active else 0 for index in range(len(accounts))]
        return all(a.counts(left).mismatch == 0 for a, left in zip(accounts, still_open, strict=True))


def test_delivered_is_settled_counted_and_reported() -> None:
    house = SettlementHarness()
    house.settling.sink_of("yotpo").delivered(house.deliveries)
    assert house.ledger.committable_offset() == 2
    assert house.settling.accounting.accounts["yotpo"].delivered == 2
    assert house.balanced()
    assert house.rooms == 1


def test_second_settlement_raises() -> None:
    house = SettlementHarness()
    house.settling.delivered("yotpo", house.deliveries)
    with pytest.raises(LedgerError):
        house.settling.delivered("yotpo", house.deliveries)


def test_refused_delivery_is_settled_on_acknowledgement_only() -> None:
    house = SettlementHarness()
    house.settling.sink_of("yotpo").refused(house.deliveries[0], REFUSED, house.ack)
    assert (house.ledger.committable_offset(), house.acknowledged, house.settling.pending_dead_letters()) == (0, 0, 1)
    assert house.settling.dead_letters_in_flight([house.ledger])
    assert house.settling.accounting.accounts["yotpo"].dead_lettered == 0
    assert house.balanced()
    house.shelf.acknowledge()
    assert (house.ledger.committable_offset(), house.acknowledged, house.settling.pending_dead_letters()) == (1, 1, 0)
    assert not house.settling.dead_letters_in_flight()
    assert house.settling.accounting.accounts["yotpo"].dead_lettered == 1
    assert house.balanced()


def test_dead_letter_has_cause_attempts_and_times() -> None:
    house = SettlementHarness()
    house.deliveries[0].attempts, house.deliveries[0].first_failed_ms = 3, 77
    house.settling.refused("yotpo", house.deliveries[0], REFUSED, house.ack)
    (letter,) = house.shelf.dead_letters
    assert (letter.delivery_id, letter.fault, letter.entry, letter.event_type) == ("id-0", REFUSED, ENTRY, "shop.Order")
    assert (letter.attempts, letter.first_failed_ms) == (3, 77)
    assert letter.last_failed_ms >= letter.first_failed_ms
    assert letter.message is house.ledger.record(0)


def test_late_outcome_of_ended_ledger_only_frees_key() -> None:
    house = SettlementHarness()
    house.settling.refused("yotpo", house.deliveries[0], REFUSED, house.ack)
    house.settling.accounting.close(house.ledger)
    house.shelf.acknowledge()
    house.settling.delivered("yotpo", house.deliveries)
    house.settling.refused("yotpo", house.deliveries[1], REFUSED, house.ack)
    assert house.acknowledged == 2
    assert len(house.shelf.dead_letters) == 1
    account = house.settling.accounting.accounts["yotpo"]
    assert (account.delivered, account.dead_lettered, account.released) == (0, 0, 2)
    assert house.ledger.committable_offset() == 0
    assert house.balanced()


def test_failed_translation_is_owed_until_dead_letter_is_written() -> None:
    house = SettlementHarness(owed=0)
    ledger = PartitionLedger(Partition("orders", 1), 1, 0, 3)
    record = FakeRecord(5)
    ledger.accept([record], [[0], [1], [1]], [1])  # type: ignore[list-item]
    for entry in (ENTRY, None):
        faulty = TranslationFailure(
            0, entry, Fault(DeadLetterCause.CONTRACT if entry else DeadLetterCause.UNDECODABLE), "id"
        )
        house.settling.dead_letter_untranslated(faulty, ledger, 0)
    assert [letter.attempts for letter in house.shelf.dead_letters] == [0, 0]
    assert ledger.committable_offset() == 5
    house.shelf.acknowledge()
    assert ledger.committable_offset() == 6
    assert house.told.faulty_ones == [
        ("yotpo", "shop.Order", DeadLetterCause.CONTRACT),
        ("", "", DeadLetterCause.UNDECODABLE),
    ]
    accounts = house.settling.accounting.accounts
    assert [(accounts[n].owed, accounts[n].dead_lettered) for n in ("copilot", "yotpo", "")] == [(0, 0), (1, 1), (1, 1)]


def test_stalled_dead_letters_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    house = SettlementHarness()
    house.settling.refused("yotpo", house.deliveries[0], REFUSED, house.ack)
    assert house.settling.dead_letters_in_flight()
    monkeypatch.setattr(house.shelf, "stalled_reason", lambda: "TOPIC_AUTHORIZATION_FAILED")
    assert not house.settling.dead_letters_in_flight()
    assert house.settling.pending_dead_letters() == 1
