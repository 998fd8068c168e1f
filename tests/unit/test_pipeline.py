"""The path of one pipeline: back-pressure, missing schemas, and commits."""

import asyncio

from consumer.delivery.record_buffer import DELIVERY_BYTES
from tests.unit.pipeline_harness import P, Q, pipeline_harness, until


def test_committable_offset_is_committed_when_it_changes() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            await harness.consume(P, 0, 1, 5)
            assert harness.committable(P) == 0
            harness.deliver(2)
            await until(lambda: harness.committed and harness.committed[-1].offsets[P] == (1, 5))
            harness.deliver()
            await until(lambda: harness.committed[-1].offsets[P] == (1, 6))
            commits = len(harness.committed)
            await asyncio.sleep(0.05)
            assert len(harness.committed) == commits

    asyncio.run(run())


def test_skipped_records_settle_and_bad_ones_wait_for_dead_letter() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            harness.dead_letter_topic.at_once = False
            harness.translator.filtered, harness.translator.undecodable = {0, 2}, {1}
            await harness.consume(P, 0, 1, 2)
            assert harness.committable(P) == 1
            assert harness.settlement.accounting.accounts["yotpo"].skipped == 2
            harness.check_accounting()
            harness.dead_letter_topic.acknowledge()
            assert harness.committable(P) == 3
            assert harness.settlement.accounting.accounts[""].dead_lettered == 1

    asyncio.run(run())


def test_translated_deliveries_are_reported_by_event_type() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            harness.translator.filtered, harness.translator.undecodable, harness.translator.deliveries_per_record = (
                {0},
                {1},
                3,
            )
            await harness.consume(P, 0, 1, 2, 3)
            assert harness.observer.translated == {("yotpo", "shop.Order"): 6}

    asyncio.run(run())


def test_full_pipeline_waits_for_room_and_drops_nothing() -> None:
    async def run() -> None:
        async with pipeline_harness(records=4) as harness:
            harness.assign(P)
            accepting = asyncio.create_task(harness.consume(P, *range(10)))
            await until(lambda: len(harness.dispatcher.queued) == 4)
            await asyncio.sleep(0.02)
            assert not accepting.done()
            assert harness.pipeline.full == {P}
            seen = []
            while not accepting.done() or harness.dispatcher.queued:
                seen += [each.slot for each in harness.dispatcher.queued]
                harness.deliver()
                await asyncio.sleep(0.005)
            assert seen == list(range(10))
            assert harness.pipeline.full == frozenset()

    asyncio.run(run())


def test_many_small_deliveries_of_one_record_fill_byte_limit() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            harness.translator.deliveries_per_record = 100
            await harness.consume(P, 0)
            ledger = harness.pipeline.record_buffer.ledgers[P]
            assert ledger.open_bytes == 10 + 100 * (len(b"body") + DELIVERY_BYTES)
            harness.deliver()
            assert ledger.open_bytes == 0

    asyncio.run(run())


def test_one_full_partition_does_not_block_others() -> None:
    async def run() -> None:
        async with pipeline_harness(records=4) as harness:
            harness.assign(P, Q)
            await harness.consume(P, *range(10))
            assert harness.pipeline.full == {P}
            await harness.consume(Q, 0)
            assert {each.ledger.partition for each in harness.dispatcher.queued} == {P, Q}

    asyncio.run(run())


def test_missing_schema_stops_only_its_partition() -> None:
    """Records that waited for the schema continue in order."""

    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P, Q)
            harness.translator.unknown_schema = {1}
            await harness.consume(P, 0, 1, 2)
            await harness.consume(Q, 7)
            assert harness.requested_schemas
            assert [each.identity for each in harness.dispatcher.queued] == ["0", "7"]
            assert harness.pipeline.full == {P}
            harness.translator.unknown_schema = set()
            harness.pipeline.schemas_changed()
            await until(lambda: len(harness.dispatcher.queued) == 4)
            assert [each.identity for each in harness.dispatcher.queued] == ["0", "7", "1", "2"]
            assert harness.pipeline.full == frozenset()

    asyncio.run(run())


def test_schema_grace_ends_while_other_partition_is_busy() -> None:
    async def run() -> None:
        async with pipeline_harness(records=10_000, grace_check_s=0.1) as harness:
            harness.assign(P, Q)
            harness.translator.unknown_schema = {1}
            await harness.consume(P, 1)
            harness.translator.unknown_schema = set()  # its grace time is over, and no event reports that
            offset = 10
            async with asyncio.timeout(120):
                while not any(each.ledger.partition == P for each in harness.dispatcher.queued):
                    await harness.consume(Q, offset)
                    offset += 1
                    await asyncio.sleep(0.01)

    asyncio.run(run())
