"""Waits that were asked for, rates by share, the fence, company, and leaving."""

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
"""Long enough for company to come on a machine that is busy."""


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "1"}, {"ratelimit-reset": "1"}, {"retry-after": "0", "ratelimit-reset": "1"}],
    ids=["Retry-After", "RateLimit-Reset", "both"],
)
def test_a_stated_wait_stops_every_lane_and_none_is_sooner_than_asked(headers: dict[str, str]) -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=4, destination={"events": 1}) as lanes,
        ):
            fake.faults.add(Respond(429, headers), times=1)
            lanes.owe(["first"], [0], "track")
            await fake.wait_until_async(lambda: len(fake.requests) == 1)
            lanes.owe([str(n) for n in range(8)], list(range(8)), "track")
            await lanes.all_ended()
            told = fake.requests[0].ended
            assert all(request.started - told >= 1.0 for request in fake.requests[1:])
            assert lanes.observer.retries[0][0].cause is TransientCause.THROTTLED
            assert lanes.observer.retries[0][1] >= 1.0

    asyncio.run(run())


def test_a_server_error_without_a_stated_wait_stops_its_own_lane_only() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=2, destination={"events": 1}) as lanes,
        ):
            fake.poison("BUSY", status=500)
            bad = lanes.owe(["BUSY"], [0], "track")
            good = lanes.owe(["fine"] * 10, [1] * 10, "track")
            await fake.wait_until_async(lambda: fake.stored_ids() == set(good))
            assert not lanes.dead_letter_topic.dead_letters
            fake.faults.clear()
            await lanes.all_ended()
            assert fake.stored_ids() == {*good, *bad}

    asyncio.run(run())


def test_a_rate_spaces_the_calls_of_all_lanes_and_a_share_of_it_spaces_them_wider() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=20.0) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=4, rate_per_s=20.0) as lanes,
        ):
            lanes.owe([str(n) for n in range(12)], list(range(12)), "event")
            await asyncio.sleep(0.15)
            assert not fake.requests, "no share of the rate was given yet"
            pace, starts = lanes.dispatcher.rate_limiter, list[float]()
            started = pace.record_start

            def noted(now: float) -> None:
                starts.append(now)
                started(now)

            pace.record_start = noted  # type: ignore[method-assign]
            pace.set_share(0.5, time.monotonic())
            await lanes.all_ended()
            assert len(lanes.requests()) == 12
            assert all(request.status != 429 for request in fake.requests)
            # Half of 20 a second, by the clock of the calls: when a server has read them, the machine decides.
            assert len(starts) >= len(fake.requests)
            assert min(b - a for a, b in itertools.pairwise(starts)) >= 0.1
            assert {source for source, _ in lanes.observer.delays} == {"local"}

    asyncio.run(run())


def test_no_call_starts_behind_the_fence() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake) as lanes:
            lanes.fenced = True
            lanes.owe(["a", "b"], [1, 2], "track")
            await asyncio.sleep(0.2)
            assert not fake.requests
            lanes.fenced = False
            await lanes.all_ended()

    asyncio.run(run())


def test_leaving_ends_the_linger_and_asks_only_for_what_is_not_a_repetition() -> None:
    async def run() -> None:
        async with FakeCustomerio(api_key="key") as fake, dispatcher_harness(fake, lanes=1, linger_s=600.0) as lanes:
            lanes.owe(["lingers"], [1], "track")
            assert lanes.dispatcher.can_make_progress()
            lanes.dispatcher.end_linger()
            await lanes.all_ended()
            assert not lanes.dispatcher.can_make_progress()
            fake.outage(503)
            lanes.owe(["fails"], [1], "track")
            await fake.wait_until_async(lambda: any(request.status == 503 for request in fake.requests))
            fake.faults.clear()
            fake.faults.add(Respond(429, {"retry-after": "60"}))
            await fake.wait_until_async(lambda: fake.requests[-1].status == 429)
            await lanes.until(lambda: not lanes.dispatcher.requests_in_flight)
            assert not lanes.dispatcher.can_make_progress(), "it was told to wait"

    asyncio.run(run())


def test_letters_nobody_takes_keep_nobody_from_leaving() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, destination={"events": 1}) as lanes,
        ):
            lanes.dead_letter_topic.at_once = False
            fake.poison("POISON")
            lanes.owe(["POISON", "behind"], [1, 1], "track")
            await lanes.until(lambda: bool(lanes.dead_letter_topic.waiting) and not lanes.dispatcher.requests_in_flight)
            await lanes.until(lambda: not lanes.dispatcher.can_make_progress())
            assert lanes.settlement.dead_letters_in_flight()

    asyncio.run(run())


def test_a_batch_waits_for_company_no_longer_than_it_may_and_not_at_all_when_full() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, linger_s=_LINGER_S, destination={"events": 5}) as lanes,
        ):
            lanes.owe(["a"], [1], "track")
            await asyncio.sleep(0.05)
            lanes.owe(["b"], [2], "track")
            await lanes.all_ended()
            assert [request.events for request in fake.requests] == [2]
            began = time.monotonic()
            lanes.owe([str(n) for n in range(5)], list(range(5)), "track")
            await lanes.all_ended()
            assert fake.requests[-1].events == 5
            assert fake.requests[-1].started - began < _LINGER_S

    asyncio.run(run())
