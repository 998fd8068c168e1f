"""Poison detection: which failures count, and when a delivery is isolated, split or given up."""

import pytest

from consumer.delivery.delivery import Delivery, FailureHistory
from consumer.delivery.guards.poison_detector import (
    FailureAction,
    FailureAssessment,
    PoisonDetectionOptions,
    PoisonDetector,
    counts_as_failure,
)
from consumer.delivery.keyed_queue import IsolatedBatches
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
from tests.property.test_batch import ENVELOPES, FakeLedger, delivery

LEDGER = FakeLedger()
DOWN = Fault(TransientCause.SERVER_ERROR, "", 500)


def one(slot: int = 0, *, consent: bool = False) -> Delivery:
    return delivery(slot, ENVELOPES[2] if consent else ENVELOPES[0], str(slot), b"x", LEDGER, slot)


def after(story: str, options: PoisonDetectionOptions | None = None) -> tuple[PoisonDetector, Delivery]:
    """Return the detector and the delivery under test after the events of `story`, one a second.

    `f`: it failed as a batch of one. `b`: it failed in a batch of two. `s`: another request succeeded. `c`: a consent
    request succeeded. `x`: another request failed. `y`: a consent request failed. `p`: a request of an isolated batch
    failed. `t`: such a request succeeded.

    Failures are recorded by the private step of `record_failure`: the assessment would also mark batches as split.
    """
    detector, subject = PoisonDetector(options or PoisonDetectionOptions()), one()
    other_candidate, delivered_candidate = one(1), one(5)
    other_candidate.failure_history = delivered_candidate.failure_history = FailureHistory(0, 0, failures=100)
    batches = {
        "f": [subject],
        "b": [subject, one(2)],
        "s": [one(3)],
        "c": [one(4, consent=True)],
        "x": [one(3)],
        "y": [one(4, consent=True)],
        "p": [other_candidate],
        "t": [delivered_candidate],
    }
    for second, event in enumerate(story):
        if event in "sct":
            detector.record_success(batches[event])
        else:
            batches["x"], batches["y"] = [one(3)], [one(4, consent=True)]
            detector._record_failure(batches[event], float(second))
    return detector, subject


@pytest.mark.parametrize(
    ("verdict", "counts"),
    [
        (Deferred(DOWN), True),
        (Deferred(Fault(TransientCause.TIMED_OUT)), True),
        (Deferred(Fault(TransientCause.UNREACHABLE)), True),
        (Blocked(Fault(TransientCause.UNAUTHORIZED, "", 403)), True),
        (Blocked(Fault(TransientCause.UNINTELLIGIBLE, "", 200)), True),
        (Deferred(Fault(TransientCause.TIMED_OUT, "", 408)), False),
        (Deferred(Fault(TransientCause.SERVER_ERROR, "", 425)), False),
        (Deferred(Fault(TransientCause.THROTTLED, "", 429), whole_destination=True), False),
        (Deferred(Fault(TransientCause.THROTTLED, "", 429), 3.0, whole_destination=True), False),
        (Deferred(Fault(TransientCause.TIMED_OUT, "", 408), 3.0, whole_destination=True), False),
        (Deferred(DOWN, 3.0, whole_destination=True), True),
        (Deferred(DOWN, 3.0), True),
        (Delivered(), False),
        (PartiallyRefused({}), False),
        (Refused(Fault(DeadLetterCause.REFUSED)), False),
        (BatchRefused(Fault(TransientCause.BATCH_REFUSED)), False),
    ],
)
def test_failure_counts_against_content_unless_postponed(verdict: Verdict, *, counts: bool) -> None:
    """Statuses that postpone the request (408, 425, 429) say nothing about its content."""
    assert counts_as_failure(verdict) is counts


@pytest.mark.parametrize(
    ("story", "failures", "counted"),
    [
        ("f", 1, 0),  # there is no previous failure
        ("sf", 1, 0),
        ("ff", 2, 0),
        ("fsf", 2, 1),
        ("fcf", 2, 0),  # another endpoint's success
        ("fssf", 2, 1),  # one failure, however much succeeded
        ("fsff", 3, 1),  # the success came before the previous failure
        ("fsfsf", 3, 2),
        ("ffffff", 6, 0),  # an outage
        ("fsffffff", 7, 1),  # without other requests nothing is known
        ("fffsf", 4, 1),
        ("fxf", 2, 0),
        ("fsfxf", 3, 0),  # an outage that began later
        ("bsbxb", 3, 0),
        ("fsfxfsf", 4, 1),
        ("fsfsxf", 3, 2),  # another request failed, but not all did
        ("fsfyf", 3, 1),  # another endpoint's outage
        ("fsfpf", 3, 1),  # an isolated batch says nothing about the destination
        ("bsbsb", 3, 2),
        ("bsbsbf", 4, 0),  # as a batch of one, only its failures as a batch of one count
        ("bsbsbsf", 4, 1),
        ("bsbsbsfsf", 5, 2),
        ("fsfsb", 3, 2),
        ("fsfsbsf", 4, 1),
    ],
)
def test_failure_counts_if_others_succeeded_since_previous(story: str, failures: int, counted: int) -> None:
    _, subject = after(story)
    assert subject.failure_history is not None
    assert (subject.failure_history.failures, subject.failure_history.counted_failures) == (failures, counted)


def test_other_successes_option_sets_successes_needed() -> None:
    _, subject = after("fsfssf", PoisonDetectionOptions(other_successes=2))
    assert subject.failure_history is not None
    assert subject.failure_history.counted_failures == 1


@pytest.mark.parametrize(
    ("story", "failing", "candidate", "poison"),
    [
        ("", False, False, False),
        ("f", False, False, False),
        ("ff", True, False, False),
        ("fsf", True, False, False),
        ("fsfsf", True, True, True),
        ("fsfsff", True, True, False),  # a candidate, but this failure may belong to an outage
        ("fffff", True, False, False),
    ],
)
def test_batch_is_poison_after_enough_counted_failures(
    story: str, *, failing: bool, candidate: bool, poison: bool
) -> None:
    """The history of the oldest delivery decides, and its last failure must count."""
    detector, subject = after(story, PoisonDetectionOptions(failures=2))
    batch = [subject, one(1)]
    assert detector.keeps_failing(batch) is failing
    assert detector.is_candidate(batch) is candidate
    assert detector.is_poison(batch) is poison


@pytest.mark.parametrize(
    ("story", "now", "gives_up"),
    [
        ("", 100.0, False),
        ("fsfsssf", 12.0, True),
        ("fsfsssf", 11.9, False),  # ten seconds after its first counted failure, in second 2
        ("fsfssf", 100.0, False),  # only two others succeeded since then
        ("fsffffsssf", 12.0, True),
        ("fsffffsssff", 100.0, False),  # the last failure may belong to an outage
        ("fsssf", 100.0, False),  # only one failure counts
        ("bsbsbsssf", 100.0, False),  # it failed as a batch of one only once
        ("bsbsbsfsssf", 16.0, True),
        ("bsbsbsfsssf", 15.9, False),  # the time runs from its first failure as a batch of one
        ("fsfxfsfsssf", 16.0, True),
        ("fsfxfsfsssf", 15.9, False),  # or from the outage
        ("fsfssssxxxf", 100.0, True),  # most others succeeded
        ("fsfsssxxxf", 100.0, False),  # half of them failed
        ("fsfssspppppf", 100.0, True),  # isolated batches are not counted
        ("fxxxxsfsssf", 100.0, True),  # nor are failures before the first counted one
        ("fsfspppsf", 100.0, False),
        ("fsfsstf", 100.0, False),  # nor is a success of an isolated batch
        ("ftfssstf", 100.0, True),  # though it shows, too, that the destination is up
    ],
)
def test_single_delivery_is_given_up_after_time_and_successes(story: str, now: float, *, gives_up: bool) -> None:
    """A single delivery is given up after the configured time, failures and successes of others."""
    detector, subject = after(story, PoisonDetectionOptions(failures=2, give_up_after_s=10.0, give_up_successes=3))
    assert detector.should_give_up(subject, now) is gives_up


def test_half_is_poison_at_next_counted_failure() -> None:
    """A half of a split batch is poison at its next counted failure, but only its own history gives it up."""
    detector = PoisonDetector(PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1))
    old, young, never_failed = one(0), one(1), one(2)
    others = [one(n) for n in range(10, 15)]
    for batch in ([old], [old], [old, young]):
        detector._record_failure(batch, 0.0)
        detector.record_success(others)
    assert detector.is_poison([old, young])
    detector._mark_split([old, young, never_failed])
    assert never_failed.failure_history is None
    assert detector.is_candidate([young])
    assert not detector.is_poison([young])
    detector._record_failure([young], 1.0)
    assert detector.is_poison([young])
    detector.record_success(others)
    assert not detector.should_give_up(young, 1.0)
    detector._record_failure([young], 2.0)
    assert detector.should_give_up(young, 2.0)


def test_deliveries_with_same_history_share_one_object() -> None:
    """Deliveries that failed together share one history, others keep their own."""
    detector, batch = PoisonDetector(PoisonDetectionOptions()), [one(n) for n in range(4)]
    detector._record_failure(batch[:2], 0.0)
    detector.record_success([one(9)])
    detector._record_failure(batch[1:], 1.0)
    assert batch[2].failure_history is batch[3].failure_history
    assert [
        each.failure_history and (each.failure_history.failures, each.failure_history.counted_failures)
        for each in batch
    ] == [
        (1, 0),
        (2, 1),
        (1, 0),
        (1, 0),
    ]


def test_lone_failures_count_without_gap() -> None:
    histories = {story: after(story)[1].failure_history for story in ("b", "f", "bff", "ffbf", "ffxf")}
    assert {story: history and history.lone_failures for story, history in histories.items()} == {
        "b": 0,
        "f": 1,
        "bff": 2,
        "ffbf": 1,
        "ffxf": 3,
    }


def test_split_batch_stays_candidate_after_outage() -> None:
    """An outage resets the counted failures, but halves of a split batch stay candidates."""
    detector, subject = after("bsb", PoisonDetectionOptions(failures=1))
    detector._mark_split([subject, one(1)])
    detector._record_failure([one(2)], 5.0)
    detector._record_failure([subject], 6.0)
    assert subject.failure_history is not None
    assert not subject.failure_history.counted_failures
    assert detector.is_candidate([subject])


# ── Isolated batches ──


def test_isolated_batch_is_due_after_back_off_and_a_success() -> None:
    """An isolated batch is tried when it is due and a queued batch had its turn."""
    isolated = IsolatedBatches()
    assert isolated.next_due_s == float("inf")
    assert isolated.take_due(100.0, others=False) is None
    isolated.add(("isolated", 1), 10.0, 4)
    isolated.add(("isolated", 2), 10.0, 0)
    assert (isolated.next_due_s, isolated.candidates) == (10.0, 4)
    assert isolated.take_due(9.9, others=False) is None
    assert isolated.take_due(10.0, others=True) is None
    isolated.record_success()
    assert isolated.take_due(10.0, others=True) == ("isolated", 1)
    assert isolated.take_due(10.0, others=True) is None
    assert isolated.take_due(10.0, others=False) == ("isolated", 2)
    assert isolated.next_due_s == float("inf")


def test_prune_drops_isolated_batches_without_deliveries() -> None:
    isolated = IsolatedBatches()
    for number in range(3):
        isolated.add(("isolated", number), 10.0 - number, 1)
    isolated.prune(lambda scope: scope[1] != 2)
    assert (isolated.next_due_s, isolated.candidates) == (9.0, 2)


def test_assessments_go_from_retry_to_give_up() -> None:
    """A batch that fails while others succeed is retried, isolated, split, and its poison given up in the end."""
    detector = PoisonDetector(PoisonDetectionOptions(failures=2, give_up_after_s=5.0, give_up_successes=1))
    batch, others = [one(0), one(1)], [one(n) for n in range(10, 15)]

    def fail(failing: list[Delivery], now: float) -> FailureAssessment:
        detector.record_success(others)
        return detector.record_failure(failing, now)

    assert fail(batch, 0.0) == FailureAssessment(FailureAction.RETRY, is_poison=False)
    assert fail(batch, 1.0) == FailureAssessment(FailureAction.ISOLATE, is_poison=False)
    assert fail(batch, 2.0) == FailureAssessment(FailureAction.SPLIT, is_poison=True)
    assert fail(batch[:1], 3.0) == FailureAssessment(FailureAction.ISOLATE, is_poison=True)
    assert fail(batch[:1], 4.0) == FailureAssessment(FailureAction.ISOLATE, is_poison=True)
    assert fail(batch[:1], 99.0) == FailureAssessment(FailureAction.GIVE_UP, is_poison=True)


def test_outage_isolates_and_never_splits() -> None:
    """Nothing succeeds elsewhere: however often a delivery fails, it is not poison."""
    detector, subject = (
        PoisonDetector(PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1)),
        [one()],
    )
    assessments = [detector.record_failure(subject, float(second)) for second in range(20)]
    assert not any(each.is_poison for each in assessments)
    assert {each.action for each in assessments[2:]} == {FailureAction.ISOLATE}
