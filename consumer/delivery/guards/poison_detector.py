"""Suspects: what tells an event that its destination cannot bear from an outage.

Non-obvious: a failure says nothing by itself. It speaks against the deliveries it met (it is *damning*) only if, since
their failure before it, other calls to the same endpoint succeeded: then the destination is up, and the trouble is
theirs. In an outage nothing succeeds, so that no failure is damning however long it lasts, and nobody is suspected.

Nor does a success now and then prove the destination well: one that comes up for seconds, or answers every fifth call,
fails what is healthy again and again. So a delivery is given up by what it did alone, from its first lone failure on;
a failure met together with others', none of which got through, sets its past back; and most of the others' calls must
have succeeded meanwhile. *Others* are those that do not wait by themselves: a suspect's failures are no news of the
destination, and two suspects would excuse each other for ever.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import TYPE_CHECKING

from consumer.delivery.delivery import FailureHistory
from consumer.model import Blocked, Deferred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.model import Endpoint, Verdict

_LATER = (408, 425, 429)
"""Statuses that say "later" of the call, not of what is in it (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""


@dataclass(frozen=True, slots=True)
class PoisonDetectionOptions:
    """How sure one must be."""

    failures: int = 5
    """Damning failures after which a batch is a suspect; also how often one fails before it waits by itself."""
    other_successes: int = 1
    """Other requests that must have succeeded since the failure before, for a failure to be damning."""
    give_up_after_s: float = 3600.0
    """Seconds since its first damning failure after which a lone delivery may be given up."""
    give_up_successes: int = 100
    """Deliveries the others' calls must have brought there since then, for a lone one to be given up; and most of
    these calls must have succeeded."""


@dataclass(slots=True)
class _Tally:
    """What became of one endpoint's calls."""

    successes: int = 0
    """Those that succeeded."""
    other_deliveries: int = 0
    """What the others' calls brought there."""
    other_successes: int = 0
    """The others' calls that succeeded."""
    other_failures: int = 0


def counts_as_failure(verdict: Verdict) -> bool:
    """Tell whether a verdict may be the fault of what was in the call: a status that says "later" never is.

    A 5xx that states a wait may be: gateways add one to whatever a crashed worker left unanswered.
    """
    if isinstance(verdict, Deferred):
        return verdict.fault.status not in _LATER
    return isinstance(verdict, Blocked)


class FailureAction(Enum):
    """What to do with a batch that has just failed."""

    RETRY = "retry"
    """Send it again, first in its lane."""
    ISOLATE = "isolate"
    """It keeps failing: let it wait for its own back-off, while its lane goes on with other keys."""
    SPLIT = "split"
    """It is poison while others succeed: split it, to find the event."""
    GIVE_UP = "give up"
    """A single delivery is poison, and has failed long enough: dead-letter it."""


@dataclass(frozen=True, slots=True)
class FailureAssessment:
    """What the detector makes of one failure.

    Attributes:
        action: what to do with the batch.
        is_poison: whether the batch itself is to blame, not its endpoint.
    """

    action: FailureAction
    is_poison: bool


class PoisonDetector:
    """Tells failures that a batch causes from those of its destination, by endpoint."""

    def __init__(self, options: PoisonDetectionOptions) -> None:
        """Know nothing yet."""
        self._options = options
        self._tallies: dict[Endpoint, _Tally] = {}

    def record_success(self, batch: Sequence[Delivery]) -> None:
        """Note that a call succeeded, and took these deliveries."""
        tally = self._tally(batch)
        tally.successes += 1
        if not self._is_isolated(batch):
            tally.other_deliveries += len(batch)
            tally.other_successes += 1

    def record_failure(self, batch: Sequence[Delivery], now: float) -> FailureAssessment:
        """Record a failure that counts against a batch, at `now` (monotonic seconds), and assess it."""
        self._record_failure(batch, now)
        poison = self.is_poison(batch)
        if poison and len(batch) > 1:
            self._mark_split(batch)
            return FailureAssessment(FailureAction.SPLIT, poison)
        if poison and self.should_give_up(batch[0], now):
            return FailureAssessment(FailureAction.GIVE_UP, poison)
        return FailureAssessment(FailureAction.ISOLATE if self.keeps_failing(batch) else FailureAction.RETRY, poison)

    def _record_failure(self, batch: Sequence[Delivery], now: float) -> None:
        tally = self._tally(batch)
        others_failed = tally.other_failures
        tally.other_failures += not self._is_isolated(batch)
        after: dict[FailureHistory | None, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before not in after:
                after[before] = self._after_failure(before, tally, others_failed, now, alone=len(batch) == 1)
            delivery.failure_history = after[before]

    def _tally(self, batch: Sequence[Delivery]) -> _Tally:
        endpoint = batch[0].envelope.endpoint
        tally = self._tallies.get(endpoint)
        if tally is None:
            tally = self._tallies[endpoint] = _Tally()
        return tally

    def _is_isolated(self, batch: Sequence[Delivery]) -> bool:
        evidence = batch[0].failure_history
        return evidence is not None and (evidence.was_split or evidence.failures >= self._options.failures)

    def _after_failure(
        self, before: FailureHistory | None, tally: _Tally, others_failed: int, now: float, *, alone: bool
    ) -> FailureHistory:
        """Return what is known after one failure more; `others_failed`: how many of theirs had before it."""
        past = before or FailureHistory(tally.successes, tally.other_failures)
        lately = before is not None and tally.successes - past.successes_at_last >= self._options.other_successes
        anew = self._is_outage(past, tally, others_failed) or (alone and not past.lone_failures)
        damning = lately + (0 if anew else past.counted_failures)
        first = damning == lately
        return FailureHistory(
            successes_at_last=tally.successes,
            other_failures_at_last=tally.other_failures,
            failures=past.failures + 1,
            counted_failures=damning,
            lone_failures=past.lone_failures + 1 if alone else 0,
            last_counted=lately,
            was_split=past.was_split,
            first_counted_s=now if first else past.first_counted_s,
            other_deliveries_at_first=tally.other_deliveries if first else past.other_deliveries_at_first,
            other_successes_at_first=tally.other_successes if first else past.other_successes_at_first,
            other_failures_since_first=0
            if first
            else past.other_failures_since_first + others_failed - past.other_failures_at_last,
        )

    @staticmethod
    def _is_outage(before: FailureHistory, tally: _Tally, others_failed: int) -> bool:
        """Tell whether a failure is an outage's: since the one before others failed, and no call succeeded.

        Where nobody else was there to fail, nothing is known: that neither speaks against it nor for it.
        """
        return tally.successes == before.successes_at_last and others_failed > before.other_failures_at_last

    def keeps_failing(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch has failed so often that it waits by itself: others may fare better."""
        evidence = batch[0].failure_history
        return evidence is not None and evidence.failures >= self._options.failures

    def is_candidate(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch is a suspect, as its oldest delivery's past shows.

        A half of one stays one: each level of halving costs one damning failure, not as many as proved the whole.
        """
        evidence = batch[0].failure_history
        return evidence is not None and (evidence.was_split or evidence.counted_failures >= self._options.failures)

    def is_poison(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch that has just failed did so by its own fault: a suspect's failure that is damning."""
        evidence = batch[0].failure_history
        return evidence is not None and evidence.last_counted and self.is_candidate(batch)

    def _mark_split(self, batch: Sequence[Delivery]) -> None:
        after: dict[FailureHistory, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before is not None:
                delivery.failure_history = after.setdefault(before, replace(before, was_split=True))

    def should_give_up(self, delivery: Delivery, now: float) -> bool:
        """Tell whether a delivery that has just failed by itself is given up, by its own past alone.

        Where most of the others' calls failed since that past began, the destination is what is ill.
        """
        evidence, options = delivery.failure_history, self._options
        tally = self._tally([delivery])
        return (
            evidence is not None
            and evidence.last_counted
            and evidence.counted_failures >= options.failures
            and now - evidence.first_counted_s >= options.give_up_after_s
            and tally.other_deliveries - evidence.other_deliveries_at_first >= options.give_up_successes
            and tally.other_successes - evidence.other_successes_at_first > evidence.other_failures_since_first
        )
