"""Waits that the server asked for, rate shares, the fence, lingering, and shutdown."""

import asyncio
import itertools
import time

import pytest

from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Respond
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.model import TransientCause
from tests.integration.delivery.dispatcher_harness import dispatcher_harness

_LINGER_S = 2.0
"""Long enough for a second delivery to arrive on a busy machine."""


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "1"}, {"ratelimit-reset": "1"}, {"retry-after": "0", "ratelimit-reset": "1"}],
    ids=["Retry-After", "RateLimit-Reset", "both"],
)
def test_stated_wait_pauses_every_lane_at_least_as_long(headers: dict[str, str]) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=4, destination={"events": 1}) as harness,
        ):
            fake.faults.add(Respond(429, headers), times=1)
            harness.owe(["first"], [0], "track")
            await fake.wait_until_async(lambda: len(fake.requests) == 1)
            harness.owe([str(n) for n in range(8)], list(range(8)), "track")
            await harness.all_ended()
            first_end = fake.requests[0].ended
            assert all(request.started - first_end >= 1.0 for request in fake.requests[1:])
            assert harness.observer.retries[0][0].cause is TransientCause.THROTTLED
            assert harness.observer.retries[0][1] >= 1.0

    asyncio.run(run())


def test_server_error_without_a_stated_wait_delays_only_its_lane() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=2, destination={"events": 1}) as harness,
        ):
            fake.poison("BUSY", status=500)
            bad = harness.owe(["BUSY"], [0], "track")
            good = harness.owe(["fine"] * 10, [1] * 10, "track")
            await fake.wait_until_async(lambda: fake.stored_ids() == set(good))
            assert not harness.dead_letter_topic.dead_letters
            fake.faults.clear()
            await harness.all_ended()
            assert fake.stored_ids() == {*good, *bad}

    asyncio.run(run())


def test_rate_share_spaces_the_requests_of_all_lanes() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=20.0) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=4, rate_per_s=20.0) as harness,
        ):
            harness.owe([str(n) for n in range(12)], list(range(12)), "event")
            await asyncio.sleep(0.15)
            assert not fake.requests, "the process has no share of the rate yet"
            limiter, starts = harness.dispatcher.rate_limiter, list[float]()
            started = limiter.record_start

            def record(now: float) -> None:
                starts.append(now)
                started(now)

            limiter.record_start = record  # type: ignore[method-assign]
            limiter.set_share(0.5, time.monotonic())
            await harness.all_ended()
            assert len(harness.requests()) == 12
            assert all(request.status != 429 for request in fake.requests)
            # Half of 20 a second, measured at the start of requests: the time at which a server reads them varies.
            assert len(starts) >= len(fake.requests)
            assert min(b - a for a, b in itertools.pairwise(starts)) >= 0.1
            assert {source for source, _ in harness.observer.delays} == {"local"}

    asyncio.run(run())


def test_closed_fence_starts_no_request() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake) as harness:
            harness.fenced = True
            harness.owe(["a", "b"], [1, 2], "track")
            await asyncio.sleep(0.2)
            assert not fake.requests
            harness.fenced = False
            await harness.all_ended()

    asyncio.run(run())


def test_shutdown_ends_the_linger_and_does_not_wait_for_paused_retries() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1, linger_s=600.0) as harness:
            harness.owe(["lingers"], [1], "track")
            assert harness.dispatcher.can_make_progress()
            harness.dispatcher.end_linger()
            await harness.all_ended()
            assert not harness.dispatcher.can_make_progress()
            fake.outage(503)
            harness.owe(["fails"], [1], "track")
            await fake.wait_until_async(lambda: any(request.status == 503 for request in fake.requests))
            fake.faults.clear()
            fake.faults.add(Respond(429, {"retry-after": "60"}))
            await fake.wait_until_async(lambda: fake.requests[-1].status == 429)
            await harness.until(lambda: not harness.dispatcher.requests_in_flight)
            assert not harness.dispatcher.can_make_progress(), "the server asked for a wait"

    asyncio.run(run())


def test_unacknowledged_dead_letters_do_not_delay_shutdown() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as harness,
        ):
            harness.dead_letter_topic.at_once = False
            fake.poison("POISON")
            harness.owe(["POISON", "behind"], [1, 1], "track")
            await harness.until(
                lambda: bool(harness.dead_letter_topic.waiting) and not harness.dispatcher.requests_in_flight
            )
            await harness.until(lambda: not harness.dispatcher.can_make_progress())
            assert harness.settlement.dead_letters_in_flight()

    asyncio.run(run())


def test_batch_lingers_at_most_its_time_and_not_when_full() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, linger_s=_LINGER_S, destination={"events": 5}) as harness,
        ):
            harness.owe(["a"], [1], "track")
            await asyncio.sleep(0.05)
            harness.owe(["b"], [2], "track")
            await harness.all_ended()
            assert [request.events for request in fake.requests] == [2]
            began = time.monotonic()
            harness.owe([str(n) for n in range(5)], list(range(5)), "track")
            await harness.all_ended()
            assert fake.requests[-1].events == 5
            assert fake.requests[-1].started - began < _LINGER_S

    asyncio.run(run())
