"""The outcome of a failed batch: whether it is the problem itself, and where it waits."""

import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.model import (
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Fault,
    PartiallyRefused,
    Refused,
    TransientCause,
    Verdict,
)
from tests.property.test_batch import delivery
from tests.property.test_poison_detection import FAR_FUTURE_S, LONG_AGO_S, LaneHarness

DOWN = Deferred(Fault(TransientCause.SERVER_ERROR, "", 500))
DENIED = Blocked(Fault(TransientCause.UNAUTHORIZED, "", 403))
BUSY = Deferred(Fault(TransientCause.THROTTLED, "", 429), 0.5, whole_destination=True)
DOWN_FOR = Deferred(Fault(TransientCause.SERVER_ERROR, "", 503), 20.0, whole_destination=True)
TWICE = PoisonDetectionOptions(failures=2)
REFUSED = Refused(Fault(DeadLetterCause.REFUSED, "bad", 422))
BATCH_REFUSED = BatchRefused(Fault(TransientCause.BATCH_REFUSED, "bad", 422))
JUST_NOW = float("inf")
"""The start of a request since which no other succeeded."""


class Case:
    """A lane with one batch, which is a candidate after two counted failures and is given up after an hour."""

    def __init__(self, history: str = "", count: int = 2, options: PoisonDetectionOptions = TWICE) -> None:
        """Replay `history`: `f` = the batch of `count` failed, `s` = another request succeeded."""
        self.lane = LaneHarness(options, count)
        self.owed = self.lane.owe(count, count)
        self.other = delivery(9, self.lane.envelope, "9", b"{}", self.lane.ledger, 9)
        self.outcomes, self.queue = self.lane.outcomes, self.lane.queue
        for event in history:
            if event == "s":
                self.lane.poison_detector.record_success([self.other])
            else:
                self.end(DOWN)

    def end(self, verdict: Verdict, started: float = LONG_AGO_S, *, reached_endpoint: bool = True) -> bool:
        """Let a request that carries the batch, or its first half, end with `verdict`."""
        if scope := self.outcomes.isolated.take_due(FAR_FUTURE_S, others=False):
            self.queue.end_wait(scope)
        batch = self.queue.take_batch(None, self.outcomes.dead_letter)
        assert self.owed[0] in batch
        return self.outcomes.handle_verdict(batch, verdict, started, reached_endpoint=reached_endpoint)

    @property
    def oldest(self) -> Delivery:
        return self.owed[0]

    def due_in(self) -> float:
        """Return the seconds until the isolated batch is due; infinite if there is none."""
        return self.outcomes.isolated.next_due_s - time.monotonic()


def test_delivered_batch_is_settled_whole() -> None:
    case = Case(count=3)
    assert not case.end(Delivered())
    assert case.lane.arrived == case.owed
    assert not case.lane.dead_lettered
    assert (len(case.queue), case.outcomes.open_bytes) == (0, 0)


def test_partially_refused_batch_settles_all_but_the_named() -> None:
    case = Case(count=4)
    case.lane.dead_letter_cause = DeadLetterCause.REFUSED
    fault = Fault(DeadLetterCause.REFUSED, "not valid", 200)
    assert not case.end(PartiallyRefused({1: fault, 3: fault}))
    assert case.lane.arrived == [case.owed[0], case.owed[2]]
    assert case.lane.dead_lettered == [case.owed[1], case.owed[3]]
    assert case.lane.partial_failures == [(4, 2)]
    assert (len(case.queue), case.outcomes.open_bytes) == (0, 0)


@pytest.mark.parametrize("verdict", [REFUSED, BATCH_REFUSED], ids=["refused", "batch_refused"])
def test_refused_batch_is_split_and_nothing_of_it_ends(verdict: Verdict) -> None:
    case = Case(count=4)
    assert not case.end(verdict)
    first, second = case.owed[:2], case.owed[2:]
    assert {each.fragment for each in first}.isdisjoint(each.fragment for each in second)
    assert len({each.fragment for each in first}) == len({each.fragment for each in second}) == 1
    assert [case.queue.take_batch(None, case.outcomes.dead_letter) for _ in range(2)] == [first, second]
    assert (case.lane.arrived, case.lane.dead_lettered) == ([], [])
    assert case.outcomes.open_bytes == 8


@pytest.mark.parametrize("verdict", [REFUSED, BATCH_REFUSED], ids=["refused", "batch_refused"])
def test_refused_single_delivery_is_dead_lettered(verdict: Verdict) -> None:
    case = Case(count=1)
    case.lane.dead_letter_cause = DeadLetterCause.REFUSED
    assert not case.end(verdict)
    assert case.lane.dead_lettered == case.owed
    assert case.lane.details == ["bad"]
    assert (case.lane.arrived, len(case.queue), case.outcomes.open_bytes) == ([], 0, 0)


def test_success_resets_the_lanes_back_off() -> None:
    case = Case("ff")
    case.outcomes.not_before = 0.0
    case.end(Delivered())
    case.lane.owe(2, 2)
    began = time.monotonic()
    case.owed = [case.queue.first()]
    case.end(DOWN)
    assert case.outcomes.not_before <= began + 0.5 + 1.0, "as after a first failure, not after a third"


@settings(deadline=None)
@given(st.integers(1, 24), st.integers(1, 6), st.data())
def test_splitting_dead_letters_exactly_the_refused_deliveries(count: int, keys: int, data: st.DataObject) -> None:
    """The others arrive once each, and in order per key."""
    lane = LaneHarness(TWICE, count)
    lane.dead_letter_cause = DeadLetterCause.REFUSED
    owed = lane.owe(count, keys)
    bad = data.draw(st.sets(st.integers(0, count - 1)))

    def respond(batch: Sequence[Delivery]) -> Verdict:
        if bad.isdisjoint(each.slot for each in batch):
            return Delivered()
        return BATCH_REFUSED if len(batch) > 1 else REFUSED

    while lane.queue:
        assert lane.send_next(respond)
    assert sorted(each.slot for each in lane.dead_lettered) == sorted(bad)
    assert sorted(each.slot for each in lane.arrived) == sorted({each.slot for each in owed} - bad)
    for key in range(keys):
        slots = [each.slot for each in lane.arrived if each.key == key]
        assert slots == sorted(slots)


def test_batch_with_few_failures_is_first_again_and_may_grow() -> None:
    case = Case("f")
    assert case.due_in() == float("inf")
    assert case.queue.first() is case.oldest
    assert not case.oldest.fragment


def test_batch_that_keeps_failing_is_isolated_for_its_back_off() -> None:
    case = Case("ff")
    assert case.due_in() <= 30.0
    assert not case.queue
    assert not case.outcomes.isolated.candidates
    assert case.owed[0].fragment == case.owed[1].fragment > 0


def test_poison_candidate_is_split_and_its_halves_are_due_at_once() -> None:
    case = Case("fsfsf")
    assert case.lane.isolations == 1
    assert case.due_in() <= 0
    assert case.outcomes.isolated.candidates == 2
    assert case.owed[0].fragment != case.owed[1].fragment


def test_candidate_waits_three_times_as_long_as_its_request_took() -> None:
    case = Case("fsfsf")
    started = time.monotonic() - 100
    case.end(DOWN, started)
    assert case.outcomes.isolated.next_due_s >= started + 400


def test_other_batch_waits_only_its_back_off_after_a_long_request() -> None:
    case = Case("ff")
    case.end(DOWN, time.monotonic() - 100)
    assert case.due_in() <= 30.0


def test_5xx_with_retry_after_pauses_destination_and_counts_failure() -> None:
    case = Case("fs")
    began, own_back_off = time.monotonic(), case.outcomes.not_before
    case.end(DOWN_FOR)
    assert case.lane.rate_limiter.paused_until >= began + 20
    assert case.outcomes.not_before == own_back_off
    assert case.oldest.failure_history is not None
    assert case.oldest.failure_history.counted_failures == 1
    assert case.outcomes.isolated.next_due_s >= began + 20
    assert not case.queue


def test_candidate_with_retry_after_waits_three_times_as_long() -> None:
    case = Case("fsfsf")
    began = time.monotonic()
    case.end(DOWN_FOR, began)
    assert case.outcomes.isolated.next_due_s >= began + 60


def test_give_up_reports_the_failures_and_keeps_the_last_retry_after() -> None:
    case = Case("fsfs", 1, PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1))
    began = time.monotonic()
    assert case.end(DOWN_FOR)
    assert case.lane.dead_lettered == [case.oldest]
    assert case.lane.details == ["failed 3 times by itself while other requests succeeded: server_error"]
    assert case.lane.rate_limiter.paused_until >= began + 20


@pytest.mark.parametrize(
    ("history", "started", "is_poison"),
    [
        ("", JUST_NOW, False),
        ("f", JUST_NOW, False),
        ("fsf", JUST_NOW, False),  # before this failure one short of a candidate
        ("fsfs", JUST_NOW, True),
        ("fsfsfs", JUST_NOW, True),
        ("fsfsf", JUST_NOW, False),  # a candidate, but no success since its last failure
    ],
)
def test_blocked_verdict_is_a_candidates_own_if_others_succeeded(
    history: str, started: float, *, is_poison: bool
) -> None:
    """If other requests succeeded since its last failure, the batch is the problem."""
    assert Case(history).end(DENIED, started) is is_poison


def test_blocked_verdict_is_the_batchs_own_after_a_success_since_start() -> None:
    case = Case()
    case.lane.delivered([])
    assert case.end(DENIED, LONG_AGO_S)
    assert case.queue.first() is case.oldest
    assert case.outcomes.not_before > 0


@pytest.mark.parametrize(("verdict", "reached_endpoint"), [(BUSY, True), (DOWN, False), (DENIED, False)])
def test_429_or_missing_credentials_start_no_failure_history(verdict: Verdict, *, reached_endpoint: bool) -> None:
    case = Case()
    assert not case.end(verdict, JUST_NOW, reached_endpoint=reached_endpoint)
    assert case.oldest.failure_history is None
    assert case.oldest.attempts == 1
