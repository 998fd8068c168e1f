"""When a call may start, and when to try again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.delivery.pace import Backoff, Pace

seconds = st.floats(0, 1000, allow_nan=False)


@given(st.integers(1, 200), st.none() | seconds, st.floats(0, 1, exclude_max=True))
def test_a_repetition_is_never_sooner_than_asked_and_never_later_than_the_cap_after_it(
    attempt: int, asked_s: float | None, die: float
) -> None:
    wait_s = Backoff(0.5, 30.0).wait(attempt, asked_s, lambda: die)
    assert (asked_s or 0.0) <= wait_s <= (asked_s or 0.0) + 30.0


def test_the_jitter_is_full_under_a_ceiling_that_doubles_up_to_the_cap() -> None:
    backoff = Backoff(0.5, 3.0)
    assert [backoff.wait(n, None, lambda: 0.5) for n in range(1, 6)] == [0.25, 0.5, 1.0, 1.5, 1.5]
    assert backoff.wait(3, None, lambda: 0.0) == 0.0


def test_without_a_rate_only_a_told_wait_delays_and_the_longest_counts() -> None:
    pace = Pace(None)
    assert pace.delay(10.0) == (0.0, "")
    pace.told(15.0)
    pace.told(12.0)
    assert pace.delay(10.0) == (5.0, "told")
    assert pace.delay(15.0) == (0.0, "")


def test_a_rate_without_a_share_starts_nothing() -> None:
    wait_s, source = Pace(5.0).delay(100.0)
    assert wait_s > 0
    assert source == "local"


def test_calls_are_spaced_by_the_share_of_the_rate() -> None:
    pace = Pace(5.0)
    pace.share(0.5, 0.0)
    pace.started(10.0)
    wait_s, source = pace.delay(10.0)
    assert 0.4 <= wait_s < 0.42
    assert source == "local"
    assert pace.delay(10.5)[0] == 0.0


def test_a_gained_share_counts_after_a_window_and_a_lost_one_at_once() -> None:
    pace = Pace(5.0)
    pace.share(0.25, 0.0)
    assert pace.share_at(0.9) == 0.0
    assert pace.share_at(1.0) == 0.25
    pace.share(1.0, 2.0)
    assert pace.share_at(2.9) == 0.25
    assert pace.share_at(3.0) == 1.0
    pace.share(0.5, 4.0)
    assert pace.share_at(4.0) == 0.5


def test_a_share_told_again_is_not_put_off_again() -> None:
    pace = Pace(5.0)
    for now in (0.0, 0.3, 0.6, 0.9):
        pace.share(0.5, now)
    assert pace.share_at(1.0) == 0.5


def test_a_share_that_grows_further_waits_for_the_window_of_what_it_gained() -> None:
    pace = Pace(5.0)
    pace.share(0.5, 0.0)
    pace.share(1.0, 0.5)
    assert pace.share_at(1.4) == 0.0
    assert pace.share_at(1.5) == 1.0


def test_a_share_lost_before_its_gain_counted_never_counts() -> None:
    pace = Pace(5.0)
    pace.share(0.5, 0.0)
    pace.share(0.0, 0.5)
    assert pace.share_at(5.0) == pytest.approx(0.0)
