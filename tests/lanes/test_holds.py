"""Credentials renewed once, holds with one prober, and what is not held meanwhile."""

import asyncio
import itertools
import time

import pytest

from consumer.delivery import prober
from consumer.demo.fakes import Answer, Copilot, CustomerIo, Gate, Until, Yotpo, endpoint
from consumer.model import Trouble
from tests.lanes.road import Road, road


def token_calls(lanes: Road) -> int:
    return len([request for request in lanes.fake.requests if request.path.endswith("access_tokens")])


def test_sixteen_lanes_that_meet_a_dead_token_renew_it_once() -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=None) as fake,
            road(fake, {"store_id": "store"}, lanes=16) as lanes,
        ):
            lanes.owe(["warm"] * 16, list(range(16)), "event")
            await lanes.all_ended()
            assert token_calls(lanes) == 1
            fake.expire_tokens()
            ids = lanes.owe(["again"] * 32, [n % 16 for n in range(32)], "event")
            await lanes.all_ended()
            assert token_calls(lanes) == 2
            assert set(ids) <= fake.held()
            assert not lanes.shelf.letters
            assert not lanes.observer.holds

    asyncio.run(run())


def test_lanes_that_wait_for_a_token_share_its_failure() -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=None) as fake,
            road(fake, {"store_id": "store"}, lanes=16, probe_s=30.0) as lanes,
        ):
            gate = Gate()
            fake.accept(secret="another")
            fake.faults.add(Until(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["x"] * 16, list(range(16)), "event")
            await lanes.until(lambda: lanes.lanes.calls == 16)
            gate.open()
            await lanes.until(lambda: not lanes.lanes.calls)
            assert token_calls(lanes) == 1
            assert len(lanes.observer.holds) == 1
            assert lanes.tenure.open_records == 16

    asyncio.run(run())


def test_refused_credentials_hold_with_one_prober_and_resume_at_once_when_the_secret_changes() -> None:
    async def run() -> None:
        async with (
            CustomerIo(api_key="key") as fake,
            road(fake, lanes=8, probe_s=0.3, destination={"events": 1}) as lanes,
        ):
            fake.accept(api_key="new")
            ids = lanes.owe([str(n) for n in range(40)], [n % 8 for n in range(40)], "track")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.lanes.calls)
            storm = len(fake.requests)
            assert storm <= 8
            assert all(request.status == 401 for request in fake.requests)
            await fake.until(lambda: len(fake.requests) >= storm + 3)
            probes = fake.requests[storm:]
            assert all(b.started - a.started >= 0.25 for a, b in itertools.pairwise(probes))
            assert all(request.events == 1 for request in probes)
            assert lanes.lanes.credentials_valid is False
            lanes.secrets["api_key"].on_disk = "new"
            await lanes.all_ended()
            assert fake.held() == set(ids)
            assert not lanes.shelf.letters
            assert len(lanes.observer.holds) == 1
            assert lanes.observer.resumes == ["batch"]
            assert lanes.observer.validity[-1] is True

    asyncio.run(run())


def test_a_changed_secret_is_tried_long_before_the_next_probe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prober, "_SECRETS_EVERY_S", 0.1)

    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake, lanes=2, probe_s=600.0) as lanes:
            fake.accept(api_key="new")
            ids = lanes.owe(["a", "b"], [0, 1], "track")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.lanes.calls)
            lanes.secrets["api_key"].on_disk = "new"
            await lanes.all_ended(5)
            assert fake.held() == set(ids)

    asyncio.run(run())


def test_a_hold_ends_by_itself_when_their_side_is_mended_and_its_probes_take_different_keys() -> None:
    async def run() -> None:
        async with (
            CustomerIo(api_key="key") as fake,
            road(fake, lanes=1, probe_s=0.05, destination={"events": 1}) as lanes,
        ):
            outage = fake.outage(404)
            ids = lanes.owe(["a", "b", "c"], [1, 2, 3], "track")
            await fake.until(lambda: len(fake.requests) >= 8)
            probed = [request.ids[0] for request in fake.requests[1:8]]
            assert set(probed[:3]) == set(ids)
            assert set(probed[3:6]) == set(ids)
            assert lanes.observer.holds[0][1].cause is Trouble.GONE
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert fake.held() == set(ids)
            assert not lanes.shelf.letters

    asyncio.run(run())


def test_a_consent_endpoint_that_is_gone_holds_consents_while_collect_flows() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=0.1) as lanes:
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            gone = fake.faults.add(Answer(404), when=endpoint(path))
            consent = lanes.owe(["yes"], [1], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds))
            same_key = lanes.owe(["behind"], [1], "custom_event")
            other = lanes.owe([str(n) for n in range(20)], list(range(2, 22)), "custom_event")
            await lanes.until(lambda: lanes.tenure.open_records == 2)
            assert fake.held() == set(other)
            assert {name for name, _ in lanes.observer.holds} == {"consent"}
            fake.faults.remove(gone)
            await lanes.all_ended()
            assert {*other, *same_key} < fake.held()
            assert len(fake.held()) == 22
            assert [arrival.kind for arrival in fake.received][-2:] == ["consent", "custom_event"]
            assert len(consent) == 1

    asyncio.run(run())


def test_two_endpoints_held_in_one_lane_are_both_probed_until_both_are_mended() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=0.05) as lanes:
            outage = fake.outage(410)
            lanes.owe(["yes"], [1], "consent")
            lanes.owe(["x"], [2], "custom_event")
            await lanes.until(lambda: len(list(lanes.lanes.holds)) == 2)
            before = len(fake.requests)
            await fake.until(lambda: len({request.path for request in fake.requests[before:]}) == 2)
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert sorted(lanes.observer.resumes) == ["collect", "consent"]

    asyncio.run(run())


def test_a_deferred_call_whose_key_is_held_elsewhere_is_sent_again_and_the_hold_is_still_probed() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=0.05) as lanes:
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            gone = fake.faults.add(Answer(404), when=endpoint(path))
            lanes.owe(["yes"], [9], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds))
            fake.faults.add(Answer(500), when=endpoint("/v2/collect"), times=2)
            # one look through the queue takes the first and sets the second aside
            first = lanes.owe(["first"], [1], "custom_event")
            lanes.owe(["yes"], [1], "consent")
            await fake.until(lambda: set(first) <= fake.held())
            fake.faults.remove(gone)
            await lanes.all_ended()

    asyncio.run(run())


def test_what_grew_too_old_behind_a_hold_is_refused_at_a_probe_and_a_younger_one_probes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=0.1) as lanes:
            outage = fake.outage(404)
            old = lanes.owe(["old"], [1], "custom_event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            real = time.time
            monkeypatch.setattr("consumer.delivery.window.time.time", lambda: real() + 40 * 86_400)
            lanes.lanes.window._ahead_s = real() + 40 * 86_400 - time.monotonic()
            await lanes.until(lambda: lanes.causes() == ["out_of_window"])
            assert [letter.delivery_id for letter in lanes.shelf.letters] == old
            monkeypatch.undo()
            fake.faults.remove(outage)
            fresh = lanes.owe(["fresh"], [2], "custom_event")
            await lanes.all_ended()
            assert fake.held() == set(fresh)

    asyncio.run(run())


def test_a_held_partition_that_goes_leaves_no_key_blocked_for_the_next_tenure() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=600) as lanes:
            path = "/v2/api/report/user_copilot_analysis_consent_changed"
            fake.faults.add(Answer(404), when=endpoint(path))
            lanes.owe(["yes"], [1], "consent")
            await lanes.until(lambda: bool(lanes.observer.holds) and not lanes.lanes.calls)
            lanes.go()
            later = lanes.owe(["later"], [1], "custom_event")
            await lanes.all_ended(5)
            assert fake.held() == set(later)

    asyncio.run(run())


def test_trouble_at_the_token_call_neither_ends_a_hold_nor_calls_credentials_good() -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=None) as fake,
            road(fake, {"store_id": "store"}, lanes=2, probe_s=0.05) as lanes,
        ):
            fake.accept(secret="new")
            lanes.owe(["a"], [0], "event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            broken = fake.outage(503)
            before = token_calls(lanes)
            await fake.until(lambda: token_calls(lanes) >= before + 3)
            assert not lanes.observer.resumes
            assert lanes.lanes.credentials_valid is False
            fake.faults.remove(broken)
            lanes.secrets["secret"].on_disk = "new"
            await lanes.all_ended()
            assert not lanes.shelf.letters
            assert lanes.observer.resumes == ["customer_events"]

    asyncio.run(run())


def test_a_barred_answer_while_others_succeed_holds_nobody_and_backs_off() -> None:
    async def run() -> None:
        async with (
            CustomerIo(api_key="key") as fake,
            road(fake, lanes=2, probe_s=600, destination={"events": 1}) as lanes,
        ):
            # as if a call of another lane succeeded whenever this one is on the wire
            lanes.lanes.holds._succeeded[lanes.destination.endpoints[0]] = time.monotonic() + 600
            lanes.lanes.dice = lambda: 0.999
            fake.faults.add(Answer(403), times=4)
            lanes.owe(["suspect"], [0], "track")
            await lanes.all_ended()
            assert not lanes.shelf.letters
            assert not lanes.observer.holds
            waits = [wait_s for _, wait_s in lanes.observer.waits]
            assert waits == pytest.approx([0.01, 0.02, 0.04, 0.05], rel=0.01)

    asyncio.run(run())


@pytest.mark.parametrize("lapse", ["partition went", "fence shut", "told to wait"])
def test_a_call_is_not_made_again_after_a_renewal_when_its_turn_has_passed(lapse: str) -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=None) as fake,
            road(fake, {"store_id": "store"}, lanes=1) as lanes,
        ):
            lanes.owe(["warm"], [1], "event")
            await lanes.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(Until(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["again"], [1], "event")
            await fake.until(lambda: [request.status for request in lanes.calls()][1:] == [401])
            match lapse:
                case "partition went":
                    lanes.go()
                case "fence shut":
                    lanes.fenced = True
                case _:
                    lanes.lanes.pace.told(time.monotonic() + 0.5)
            gate.open()
            await lanes.until(lambda: not lanes.lanes.calls)
            assert len(lanes.calls()) == 2
            assert not lanes.observer.holds
            lanes.fenced = False
            await lanes.all_ended()
            assert len(lanes.calls()) == (2 if lapse == "partition went" else 3)

    asyncio.run(run())


def test_calls_made_again_after_a_renewal_keep_to_the_rate() -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=None) as fake,
            road(fake, {"store_id": "store"}, lanes=8, rate_per_s=20.0) as lanes,
        ):
            lanes.lanes.pace.share(1.0, time.monotonic() - 1.0)
            lanes.owe(["warm"], [0], "event")
            await lanes.all_ended()
            fake.expire_tokens()
            gate = Gate()
            fake.faults.add(Until(gate), when=lambda call: "access_tokens" in call.path, times=1)
            lanes.owe(["again"] * 8, list(range(8)), "event")
            await lanes.until(lambda: lanes.lanes.calls == 8)
            await lanes.until(lambda: len([1 for request in lanes.calls() if request.status == 401]) == 8)
            gate.open()
            await lanes.all_ended()
            starts = sorted(request.started for request in lanes.calls() if request.status != 401)[1:]
            assert len(starts) == 8
            assert starts[-1] - starts[0] >= 7 * 0.05 - 0.02

    asyncio.run(run())
