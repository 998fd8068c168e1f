"""A pipeline with failed translations: parked records are bounded, released at shutdown, and written if accepted."""

import asyncio

from consumer.delivery.guards.flood_guard import FloodGuardOptions
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import DEAD_LETTER_BYTES, Chunk, record_in_ledger
from consumer.model import DeadLetterCause, Partition
from consumer.model.directives import NONE, AcceptGap, AcceptRefusals, Directives, Quarantine
from consumer.model.observer import Observer
from consumer.pipeline.settlement import Settlement
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic
from tests.unit.order_event import SCHEMA, order_message
from tests.unit.pipeline_harness import P, PipelineHarness, pipeline_harness, until
from tests.unit.translator_harness import NOW_MS, FakeMessage, mapping_with, new_translator, with_schema_id


def accept(topic: str) -> Directives:
    return Directives([AcceptRefusals(until_ms=0, reason="", cause=DeadLetterCause.UNDECODABLE, topic=topic)])


async def flooded(harness: PipelineHarness, count: int = 200) -> None:
    harness.assign(P)
    harness.translator.undecodable = set(range(count))
    await harness.consume(P, *range(count))


def test_parked_records_count_against_limits_and_others_continue() -> None:
    """Parked records fill their share of the limits; good records of their topic continue."""

    async def run() -> None:
        async with pipeline_harness(records=100) as harness:
            harness.translator.undecodable = set(range(0, 1000, 2)) | set(range(80))
            harness.assign(P)
            await harness.consume(P, *range(100, 110))
            assert len(harness.dispatcher.queued) == 5
            assert [each.delivery_id for each in harness.dead_letter_topic.dead_letters] == [
                f"bad-{n}" for n in range(100, 110, 2)
            ]
            accepting = asyncio.create_task(harness.consume(P, *range(1000, 1300)))
            harness.translator.undecodable |= set(range(1000, 1300)) - {1100}
            await until(lambda: harness.pipeline.full == {P})
            (tripped,) = harness.pipeline.tripped_guards("")
            assert tripped.kind == "orders"
            written = len(harness.dead_letter_topic.dead_letters)
            harness.check_accounting()
            assert not accepting.done()
            harness.pipeline.apply_directives(accept("orders"))
            await until(lambda: harness.deliver() or accepting.done())  # type: ignore[func-returns-value]
            await until(lambda: len(harness.dead_letter_topic.dead_letters) == 5 + 299)
            await until(lambda: harness.settlement.accounting.accounts[""].dead_lettered == 304)
            assert written < 60
            assert harness.dispatcher.directives[-1].accepted

    asyncio.run(run())


def test_parked_record_weighs_as_much_as_its_dead_letter() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            await flooded(harness, 90)
            ledger = harness.pipeline.record_buffer.ledgers[P]
            await until(lambda: ledger.open_records == 90 - 49)
            assert ledger.open_bytes == (90 - 49) * (10 + DEAD_LETTER_BYTES)

    asyncio.run(run())


def test_shutdown_releases_parked_records_without_waiting() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            await flooded(harness, 90)
            await until(lambda: harness.settlement.accounting.accounts[""].dead_lettered == 49)
            committable = await asyncio.wait_for(harness.pipeline.shutdown(), 120)
            assert committable.offsets == {P: (1, 49)}
            assert harness.settlement.accounting.accounts[""].released == 90 - 49
            assert [each.waiting for each in harness.pipeline.tripped_guards("")] == [0]

    asyncio.run(run())


def test_directives_reach_lanes_guards_and_poll_thread() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            gap = AcceptGap(until_ms=0, reason="", topic="orders", partition=1, stopped_at=7, to="latest")
            here, there = (
                Quarantine(0, "", "orders", partition=1, offset=8, destination=name) for name in (None, "yotpo")
            )
            both = Quarantine(0, "", "orders", key="k")
            directives = Directives([gap, here, there, both])
            harness.pipeline.apply_directives(directives)
            assert list(harness.pipeline.accepted_gaps) == [gap]
            assert harness.dispatcher.directives == [directives]
            assert set(harness.translator.quarantined) == {("orders", 1, 8)}
            harness.pipeline.apply_directives(NONE)
            assert not harness.translator.quarantined
            assert list(harness.pipeline.accepted_gaps) == []
            assert harness.pipeline.tripped_guards("yotpo") == ()

    asyncio.run(run())


def test_registry_without_schemas_parks_all_but_first_failures() -> None:
    """With the real translator and a registry that knows no id."""
    made = new_translator(mapping_with("{s: status}"), SCHEMA)
    made.learn_unknown(2, NOW_MS)
    records = [FakeMessage(with_schema_id(2, b""), offset, timestamp_ms=NOW_MS - 3_600_000) for offset in range(10)]
    topic = FakeDeadLetterTopic()
    topic.at_once = False
    settlement = Settlement(
        ["vendor"], topic, made.schema_id, made.event_type, Observer(), FloodGuardOptions(refusals=3)
    )
    ledger = PartitionLedger(Partition("shop", 0), 1, 0, 2)
    translation = made.translate(records)
    slots = record_in_ledger([Chunk(ledger, records, [1] * 10)], translation, settlement.index)
    settlement.parked_failures.count_translated(records, translation)
    for failure in translation.faults:
        settlement.dead_letter_untranslated(failure, slots.ledgers[failure.record], slots.slots[failure.record])
    (tripped,) = settlement.parked_failures.tripped("")
    assert (tripped.kind, tripped.cause, tripped.waiting) == ("shop", DeadLetterCause.UNKNOWN_SCHEMA, 8)
    assert [dead_letter.schema_id for dead_letter in topic.dead_letters] == ["2", "2"]
    assert made.translate([order_message(10)]).columns["vendor"].bodies, "good records of the topic continue"
