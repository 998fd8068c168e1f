"""Time windows on fake clocks: which event waits, which is refused, and which clock is wrong."""

# ruff: noqa: ARG002 - the observer ignores some arguments

from __future__ import annotations

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import pytest

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.delivery.guards.time_window import CLOCK, DATE_VALID_S, SKEW, TimeWindow
from consumer.delivery.keyed_queue import WaitReason
from consumer.model import BatchEnvelope, DeadLetterCause, Endpoint, Fault, TransientCause
from consumer.model.observer import Observer
from tests.property.test_batch import COLLECT, FakeLedger, delivery

NOW_S = 1_795_168_800.0
HOUR_MS = 3_600_000


class RecordingObserver(Observer):
    """Keeps which holds began and ended."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self.events.append(f"held {endpoint}: {fault.cause}")

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        self.events.append(f"resumed {endpoint}")


class FakeClocks:
    """A wall clock and a monotonic clock. A test may set `wall_s` alone, as a wrong clock does."""

    def __init__(self) -> None:
        self.wall_s = NOW_S
        self.monotonic_s = 500.0

    def time(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.monotonic_s


@pytest.fixture
def clocks() -> FakeClocks:
    return FakeClocks()


class TimeWindowHarness:
    """A time window, with the waits that it ended, and its reports. Create it in a loop: it sets timers there."""

    def __init__(self, clocks: FakeClocks, probe_s: float = 60.0) -> None:
        self.ended_waits: list[WaitReason] = []
        self.observer = RecordingObserver()
        self.circuit_breakers: CircuitBreakers[Endpoint] = CircuitBreakers(probe_s)
        self.hold_starts = 0
        self.window = TimeWindow(
            "copilot",
            self.circuit_breakers,
            self.ended_waits.append,
            self.hold_started,
            self.observer,
            wall_clock=clocks.time,
            monotonic=clocks.monotonic,
        )

    def hold_started(self) -> None:
        self.hold_starts += 1

    def with_agreeing_clock(self) -> TimeWindowHarness:
        self.window.record_server_date(formatdate(NOW_S, usegmt=True))
        return self

    def reason(self, event_s: float, max_age_ms: int | None = HOUR_MS) -> WaitReason | Fault | None:
        return self.window.reason(delivery_at(event_s, max_age_ms))


def delivery_at(event_s: float, max_age_ms: int | None) -> Delivery:
    made = delivery(1, BatchEnvelope(COLLECT, b"[", b"]", 10, 1000, max_age_ms), "a", b"{}", FakeLedger())
    made.event_ms = int(event_s * 1000)
    return made


def in_loop(test: Callable[[], None]) -> None:
    async def run() -> None:
        test()

    asyncio.run(run())


def test_no_window_accepts_every_event_time(clocks: FakeClocks) -> None:
    harness = TimeWindowHarness(clocks)
    assert [harness.reason(at, None) for at in (0, NOW_S, NOW_S * 2)] == [None, None, None]


def test_event_outside_window_is_refused(clocks: FakeClocks) -> None:
    """Within the window nothing waits; outside of it the event is refused."""
    harness = TimeWindowHarness(clocks).with_agreeing_clock()
    assert harness.reason(NOW_S) is None
    assert harness.reason(NOW_S - 3600) is None
    past, future = harness.reason(NOW_S - 3601), harness.reason(NOW_S + 61)
    assert past == Fault(DeadLetterCause.OUT_OF_WINDOW, "the event is older than the destination accepts")
    assert future == Fault(DeadLetterCause.OUT_OF_WINDOW, "the event's time is in the future")


def test_events_ahead_in_same_second_share_one_timer(clocks: FakeClocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        set_for: list[float] = []
        loop = asyncio.get_running_loop()
        call_later = loop.call_later

        def noted(wait_s: float, *rest: Any) -> asyncio.TimerHandle:  # noqa: ANN401 - the loop's own signature
            set_for.append(wait_s)
            return call_later(wait_s, *rest)

        monkeypatch.setattr(loop, "call_later", noted)  # the loop shows its timers in no other way
        harness = TimeWindowHarness(clocks)
        first, second = harness.reason(NOW_S + 30), harness.reason(NOW_S + 30.5)
        assert first == second == ("clock", int(NOW_S) + 30)
        assert set_for == [30.0]
        harness.window.close()

    in_loop(test)


def test_closed_window_ends_no_wait(clocks: FakeClocks) -> None:
    async def run() -> None:
        left, closed = TimeWindowHarness(clocks), TimeWindowHarness(clocks)
        scopes = [each.reason(NOW_S + 0.01) for each in (closed, left)]
        closed.window.close()
        async with asyncio.timeout(120):
            while not left.ended_waits:  # noqa: ASYNC110 - its timer was set after the other's
                await asyncio.sleep(0.005)
        assert left.ended_waits == scopes[1:]
        assert not closed.ended_waits

    asyncio.run(run())


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026", "Thu, 01 Jan 99999999999 00:00:00 GMT"])
def test_invalid_date_is_ignored(clocks: FakeClocks, date: str | None) -> None:
    harness = TimeWindowHarness(clocks)
    harness.window.record_server_date(date)
    assert not harness.window.date_known
    harness.with_agreeing_clock().window.record_server_date(date)
    assert harness.window.skew_s == 0
    assert isinstance(harness.reason(NOW_S + 600), Fault), "nothing shows that our clock is wrong"


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_date_is_read_as_utc_in_each_zone_notation(clocks: FakeClocks, zone: str) -> None:
    harness = TimeWindowHarness(clocks)
    harness.window.record_server_date(formatdate(NOW_S + 90).replace("-0000", zone))
    assert harness.window.skew_s == pytest.approx(90)


@pytest.mark.parametrize("event_s", [NOW_S + 61, NOW_S - 3601], ids=["ahead", "too old"])
def test_unknown_server_clock_holds_and_probes_soon(clocks: FakeClocks, event_s: float) -> None:
    """Before the destination's clock is known, nothing is refused and a probe is due soon."""

    def test() -> None:
        harness = TimeWindowHarness(clocks)
        assert [harness.reason(event_s), harness.reason(event_s), harness.reason(NOW_S)] == [SKEW, SKEW, None]
        [(held, hold)] = harness.circuit_breakers
        assert (held, hold.fault.cause, hold.next_probe) == (CLOCK, TransientCause.CLOCK_SKEW, 501.0)
        assert (harness.hold_starts, harness.observer.events) == (1, ["held clock: clock_skew"])
        assert harness.window.expired(delivery_at(event_s, HOUR_MS)) is None
        harness.with_agreeing_clock()
        assert (list(harness.circuit_breakers), harness.ended_waits) == ([], [SKEW])
        assert harness.reason(event_s) == harness.window.expired(delivery_at(event_s, HOUR_MS)) != None  # noqa: E711
        harness.window.close()

    in_loop(test)


def test_old_date_is_not_trusted(clocks: FakeClocks) -> None:
    def test() -> None:
        harness = TimeWindowHarness(clocks).with_agreeing_clock()
        for now in (clocks.monotonic_s + DATE_VALID_S, clocks.monotonic_s + DATE_VALID_S + 1):
            clocks.wall_s += now - clocks.monotonic_s
            clocks.monotonic_s = now
            old = harness.reason(clocks.wall_s - 7200)
            assert isinstance(old, Fault) if harness.window.date_known else old == SKEW
        assert not harness.window.date_known
        harness.window.close()

    in_loop(test)


def test_drop_revoked_ends_hold_and_next_check_starts_it_anew(clocks: FakeClocks) -> None:
    def test() -> None:
        harness = TimeWindowHarness(clocks)
        harness.window.drop_revoked()
        harness.reason(NOW_S + 600)
        harness.window.drop_revoked()
        assert (list(harness.circuit_breakers), harness.ended_waits) == ([], [SKEW])
        harness.reason(NOW_S + 600)
        assert harness.observer.events == ["held clock: clock_skew", "resumed clock", "held clock: clock_skew"]
        harness.window.close()

    in_loop(test)


def test_disagreeing_clocks_start_one_hold(clocks: FakeClocks) -> None:
    """The hold is reported once, and no probe is sent while the disagreement is known."""

    def test() -> None:
        harness = TimeWindowHarness(clocks)
        harness.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert [harness.reason(NOW_S + 600), harness.reason(NOW_S - 7200)] == [SKEW, SKEW]
        harness.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert harness.observer.events == ["held clock: clock_skew"]
        assert harness.ended_waits == []
        [(_, hold)] = harness.circuit_breakers
        assert hold.next_probe == 560.0, "no probe is sent: the clock is checked again"
        harness.window.close()

    in_loop(test)


def test_date_that_agrees_ends_the_wait_at_once(clocks: FakeClocks) -> None:
    def test() -> None:
        harness = TimeWindowHarness(clocks)
        harness.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert harness.reason(NOW_S + 600) == SKEW
        clocks.wall_s += 600
        harness.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert harness.observer.events == ["held clock: clock_skew", "resumed clock"]
        assert harness.ended_waits == [SKEW]

    in_loop(test)


def test_corrected_clock_ends_hold_without_a_response(clocks: FakeClocks) -> None:
    async def run() -> None:
        harness = TimeWindowHarness(clocks, probe_s=0.01)
        harness.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert harness.reason(NOW_S + 600) == SKEW
        clocks.wall_s += 600
        async with asyncio.timeout(120):
            while not harness.ended_waits:  # noqa: ASYNC110 - a timer sends no notification
                await asyncio.sleep(0.005)
        assert harness.ended_waits == [SKEW], "once, although the hold ended too"
        assert harness.observer.events == ["held clock: clock_skew", "resumed clock"]

    asyncio.run(run())
