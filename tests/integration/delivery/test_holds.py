"""Holds over real sockets: one prober, which endpoints are not held, and how each hold ends."""

import asyncio
import itertools
import time
from email.utils import formatdate
from random import Random

import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import Respond, endpoint
from consumer.model import SecretProblem, TransientCause
from tests.integration.delivery.dispatcher_harness import dispatcher_harness


class LargestDraw(Random):
    """Draws nearly the largest number, so that jitter shortens no back-off."""

    def random(self) -> float:
        return 0.999


def test_rejected_credentials_hold_until_secret_changes() -> None:
    """Rejected credentials hold the endpoint with one prober; a changed secret ends the hold at once."""

    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=8, probe_s=0.3, destination={"events": 1}) as lanes,
        ):
            fake.accept(api_key="new")
            ids = lanes.owe([str(n) for n in range(40)], [n % 8 for n in range(40)], "track")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.dispatcher.requests_in_flight)
            before_probes = len(fake.requests)
            assert before_probes <= 8
            assert all(request.status == 401 for request in fake.requests)
            await fake.wait_until_async(lambda: len(fake.requests) >= before_probes + 3)
            probes = fake.requests[before_probes:]
            assert all(b.started - a.started >= 0.25 for a, b in itertools.pairwise(probes))
            assert all(request.events == 1 for request in probes)
            assert lanes.dispatcher.credentials_valid is False
            lanes.secrets["api_key"].on_disk = "new"
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)
            assert not lanes.dead_letter_topic.dead_letters
            assert len(lanes.observer.holds) == 1
            assert lanes.observer.hold_ends == ["batch"]
            assert lanes.observer.validity[-1] is True

    asyncio.run(run())


def test_changed_secret_is_tried_before_next_probe() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=2, probe_s=600.0, secrets_check_s=0.1) as lanes,
        ):
            fake.accept(api_key="new")
            ids = lanes.owe(["a", "b"], [0, 1], "track")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.dispatcher.requests_in_flight)
            lanes.secrets["api_key"].on_disk = "new"
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)

    asyncio.run(run())


def test_half_written_secret_never_replaces_good_one() -> None:
    """A half-written secret read during a hold costs one request."""

    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1, secrets_check_s=0.05) as lanes,
        ):
            ids = lanes.owe(["a"], [0], "track")
            await lanes.all_ended()
            gone = fake.outage(404)
            ids += lanes.owe(["b", "c"], [1, 2], "track")
            await lanes.until(lambda: bool(lanes.observer.holds))
            lanes.secrets["api_key"].on_disk = "ke"
            await lanes.until(lambda: lanes.secrets["api_key"].value == "ke")
            fake.faults.remove(gone)
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)
            assert [fault.cause for _, fault in lanes.observer.holds] == [TransientCause.GONE]
            assert [request.status for request in fake.requests].count(401) == 1
            assert lanes.dispatcher.credentials.problem() is SecretProblem.REJECTED
            assert not lanes.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_hold_ends_when_endpoint_works_and_probes_vary_keys() -> None:
    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.05, destination={"events": 1}) as lanes,
        ):
            outage = fake.outage(404)
            ids = lanes.owe(["a", "b", "c"], [1, 2, 3], "track")
            await fake.wait_until_async(lambda: len(fake.requests) >= 8)
            probed = [request.ids[0] for request in fake.requests[1:8]]
            assert set(probed[:3]) == set(ids)
            assert set(probed[3:6]) == set(ids)
            assert lanes.observer.holds[0][1].cause is TransientCause.GONE
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)
            assert not lanes.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_gone_consent_endpoint_does_not_hold_collect() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1) as lanes,
        ):
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            gone = fake.faults.add(Respond(404), when=endpoint(path))
            consent = lanes.owe(["yes"], [1], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds))
            same_key = lanes.owe(["behind"], [1], "custom_event")
            other = lanes.owe([str(n) for n in range(20)], list(range(2, 22)), "custom_event")
            await lanes.until(lambda: lanes.ledger.open_records == 2)
            assert fake.stored_ids() == set(other)
            assert {name for name, _ in lanes.observer.holds} == {"consent"}
            fake.faults.remove(gone)
            await lanes.all_ended()
            assert {*other, *same_key} < fake.stored_ids()
            assert len(fake.stored_ids()) == 22
            assert [arrival.kind for arrival in fake.received][-2:] == ["consent", "custom_event"]
            assert len(consent) == 1

    asyncio.run(run())


def test_two_held_endpoints_in_one_lane_are_both_probed() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.05) as lanes,
        ):
            outage = fake.outage(410)
            lanes.owe(["yes"], [1], "consent")
            lanes.owe(["x"], [2], "custom_event")
            await lanes.until(lambda: len(list(lanes.dispatcher.circuit_breakers)) == 2)
            before = len(fake.requests)
            await fake.wait_until_async(lambda: len({request.path for request in fake.requests[before:]}) == 2)
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert sorted(lanes.observer.hold_ends) == ["collect", "consent"]

    asyncio.run(run())


def test_deferred_request_with_key_held_elsewhere_is_retried() -> None:
    """A key that waits for a held endpoint does not block the retry, and the hold is still probed."""

    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.05) as lanes,
        ):
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            gone = fake.faults.add(Respond(404), when=endpoint(path))
            lanes.owe(["yes"], [9], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds))
            fake.faults.add(Respond(500), when=endpoint("/v2/collect"), times=2)
            # One pass over the queue sends the first delivery and sets the second aside.
            first = lanes.owe(["first"], [1], "custom_event")
            lanes.owe(["yes"], [1], "consent")
            await fake.wait_until_async(lambda: set(first) <= fake.stored_ids())
            fake.faults.remove(gone)
            await lanes.all_ended()

    asyncio.run(run())


def test_delivery_too_old_behind_hold_is_refused_at_probe() -> None:
    """A younger delivery probes instead."""

    async def run() -> None:
        later_s = 0.0

        def clock() -> float:
            return time.time() + later_s

        async with (
            FakeCopilot(client_id="id", client_secret="secret", clock=clock) as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1, wall_clock=clock) as lanes,
        ):
            outage = fake.outage(404)
            old = lanes.owe(["old"], [1], "custom_event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            later_s = 40 * 86_400.0
            lanes.dispatcher.time_window.record_server_date(formatdate(clock(), usegmt=True))
            await lanes.until(lambda: lanes.causes() == ["out_of_window"])
            assert [each.delivery_id for each in lanes.dead_letter_topic.dead_letters] == old
            later_s = 0.0
            fake.faults.remove(outage)
            fresh = lanes.owe(["fresh"], [2], "custom_event")
            await lanes.all_ended()
            assert fake.stored_ids() == set(fresh)

    asyncio.run(run())


def test_revoked_held_partition_leaves_no_key_blocked() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=600) as lanes,
        ):
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            fake.faults.add(Respond(404), when=endpoint(path))
            lanes.owe(["yes"], [1], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.dispatcher.requests_in_flight)
            lanes.revoke()
            later = lanes.owe(["later"], [1], "custom_event")
            await lanes.all_ended()
            assert fake.stored_ids() == set(later)

    asyncio.run(run())


def test_blocked_response_while_others_succeed_backs_off() -> None:
    """Other requests succeed, so no hold starts."""

    async def run() -> None:
        async with (
            FakeCustomerio(api_key="key") as fake,
            dispatcher_harness(fake, lanes=2, probe_s=600, destination={"events": 1}, random=LargestDraw()) as lanes,
        ):
            # As if a request of another lane succeeded whenever a request of this one is in flight.
            endpoint_of_batch = lanes.destination.endpoints[0]
            lanes.dispatcher.circuit_breakers.close(endpoint_of_batch, time.monotonic() + 600, success=True)
            fake.faults.add(Respond(403), times=4)
            lanes.owe(["forbidden"], [0], "track")
            await lanes.all_ended()
            assert not lanes.dead_letter_topic.dead_letters
            assert not lanes.observer.holds
            waits = [wait_s for _, wait_s in lanes.observer.retries]
            assert waits == pytest.approx([0.01, 0.02, 0.04, 0.05], rel=0.01)

    asyncio.run(run())
