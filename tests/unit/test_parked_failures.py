"""What could not be said: dead-lettered one by one, parked once it is a flood, and written when somebody accepts it."""

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
    here = TranslatedBatches()
    here.accept("xxxxx")
    assert here.dead_letter_ids() == ["0", "1"]
    assert here.waiting() == [3]
    here.shelf.acknowledge()
    assert here.ledger.committable_offset() == 2
    assert here.ledger.open_records == 3
    assert not here.settling.dead_letters_in_flight(), "leaving would wait for what is parked"
    assert here.balanced()


def test_successes_of_same_batch_count_wherever_they_stand() -> None:
    here = TranslatedBatches()
    here.accept("xxxxxxxx........")  # half: no flood
    assert len(here.dead_letter_ids()) == 8
    here.accept(".x.x.x..")
    assert len(here.dead_letter_ids()) == 11
    assert here.waiting() == []


def test_successes_of_later_batches_count_while_watched() -> None:
    here = TranslatedBatches()
    here.accept("xx")
    here.accept("......")
    here.accept("xxxx")
    assert len(here.dead_letter_ids()) == 6


def test_other_event_type_is_neither_parked_nor_counted() -> None:
    here = TranslatedBatches()
    here.accept("xxx")
    here.accept("xx", OTHER)
    here.accept(".........", OTHER)
    here.accept("xx")
    assert here.dead_letter_ids() == ["0", "1", "3", "4"]
    assert here.waiting() == [3]


def test_undecodable_records_are_counted_by_topic() -> None:
    """Undecodable records are counted as a share of all records of their topic."""
    here = TranslatedBatches()
    here.accept("xx....", None)
    here.accept("xx", None)
    here.accept("x", None, waiting="..........")  # what waits for its schema is nothing yet
    assert len(here.dead_letter_ids()) == 4
    assert here.waiting("") == [1]
    (closed,) = here.settling.parked_failures.tripped("")
    assert (closed.kind, closed.cause, closed.refused, closed.of) == ("orders", UNDECODABLE, 5, 9)
    assert here.waiting() == []


def test_accepted_failures_are_written_in_order_and_settled() -> None:
    """Parked failures are written in order after a directive, and settled on acknowledgement."""

    async def run() -> None:
        here = TranslatedBatches()
        here.accept("x" * 1000)
        here.settling.parked_failures.accept_refusals(accept(CONTRACT, destination="copilot").accepted)
        assert here.waiting() == [998]
        here.settling.parked_failures.accept_refusals(accept(CONTRACT, destination="yotpo").accepted)
        here.accept("xx")  # behind those that are parked
        assert len(here.dead_letter_ids()) < 1000, "so many at once keep the loop"
        await until(lambda: len(here.dead_letter_ids()) == 1002)
        assert here.dead_letter_ids() == [str(n) for n in range(1002)]
        assert here.waiting() == []
        here.accept("x")
        assert here.dead_letter_ids()[-1] == "1002"
        here.shelf.acknowledge()
        assert here.ledger.committable_offset() == 1003
        assert here.balanced()

    asyncio.run(run())


def test_second_trip_keeps_failures_not_yet_written() -> None:
    async def run() -> None:
        here = TranslatedBatches()
        here.accept("x" * 1000)
        here.settling.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        here.settling.parked_failures.accept_refusals(())
        here.accept("xxx")
        written = len(here.dead_letter_ids())
        assert here.waiting() == [1003 - written]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert len(here.dead_letter_ids()) == written
        here.settling.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        await until(lambda: len(here.dead_letter_ids()) == 1003)
        assert here.dead_letter_ids() == [str(n) for n in range(1003)]

    asyncio.run(run())


def test_parked_failures_of_ended_ledger_are_released() -> None:
    async def run() -> None:
        here = TranslatedBatches()
        here.accept("x" * 10)
        gone = here.ledger
        here.settling.accounting.close(gone)
        here.ledger = PartitionLedger(Partition("orders", 0), 2, 2, 2)
        here.accept("xx")
        here.settling.drop_revoked()
        assert here.waiting() == [2]
        here.settling.accounting.close(here.ledger)
        here.settling.drop_revoked()
        assert here.waiting() == [0]
        here.settling.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        assert len(here.dead_letter_ids()) == 2
        assert here.settling.accounting.accounts["yotpo"].released == 12

    asyncio.run(run())


def test_ledger_ended_during_writing_stops_its_dead_letters() -> None:
    async def run() -> None:
        here = TranslatedBatches()
        here.accept("x" * 1000)
        here.settling.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        before = len(here.dead_letter_ids())
        here.settling.accounting.close(here.ledger)
        here.settling.parked_failures.accept_refusals(accept(CONTRACT).accepted)
        await until(lambda: not here.settling.parked_failures._parked)
        assert len(here.dead_letter_ids()) == before

    asyncio.run(run())


def test_quarantined_offset_is_written_and_rest_stays_parked() -> None:
    """Parked failures at quarantined offsets are written as quarantined; the others stay parked."""
    here = TranslatedBatches()
    here.accept("xxxxxx")
    here.shelf.acknowledge()
    here.settling.parked_failures.apply_directives(quarantine(2, 4))
    assert [(each.delivery_id, each.fault.cause) for each in here.shelf.dead_letters[2:]] == [
        ("2", DeadLetterCause.QUARANTINED),
        ("4", DeadLetterCause.QUARANTINED),
    ]
    assert here.waiting() == [2]
    here.shelf.acknowledge()
    assert here.ledger.committable_offset() == 3
    assert here.balanced()
    here.settling.parked_failures.apply_directives(quarantine(3, 5))
    here.shelf.acknowledge()
    assert here.waiting() == [0]
    assert here.ledger.committable_offset() == 6
    here.accept("x")
    assert here.waiting() == [1], "its guard is still closed"


def test_quarantine_with_destination_skips_undecodable_records() -> None:
    here = TranslatedBatches()
    here.accept("xxxx", None)
    here.settling.parked_failures.apply_directives(quarantine(2, destination="yotpo"))
    assert here.waiting("") == [2]
    here.settling.parked_failures.apply_directives(quarantine(2))
    assert here.waiting("") == [1]
    assert here.shelf.dead_letters[-1].fault.cause is DeadLetterCause.QUARANTINED


def test_failure_already_quarantined_is_not_counted_or_parked() -> None:
    here = TranslatedBatches()
    here.settling.parked_failures.apply_directives(quarantine(0, 1, 4))
    here.accept("xxxxxx")
    causes = [(each.delivery_id, each.fault.cause) for each in here.shelf.dead_letters]
    named, own = DeadLetterCause.QUARANTINED, CONTRACT
    assert causes == [("0", named), ("1", named), ("2", own), ("3", own), ("4", named)]
    assert here.waiting() == [1]
    here.settling.parked_failures.apply_directives(NONE)
    here.accept("x")
    assert here.waiting() == [2]


def test_quarantine_by_key_matches_no_failed_translation() -> None:
    here = TranslatedBatches()
    here.accept("xxxx")
    here.settling.parked_failures.apply_directives(Directives([Quarantine(0, "", "orders", key="k")]))
    assert here.waiting() == [2]


def test_quarantine_writes_nothing_of_ended_ledger() -> None:
    here = TranslatedBatches()
    here.accept("xxxx")
    here.settling.accounting.close(here.ledger)
    here.settling.parked_failures.apply_directives(quarantine(2, 3))
    assert len(here.dead_letter_ids()) == 2
