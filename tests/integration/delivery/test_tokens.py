"""Tokens: renewed once per expiry for all lanes, and never at the cost of order, rate limit or fence."""

import asyncio
import time

import pytest

from consumer.demo.fakes.fault_rules import Gate, WaitForGate
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.integration.delivery.dispatcher_harness import DispatcherHarness, dispatcher_harness


def token_requests(harness: DispatcherHarness) -> int:
    return len([request for request in harness.fake.requests if request.path.endswith("access_tokens")])


def test_sixteen_lanes_with_an_expired_token_renew_it_once() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=16) as harness,
        ):
            harness.owe(["warm"] * 16, list(range(16)), "event")
            await harness.all_ended()
            assert token_requests(harness) == 1
            fake.expire_tokens()
            ids = harness.owe(["again"] * 32, [n % 16 for n in range(32)], "event")
            await harness.all_ended()
            assert token_requests(harness) == 2
            assert set(ids) <= fake.stored_ids()
            assert not harness.dead_letter_topic.dead_letters
            assert not harness.observer.holds

    asyncio.run(run())


def test_lanes_waiting_for_a_token_share_its_failure() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=16, probe_s=30.0) as harness,
        ):
            gate = Gate()
            fake.accept(secret="another")
            fake.faults.add(WaitForGate(gate), when=lambda request: "access_tokens" in request.path, times=1)
            harness.owe(["x"] * 16, list(range(16)), "event")
            await harness.until(lambda: harness.dispatcher.requests_in_flight == 16)
            gate.open()
            await harness.until(lambda: not harness.dispatcher.requests_in_flight)
            assert token_requests(harness) == 1
            assert len(harness.observer.holds) == 1
            assert harness.ledger.open_records == 16

    asyncio.run(run())


def test_failed_token_request_ends_no_hold_and_proves_no_credentials() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=2, probe_s=0.05) as harness,
        ):
            fake.accept(secret="new")
            harness.owe(["a"], [0], "event")
            await harness.until(lambda: bool(harness.observer.holds))
            broken = fake.outage(503)
            before = token_requests(harness)
            await fake.wait_until_async(lambda: token_requests(harness) >= before + 3)
            assert not harness.observer.hold_ends
            assert harness.dispatcher.credentials_valid is False
            fake.faults.remove(broken)
            harness.secrets["secret"].on_disk = "new"
            await harness.all_ended()
            assert not harness.dead_letter_topic.dead_letters
            assert harness.observer.hold_ends == ["customer_events"]

    asyncio.run(run())


@pytest.mark.parametrize("lapse", ["partition revoked", "fence closed", "server pause"])
def test_request_is_not_repeated_after_renewal_if_it_may_not_start(lapse: str) -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=1) as harness,
        ):
            harness.owe(["warm"], [1], "event")
            await harness.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(WaitForGate(gate), when=lambda request: "access_tokens" in request.path, times=1)
            harness.owe(["again"], [1], "event")
            await fake.wait_until_async(lambda: [request.status for request in harness.requests()][1:] == [401])
            match lapse:
                case "partition revoked":
                    harness.revoke()
                case "fence closed":
                    harness.fenced = True
                case _:
                    harness.dispatcher.rate_limiter.pause_until(time.monotonic() + 0.5)
            gate.open()
            await harness.until(lambda: not harness.dispatcher.requests_in_flight)
            assert len(harness.requests()) == 2
            assert not harness.observer.holds
            assert not harness.observer.retries, "no request was sent, so nothing failed"
            assert harness.deliveries[-1].attempts == 0
            assert bool(harness.dispatcher.open_bytes()) is (lapse != "partition revoked"), "requeued, or dropped"
            harness.fenced = False
            await harness.all_ended()
            assert len(harness.requests()) == (2 if lapse == "partition revoked" else 3)

    asyncio.run(run())


def test_requests_repeated_after_renewal_keep_to_the_rate() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=None) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=8, rate_per_s=20.0) as harness,
        ):
            harness.dispatcher.rate_limiter.set_share(1.0, time.monotonic() - 1.0)
            harness.owe(["warm"], [0], "event")
            await harness.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(WaitForGate(gate), when=lambda request: "access_tokens" in request.path, times=1)
            harness.owe(["again"] * 8, list(range(8)), "event")
            await harness.until(lambda: harness.dispatcher.requests_in_flight == 8)
            await harness.until(lambda: len([1 for request in harness.requests() if request.status == 401]) == 8)
            gate.open()
            await harness.all_ended()
            starts = sorted(request.started for request in harness.requests() if request.status != 401)[1:]
            assert len(starts) == 8
            assert starts[-1] - starts[0] >= 7 * 0.05 - 0.02

    asyncio.run(run())


def test_token_request_counts_towards_the_rate() -> None:
    async def run() -> None:
        async with (
            FakeYotpo(store_id="store", secret="secret", rate=5.0) as fake,
            dispatcher_harness(fake, {"store_id": "store"}, lanes=8, rate_per_s=5.0) as harness,
        ):
            harness.dispatcher.rate_limiter.set_share(1.0, time.monotonic() - 1.0)
            harness.owe(["first"] * 8, list(range(8)), "event")
            await harness.all_ended()
            assert [request.status for request in fake.requests if request.status == 429] == []
            assert len(harness.requests()) == 8

    asyncio.run(run())
