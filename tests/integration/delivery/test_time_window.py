"""Time windows over real sockets: early and old events, and clocks that disagree or are unknown."""

import asyncio
import time

import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.fault_rules import Garbage
from tests.integration.delivery.dispatcher_harness import dispatcher_harness


def test_event_slightly_ahead_waits_and_blocks_its_key() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            at_ms = int(time.time() * 1000) + 700
            early = lanes.owe(["early"], [1], "custom_event", at_ms)
            behind = lanes.owe(["behind"], [1], "custom_event")
            other = lanes.owe(["other"], [2], "custom_event")
            await lanes.all_ended()
            assert [arrival.id for arrival in fake.received] == [*other, *early, *behind]
            assert not fake.refused
            assert not lanes.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_too_old_event_is_dead_lettered_without_request() -> None:
    """After one response has shown the destination's time."""

    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            first = lanes.owe(["first"], [2], "custom_event")
            await lanes.all_ended()
            old = lanes.owe(["old"], [1], "custom_event", int(time.time() * 1000) - 40 * 86_400_000)
            fine = lanes.owe(["fine"], [1], "custom_event")
            await lanes.all_ended()
            assert [each.delivery_id for each in lanes.dead_letter_topic.dead_letters] == old
            assert lanes.causes() == ["out_of_window"]
            assert lanes.dead_letter_topic.dead_letters[0].attempts == 0
            assert [arrival.id for arrival in fake.received] == [*first, *fine]
            assert not lanes.observer.holds

    asyncio.run(run())


def test_disagreeing_clocks_refuse_nothing() -> None:
    async def run() -> None:
        shift = 0.0
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, wall_clock=lambda: time.time() + shift) as lanes,
        ):
            lanes.owe(["first"], [1], "custom_event")
            await lanes.all_ended()
            shift = -600.0  # our clock is wrong now: every event appears to be in the future
            lanes.owe(["now"], [2], "custom_event", int(time.time() * 1000) - 1000)
            await lanes.until(lambda: bool(lanes.observer.holds))
            assert lanes.observer.holds[0][0] == "clock"
            await asyncio.sleep(0.5)  # several checks
            assert len(lanes.observer.holds) == 1
            assert not lanes.dead_letter_topic.dead_letters
            shift = 0.0
            await lanes.all_ended()
            assert lanes.observer.hold_ends == ["clock"]
            assert len(fake.stored_ids()) == 2

    asyncio.run(run())


@pytest.mark.parametrize("count", [1, 4])
def test_slow_local_clock_refuses_nothing_before_first_date(count: int) -> None:
    async def run() -> None:
        shift = -600.0  # from the start: every event appears to be in the future
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=count, wall_clock=lambda: time.time() + shift) as lanes,
        ):
            now_ms = int(time.time() * 1000) - 1000
            ids = [lanes.owe([str(n)], [n], "custom_event", now_ms)[0] for n in range(6)]
            await lanes.until(lambda: len(fake.stored_ids()) == 1)
            assert [name for name, _ in lanes.observer.holds] == ["clock"]
            assert [endpoint.name for endpoint, _ in lanes.dispatcher.circuit_breakers] == ["clock"]
            await asyncio.sleep(0.6)  # several checks: the clocks are known to disagree, so no probe is sent
            assert len(fake.received) == 1
            assert not lanes.dead_letter_topic.dead_letters
            shift = 0.0
            await lanes.all_ended()
            assert fake.stored_ids() == set(ids)
            assert lanes.observer.hold_ends == ["clock"]

    asyncio.run(run())


def test_too_old_first_event_is_refused_after_its_own_probe() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            months_ago = int(time.time() * 1000) - 40 * 86_400_000
            old = lanes.owe(["a", "b", "c"], [1, 1, 2], "custom_event", months_ago)
            await lanes.all_ended()
            assert {each.delivery_id for each in lanes.dead_letter_topic.dead_letters} == set(old)
            assert lanes.causes() == ["out_of_window"] * 3
            assert len(fake.requests) == 1
            assert lanes.observer.hold_ends == ["clock"]

    asyncio.run(run())


def test_responses_without_date_let_destination_decide() -> None:
    """Without a `Date`, events are sent one after another and the destination decides."""

    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=60.0) as lanes,
        ):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            fake.faults.add(Garbage(head))
            lanes.owe([str(n) for n in range(10)], list(range(10)), "custom_event", int(time.time() * 1000) + 600_000)
            began = time.monotonic()
            await lanes.all_ended()
            assert time.monotonic() - began < 300, "ten deliveries waited for the next probe"
            assert not lanes.dead_letter_topic.dead_letters

    asyncio.run(run())


def test_held_endpoint_is_probed_while_clock_is_unknown() -> None:
    """Deliveries that may be out of the window probe an endpoint held before the first `Date`."""

    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1, probe_s=0.1) as lanes,
        ):
            without_date = b"HTTP/1.1 404 Not Found\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}"
            outage = fake.faults.add(Garbage(without_date))
            lanes.owe(["a"], [1], "custom_event")
            await lanes.until(lambda: bool(lanes.observer.holds))
            lanes.owe(["b"], [2], "custom_event", int(time.time() * 1000) + 600_000)
            lanes.owe(["c"], [1], "custom_event", int(time.time() * 1000) + 600_000)
            before = len(fake.requests)
            await fake.wait_until_async(lambda: len(fake.requests) >= before + 4)
            fake.faults.remove(outage)
            await lanes.all_ended()
            assert lanes.causes() == ["out_of_window"] * 2

    asyncio.run(run())


def test_response_with_invalid_date_changes_nothing() -> None:
    async def run() -> None:
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            dispatcher_harness(fake, lanes=1) as lanes,
        ):
            head = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\ndate: "
            for date in (b"yesterday", b"Mon, 99 Foo 2026", b"Thu, 01 Jan 99999999999 00:00:00 GMT"):
                fake.faults.add(Garbage(head + date + b"\r\n\r\n{}"), times=1)
                lanes.owe(["x"], [1], "custom_event")
                await lanes.all_ended()
            assert lanes.observer.statuses == [200, 200, 200]

    asyncio.run(run())
