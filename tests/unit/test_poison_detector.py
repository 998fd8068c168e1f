"""What speaks against a delivery, and how much of it is enough."""

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


def past(story: str, options: PoisonDetectionOptions | None = None) -> tuple[PoisonDetector, Delivery]:
    """Live through a story, a second a letter.

    `f` it failed by itself, `b` together with another one; `s` another call took one delivery, `c` consent did; `x`
    another call failed, `y` consent did; `p` one that waits by itself failed, `t` one was taken.
    """
    suspicion, mine = PoisonDetector(options or PoisonDetectionOptions()), one()
    other_suspect, taken_suspect = one(1), one(5)
    other_suspect.failure_history = taken_suspect.failure_history = FailureHistory(0, 0, failures=100)
    batches = {
        "f": [mine],
        "b": [mine, one(2)],
        "s": [one(3)],
        "c": [one(4, consent=True)],
        "x": [one(3)],
        "y": [one(4, consent=True)],
        "p": [other_suspect],
        "t": [taken_suspect],
    }
    for second, happened in enumerate(story):
        if happened in "sct":
            suspicion.record_success(batches[happened])
        else:
            batches["x"], batches["y"] = [one(3)], [one(4, consent=True)]
            suspicion._record_failure(batches[happened], float(second))
    return suspicion, mine


@pytest.mark.parametrize(
    ("verdict", "against"),
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
def test_failure_counts_against_content_unless_postponed(verdict: Verdict, *, against: bool) -> None:
    """Statuses that postpone the request (408, 425, 429) say nothing about its content."""
    assert counts_as_failure(verdict) is against


@pytest.mark.parametrize(
    ("story", "failures", "damning"),
    [
        ("f", 1, 0),  # nothing can have succeeded since a failure before it
        ("sf", 1, 0),
        ("ff", 2, 0),
        ("fsf", 2, 1),
        ("fcf", 2, 0),  # another endpoint's success
        ("fssf", 2, 1),  # one failure, however much succeeded
        ("fsff", 3, 1),  # the success was before the failure before
        ("fsfsf", 3, 2),
        ("ffffff", 6, 0),  # an outage
        ("fsffffff", 7, 1),  # with nobody else there, nothing is known
        ("fffsf", 4, 1),
        ("fxf", 2, 0),
        ("fsfxf", 3, 0),  # an outage that began in between
        ("bsbxb", 3, 0),
        ("fsfxfsf", 4, 1),
        ("fsfsxf", 3, 2),  # another failed, but not all did
        ("fsfyf", 3, 1),  # another endpoint's outage
        ("fsfpf", 3, 1),  # what waits by itself fails whatever the destination does
        ("bsbsb", 3, 2),
        ("bsbsbf", 4, 0),  # alone it is judged by what it does alone
        ("bsbsbsf", 4, 1),
        ("bsbsbsfsf", 5, 2),
        ("fsfsb", 3, 2),
        ("fsfsbsf", 4, 1),
    ],
)
def test_failure_counts_if_others_succeeded_since_previous(story: str, failures: int, damning: int) -> None:
    _, mine = past(story)
    assert mine.failure_history is not None
    assert (mine.failure_history.failures, mine.failure_history.counted_failures) == (failures, damning)


def test_other_successes_option_sets_successes_needed() -> None:
    _, mine = past("fsfssf", PoisonDetectionOptions(other_successes=2))
    assert mine.failure_history is not None
    assert mine.failure_history.counted_failures == 1


@pytest.mark.parametrize(
    ("story", "failing", "suspect", "guilty"),
    [
        ("", False, False, False),
        ("f", False, False, False),
        ("ff", True, False, False),
        ("fsf", True, False, False),
        ("fsfsf", True, True, True),
        ("fsfsff", True, True, False),  # a suspect, but this failure may be the outage's
        ("fffff", True, False, False),
    ],
)
def test_batch_is_poison_after_enough_counted_failures(
    story: str, *, failing: bool, suspect: bool, guilty: bool
) -> None:
    """The history of the oldest delivery decides, and its last failure must count."""
    suspicion, mine = past(story, PoisonDetectionOptions(failures=2))
    batch = [mine, one(1)]
    assert suspicion.keeps_failing(batch) is failing
    assert suspicion.is_candidate(batch) is suspect
    assert suspicion.is_poison(batch) is guilty


@pytest.mark.parametrize(
    ("story", "now", "hopeless"),
    [
        ("", 100.0, False),
        ("fsfsssf", 12.0, True),
        ("fsfsssf", 11.9, False),  # ten seconds after its first damning failure, which was in second 2
        ("fsfssf", 100.0, False),  # only two others were taken since then
        ("fsffffsssf", 12.0, True),
        ("fsffffsssff", 100.0, False),  # the last failure may be an outage's
        ("fsssf", 100.0, False),  # damning once only
        ("bsbsbsssf", 100.0, False),  # it stood alone once only
        ("bsbsbsfsssf", 16.0, True),
        ("bsbsbsfsssf", 15.9, False),  # the time is that since it stood alone
        ("fsfxfsfsssf", 16.0, True),
        ("fsfxfsfsssf", 15.9, False),  # or since the outage
        ("fsfssssxxxf", 100.0, True),  # most others were taken
        ("fsfsssxxxf", 100.0, False),  # half of them were not
        ("fsfssspppppf", 100.0, True),  # suspects are not asked
        ("fxxxxsfsssf", 100.0, True),  # nor is what was before
        ("fsfspppsf", 100.0, False),
        ("fsfsstf", 100.0, False),  # nor is one of them that was taken
        ("ftfssstf", 100.0, True),  # though it, too, shows that the destination is up
    ],
)
def test_single_delivery_is_given_up_after_time_and_successes(story: str, now: float, *, hopeless: bool) -> None:
    """A single delivery is given up after the configured time, failures and successes of others."""
    suspicion, mine = past(story, PoisonDetectionOptions(failures=2, give_up_after_s=10.0, give_up_successes=3))
    assert suspicion.should_give_up(mine, now) is hopeless


def test_half_is_poison_at_next_counted_failure() -> None:
    """A half of a split batch is poison at its next counted failure, but only its own history gives it up."""
    suspicion = PoisonDetector(PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1))
    old, young, unheard = one(0), one(1), one(2)
    others = [one(n) for n in range(10, 15)]
    for batch in ([old], [old], [old, young]):
        suspicion._record_failure(batch, 0.0)
        suspicion.record_success(others)
    assert suspicion.is_poison([old, young])
    suspicion._mark_split([old, young, unheard])
    assert unheard.failure_history is None
    assert suspicion.is_candidate([young])
    assert not suspicion.is_poison([young])
    suspicion._record_failure([young], 1.0)
    assert suspicion.is_poison([young])
    suspicion.record_success(others)
    assert not suspicion.should_give_up(young, 1.0)
    suspicion._record_failure([young], 2.0)
    assert suspicion.should_give_up(young, 2.0)


def test_deliveries_with_same_history_share_one_object() -> None:
    """Deliveries that failed together share one history, others keep their own."""
    suspicion, batch = PoisonDetector(PoisonDetectionOptions()), [one(n) for n in range(4)]
    suspicion._record_failure(batch[:2], 0.0)
    suspicion.record_success([one(9)])
    suspicion._record_failure(batch[1:], 1.0)
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
    told = {story: past(story)[1].failure_history for story in ("b", "f", "bff", "ffbf", "ffxf")}
    assert {story: known and known.lone_failures for story, known in told.items()} == {
        "b": 0,
        "f": 1,
        "bff": 2,
        "ffbf": 1,
        "ffxf": 3,
    }


def test_split_batch_stays_candidate_after_outage() -> None:
    """An outage resets the counted failures, but halves of a split batch stay candidates."""
    suspicion, mine = past("bsb", PoisonDetectionOptions(failures=1))
    suspicion._mark_split([mine, one(1)])
    suspicion._record_failure([one(2)], 5.0)
    suspicion._record_failure([mine], 6.0)
    assert mine.failure_history is not None
    assert not mine.failure_history.counted_failures
    assert suspicion.is_candidate([mine])


# ── Waiting apart ──


def test_isolated_batch_is_due_after_back_off_and_a_success() -> None:
    """An isolated batch is tried when it is due and a queued batch had its turn."""
    apart = IsolatedBatches()
    assert apart.next_due_s == float("inf")
    assert apart.take_due(100.0, others=False) is None
    apart.add(("isolated", 1), 10.0, 4)
    apart.add(("isolated", 2), 10.0, 0)
    assert (apart.next_due_s, apart.candidates) == (10.0, 4)
    assert apart.take_due(9.9, others=False) is None
    assert apart.take_due(10.0, others=True) is None
    apart.record_success()
    assert apart.take_due(10.0, others=True) == ("isolated", 1)
    assert apart.take_due(10.0, others=True) is None
    assert apart.take_due(10.0, others=False) == ("isolated", 2)
    assert apart.next_due_s == float("inf")


def test_prune_drops_isolated_batches_without_deliveries() -> None:
    apart = IsolatedBatches()
    for number in range(3):
        apart.add(("isolated", number), 10.0 - number, 1)
    apart.prune(lambda scope: scope[1] != 2)
    assert (apart.next_due_s, apart.candidates) == (9.0, 2)


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
    detector, mine = (
        PoisonDetector(PoisonDetectionOptions(failures=2, give_up_after_s=0.0, give_up_successes=1)),
        [one()],
    )
    assessments = [detector.record_failure(mine, float(second)) for second in range(20)]
    assert not any(each.is_poison for each in assessments)
    assert {each.action for each in assessments[2:]} == {FailureAction.ISOLATE}
