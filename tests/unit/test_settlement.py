"""Settlement: once, in the right account, and for dead letters only on the broker's acknowledgement."""

# ruff: noqa: ARG002 - the observer ignores some arguments

import pytest

from consumer.delivery.delivery import Delivery
from consumer.delivery.ledger.partition_ledger import LedgerError, PartitionLedger
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Entry, Fault, Partition
from consumer.model.observer import Observer
from consumer.model.translated_batch import TranslationFailure
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic, FakeRecord

ENTRY = Entry("shop.Order", "yotpo", "yotpo.event", "event")
ENVELOPE = BatchEnvelope(Endpoint("e", "POST", "/"), b"", b"", 1, 100)
REFUSED = Fault(DeadLetterCause.REFUSED, "no", 400)


class RecordingObserver(Observer):
    """Keeps the failed translations."""

    def __init__(self) -> None:
        self.translation_failures: list[tuple[str, str, DeadLetterCause]] = []

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        self.translation_failures.append((destination, event_type, cause))


class SettlementHarness:
    def __init__(self, owed: int = 1) -> None:
        self.dead_letter_topic = shelf = FakeDeadLetterTopic()
        self.dead_letter_topic.at_once = False
        self.observer = RecordingObserver()
        self.settlement = Settlement(["copilot", "yotpo"], shelf, shelf.schema_id, shelf.event_type, self.observer)
        self.settled_calls = 0
        self.settlement.on_settled = self.on_settled
        self.ledger = PartitionLedger(Partition("orders", 0), 1, 0, 3)
        self.ledger.accept([FakeRecord(0), FakeRecord(1)], [[0, 0], [owed, owed], [0, 0]], [1, 1])  # type: ignore[list-item]
        self.settlement.accounting.accounts["yotpo"].owed += 2 * owed
        self.deliveries = [Delivery(b"x", 1, ENVELOPE, f"id-{n}", 0, ENTRY, self.ledger, n) for n in range(2)]
        self.acknowledged = 0

    def on_settled(self) -> None:
        self.settled_calls += 1

    def acknowledge(self) -> None:
        self.acknowledged += 1

    def balanced(self) -> bool:
        accounts = self.settlement.accounting.accounts.values()
        still_open = [self.ledger.open_deliveries(index) if self.ledger.active else 0 for index in range(len(accounts))]
        return all(a.counts(left).mismatch == 0 for a, left in zip(accounts, still_open, strict=True))


def test_delivered_is_settled_counted_and_reported() -> None:
    harness = SettlementHarness()
    harness.settlement.sink_of("yotpo").delivered(harness.deliveries)
    assert harness.ledger.committable_offset() == 2
    assert harness.settlement.accounting.accounts["yotpo"].delivered == 2
    assert harness.balanced()
    assert harness.settled_calls == 1


def test_second_settlement_raises() -> None:
    harness = SettlementHarness()
    harness.settlement.delivered("yotpo", harness.deliveries)
    with pytest.raises(LedgerError):
        harness.settlement.delivered("yotpo", harness.deliveries)


def test_refused_delivery_is_settled_on_acknowledgement_only() -> None:
    harness = SettlementHarness()
    harness.settlement.sink_of("yotpo").refused(harness.deliveries[0], REFUSED, harness.acknowledge)
    assert (harness.ledger.committable_offset(), harness.acknowledged, harness.settlement.pending_dead_letters()) == (
        0,
        0,
        1,
    )
    assert harness.settlement.dead_letters_in_flight([harness.ledger])
    assert harness.settlement.accounting.accounts["yotpo"].dead_lettered == 0
    assert harness.balanced()
    harness.dead_letter_topic.acknowledge()
    assert (harness.ledger.committable_offset(), harness.acknowledged, harness.settlement.pending_dead_letters()) == (
        1,
        1,
        0,
    )
    assert not harness.settlement.dead_letters_in_flight()
    assert harness.settlement.accounting.accounts["yotpo"].dead_lettered == 1
    assert harness.balanced()


def test_dead_letter_has_cause_attempts_and_times() -> None:
    harness = SettlementHarness()
    harness.deliveries[0].attempts, harness.deliveries[0].first_failed_ms = 3, 77
    harness.settlement.refused("yotpo", harness.deliveries[0], REFUSED, harness.acknowledge)
    (dead_letter,) = harness.dead_letter_topic.dead_letters
    assert (dead_letter.delivery_id, dead_letter.fault, dead_letter.entry, dead_letter.event_type) == (
        "id-0",
        REFUSED,
        ENTRY,
        "shop.Order",
    )
    assert (dead_letter.attempts, dead_letter.first_failed_ms) == (3, 77)
    assert dead_letter.last_failed_ms >= dead_letter.first_failed_ms
    assert dead_letter.message is harness.ledger.record(0)


def test_late_outcome_of_ended_ledger_only_frees_key() -> None:
    harness = SettlementHarness()
    harness.settlement.refused("yotpo", harness.deliveries[0], REFUSED, harness.acknowledge)
    harness.settlement.accounting.close(harness.ledger)
    harness.dead_letter_topic.acknowledge()
    harness.settlement.delivered("yotpo", harness.deliveries)
    harness.settlement.refused("yotpo", harness.deliveries[1], REFUSED, harness.acknowledge)
    assert harness.acknowledged == 2
    assert len(harness.dead_letter_topic.dead_letters) == 1
    account = harness.settlement.accounting.accounts["yotpo"]
    assert (account.delivered, account.dead_lettered, account.released) == (0, 0, 2)
    assert harness.ledger.committable_offset() == 0
    assert harness.balanced()


def test_failed_translation_is_owed_until_dead_letter_is_written() -> None:
    harness = SettlementHarness(owed=0)
    ledger = PartitionLedger(Partition("orders", 1), 1, 0, 3)
    record = FakeRecord(5)
    ledger.accept([record], [[0], [1], [1]], [1])  # type: ignore[list-item]
    for entry in (ENTRY, None):
        failure = TranslationFailure(
            0, entry, Fault(DeadLetterCause.CONTRACT if entry else DeadLetterCause.UNDECODABLE), "id"
        )
        harness.settlement.dead_letter_untranslated(failure, ledger, 0)
    assert [dead_letter.attempts for dead_letter in harness.dead_letter_topic.dead_letters] == [0, 0]
    assert ledger.committable_offset() == 5
    harness.dead_letter_topic.acknowledge()
    assert ledger.committable_offset() == 6
    assert harness.observer.translation_failures == [
        ("yotpo", "shop.Order", DeadLetterCause.CONTRACT),
        ("", "", DeadLetterCause.UNDECODABLE),
    ]
    accounts = harness.settlement.accounting.accounts
    assert [(accounts[n].owed, accounts[n].dead_lettered) for n in ("copilot", "yotpo", "")] == [(0, 0), (1, 1), (1, 1)]


def test_stalled_dead_letters_are_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = SettlementHarness()
    harness.settlement.refused("yotpo", harness.deliveries[0], REFUSED, harness.acknowledge)
    assert harness.settlement.dead_letters_in_flight()
    monkeypatch.setattr(harness.dead_letter_topic, "stalled_reason", lambda: "TOPIC_AUTHORIZATION_FAILED")
    assert not harness.settlement.dead_letters_in_flight()
    assert harness.settlement.pending_dead_letters() == 1
