"""Waits that were asked for, rates by share, the fence, and leaving."""

import asyncio
import itertools
import time

import pytest

from consumer.demo.fakes import Answer, Copilot, CustomerIo, Garbage, Yotpo
from consumer.model import Trouble
from tests.lanes.road import road


@pytest.mark.parametrize(
    "headers",
    [{"retry-after": "1"}, {"ratelimit-reset": "1"}, {"retry-after": "0", "ratelimit-reset": "1"}],
    ids=["Retry-After", "RateLimit-Reset", "both"],
)
def test_a_stated_wait_stops_every_lane_and_none_is_sooner_than_asked(headers: dict[str, str]) -> None:
    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake, lanes=4, destination={"events": 1}) as lanes:
            fake.faults.add(Answer(429, headers), times=1)
            lanes.owe(["first"], [0], "track")
            await fake.until(lambda: len(fake.requests) == 1)
            lanes.owe([str(n) for n in range(8)], list(range(8)), "track")
            await lanes.all_ended()
            told = fake.requests[0].ended
            assert all(request.started - told >= 1.0 for request in fake.requests[1:])
            assert lanes.observer.waits[0][0].cause is Trouble.THROTTLED
            assert lanes.observer.waits[0][1] >= 1.0

    asyncio.run(run())


def test_a_server_error_without_a_stated_wait_stops_its_own_lane_only() -> None:
    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake, lanes=2, destination={"events": 1}) as lanes:
            fake.poison("BUSY", status=500)
            bad = lanes.owe(["BUSY"], [0], "track")
            good = lanes.owe(["fine"] * 10, [1] * 10, "track")
            await fake.until(lambda: fake.held() == set(good))
            assert not lanes.shelf.letters
            fake.faults.clear()
            await lanes.all_ended()
            assert fake.held() == {*good, *bad}

    asyncio.run(run())


def test_a_rate_spaces_the_calls_of_all_lanes_and_a_share_of_it_spaces_them_wider() -> None:
    async def run() -> None:
        async with (
            Yotpo(store_id="store", secret="secret", rate=20.0) as fake,
            road(fake, {"store_id": "store"}, lanes=4, rate_per_s=20.0) as lanes,
        ):
            lanes.owe([str(n) for n in range(12)], list(range(12)), "event")
            await asyncio.sleep(0.15)
            assert not fake.requests, "no share of the rate was given yet"
            lanes.lanes.pace.share(0.5, time.monotonic())
            await lanes.all_ended()
            starts = sorted(request.started for request in lanes.calls())
            assert len(starts) == 12
            assert all(request.status != 429 for request in fake.requests)
            # half of 20 a second, measured at the server: its clock sees jitter, the sum of gaps does not
            assert starts[-1] - starts[1] >= 10 * 0.1
            assert min(b - a for a, b in itertools.pairwise(starts[1:])) > 0.05
            assert {source for source, _ in lanes.observer.throttles} == {"local"}

    asyncio.run(run())


def test_no_call_starts_behind_the_fence() -> None:
    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake) as lanes:
            lanes.fenced = True
            lanes.owe(["a", "b"], [1, 2], "track")
            await asyncio.sleep(0.2)
            assert not fake.requests
            lanes.fenced = False
            await lanes.all_ended()

    asyncio.run(run())


def test_an_event_a_little_ahead_of_the_clock_waits_for_its_time_and_its_key_with_it() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1) as lanes:
            at_ms = int(time.time() * 1000) + 700
            early = lanes.owe(["early"], [1], "custom_event", at_ms)
            behind = lanes.owe(["behind"], [1], "custom_event")
            other = lanes.owe(["other"], [2], "custom_event")
            await lanes.all_ended()
            assert [arrival.id for arrival in fake.received] == [*other, *early, *behind]
            assert not fake.refused
            assert not lanes.shelf.letters

    asyncio.run(run())


def test_an_event_too_old_is_dead_lettered_before_any_call_once_an_answer_has_told_the_time() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1) as lanes:
            teaches = lanes.owe(["teaches"], [2], "custom_event")
            await lanes.all_ended()
            old = lanes.owe(["old"], [1], "custom_event", int(time.time() * 1000) - 40 * 86_400_000)
            fine = lanes.owe(["fine"], [1], "custom_event")
            await lanes.all_ended()
            assert [letter.delivery_id for letter in lanes.shelf.letters] == old
            assert lanes.causes() == ["out_of_window"]
            assert lanes.shelf.letters[0].attempts == 0
            assert [arrival.id for arrival in fake.received] == [*teaches, *fine]
            assert not lanes.observer.holds

    asyncio.run(run())


def test_while_the_clocks_disagree_nothing_is_refused_for_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        real, shift = time.time, 0.0
        monkeypatch.setattr("consumer.delivery.window.time.time", lambda: real() + shift)
        async with Copilot(client_id="id", client_secret="secret", clock=real) as fake, road(fake, lanes=1) as lanes:
            lanes.owe(["teaches"], [1], "custom_event")
            await lanes.all_ended()
            shift = -600.0  # our clock goes wrong: everything seems to come from the future
            lanes.owe(["now"], [2], "custom_event", int(real() * 1000) - 1000)
            await lanes.until(lambda: bool(lanes.observer.holds))
            assert lanes.observer.holds[0][0] == "clock"
            await asyncio.sleep(0.5)  # several looks
            assert len(lanes.observer.holds) == 1
            assert not lanes.shelf.letters
            shift = 0.0
            await lanes.all_ended()
            assert lanes.observer.resumes == ["clock"]
            assert len(fake.held()) == 2

    asyncio.run(run())


@pytest.mark.parametrize("lanes_", [1, 4])
def test_a_slow_clock_of_ours_refuses_nothing_though_no_answer_has_told_the_time(
    lanes_: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        real, shift = time.time, -600.0  # from the start: everything seems to come from the future
        monkeypatch.setattr("consumer.delivery.window.time.time", lambda: real() + shift)
        async with (
            Copilot(client_id="id", client_secret="secret", clock=real) as fake,
            road(fake, lanes=lanes_) as lanes,
        ):
            now_ms = int(real() * 1000) - 1000
            ids = [lanes.owe([str(n)], [n], "custom_event", now_ms)[0] for n in range(6)]
            await lanes.until(lambda: len(fake.held()) == 1)
            assert [name for name, _ in lanes.observer.holds] == ["clock"]
            assert [endpoint.name for endpoint, _ in lanes.lanes.holds] == ["clock"]
            await asyncio.sleep(
                0.6
            )  # several looks: what is known now is that the clocks disagree, and no probe tells more
            assert len(fake.received) == 1
            assert not lanes.shelf.letters
            shift = 0.0
            await lanes.all_ended()
            assert fake.held() == set(ids)
            assert lanes.observer.resumes == ["clock"]

    asyncio.run(run())


def test_the_first_event_of_all_is_too_old_and_its_own_probe_tells_so() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1) as lanes:
            months_ago = int(time.time() * 1000) - 40 * 86_400_000
            old = lanes.owe(["a", "b", "c"], [1, 1, 2], "custom_event", months_ago)
            await lanes.all_ended()
            assert {letter.delivery_id for letter in lanes.shelf.letters} == set(old)
            assert lanes.causes() == ["out_of_window"] * 3
            assert len(fake.requests) == 1
            assert lanes.observer.resumes == ["clock"]

    asyncio.run(run())


def test_where_no_answer_tells_the_time_the_destination_itself_judges_one_event_after_another() -> None:
    async def run() -> None:
        async with (
            Copilot(client_id="id", client_secret="secret") as fake,
            road(fake, lanes=1, probe_s=5.0) as lanes,
        ):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            fake.faults.add(Garbage(head))
            lanes.owe([str(n) for n in range(10)], list(range(10)), "custom_event", int(time.time() * 1000) + 600_000)
            began = time.monotonic()
            await lanes.all_ended(60)
            assert time.monotonic() - began < 20, "ten waited for the next probe's time"
            assert not lanes.shelf.letters

    asyncio.run(run())


def test_an_endpoint_held_since_before_the_time_was_known_is_probed_with_what_may_be_too_old(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1, probe_s=0.1) as lanes:
            outage = fake.outage(404)
            lanes.owe(["a"], [1], "custom_event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            lanes.lanes.window._heard_at = float("-inf")
            monkeypatch.setattr(lanes.lanes.window, "heard", lambda _: None)  # answers without a time
            lanes.owe(["b"], [2], "custom_event", int(time.time() * 1000) + 600_000)
            lanes.owe(["c"], [1], "custom_event", int(time.time() * 1000) + 600_000)
            before = len(fake.requests)
            await fake.until(lambda: len(fake.requests) >= before + 4)
            monkeypatch.undo()
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert lanes.causes() == ["out_of_window"] * 2

    asyncio.run(run())


def test_an_answer_whose_date_is_no_date_teaches_nothing_and_ends_nothing() -> None:
    async def run() -> None:
        async with Copilot(client_id="id", client_secret="secret") as fake, road(fake, lanes=1) as lanes:
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ndate: "
            for date in (b"yesterday", b"Mon, 99 Foo 2026", b"Thu, 01 Jan 99999999999 00:00:00 GMT"):
                fake.faults.add(Garbage(head + date + b"\r\n\r\n{}"), times=1)
                lanes.owe(["x"], [1], "custom_event")
                await lanes.all_ended()
            assert lanes.observer.statuses == [200, 200, 200]

    asyncio.run(run())


def test_leaving_ends_the_linger_and_asks_only_for_what_is_not_a_repetition() -> None:
    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake, lanes=1, linger_s=60.0) as lanes:
            lanes.owe(["lingers"], [1], "track")
            assert lanes.lanes.can_go()
            lanes.lanes.hasten()
            await lanes.all_ended(5)
            assert not lanes.lanes.can_go()
            fake.outage(503)
            lanes.owe(["fails"], [1], "track")
            await fake.until(lambda: any(request.status == 503 for request in fake.requests))
            fake.faults.clear()
            fake.faults.add(Answer(429, {"retry-after": "60"}))
            await fake.until(lambda: fake.requests[-1].status == 429)
            await lanes.until(lambda: not lanes.lanes.calls)
            assert not lanes.lanes.can_go(), "it was told to wait"

    asyncio.run(run())


def test_letters_nobody_takes_keep_nobody_from_leaving() -> None:
    async def run() -> None:
        async with CustomerIo(api_key="key") as fake, road(fake, lanes=1, destination={"events": 1}) as lanes:
            lanes.shelf.at_once = False
            fake.poison("POISON")
            lanes.owe(["POISON", "behind"], [1, 1], "track")
            await lanes.until(lambda: bool(lanes.shelf.waiting) and not lanes.lanes.calls)
            await lanes.until(lambda: not lanes.lanes.can_go())
            assert lanes.settling.writing()

    asyncio.run(run())


def test_a_batch_waits_for_company_no_longer_than_it_may_and_not_at_all_when_full() -> None:
    async def run() -> None:
        async with (
            CustomerIo(api_key="key") as fake,
            road(fake, lanes=1, linger_s=0.3, destination={"events": 5}) as lanes,
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
            assert fake.requests[-1].started - began < 0.3

    asyncio.run(run())
