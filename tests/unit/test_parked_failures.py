"""Failed translations: dead-lettered one by one, parked while the guard is tripped, written after a directive."""

import asyncio

from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.model import DeadLetterCause, Entry, Partition
from consumer.model.directives import NONE, AcceptRefusals, Directives, Quarantine
from tests.unit.pipeline_harness import until
from tests.unit.record_batches import CONTRACT, UNDECODABLE, TranslatedBatches

OTHER = Entry("shop.Return", "yotpo", "yotpo.event", "event")


def accept(cause: DeadLetterCause = UNDECODABLE, **scope: str) -> Directives:
    return Directives([AcceptRefusals(until_ms=0, reason="", cause=cause, **scope)])


def quarantine(*offsets: int, destination: str | None = None) -> Directives:
    return Directives([Quarantine(0, "", "orders", 0, offset, destination=destination) for offset in offsets])


def test_failures_after_trip_are_parked_and_still_owed() -> None:
    harness = TranslatedBatches()
    harness.accept("xxxxx")
    assert harness.dead_letter_ids() == ["0", "1"]
    assert harness.waiting() == [3]
    harness.topic.acknowledge()
    assert harness.ledger.committable_offset() == 2
    assert harness.ledger.open_records == 3
    assert not harness.settlement.dead_letters_in_flight(), "shutdown would wait for parked failures"
    assert harness.balanced()


def test_successes_of_same_batch_count_wherever_they_stand() -> None:
    harness = TranslatedBatches()
    harness.accept("xxxxxxxx........")  # half refused: the guard does not trip
    assert len(harness.dead_letter_ids()) == 8
    harness.accept(".x.x.x..")
    assert len(harness.dead_letter_ids()) == 11
    assert harness.waiting() == []


def test_successes_of_later_batches_count_while_watched() -> None:
    harness = TranslatedBatches()
    harness.accept("xx")
    harness.accept("......")
    harness.accept("xxxx")
    assert len(harness.dead_letter_ids()) == 6


def test_other_event_type_is_neither_parked_nor_counted() -> None:
    harness = TranslatedBatches()
    harness.accept("xxx")
    harness.accept("xx", OTHER)
    harness.accept(".........", OTHER)
    harness.accept("xx")
    assert harness.dead_letter_ids() == ["0", "1", "3", "4"]
    assert harness.waiting() == [3]


def test_undecodable_records_are_counted_by_topic() -> None:
    """Undecodable records are counted as a share of all records of their topic."""
    harness = TranslatedBatches()
    harness.accept("xx....", None)
    harness.accept("xx", None)
    harness.accept("x", None, waiting="..........")  # a record that waits for its schema is not counted yet
    assert len(harness.dead_letter_ids()) == 4
    assert harness.waiting("") == [1]
    (tripped,) = harness.settlement.parked_failures.tripped("")
    assert (tripped.kind, tripped.cause, tripped.refused, tripped.of) == ("orders", UNDECODABLE, 5, 9)
    assert harness.waiting() == []


def test_accepted_failures_are_written_in_order_and_settled() -> None:
    """Parked failures are written in order after a directive, and settled on acknowledgement."""

    async def run() -> None:
        harness = TranslatedBatches()
        harness.accept("x" * 1000)
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT, destination="copilot").accepted)
        assert harness.waiting() == [998]
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT, destination="yotpo").accepted)
        harness.accept("xx")  # behind the parked ones
        assert len(harness.dead_letter_ids()) < 1000, "so many at once would block the loop"
        await until(lambda: len(harness.dead_letter_ids()) == 1002)
        assert harness.dead_letter_ids() == [str(n) for n in range(1002)]
        assert harness.waiting() == []
        harness.accept("x")
        assert harness.dead_letter_ids()[-1] == "1002"
        harness.topic.acknowledge()
        assert harness.ledger.committable_offset() == 1003
        assert harness.balanced()

    asyncio.run(run())


def test_second_trip_keeps_failures_not_yet_written() -> None:
    async def run() -> None:
        harness = TranslatedBatches()
        harness.accept("x" * 1000)
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        harness.settlement.parked_failures.accept_refusals(())
        harness.accept("xxx")
        written = len(harness.dead_letter_ids())
        assert harness.waiting() == [1003 - written]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(harness.dead_letter_ids()) == written
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        await until(lambda: len(harness.dead_letter_ids()) == 1003)
        assert harness.dead_letter_ids() == [str(n) for n in range(1003)]

    asyncio.run(run())


def test_parked_failures_of_ended_ledger_are_released() -> None:
    async def run() -> None:
        harness = TranslatedBatches()
        harness.accept("x" * 10)
        harness.settlement.accounting.close(harness.ledger)
        harness.ledger = PartitionLedger(Partition("orders", 0), 2, 2, 2)
        harness.accept("xx")
        harness.settlement.drop_revoked()
        assert harness.waiting() == [2]
        harness.settlement.accounting.close(harness.ledger)
        harness.settlement.drop_revoked()
        assert harness.waiting() == [0]
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        assert len(harness.dead_letter_ids()) == 2
        assert harness.settlement.accounting.accounts["yotpo"].released == 12

    asyncio.run(run())


def test_ledger_ended_during_writing_stops_its_dead_letters() -> None:
    async def run() -> None:
        harness = TranslatedBatches()
        harness.accept("x" * 1000)
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        before = len(harness.dead_letter_ids())
        harness.settlement.accounting.close(harness.ledger)
        harness.settlement.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        # Private: once the guard is reset, nothing else shows that all parked failures were visited.
        await until(lambda: not harness.settlement.parked_failures._parked)
        assert len(harness.dead_letter_ids()) == before

    asyncio.run(run())


def test_quarantined_offset_is_written_and_rest_stays_parked() -> None:
    """Parked failures at quarantined offsets are written as quarantined; the others stay parked."""
    harness = TranslatedBatches()
    harness.accept("xxxxxx")
    harness.topic.acknowledge()
    harness.settlement.parked_failures.apply_directives(quarantine(2, 4))
    assert [(each.delivery_id, each.fault.cause) for each in harness.topic.dead_letters[2:]] == [
        ("2", DeadLetterCause.QUARANTINED),
        ("4", DeadLetterCause.QUARANTINED),
    ]
    assert harness.waiting() == [2]
    harness.topic.acknowledge()
    assert harness.ledger.committable_offset() == 3
    assert harness.balanced()
    harness.settlement.parked_failures.apply_directives(quarantine(3, 5))
    harness.topic.acknowledge()
    assert harness.waiting() == [0]
    assert harness.ledger.committable_offset() == 6
    harness.accept("x")
    assert harness.waiting() == [1], "its guard is still tripped"


def test_quarantine_with_destination_skips_undecodable_records() -> None:
    harness = TranslatedBatches()
    harness.accept("xxxx", None)
    harness.settlement.parked_failures.apply_directives(quarantine(2, destination="yotpo"))
    assert harness.waiting("") == [2]
    harness.settlement.parked_failures.apply_directives(quarantine(2))
    assert harness.waiting("") == [1]
    assert harness.topic.dead_letters[-1].fault.cause is DeadLetterCause.QUARANTINED


def test_failure_already_quarantined_is_not_counted_or_parked() -> None:
    harness = TranslatedBatches()
    harness.settlement.parked_failures.apply_directives(quarantine(0, 1, 4))
    harness.accept("xxxxxx")
    causes = [(each.delivery_id, each.fault.cause) for each in harness.topic.dead_letters]
    quarantined, own = DeadLetterCause.QUARANTINED, CONTRACT
    assert causes == [("0", quarantined), ("1", quarantined), ("2", own), ("3", own), ("4", quarantined)]
    assert harness.waiting() == [1]
    harness.settlement.parked_failures.apply_directives(NONE)
    harness.accept("x")
    assert harness.waiting() == [2]


def test_quarantine_by_key_matches_no_failed_translation() -> None:
    harness = TranslatedBatches()
    harness.accept("xxxx")
    harness.settlement.parked_failures.apply_directives(Directives([Quarantine(0, "", "orders", key="k")]))
    assert harness.waiting() == [2]


def test_quarantine_writes_nothing_of_ended_ledger() -> None:
    harness = TranslatedBatches()
    harness.accept("xxxx")
    harness.settlement.accounting.close(harness.ledger)
    harness.settlement.parked_failures.apply_directives(quarantine(2, 3))
    assert len(harness.dead_letter_ids()) == 2
