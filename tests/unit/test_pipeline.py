"""The path of one pipeline: room, schemas that are missing, and the committable offset that is committed."""

import asyncio

from consumer.delivery.record_buffer import DELIVERY_BYTES
from tests.unit.pipeline_harness import P, Q, house, until


def test_committable_offset_is_committed_when_it_changes() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1, 5)
            assert here.committable(P) == 0
            here.deliver(2)
            await until(lambda: here.committed and here.committed[-1].offsets[P] == (1, 5))
            here.deliver()
            await until(lambda: here.committed[-1].offsets[P] == (1, 6))
            commits = len(here.committed)
            await asyncio.sleep(0.05)
            assert len(here.committed) == commits

    asyncio.run(run())


def test_skipped_records_settle_and_bad_ones_wait_for_dead_letter() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            here.shelf.at_once = False
            here.translator.skip, here.translator.bad = {0, 2}, {1}
            await here.give(P, 0, 1, 2)
            assert here.committable(P) == 1
            assert here.settling.accounting.accounts["yotpo"].skipped == 2
            here.check_books()
            here.shelf.acknowledge()
            assert here.committable(P) == 3
            assert here.settling.accounting.accounts[""].dead_lettered == 1

    asyncio.run(run())


def test_translated_deliveries_are_reported_by_event_type() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            here.translator.skip, here.translator.bad, here.translator.each = {0}, {1}, 3
            await here.give(P, 0, 1, 2, 3)
            assert here.told.made == {("yotpo", "shop.Order"): 6}

    asyncio.run(run())


def test_full_pipeline_waits_for_room_and_drops_nothing() -> None:
    async def run() -> None:
        async with house(records=4) as here:
            here.assign(P)
            accepting = asyncio.create_task(here.give(P, *range(10)))
            await until(lambda: len(here.lanes.here) == 4)
            await asyncio.sleep(0.02)
            assert not accepting.done()
            assert here.pipeline.full == {P}
            seen = []
            while not accepting.done() or here.lanes.here:
                seen += [each.slot for each in here.lanes.here]
                here.deliver()
                await asyncio.sleep(0.005)
            assert seen == list(range(10))
            assert here.pipeline.full == frozenset()

    asyncio.run(run())


def test_many_small_deliveries_of_one_record_fill_byte_limit() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            here.translator.each = 100
            await here.give(P, 0)
            ledger = here.pipeline.record_buffer.ledgers[P]
            assert ledger.open_bytes == 10 + 100 * (len(b"body") + DELIVERY_BYTES)
            here.deliver()
            assert ledger.open_bytes == 0

    asyncio.run(run())


def test_one_full_partition_does_not_block_others() -> None:
    async def run() -> None:
        async with house(records=4) as here:
            here.assign(P, Q)
            await here.give(P, *range(10))
            assert here.pipeline.full == {P}
            await here.give(Q, 0)
            assert {each.ledger.partition for each in here.lanes.here} == {P, Q}

    asyncio.run(run())


def test_missing_schema_stops_only_its_partition() -> None:
    """Records that waited for the schema continue in order."""

    async def run() -> None:
        async with house() as here:
            here.assign(P, Q)
            here.translator.waits = {1}
            await here.give(P, 0, 1, 2)
            await here.give(Q, 7)
            assert here.wanted
            assert [each.identity for each in here.lanes.here] == ["0", "7"]
            assert here.pipeline.full == {P}
            here.translator.waits = set()
            here.pipeline.schemas_changed()
            await until(lambda: len(here.lanes.here) == 4)
            assert [each.identity for each in here.lanes.here] == ["0", "7", "1", "2"]
            assert here.pipeline.full == frozenset()

    asyncio.run(run())


def test_schema_grace_ends_while_other_partition_is_busy() -> None:
    async def run() -> None:
        async with house(records=10_000, grace_check_s=0.1) as here:
            here.assign(P, Q)
            here.translator.waits = {1}
            await here.give(P, 1)
            here.translator.waits = set()  # its grace is over: nobody tells, the translator judges it anew
            offset = 10
            async with asyncio.timeout(120):
                while not any(each.ledger.partition == P for each in here.lanes.here):
                    await here.give(Q, offset)
                    offset += 1
                    await asyncio.sleep(0.01)

    asyncio.run(run())
