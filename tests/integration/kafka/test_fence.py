"""The fence, with a clock of the test's own."""

import time

from consumer.kafka.fence import Fence, now_s


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_no_call_starts_before_a_commit_was_accepted() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    assert not fence.may_send()
    assert fence.heartbeat_due()
    fence.commit_accepted(clock.now)
    assert fence.may_send()
    assert not fence.heartbeat_due()


def test_calls_start_while_commits_are_accepted_in_time() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    for _ in range(10):
        fence.commit_accepted(clock.now)
        clock.now += 2.9
        assert fence.may_send()


def test_no_call_starts_once_commits_are_late() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    clock.now += 3.1
    assert not fence.may_send()
    fence.commit_accepted(clock.now)
    assert fence.may_send()


def test_another_commit_is_due_long_before_the_last_one_is_good_no_more() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    clock.now += 0.9
    assert not fence.heartbeat_due()
    clock.now += 0.2
    assert fence.heartbeat_due()
    assert fence.may_send()


def test_an_answer_that_lay_unread_is_as_old_as_its_question() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    sent_s = clock.now
    clock.now += 60
    fence.commit_accepted(sent_s)
    assert not fence.may_send()


def test_an_old_answer_takes_nothing_back() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    fence.commit_accepted(clock.now - 60)
    assert fence.may_send()


def test_an_ended_thread_lets_nothing_start() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    fence.commit_accepted(clock.now)
    fence.close()
    assert not fence.may_send()


def test_the_clock_goes_on_by_itself() -> None:
    before = now_s()
    deadline = time.monotonic() + 30
    while now_s() == before:
        assert time.monotonic() < deadline
    assert now_s() > before
