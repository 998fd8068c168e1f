"""Yotpo's server lets so many requests through in any sliding second, and says when to come back."""

from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo, SlidingWindowRate
from tests.fakes.clients import client, happening, patch, token


def test_the_sixth_request_of_a_second_is_429_and_says_when_to_come_back() -> None:
    now = [1000.0]
    fake = FakeYotpo(store_id="store", secret="secret", monotonic=lambda: now[0])
    with ThreadRunner(fake), client(fake) as http:

        def ask() -> tuple[int, str, str]:
            reply = http.post("/stores/store/access_tokens", json={"secret": "secret"})
            return reply.status_code, reply.headers["ratelimit-remaining"], reply.headers["ratelimit-reset"]

        assert [ask() for _ in range(5)] == [(200, str(left), "0") for left in (4, 3, 2, 1, 0)]
        now[0] = 1000.5
        assert [ask(), ask()] == [(429, "0", "1")] * 2
        now[0] = 1001.0
        assert ask() == (200, "4", "0")


def test_events_and_tokens_share_one_rate_and_429_keeps_nothing() -> None:
    fake = FakeYotpo(store_id="store", secret="secret", rate=0.01)
    with ThreadRunner(fake):
        key = token(fake)
        reply = patch(fake, happening(), key)
    assert (reply.status_code, reply.headers["ratelimit-reset"]) == (429, "100")
    assert (fake.stored_ids(), fake.refused) == (set(), [])


def test_no_sliding_second_holds_more_than_the_rate() -> None:
    rate = SlidingWindowRate(5.0)
    asked = [number / 16 for number in range(160)]
    taken = [now for now in asked if rate.acquire(now) == 0.0]
    for start in taken:
        assert sum(start <= other < start + 1.0 for other in taken) <= 5
    assert len(taken) == 50


def test_it_says_exactly_how_long_to_wait() -> None:
    rate = SlidingWindowRate(2.0)
    waits = [rate.acquire(now) for now in (10.0, 10.25, 10.5, 10.75, 11.0)]
    assert waits == [0.0, 0.0, 0.5, 0.25, 0.0]
