"""Time windows by themselves, on clocks that are set by hand: what waits, what is past hope, whose clock is wrong."""

# ruff: noqa: ARG002 - an observer hears more than it keeps

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
        self.said: list[str] = []

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self.said.append(f"held {endpoint}: {fault.cause}")

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        self.said.append(f"resumed {endpoint}")


class Clocks:
    """The wall clock and the monotonic one; `wall_s` can be put wrong without the other noticing."""

    def __init__(self) -> None:
        self.wall_s = NOW_S
        self.turned_s = 500.0

    def time(self) -> float:
        return self.wall_s

    def monotonic(self) -> float:
        return self.turned_s


@pytest.fixture
def clocks() -> Clocks:
    return Clocks()


class Watched:
    """A window, what it was told to release and what it said. Made within a loop: it sets timers there."""

    def __init__(self, clocks: Clocks, probe_s: float = 60.0) -> None:
        self.released: list[WaitReason] = []
        self.observer = RecordingObserver()
        self.holds: CircuitBreakers[Endpoint] = CircuitBreakers(probe_s)
        self.began = 0
        self.window = TimeWindow(
            "copilot",
            self.holds,
            self.released.append,
            self.begin,
            self.observer,
            wall_clock=clocks.time,
            monotonic=clocks.monotonic,
        )

    def begin(self) -> None:
        self.began += 1

    def agreeing(self) -> Watched:
        self.window.record_server_date(formatdate(NOW_S, usegmt=True))
        return self

    def reason(self, event_s: float, max_age_ms: int | None = HOUR_MS) -> WaitReason | Fault | None:
        return self.window.reason(dated(event_s, max_age_ms))


def dated(event_s: float, max_age_ms: int | None) -> Delivery:
    made = delivery(1, BatchEnvelope(COLLECT, b"[", b"]", 10, 1000, max_age_ms), "a", b"{}", FakeLedger())
    made.event_ms = int(event_s * 1000)
    return made


def in_loop(test: Callable[[], None]) -> None:
    async def run() -> None:
        test()

    asyncio.run(run())


def test_no_window_accepts_every_event_time(clocks: Clocks) -> None:
    watched = Watched(clocks)
    assert [watched.reason(at, None) for at in (0, NOW_S, NOW_S * 2)] == [None, None, None]


def test_event_outside_window_is_refused(clocks: Clocks) -> None:
    """Within the window nothing waits; outside of it the event is refused."""
    watched = Watched(clocks).agreeing()
    assert watched.reason(NOW_S) is None
    assert watched.reason(NOW_S - 3600) is None
    past, future = watched.reason(NOW_S - 3601), watched.reason(NOW_S + 61)
    assert past == Fault(DeadLetterCause.OUT_OF_WINDOW, "the event is older than the destination takes")
    assert future == Fault(DeadLetterCause.OUT_OF_WINDOW, "the event's time lies in the future")


def test_events_ahead_in_same_second_share_one_timer(clocks: Clocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def test() -> None:
        set_for: list[float] = []
        loop = asyncio.get_running_loop()
        real = loop.call_later

        def noted(wait_s: float, *rest: Any) -> asyncio.TimerHandle:  # noqa: ANN401 - the loop's own signature
            set_for.append(wait_s)
            return real(wait_s, *rest)

        monkeypatch.setattr(loop, "call_later", noted)
        watched = Watched(clocks)
        first, second = watched.reason(NOW_S + 30), watched.reason(NOW_S + 30.5)
        assert first == second == ("clock", int(NOW_S) + 30)
        assert set_for == [30.0]
        watched.window.close()

    in_loop(test)


def test_closed_window_releases_nothing(clocks: Clocks) -> None:
    async def run() -> None:
        left, closed = Watched(clocks), Watched(clocks)
        scopes = [each.reason(NOW_S + 0.01) for each in (closed, left)]
        closed.window.close()
        async with asyncio.timeout(120):
            while not left.released:  # noqa: ASYNC110 - its timer was set after the other's
                await asyncio.sleep(0.005)
        assert left.released == scopes[1:]
        assert not closed.released

    asyncio.run(run())


@pytest.mark.parametrize("date", [None, "", "yesterday", "Mon, 99 Foo 2026", "Thu, 01 Jan 99999999999 00:00:00 GMT"])
def test_invalid_date_is_ignored(clocks: Clocks, date: str | None) -> None:
    watched = Watched(clocks)
    watched.window.record_server_date(date)
    assert not watched.window.date_known
    watched.agreeing().window.record_server_date(date)
    assert watched.window.skew_s == 0
    assert isinstance(watched.reason(NOW_S + 600), Fault), "nothing says that our clock is wrong"


@pytest.mark.parametrize("zone", ["GMT", "-0000", "+0000"])
def test_date_is_read_as_utc_in_each_zone_notation(clocks: Clocks, zone: str) -> None:
    watched = Watched(clocks)
    watched.window.record_server_date(formatdate(NOW_S + 90).replace("-0000", zone))
    assert watched.window.skew_s == pytest.approx(90)


@pytest.mark.parametrize("event_s", [NOW_S + 61, NOW_S - 3601], ids=["ahead", "too old"])
def test_unknown_server_clock_holds_and_probes_soon(clocks: Clocks, event_s: float) -> None:
    """Before the destination's clock is known, nothing is refused and a probe is due soon."""

    def test() -> None:
        watched = Watched(clocks)
        assert [watched.reason(event_s), watched.reason(event_s), watched.reason(NOW_S)] == [SKEW, SKEW, None]
        [(held, hold)] = watched.holds
        assert (held, hold.fault.cause, hold.next_probe) == (CLOCK, TransientCause.CLOCK_SKEW, 501.0)
        assert (watched.began, watched.observer.said) == (1, ["held clock: clock_skew"])
        assert watched.window.expired(dated(event_s, HOUR_MS)) is None
        watched.agreeing()
        assert (list(watched.holds), watched.released) == ([], [SKEW])
        assert watched.reason(event_s) == watched.window.expired(dated(event_s, HOUR_MS)) != None  # noqa: E711
        watched.window.close()

    in_loop(test)


def test_old_date_is_not_trusted(clocks: Clocks) -> None:
    def test() -> None:
        watched = Watched(clocks).agreeing()
        for now in (clocks.turned_s + DATE_VALID_S, clocks.turned_s + DATE_VALID_S + 1):
            clocks.wall_s += now - clocks.turned_s
            clocks.turned_s = now
            old = watched.reason(clocks.wall_s - 7200)
            assert isinstance(old, Fault) if watched.window.date_known else old == SKEW
        assert not watched.window.date_known
        watched.window.close()

    in_loop(test)


def test_drop_revoked_ends_hold_and_next_check_starts_it_anew(clocks: Clocks) -> None:
    def test() -> None:
        watched = Watched(clocks)
        watched.window.drop_revoked()
        watched.reason(NOW_S + 600)
        watched.window.drop_revoked()
        assert (list(watched.holds), watched.released) == ([], [SKEW])
        watched.reason(NOW_S + 600)
        assert watched.observer.said == ["held clock: clock_skew", "resumed clock", "held clock: clock_skew"]
        watched.window.close()

    in_loop(test)


def test_disagreeing_clocks_start_one_hold(clocks: Clocks) -> None:
    """The hold is reported once, and no probe is sent while the disagreement is known."""

    def test() -> None:
        watched = Watched(clocks)
        watched.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert [watched.reason(NOW_S + 600), watched.reason(NOW_S - 7200)] == [SKEW, SKEW]
        watched.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert watched.observer.said == ["held clock: clock_skew"]
        assert watched.released == []
        [(_, hold)] = watched.holds
        assert hold.next_probe == 560.0, "nothing is asked: the clock is looked at again"
        watched.window.close()

    in_loop(test)


def test_date_that_agrees_releases_held_deliveries_at_once(clocks: Clocks) -> None:
    def test() -> None:
        watched = Watched(clocks)
        watched.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert watched.reason(NOW_S + 600) == SKEW
        clocks.wall_s += 600
        watched.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert watched.observer.said == ["held clock: clock_skew", "resumed clock"]
        assert watched.released == [SKEW]

    in_loop(test)


def test_corrected_clock_ends_hold_without_a_response(clocks: Clocks) -> None:
    async def run() -> None:
        watched = Watched(clocks, probe_s=0.01)
        watched.window.record_server_date(formatdate(NOW_S + 600, usegmt=True))
        assert watched.reason(NOW_S + 600) == SKEW
        clocks.wall_s += 600
        async with asyncio.timeout(120):
            while not watched.released:  # noqa: ASYNC110 - a timer tells nobody
                await asyncio.sleep(0.005)
        assert watched.released == [SKEW], "once, though the hold ended too"
        assert watched.observer.said == ["held clock: clock_skew", "resumed clock"]

    asyncio.run(run())
