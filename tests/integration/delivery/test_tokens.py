"""Tokens: renewed once however many lanes meet the dead one, and never at the cost of order, rate or fence."""

import asyncio
import time

import pytest

from consumer.demo.fakes.fault_rules import Gate, WaitForGate
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.integration.delivery.dispatcher_harness import DispatcherHarness, dispatcher_harness


def token_calls(lanes: DispatcherHarness) -> int:
    return len([request for request in lanes.fake.requests if request.path.endswith("access_tokens")])


def test_sixteen_lanes_that_meet_a_dead_token_renew_it_once() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=16) as lanes,
        ):
            lanes.owe(["warm"] * 16, list(range(16)), "event")
            await lanes.all_ended()
            assert token_calls(lanes) == 1
            fake.expire_tokens()
            ids = lanes.owe(["again"] * 32, [n % 16 for n in range(32)], "event")
            await lanes.all_ended()
            assert token_calls(lanes) == 2
            assert set(ids) <= fake.stored_ids()
            assert not lanes.dead_letter_topic.dead_letters
            assert not lanes.observer.holds

    asyncio.run(run())


def test_lanes_that_wait_for_a_token_share_its_failure() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=16, probe_s=30.0) as lanes,
        ):
            gate = Gate()
            fake.accept(secret="another")
            fake.faults.add(WaitForGate(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["x"] * 16, list(range(16)), "event")
            await lanes.until(lambda: lanes.dispatcher.requests_in_flight == 16)
            gate.open()
            await lanes.until(lambda: not lanes.dispatcher.requests_in_flight)
            assert token_calls(lanes) == 1
            assert len(lanes.observer.holds) == 1
            assert lanes.ledger.open_records == 16

    asyncio.run(run())


def test_trouble_at_the_token_call_neither_ends_a_hold_nor_calls_credentials_good() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=2, probe_s=0.05) as lanes,
        ):
            fake.accept(secret="new")
            lanes.owe(["a"], [0], "event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            broken = fake.outage(503)
            before = token_calls(lanes)
            await fake.wait_until_async(lambda: token_calls(lanes) >= before + 3)
            assert not lanes.observer.hold_ends
            assert lanes.dispatcher.credentials_valid is False
            fake.faults.remove(broken)
            lanes.secrets["secret"].on_disk = "new"
            await lanes.all_ended()
            assert not lanes.dead_letter_topic.dead_letters
            assert lanes.observer.hold_ends == ["customer_events"]

    asyncio.run(run())


@pytest.mark.parametrize("lapse", ["partition went", "fence shut", "told to wait"])
def test_a_call_is_not_made_again_after_a_renewal_when_its_turn_has_passed(lapse: str) -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=1) as lanes,
        ):
            lanes.owe(["warm"], [1], "event")
            await lanes.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(WaitForGate(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["again"], [1], "event")
            await fake.wait_until_async(lambda: [request.status for request in lanes.requests()][1:] == [401])
            match lapse:
                case "partition went":
                    lanes.revoke()
                case "fence shut":
                    lanes.fenced = True
                case _:
                    lanes.dispatcher.rate_limiter.pause_until(time.monotonic() + 0.5)
            gate.open()
            await lanes.until(lambda: not lanes.dispatcher.requests_in_flight)
            assert len(lanes.requests()) == 2
            assert not lanes.observer.holds
            assert not lanes.observer.retries, "nothing was sent, so nothing failed"
            queue = lanes.dispatcher.lanes[0]._queue._queue
            assert [each.attempts for each in queue] == ([] if lapse == "partition went" else [0])
            lanes.fenced = False
            await lanes.all_ended()
            assert len(lanes.requests()) == (2 if lapse == "partition went" else 3)

    asyncio.run(run())


def test_calls_made_again_after_a_renewal_keep_to_the_rate() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=8, rate_per_s=20.0) as lanes,
        ):
            lanes.dispatcher.rate_limiter.set_share(1.0, time.monotonic() - 1.0)
            lanes.owe(["warm"], [0], "event")
            await lanes.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(WaitForGate(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["again"] * 8, list(range(8)), "event")
            await lanes.until(lambda: lanes.dispatcher.requests_in_flight == 8)
            await lanes.until(lambda: len([1 for request in lanes.requests() if request.status == 401]) == 8)
            gate.open()
            await lanes.all_ended()
            starts = sorted(request.started for request in lanes.requests() if request.status != 401)[1:]
            assert len(starts) == 8
            assert starts[-1] - starts[0] >= 7 * 0.05 - 0.02

    asyncio.run(run())


def test_the_call_for_a_token_counts_towards_the_rate() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=5.0) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=8, rate_per_s=5.0) as lanes,
        ):
            lanes.dispatcher.rate_limiter.set_share(1.0, time.monotonic() - 1.0)
            lanes.owe(["first"] * 8, list(range(8)), "event")
            await lanes.all_ended()
            assert [request.status for request in fake.requests if request.status == 429] == []
            assert len(lanes.requests()) == 8

    asyncio.run(run())
