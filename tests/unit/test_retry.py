"""What becomes of a batch that failed: whose trouble it is, and where it waits."""

import time

import pytest

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.poison_detector import PoisonDetectionOptions
from consumer.model import Blocked, Deferred, Fault, TransientCause, Verdict
from tests.property.test_batch import delivery
from tests.property.test_poison_detection import FAR_OFF, LONG_AGO, LaneAlone

DOWN = Deferred(Fault(TransientCause.SERVER_ERROR, "", 500))
DENIED = Blocked(Fault(TransientCause.UNAUTHORIZED, "", 403))
BUSY = Deferred(Fault(TransientCause.THROTTLED, "", 429), 0.5, whole_destination=True)
DOWN_FOR = Deferred(Fault(TransientCause.SERVER_ERROR, "", 503), 20.0, whole_destination=True)
TWICE = PoisonDetectionOptions(failures=2)
JUST_NOW = float("inf")
"""When a call started, so that none succeeded since."""


class Case:
    """A lane with one batch, that is a suspect after two damning failures and is given up after an hour."""

    def __init__(self, story: str = "", count: int = 2, options: PoisonDetectionOptions = TWICE) -> None:
        """Live through `story`: `f` it failed, `s` another call succeeded. The batch is of `count`."""
        self.lane = LaneAlone(options, count)
        self.owed = self.lane.owe(count, count)
        self.passer = delivery(9, self.lane.shape, "9", b"{}", self.lane.ledger, 9)
        self.outcomes, self.queue = self.lane.outcomes, self.lane.queue
        for happened in story:
            if happened == "s":
                self.outcomes._context.poison_detector.record_success([self.passer])
            else:
                self.end(DOWN)

    def end(self, verdict: Verdict, started: float = LONG_AGO, *, called: bool = True) -> bool:
        """Let a call that carries the batch, or its first half, end like this."""
        if scope := self.outcomes.isolated.take_due(FAR_OFF, others=False):
            self.queue.release(scope)
        batch = self.queue.take_batch(None, self.outcomes.dead_letter)
        assert self.owed[0] in batch
        return self.outcomes.handle_verdict(batch, verdict, started, reached_endpoint=called)

    @property
    def oldest(self) -> Delivery:
        return self.owed[0]

    def apart(self) -> float:
        """Return in how many seconds what is apart may go; infinite where nothing is."""
        return self.outcomes.isolated.next_due_s - time.monotonic()


def test_what_failed_seldom_goes_first_again_and_may_still_grow() -> None:
    case = Case("f")
    assert case.apart() == float("inf")
    assert case.queue.first() is case.oldest
    assert not case.oldest.fragment


def test_what_keeps_failing_waits_by_itself_no_longer_than_its_back_off_and_grows_no_more() -> None:
    case = Case("ff")
    assert case.apart() <= 30.0
    assert not case.queue
    assert not case.outcomes.isolated.candidates
    assert case.owed[0].fragment == case.owed[1].fragment > 0


def test_a_suspect_is_halved_and_its_halves_may_go_as_soon_as_others_had_their_turn() -> None:
    case = Case("fsfsf")
    assert case.lane.suspicions == 1
    assert case.apart() <= 0
    assert case.outcomes.isolated.candidates == 2
    assert case.owed[0].fragment != case.owed[1].fragment


def test_a_suspect_by_itself_waits_three_times_as_long_as_its_call_took() -> None:
    case = Case("fsfsf")
    started = time.monotonic() - 100
    case.end(DOWN, started)
    assert case.outcomes.isolated.next_due_s >= started + 400


def test_what_is_no_suspect_waits_its_back_off_however_long_its_call_took() -> None:
    case = Case("ff")
    case.end(DOWN, time.monotonic() - 100)
    assert case.apart() <= 30.0


def test_a_server_error_that_states_a_wait_stops_everyone_so_long_and_speaks_against_its_batch_all_the_same() -> None:
    case = Case("fs")
    began, lanes_own = time.monotonic(), case.outcomes.not_before
    case.end(DOWN_FOR)
    assert case.lane.pace.paused_until >= began + 20
    assert case.outcomes.not_before == lanes_own
    assert case.oldest.failure_history is not None
    assert case.oldest.failure_history.counted_failures == 1
    assert case.outcomes.isolated.next_due_s >= began + 20
    assert not case.queue


def test_a_suspect_that_makes_everyone_wait_goes_again_after_three_times_as_long() -> None:
    case = Case("fsfsf")
    began = time.monotonic()
    case.end(DOWN_FOR, began)
    assert case.outcomes.isolated.next_due_s >= began + 60


def test_the_letter_says_how_often_it_failed_by_itself_and_a_wait_its_last_answer_states_is_kept() -> None:
    case = Case("fsfs", 1, PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1))
    began = time.monotonic()
    assert case.end(DOWN_FOR)
    assert case.lane.dead == [case.oldest]
    assert case.lane.details == ["failed 3 times by itself while other requests succeeded: server_error"]
    assert case.lane.pace.paused_until >= began + 20


@pytest.mark.parametrize(
    ("story", "started", "own"),
    [
        ("", JUST_NOW, False),
        ("f", JUST_NOW, False),
        ("fsf", JUST_NOW, False),  # one failure short of a suspect, before this one
        ("fsfs", JUST_NOW, True),
        ("fsfsfs", JUST_NOW, True),
        ("fsfsf", JUST_NOW, False),  # a suspect, but nothing succeeded since its last failure
    ],
)
def test_a_barred_answer_is_the_trouble_of_a_suspect_where_others_succeeded_since_its_last_failure(
    story: str, started: float, *, own: bool
) -> None:
    assert Case(story).end(DENIED, started) is own


def test_a_barred_answer_is_no_endpoints_if_a_call_succeeded_there_since_its_own_began() -> None:
    case = Case()
    case.lane.delivered([])
    assert case.end(DENIED, LONG_AGO)
    assert case.queue.first() is case.oldest
    assert case.outcomes.not_before > 0


@pytest.mark.parametrize(("verdict", "called"), [(BUSY, True), (DOWN, False), (DENIED, False)])
def test_who_is_told_to_wait_or_not_let_through_the_door_of_credentials_has_nothing_against_it(
    verdict: Verdict, *, called: bool
) -> None:
    case = Case()
    assert not case.end(verdict, JUST_NOW, called=called)
    assert case.oldest.failure_history is None
    assert case.oldest.attempts == 1
