"""Yotpo's server limits the requests in any sliding second, and returns the time to wait."""

from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo, SlidingWindowRate
from tests.fakes.clients import client, patch, token, yotpo_event


def test_sixth_request_of_a_second_is_429_with_ratelimit_reset() -> None:
    now = [1000.0]
    fake = FakeYotpo(store_id="store", secret="secret", monotonic=lambda: now[0])
    with ThreadRunner(fake), client(fake) as http:

        def request_token() -> tuple[int, str, str]:
            response = http.post("/stores/store/access_tokens", json={"secret": "secret"})
            return response.status_code, response.headers["ratelimit-remaining"], response.headers["ratelimit-reset"]

        assert [request_token() for _ in range(5)] == [(200, str(left), "0") for left in (4, 3, 2, 1, 0)]
        now[0] = 1000.5
        assert [request_token(), request_token()] == [(429, "0", "1")] * 2
        now[0] = 1001.0
        assert request_token() == (200, "4", "0")


def test_events_and_tokens_share_one_rate_and_429_stores_nothing() -> None:
    fake = FakeYotpo(store_id="store", secret="secret", rate=0.01)
    with ThreadRunner(fake):
        key = token(fake)
        response = patch(fake, yotpo_event(), key)
    assert (response.status_code, response.headers["ratelimit-reset"]) == (429, "100")
    assert (fake.stored_ids(), fake.refused) == (set(), [])


def test_no_sliding_second_exceeds_the_rate() -> None:
    rate = SlidingWindowRate(5.0)
    times = [number / 16 for number in range(160)]
    granted = [now for now in times if rate.acquire(now) == 0.0]
    for start in granted:
        assert sum(start <= other < start + 1.0 for other in granted) <= 5
    assert len(granted) == 50


def test_acquire_returns_the_exact_wait() -> None:
    rate = SlidingWindowRate(2.0)
    waits = [rate.acquire(now) for now in (10.0, 10.25, 10.5, 10.75, 11.0)]
    assert waits == [0.0, 0.0, 0.5, 0.25, 0.0]
