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

    calls: int = 0
    """Those that succeeded."""
    delivered: int = 0
    """What the others' calls brought there."""
    others_taken: int = 0
    """The others' calls that succeeded."""
    others_failed: int = 0


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
        tally.calls += 1
        if not self._by_itself(batch):
            tally.delivered += len(batch)
            tally.others_taken += 1

    def record_failure(self, batch: Sequence[Delivery], now: float) -> FailureAssessment:
        """Record a failure that counts against a batch, at `now` (monotonic seconds), and assess it."""
        self._record_failure(batch, now)
        poison = self.is_poison(batch)
        if poison and len(batch) > 1:
            self._mark_suspected(batch)
            return FailureAssessment(FailureAction.SPLIT, poison)
        if poison and self.should_give_up(batch[0], now):
            return FailureAssessment(FailureAction.GIVE_UP, poison)
        return FailureAssessment(FailureAction.ISOLATE if self.failing(batch) else FailureAction.RETRY, poison)

    def _record_failure(self, batch: Sequence[Delivery], now: float) -> None:
        tally = self._tally(batch)
        others_failed = tally.others_failed
        tally.others_failed += not self._by_itself(batch)
        after: dict[FailureHistory | None, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before not in after:
                after[before] = self._more(before, tally, others_failed, now, alone=len(batch) == 1)
            delivery.failure_history = after[before]

    def _tally(self, batch: Sequence[Delivery]) -> _Tally:
        endpoint = batch[0].envelope.endpoint
        tally = self._tallies.get(endpoint)
        if tally is None:
            tally = self._tallies[endpoint] = _Tally()
        return tally

    def _by_itself(self, batch: Sequence[Delivery]) -> bool:
        evidence = batch[0].failure_history
        return evidence is not None and (evidence.suspected or evidence.failures >= self._options.failures)

    def _more(
        self, before: FailureHistory | None, tally: _Tally, others_failed: int, now: float, *, alone: bool
    ) -> FailureHistory:
        """Return what is known after one failure more; `others_failed`: how many of theirs had before it."""
        past = before or FailureHistory(tally.calls, tally.others_failed)
        lately = before is not None and tally.calls - past.calls >= self._options.other_successes
        anew = self._outages(past, tally, others_failed) or (alone and not past.alone)
        damning = lately + (0 if anew else past.counted)
        first = damning == lately
        return FailureHistory(
            calls=tally.calls,
            failed=tally.others_failed,
            failures=past.failures + 1,
            counted=damning,
            alone=past.alone + 1 if alone else 0,
            lately=lately,
            suspected=past.suspected,
            first_s=now if first else past.first_s,
            delivered=tally.delivered if first else past.delivered,
            others_taken=tally.others_taken if first else past.others_taken,
            others_failed=0 if first else past.others_failed + others_failed - past.failed,
        )

    @staticmethod
    def _outages(before: FailureHistory, tally: _Tally, others_failed: int) -> bool:
        """Tell whether a failure is an outage's: since the one before others failed, and no call succeeded.

        Where nobody else was there to fail, nothing is known: that neither speaks against it nor for it.
        """
        return tally.calls == before.calls and others_failed > before.failed

    def failing(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch has failed so often that it waits by itself: others may fare better."""
        evidence = batch[0].failure_history
        return evidence is not None and evidence.failures >= self._options.failures

    def is_candidate(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch is a suspect, as its oldest delivery's past shows.

        A half of one stays one: each level of halving costs one damning failure, not as many as proved the whole.
        """
        evidence = batch[0].failure_history
        return evidence is not None and (evidence.suspected or evidence.counted >= self._options.failures)

    def is_poison(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch that has just failed did so by its own fault: a suspect's failure that is damning."""
        evidence = batch[0].failure_history
        return evidence is not None and evidence.lately and self.is_candidate(batch)

    def _mark_suspected(self, batch: Sequence[Delivery]) -> None:
        after: dict[FailureHistory, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before is not None:
                delivery.failure_history = after.setdefault(before, replace(before, suspected=True))

    def should_give_up(self, delivery: Delivery, now: float) -> bool:
        """Tell whether a delivery that has just failed by itself is given up, by its own past alone.

        Where most of the others' calls failed since that past began, the destination is what is ill.
        """
        evidence, options = delivery.failure_history, self._options
        tally = self._tally([delivery])
        return (
            evidence is not None
            and evidence.lately
            and evidence.counted >= options.failures
            and now - evidence.first_s >= options.give_up_after_s
            and tally.delivered - evidence.delivered >= options.give_up_successes
            and tally.others_taken - evidence.others_taken > evidence.others_failed
        )
