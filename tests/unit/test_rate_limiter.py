"""When a request may start, and when a failed one is retried."""

import asyncio
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.backoff import Backoff
from consumer.delivery.http.rate_limiter import RateLimiter

seconds = st.floats(0, 1000, allow_nan=False)


@given(st.integers(1, 200), st.none() | seconds, st.floats(0, 1, exclude_max=True))
def test_retry_delay_is_at_least_as_asked_and_at_most_the_cap_more(
    attempt: int, at_least_s: float | None, random: float
) -> None:
    wait_s = Backoff(0.5, 30.0).next_delay(attempt, at_least_s, lambda: random)
    assert (at_least_s or 0.0) <= wait_s <= (at_least_s or 0.0) + 30.0


def test_back_off_has_full_jitter_below_a_doubling_capped_ceiling() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_delay(n, None, lambda: 0.5) for n in range(1, 6)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    assert backoff.next_delay(3, None, lambda: 0.0) == 0.0


def test_without_a_rate_only_the_longest_server_pause_delays() -> None:
    limiter = RateLimiter(None)
    assert limiter.delay(10.0) == (0.0, "")
    limiter.pause_until(15.0)
    limiter.pause_until(12.0)
    assert limiter.delay(10.0) == (5.0, "server")
    assert limiter.delay(15.0) == (0.0, "")


def test_rate_with_a_share_of_zero_starts_nothing() -> None:
    wait_s, source = RateLimiter(5.0).delay(100.0)
    assert wait_s > 0
    assert source == "local"


def test_requests_are_spaced_by_the_share_of_the_rate() -> None:
    limiter = RateLimiter(5.0)
    limiter.set_share(0.5, 0.0)
    limiter.record_start(10.0)
    wait_s, source = limiter.delay(10.0)
    assert 0.4 <= wait_s < 0.42
    assert source == "local"
    assert limiter.delay(10.5)[0] == 0.0


def test_larger_share_counts_after_a_window_and_smaller_at_once() -> None:
    limiter = RateLimiter(5.0)
    limiter.set_share(0.25, 0.0)
    assert limiter.share_at(0.9) == 0.0
    assert limiter.share_at(1.0) == 0.25
    limiter.set_share(1.0, 2.0)
    assert limiter.share_at(2.9) == 0.25
    assert limiter.share_at(3.0) == 1.0
    limiter.set_share(0.5, 4.0)
    assert limiter.share_at(4.0) == 0.5


def test_repeated_share_is_not_put_off_again() -> None:
    limiter = RateLimiter(5.0)
    for now in (0.0, 0.3, 0.6, 0.9):
        limiter.set_share(0.5, now)
    assert limiter.share_at(1.0) == 0.5


def test_share_that_grows_further_waits_for_its_own_window() -> None:
    limiter = RateLimiter(5.0)
    limiter.set_share(0.5, 0.0)
    limiter.set_share(1.0, 0.5)
    assert limiter.share_at(1.4) == 0.0
    assert limiter.share_at(1.5) == 1.0


def test_share_lost_before_it_counted_never_counts() -> None:
    limiter = RateLimiter(5.0)
    limiter.set_share(0.5, 0.0)
    limiter.set_share(0.0, 0.5)
    assert limiter.share_at(5.0) == pytest.approx(0.0)


def test_arrivals_in_any_second_stay_within_the_share() -> None:
    limiter = RateLimiter(5.0)
    limiter.set_share(0.5, -1.0)  # 2.5 requests a second: spaced by 0.4 s, three would fit in one
    for at in (10.0, 10.41):
        assert limiter.delay(at)[0] == 0.0
        limiter.record_start(at)
        limiter.record_response(limiter.record_sent(at), at + 0.1)
    assert limiter.delay(10.82)[0] == pytest.approx(10.1 + 1.0 - 10.82)
    assert limiter.delay(11.1)[0] == 0.0


def test_request_counts_until_one_second_after_its_latest_arrival() -> None:
    """A hanging request counts for two seconds; a finished one until a second after its response."""
    limiter = RateLimiter(2.0)
    limiter.set_share(1.0, -1.0)
    limiter.record_start(10.0)
    hangs = limiter.record_sent(10.0)
    limiter.record_start(10.3)
    other = limiter.record_sent(10.3)
    assert 0.0 < limiter.delay(10.9)[0] < 0.1, "all that the rate allows are in flight"
    limiter.record_response(other, 11.2)
    assert limiter.delay(11.9)[0] == pytest.approx(0.1), "the hanging one may have arrived at 11.0"
    assert limiter.delay(12.0)[0] == 0.0
    limiter.record_response(hangs, 25.0)
    assert limiter.delay(25.0)[0] == 0.0, "it arrived long ago, or never"


def test_smaller_share_starts_nothing_until_the_window_fits_it() -> None:
    limiter = RateLimiter(4.0)
    limiter.set_share(1.0, -1.0)
    for at in (10.0, 10.25, 10.5, 10.75):
        limiter.record_start(at)
        limiter.record_response(limiter.record_sent(at), at)
    limiter.set_share(0.5, 10.75)
    assert limiter.delay(10.75)[0] == pytest.approx(0.75), "one more would make three since 10.5"
    limiter.set_share(0.1, 10.75)
    assert limiter.delay(10.75)[0] == pytest.approx(2.55), "less than one a second is spaced"


@given(
    st.sampled_from([3.0, 5.0, 20.0]),
    st.sampled_from([(1, 1), (2, 3)]),
    st.lists(st.tuples(st.floats(0, 0.3) | st.floats(0, 3.0), st.floats(0, 0.9)), min_size=1, max_size=60),
)
def test_two_members_stay_within_the_rate_however_late_requests_arrive(
    rate: float, shares: tuple[int, int], requests: list[tuple[float, float]]
) -> None:
    members = [RateLimiter(rate) for _ in shares]
    for limiter, part in zip(members, shares, strict=True):
        limiter.set_share(part / sum(shares), -1.0)
    now, arrivals = 10.0, list[float]()
    in_flight: list[tuple[float, int, RateLimiter]] = []
    for number, (takes_s, transit) in enumerate(requests):
        limiter = members[number % 2]
        while True:
            for end, request, sender in sorted(in_flight, key=lambda one: one[0]):
                if end <= now:
                    sender.record_response(request, end)
            in_flight = [one for one in in_flight if one[0] > now]
            wait_s = limiter.delay(now)[0]
            if wait_s <= 0:
                break
            now += wait_s + 1e-6
        limiter.record_start(now)
        arrivals.append(now + min(takes_s, 1.0) * transit)
        in_flight.append((now + takes_s, limiter.record_sent(now), limiter))
    for start in arrivals:
        assert sum(start <= other < start + 1.0 for other in arrivals) <= rate


# ── Waiting for the limits ──


def test_acquire_returns_at_once_when_nothing_limits() -> None:
    async def run() -> None:
        before = time.monotonic()
        start = await RateLimiter(None).acquire()
        assert start is not None
        assert before <= start <= time.monotonic()

    asyncio.run(run())


def test_acquire_waits_for_pause_back_off_and_fence_and_reports_limits() -> None:
    """A pause is reported with its source. The waits for the back-off and the fence are not reported."""

    async def run() -> None:
        limiter, delays, fence = RateLimiter(None), list[tuple[str, float]](), iter([False, False, True])
        began = time.monotonic()
        limiter.pause_until(began + 0.02)
        start = await limiter.acquire(
            not_before=lambda: began + 0.05,
            may_start=lambda: next(fence),
            on_delay=lambda source, seconds: delays.append((source, seconds)),
        )
        assert start is not None
        assert start >= began + 0.05 + 2 * 0.02
        assert delays == []
        limiter.pause_until(time.monotonic() + 0.02)
        await limiter.acquire(on_delay=lambda source, seconds: delays.append((source, seconds)))
        assert [source for source, _ in delays] == ["server"]
        assert 0 < delays[0][1] <= 0.02

    asyncio.run(run())


def test_acquire_uses_a_share_that_changes_during_the_wait() -> None:
    """The wait for a small share lasts a hundred seconds; a larger share ends it at the next check."""

    async def run() -> None:
        limiter, delays = RateLimiter(1.0, recheck_s=0.01), list[tuple[str, float]]()
        limiter.set_share(0.01, time.monotonic() - 1.0)
        limiter.record_start(time.monotonic() - 2.0)
        assert limiter.delay(time.monotonic())[0] > 90
        waiting = asyncio.create_task(limiter.acquire(on_delay=lambda *delay: delays.append(delay)))
        while not delays:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        limiter.set_share(1.0, time.monotonic() - 1.0)
        assert await waiting is not None
        assert set(delays) == {("local", 0.01)}

    asyncio.run(run())


@pytest.mark.parametrize("paused", [True, False])
def test_acquire_gives_up_before_and_during_a_wait(*, paused: bool) -> None:
    async def run() -> None:
        limiter = RateLimiter(5.0, recheck_s=0.01)  # a share of 0: no request starts
        if paused:
            limiter.pause_until(time.monotonic() + 60.0)
        waiting = asyncio.create_task(limiter.acquire(give_up=limiter.is_paused))
        if not paused:
            await asyncio.sleep(0.02)
            assert not waiting.done()
            limiter.pause_until(time.monotonic() + 60.0)
        assert await waiting is None
        assert limiter.last_request == float("-inf")

    asyncio.run(run())
