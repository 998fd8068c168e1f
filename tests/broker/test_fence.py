"""The fence, with a clock of the test's own."""

from consumer.kafka.fence import Fence, now_s


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_calls_start_while_the_thread_turns() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    for _ in range(10):
        clock.now += 2.9
        assert fence.may_call()
        assert fence.turned() > 2.8
    assert fence.may_call()


def test_no_call_starts_once_the_thread_is_late() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    clock.now += 3.1
    assert not fence.may_call()


def test_after_a_standstill_turning_alone_is_not_enough() -> None:
    clock = Clock()
    fence = Fence(3.0, clock)
    clock.now += 60
    fence.turned()
    assert fence.is_shut
    clock.now += 0.1
    fence.turned()
    assert not fence.may_call()
    fence.opened()
    assert fence.may_call()


def test_an_ended_thread_lets_nothing_start() -> None:
    fence = Fence(3.0, Clock())
    fence.shut()
    assert not fence.may_call()


def test_the_clock_rises() -> None:
    assert now_s() <= now_s()
