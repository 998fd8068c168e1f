"""What speaks against a delivery, and how much of it is enough."""

import pytest

from consumer.delivery.apart import Apart
from consumer.delivery.delivery import Delivery
from consumer.delivery.suspects import SuspectOptions, Suspicion, speaks_against
from consumer.model import Barred, Cause, Deferred, Delivered, Fault, Listed, Mixed, Refused, Trouble, Verdict
from tests.property.test_batch import COLLECT, CONSENT, SHAPES, FakeTenure, delivery

TENURE = FakeTenure()
DOWN = Fault(Trouble.SERVER_ERROR, "", 500)


def one(slot: int = 0, *, consent: bool = False) -> Delivery:
    return delivery(slot, SHAPES[2] if consent else SHAPES[0], str(slot), b"x", TENURE, slot)


def past(story: str, options: SuspectOptions | None = None) -> tuple[Suspicion, Delivery]:
    """Live through a story, a second a letter: `f` it failed, `s` another call took one delivery, `c` consent did."""
    suspicion, mine = Suspicion(options or SuspectOptions()), one()
    for second, happened in enumerate(story):
        if happened == "f":
            suspicion.failed([mine], float(second))
        else:
            suspicion.succeeded(COLLECT if happened == "s" else CONSENT, 1)
    return suspicion, mine


@pytest.mark.parametrize(
    ("verdict", "against"),
    [
        (Deferred(DOWN), True),
        (Deferred(Fault(Trouble.TIMED_OUT)), True),
        (Deferred(Fault(Trouble.UNREACHABLE)), True),
        (Barred(Fault(Trouble.UNAUTHORIZED, "", 403)), True),
        (Barred(Fault(Trouble.UNINTELLIGIBLE, "", 200)), True),
        (Deferred(Fault(Trouble.TIMED_OUT, "", 408)), False),
        (Deferred(Fault(Trouble.SERVER_ERROR, "", 425)), False),
        (Deferred(Fault(Trouble.THROTTLED, "", 429), everyone=True), False),
        (Deferred(DOWN, 3.0, everyone=True), False),
        (Deferred(DOWN, 3.0), False),
        (Delivered(), False),
        (Listed({}), False),
        (Refused(Fault(Cause.REFUSED)), False),
        (Mixed(Fault(Trouble.MIXED)), False),
    ],
)
def test_a_failure_speaks_against_what_was_sent_unless_it_says_later(verdict: Verdict, *, against: bool) -> None:
    assert speaks_against(verdict) is against


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
        ("fsffffff", 7, 1),  # an outage that began in between
        ("fffsf", 4, 1),
    ],
)
def test_a_failure_is_damning_if_others_succeeded_since_the_one_before(story: str, failures: int, damning: int) -> None:
    _, mine = past(story)
    assert mine.evidence is not None
    assert (mine.evidence.failures, mine.evidence.damning) == (failures, damning)


def test_as_many_successes_are_needed_as_the_options_say() -> None:
    _, mine = past("fsfssf", SuspectOptions(successes=2))
    assert mine.evidence is not None
    assert mine.evidence.damning == 1


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
def test_a_batch_is_guilty_by_enough_damning_failures_of_its_oldest_the_last_one_among_them(
    story: str, *, failing: bool, suspect: bool, guilty: bool
) -> None:
    suspicion, mine = past(story, SuspectOptions(failures=2))
    batch = [mine, one(1)]
    assert suspicion.failing(batch) is failing
    assert suspicion.suspects(batch) is suspect
    assert suspicion.guilty(batch) is guilty


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
    ],
)
def test_a_lone_one_is_given_up_after_the_time_and_the_others_that_it_takes(
    story: str, now: float, *, hopeless: bool
) -> None:
    suspicion, mine = past(story, SuspectOptions(failures=2, after_s=10.0, others=3))
    assert suspicion.hopeless(mine, now) is hopeless


def test_a_half_of_a_suspect_is_guilty_at_its_next_damning_failure_but_given_up_by_its_own_past_only() -> None:
    suspicion = Suspicion(SuspectOptions(failures=2, after_s=0.0, others=1))
    old, young, unheard = one(0), one(1), one(2)
    for batch in ([old], [old], [old, young]):
        suspicion.failed(batch, 0.0)
        suspicion.succeeded(COLLECT, 5)
    assert suspicion.guilty([old, young])
    suspicion.halved([old, young, unheard])
    assert unheard.evidence is None
    assert suspicion.suspects([young])
    assert not suspicion.guilty([young])
    suspicion.failed([young], 1.0)
    assert suspicion.guilty([young])
    suspicion.succeeded(COLLECT, 5)
    assert not suspicion.hopeless(young, 1.0)
    suspicion.failed([young], 2.0)
    assert suspicion.hopeless(young, 2.0)


def test_what_failed_together_shares_its_evidence_and_what_did_not_keeps_its_own() -> None:
    suspicion, batch = Suspicion(SuspectOptions()), [one(n) for n in range(4)]
    suspicion.failed(batch[:2], 0.0)
    suspicion.succeeded(COLLECT, 1)
    suspicion.failed(batch[1:], 1.0)
    assert batch[2].evidence is batch[3].evidence
    assert [each.evidence and (each.evidence.failures, each.evidence.damning) for each in batch] == [
        (1, 0),
        (2, 1),
        (1, 0),
        (1, 0),
    ]


# ── Waiting apart ──


def test_what_waits_by_itself_is_tried_when_its_time_has_come_and_others_had_their_turn() -> None:
    apart = Apart()
    assert apart.due_s == float("inf")
    assert apart.next(100.0, others=False) is None
    apart.put(("apart", 1), 10.0, 4)
    apart.put(("apart", 2), 10.0, 0)
    assert (apart.due_s, apart.suspects) == (10.0, 4)
    assert apart.next(9.9, others=False) is None
    assert apart.next(10.0, others=True) is None
    apart.went_well()
    assert apart.next(10.0, others=True) == ("apart", 1)
    assert apart.next(10.0, others=True) is None
    assert apart.next(10.0, others=False) == ("apart", 2)
    assert apart.due_s == float("inf")


def test_what_waits_for_nobody_any_more_is_forgotten() -> None:
    apart = Apart()
    for number in range(3):
        apart.put(("apart", number), 10.0 - number, 1)
    apart.keep(lambda scope: scope[1] != 2)
    assert (apart.due_s, apart.suspects) == (9.0, 2)
