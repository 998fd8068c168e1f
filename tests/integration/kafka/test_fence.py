"""The fence, with a fake clock."""

import time

from consumer.kafka.fence import Fence, now_s


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_request_before_a_commit_is_accepted() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    assert not fence.may_send()
    assert fence.heartbeat_due()
    fence.commit_accepted(clock.now)
    assert fence.may_send()
    assert not fence.heartbeat_due()


def test_requests_allowed_while_commits_are_in_time() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    for _ in range(10):
        fence.commit_accepted(clock.now)
        clock.now += 2.9
        assert fence.may_send()


def test_no_request_after_limit_without_commit() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    clock.now += 3.1
    assert not fence.may_send()
    fence.commit_accepted(clock.now)
    assert fence.may_send()


def test_heartbeat_is_due_after_a_third_of_the_limit() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    clock.now += 0.9
    assert not fence.heartbeat_due()
    clock.now += 0.2
    assert fence.heartbeat_due()
    assert fence.may_send()


def test_late_response_counts_from_its_send_time() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    sent_s = clock.now
    clock.now += 60
    fence.commit_accepted(sent_s)
    assert not fence.may_send()


def test_older_response_does_not_shorten_the_limit() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    fence.commit_accepted(clock.now - 60)
    assert fence.may_send()


def test_closed_fence_allows_no_request() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    fence.close()
    assert not fence.may_send()


def test_clock_advances() -> None:
    before = now_s()
    deadline = time.monotonic() + 30
    while now_s() == before:
        assert time.monotonic() < deadline
    assert now_s() > before
