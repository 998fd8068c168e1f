"""When a call may start, and when to try again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.backoff import Backoff
from consumer.delivery.http.rate_limiter import RateLimiter

seconds = st.floats(0, 1000, allow_nan=False)


@given(st.integers(1, 200), st.none() | seconds, st.floats(0, 1, exclude_max=True))
def test_a_repetition_is_never_sooner_than_asked_and_never_later_than_the_cap_after_it(
    attempt: int, asked_s: float | None, die: float
) -> None:
    wait_s = Backoff(0.5, 30.0).next_delay(attempt, asked_s, lambda: die)
    assert (asked_s or 0.0) <= wait_s <= (asked_s or 0.0) + 30.0


def test_the_jitter_is_full_under_a_ceiling_that_doubles_up_to_the_cap() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.next_delay(n, None, lambda: 0.5) for n in range(1, 6)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    assert backoff.next_delay(3, None, lambda: 0.0) == 0.0


def test_without_a_rate_only_a_told_wait_delays_and_the_longest_counts() -> None:
    pace = RateLimiter(None)
    assert pace.delay(10.0) == (0.0, "")
    pace.pause_until(15.0)
    pace.pause_until(12.0)
    assert pace.delay(10.0) == (5.0, "server")
    assert pace.delay(15.0) == (0.0, "")


def test_a_rate_without_a_share_starts_nothing() -> None:
    wait_s, source = RateLimiter(5.0).delay(100.0)
    assert wait_s > 0
    assert source == "local"


def test_calls_are_spaced_by_the_share_of_the_rate() -> None:
    pace = RateLimiter(5.0)
    pace.set_share(0.5, 0.0)
    pace.record_start(10.0)
    wait_s, source = pace.delay(10.0)
    assert 0.4 <= wait_s < 0.42
    assert source == "local"
    assert pace.delay(10.5)[0] == 0.0


def test_a_gained_share_counts_after_a_window_and_a_lost_one_at_once() -> None:
    pace = RateLimiter(5.0)
    pace.set_share(0.25, 0.0)
    assert pace.share_at(0.9) == 0.0
    assert pace.share_at(1.0) == 0.25
    pace.set_share(1.0, 2.0)
    assert pace.share_at(2.9) == 0.25
    assert pace.share_at(3.0) == 1.0
    pace.set_share(0.5, 4.0)
    assert pace.share_at(4.0) == 0.5


def test_a_share_told_again_is_not_put_off_again() -> None:
    pace = RateLimiter(5.0)
    for now in (0.0, 0.3, 0.6, 0.9):
        pace.set_share(0.5, now)
    assert pace.share_at(1.0) == 0.5


def test_a_share_that_grows_further_waits_for_the_window_of_what_it_gained() -> None:
    pace = RateLimiter(5.0)
    pace.set_share(0.5, 0.0)
    pace.set_share(1.0, 0.5)
    assert pace.share_at(1.4) == 0.0
    assert pace.share_at(1.5) == 1.0


def test_a_share_lost_before_its_gain_counted_never_counts() -> None:
    pace = RateLimiter(5.0)
    pace.set_share(0.5, 0.0)
    pace.set_share(0.0, 0.5)
    assert pace.share_at(5.0) == pytest.approx(0.0)


def test_no_more_calls_than_the_share_allows_can_have_arrived_within_a_second() -> None:
    pace = RateLimiter(5.0)
    pace.set_share(0.5, -1.0)  # 2.5 calls a second: spaced by 0.4 s, three would fit in one
    for at in (10.0, 10.41):
        assert pace.delay(at)[0] == 0.0
        pace.record_start(at)
        pace.record_response(pace.record_sent(at), at + 0.1)
    assert pace.delay(10.82)[0] == pytest.approx(10.1 + 1.0 - 10.82)
    assert pace.delay(11.1)[0] == 0.0


def test_a_call_that_hangs_counts_for_two_seconds_and_one_that_is_answered_until_a_second_after() -> None:
    pace = RateLimiter(2.0)
    pace.set_share(1.0, -1.0)
    pace.record_start(10.0)
    hangs = pace.record_sent(10.0)
    pace.record_start(10.3)
    other = pace.record_sent(10.3)
    assert 0.0 < pace.delay(10.9)[0] < 0.1, "whoever waits for an answer looks for it"
    pace.record_response(other, 11.2)
    assert pace.delay(11.9)[0] == pytest.approx(0.1), "the one that hangs may have arrived at 11.0"
    assert pace.delay(12.0)[0] == 0.0
    pace.record_response(hangs, 25.0)
    assert pace.delay(25.0)[0] == 0.0, "it arrived long ago, if ever"


def test_after_a_share_was_lost_nothing_starts_until_a_second_holds_no_more_than_is_left() -> None:
    pace = RateLimiter(4.0)
    pace.set_share(1.0, -1.0)
    for at in (10.0, 10.25, 10.5, 10.75):
        pace.record_start(at)
        pace.record_response(pace.record_sent(at), at)
    pace.set_share(0.5, 10.75)
    assert pace.delay(10.75)[0] == pytest.approx(0.75), "with one more there would be three since 10.5"
    pace.set_share(0.1, 10.75)
    assert pace.delay(10.75)[0] == pytest.approx(2.55), "less than one a second is spaced"


@given(
    st.sampled_from([3.0, 5.0, 20.0]),
    st.sampled_from([(1, 1), (2, 3)]),
    st.lists(st.tuples(st.floats(0, 0.3) | st.floats(0, 3.0), st.floats(0, 0.9)), min_size=1, max_size=60),
)
def test_two_members_keep_every_second_at_the_server_however_late_calls_arrive(
    rate: float, shares: tuple[int, int], calls: list[tuple[float, float]]
) -> None:
    members = [RateLimiter(rate) for _ in shares]
    for pace, part in zip(members, shares, strict=True):
        pace.set_share(part / sum(shares), -1.0)
    now, arrivals = 10.0, list[float]()
    under_way: list[tuple[float, int, RateLimiter]] = []
    for number, (takes_s, later_s) in enumerate(calls):
        pace = members[number % 2]
        while True:
            for end, call, whose in sorted(under_way, key=lambda one: one[0]):
                if end <= now:
                    whose.record_response(call, end)
            under_way = [one for one in under_way if one[0] > now]
            wait_s = pace.delay(now)[0]
            if wait_s <= 0:
                break
            now += wait_s + 1e-6
        pace.record_start(now)
        arrivals.append(now + min(takes_s, 1.0) * later_s)
        under_way.append((now + takes_s, pace.record_sent(now), pace))
    for start in arrivals:
        assert sum(start <= other < start + 1.0 for other in arrivals) <= rate
