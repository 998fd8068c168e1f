"""Partitions that are given back, lost, or left: each ends once, with what it still owes released."""

import asyncio

from tests.unit.pipeline_harness import P, Q, house


def test_drain_waits_for_requests_in_flight_and_releases_rest() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q)
            await here.give(P, 0, 1)
            await here.give(Q, 0)
            lanes = here.lanes
            lanes.in_flight, lanes.here = lanes.here[:1], lanes.here[1:]
            lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0.02)
            assert not draining.done()
            assert [each.ledger.partition for each in lanes.here] == [Q]
            here.settling.delivered("yotpo", lanes.in_flight)
            lanes.answer.set_result(None)
            assert (await draining).offsets == {P: (1, 1)}
            assert set(here.pipeline.committable_offsets().offsets) == {Q}
            assert here.settling.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_drain_ends_at_deadline_without_a_response() -> None:
    async def run() -> None:
        async with house(drain_s=0.1) as here:
            here.assign(P)
            await here.give(P, 0)
            here.lanes.in_flight, here.lanes.here = here.lanes.here, []
            here.lanes.answer = asyncio.get_running_loop().create_future()
            committable = await asyncio.wait_for(here.pipeline.drain([P]), 120)
            assert committable.offsets == {P: (1, 0)}
            here.settling.delivered("yotpo", here.lanes.in_flight)  # late: it stays released
            assert here.settling.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_partition_lost_during_drain_is_released_once() -> None:
    """Its next assignment is not touched by the end of the old drain."""

    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1)
            here.lanes.in_flight = here.lanes.here[:1]
            here.lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0)
            here.pipeline.lost([P])
            here.assign(P)
            here.lanes.answer.set_result(None)
            assert (await draining).offsets == {}
            assert here.pipeline.committable_offsets().offsets == {P: (2, 0)}
            assert here.settling.accounting.accounts["yotpo"].released == 2
            await here.give(P, 0)
            assert [each.ledger.epoch for each in here.lanes.here] == [2]

    asyncio.run(run())


def test_partition_assigned_during_drain_gets_new_ledger() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0)
            here.lanes.in_flight = here.lanes.here[:1]
            here.lanes.answer = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(here.pipeline.drain([P]))
            await asyncio.sleep(0)
            here.assign(P)
            here.lanes.answer.set_result(None)
            await draining
            assert here.pipeline.committable_offsets().offsets == {P: (2, 0)}
            here.check_books()

    asyncio.run(run())


def test_rate_share_follows_assignment_and_shrinks_at_once() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q, total=4)
            pace = here.lanes.rate_limiter
            assert pace.share_at(asyncio.get_running_loop().time() + 2) == 0.5
            await here.pipeline.drain([P])
            assert pace.share_at(0) == 0.25
            here.pipeline.lost([Q])
            assert pace.share_at(0) == 0.0

    asyncio.run(run())


def test_rate_share_shrinks_when_partition_count_grows() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P, Q, total=4)
            assert here.lanes.rate_limiter.share_at(asyncio.get_running_loop().time() + 2) == 0.5
            here.pipeline.partition_count_changed(8)
            assert here.lanes.rate_limiter.share_at(0) == 0.25

    asyncio.run(run())


def test_shutdown_delivers_releases_rest_and_accepts_no_more() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0, 1, 2)
            leaving = asyncio.create_task(here.pipeline.shutdown())
            await asyncio.sleep(0.05)
            assert here.lanes.hurried
            assert not leaving.done()
            await here.give(P, 3)
            here.deliver(2)
            here.lanes.goes = False
            assert (await asyncio.wait_for(leaving, 120)).offsets == {P: (1, 2)}
            assert here.pipeline.shut_down
            assert here.settling.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_second_shutdown_request_skips_drain() -> None:
    async def run() -> None:
        async with house() as here:
            here.assign(P)
            await here.give(P, 0)
            leaving = asyncio.create_task(here.pipeline.shutdown())
            await asyncio.sleep(0.05)
            assert not leaving.done()
            here.pipeline.skip_drain()
            assert (await asyncio.wait_for(leaving, 120)).offsets == {P: (1, 0)}

    asyncio.run(run())
