"""Revocation, loss and shutdown: each ledger ends once, and what it still owes is released."""

import asyncio

from tests.unit.pipeline_harness import P, Q, pipeline_harness


def test_drain_waits_for_requests_in_flight_and_releases_rest() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P, Q)
            await harness.consume(P, 0, 1)
            await harness.consume(Q, 0)
            lanes = harness.dispatcher
            lanes.in_flight, lanes.queued = lanes.queued[:1], lanes.queued[1:]
            lanes.answered = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(harness.pipeline.drain([P]))
            await asyncio.sleep(0.02)
            assert not draining.done()
            assert [each.ledger.partition for each in lanes.queued] == [Q]
            harness.settlement.delivered("yotpo", lanes.in_flight)
            lanes.answered.set_result(None)
            assert (await draining).offsets == {P: (1, 1)}
            assert set(harness.pipeline.committable_offsets().offsets) == {Q}
            assert harness.settlement.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_drain_ends_at_deadline_without_a_response() -> None:
    async def run() -> None:
        async with pipeline_harness(drain_s=0.1) as harness:
            harness.assign(P)
            await harness.consume(P, 0)
            harness.dispatcher.in_flight, harness.dispatcher.queued = harness.dispatcher.queued, []
            harness.dispatcher.answered = asyncio.get_running_loop().create_future()
            committable = await asyncio.wait_for(harness.pipeline.drain([P]), 120)
            assert committable.offsets == {P: (1, 0)}
            harness.settlement.delivered("yotpo", harness.dispatcher.in_flight)  # late: it stays released
            assert harness.settlement.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_partition_lost_during_drain_is_released_once() -> None:
    """Its next assignment is not touched by the end of the old drain."""

    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            await harness.consume(P, 0, 1)
            harness.dispatcher.in_flight = harness.dispatcher.queued[:1]
            harness.dispatcher.answered = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(harness.pipeline.drain([P]))
            await asyncio.sleep(0)
            harness.pipeline.lost([P])
            harness.assign(P)
            harness.dispatcher.answered.set_result(None)
            assert (await draining).offsets == {}
            assert harness.pipeline.committable_offsets().offsets == {P: (2, 0)}
            assert harness.settlement.accounting.accounts["yotpo"].released == 2
            await harness.consume(P, 0)
            assert [each.ledger.epoch for each in harness.dispatcher.queued] == [2]

    asyncio.run(run())


def test_partition_assigned_during_drain_gets_new_ledger() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            await harness.consume(P, 0)
            harness.dispatcher.in_flight = harness.dispatcher.queued[:1]
            harness.dispatcher.answered = asyncio.get_running_loop().create_future()
            draining = asyncio.create_task(harness.pipeline.drain([P]))
            await asyncio.sleep(0)
            harness.assign(P)
            harness.dispatcher.answered.set_result(None)
            await draining
            assert harness.pipeline.committable_offsets().offsets == {P: (2, 0)}
            harness.check_accounting()

    asyncio.run(run())


def test_rate_share_follows_assignment_and_shrinks_at_once() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P, Q, total=4)
            rate_limiter = harness.dispatcher.rate_limiter
            assert rate_limiter.share_at(asyncio.get_running_loop().time() + 2) == 0.5
            await harness.pipeline.drain([P])
            assert rate_limiter.share_at(0) == 0.25
            harness.pipeline.lost([Q])
            assert rate_limiter.share_at(0) == 0.0

    asyncio.run(run())


def test_rate_share_shrinks_when_partition_count_grows() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P, Q, total=4)
            assert harness.dispatcher.rate_limiter.share_at(asyncio.get_running_loop().time() + 2) == 0.5
            harness.pipeline.partition_count_changed(8)
            assert harness.dispatcher.rate_limiter.share_at(0) == 0.25

    asyncio.run(run())


def test_shutdown_delivers_releases_rest_and_accepts_no_more() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            await harness.consume(P, 0, 1, 2)
            shutting_down = asyncio.create_task(harness.pipeline.shutdown())
            await asyncio.sleep(0.05)
            assert harness.dispatcher.linger_ended
            assert not shutting_down.done()
            await harness.consume(P, 3)
            harness.deliver(2)
            harness.dispatcher.progresses = False
            assert (await asyncio.wait_for(shutting_down, 120)).offsets == {P: (1, 2)}
            assert harness.pipeline.shut_down
            assert harness.settlement.accounting.accounts["yotpo"].released == 1

    asyncio.run(run())


def test_second_shutdown_request_skips_drain() -> None:
    async def run() -> None:
        async with pipeline_harness() as harness:
            harness.assign(P)
            await harness.consume(P, 0)
            shutting_down = asyncio.create_task(harness.pipeline.shutdown())
            await asyncio.sleep(0.05)
            assert not shutting_down.done()
            harness.pipeline.skip_drain()
            assert (await asyncio.wait_for(shutting_down, 120)).offsets == {P: (1, 0)}

    asyncio.run(run())
