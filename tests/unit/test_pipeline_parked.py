"""A pipeline whose records cannot be said: what is parked is bounded, left, accepted, and seen by the translator."""

import asyncio

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import DEAD_LETTER_BYTES, Chunk, record_in_ledger
from consumer.model import DeadLetterCause, Partition
from consumer.model.directives import NONE, AcceptGap, AcceptRefusals, Directives
from consumer.model.observer import Observer
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic
from tests.unit.order_event import SCHEMA, order_message
from tests.unit.pipeline_harness import P, PipelineHarness, house, until
from tests.unit.translator_harness import NOW_MS, FakeMessage, mapping_with, new_translator, with_schema_id


def accept(topic: str) -> Directives:
    return Directives([AcceptRefusals(until_ms=0, reason="", cause=DeadLetterCause.UNDECODABLE, topic=topic)])


async def flooded(here: PipelineHarness, count: int = 200) -> None:
    here.assign(P)
    here.translator.bad = set(range(count))
    await here.give(P, *range(count))


def test_parked_records_count_against_limits_and_others_continue() -> None:
    """Parked records fill their share of the limits; good records of their topic continue."""

    async def run() -> None:
        async with house(records=100) as here:
            here.translator.bad = set(range(0, 1000, 2)) | set(range(80))
            here.assign(P)
            await here.give(P, *range(100, 110))
            assert len(here.lanes.here) == 5
            assert [each.delivery_id for each in here.shelf.dead_letters] == [f"bad-{n}" for n in range(100, 110, 2)]
            accepting = asyncio.create_task(here.give(P, *range(1000, 1300)))
            here.translator.bad |= set(range(1000, 1300)) - {1100}
            await until(lambda: here.pipeline.full == {P})
            (closed,) = here.pipeline.tripped_guards("")
            assert closed.kind == "orders"
            letters = len(here.shelf.dead_letters)
            here.check_books()
            assert not accepting.done()
            here.pipeline.apply_directives(accept("orders"))
            await until(lambda: here.deliver() or accepting.done())  # type: ignore[func-returns-value]
            await until(lambda: len(here.shelf.dead_letters) == 5 + 299)
            await until(lambda: here.settling.accounting.accounts[""].dead_lettered == 304)
            assert letters < 60
            assert here.lanes.said[-1].accepted

    asyncio.run(run())


def test_parked_record_weighs_as_much_as_its_dead_letter() -> None:
    async def run() -> None:
        async with house() as here:
            await flooded(here, 90)
            ledger = here.pipeline.record_buffer.ledgers[P]
            await until(lambda: ledger.open_records == 90 - 49)
            assert ledger.open_bytes == (90 - 49) * (10 + DEAD_LETTER_BYTES)

    asyncio.run(run())


def test_shutdown_releases_parked_records_without_waiting() -> None:
    async def run() -> None:
        async with house() as here:
            await flooded(here, 90)
            await until(lambda: here.settling.accounting.accounts[""].dead_lettered == 49)
            committable = await asyncio.wait_for(here.pipeline.shutdown(), 120)
            assert committable.offsets == {P: (1, 49)}
            assert here.settling.accounting.accounts[""].released == 90 - 49
            assert [each.waiting for each in here.pipeline.tripped_guards("")] == [0]

    asyncio.run(run())


def test_directives_reach_lanes_guards_and_poll_thread() -> None:
    async def run() -> None:
        async with house() as here:
            gap = AcceptGap(until_ms=0, reason="", topic="orders", partition=1, stopped_at=7, to="latest")
            here.pipeline.apply_directives(Directives([gap]))
            assert list(here.pipeline.accepted_gaps) == [gap]
            assert here.lanes.said == [Directives([gap])]
            here.pipeline.apply_directives(NONE)
            assert list(here.pipeline.accepted_gaps) == []
            assert here.pipeline.tripped_guards("yotpo") == ()

    asyncio.run(run())


def test_registry_without_schemas_parks_all_but_first_failures() -> None:
    """With the real translator and a registry that knows no id."""
    made = new_translator(mapping_with("{s: status}"), SCHEMA)
    made.learn_unknown(2, NOW_MS)
    lot = [FakeMessage(with_schema_id(2, b""), offset, timestamp_ms=NOW_MS - 3_600_000) for offset in range(10)]
    shelf = FakeDeadLetterTopic()
    shelf.at_once = False
    settling = Settlement(["vendor"], shelf, made.schema_id, made.event_type, Observer(), FloodGuardOptions(refusals=3))
    ledger = PartitionLedger(Partition("shop", 0), 1, 0, 2)
    translation = made.translate(lot)
    places = record_in_ledger([Chunk(ledger, lot, [1] * 10)], translation, settling.index)
    settling.parked_failures.count_translated(lot, translation)
    for faulty in translation.faults:
        settling.dead_letter_untranslated(faulty, places.ledgers[faulty.record], places.slots[faulty.record])
    (closed,) = settling.parked_failures.tripped("")
    assert (closed.kind, closed.cause, closed.waiting) == ("shop", DeadLetterCause.UNKNOWN_SCHEMA, 8)
    assert [letter.schema_id for letter in shelf.dead_letters] == ["2", "2"]
    assert made.translate([order_message(10)]).columns["vendor"].bodies, "good records of the topic go on"
