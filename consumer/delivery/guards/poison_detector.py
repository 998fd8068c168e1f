"""Poison detection: distinguishes an event that its destination cannot process from an outage.

Non-obvious: a failure alone proves nothing. It *counts* against the deliveries of its batch only if other requests to
the same endpoint succeeded since their previous failure. Then the destination is up, and the batch is the problem. In
an outage no request succeeds, so no failure counts however long it lasts, and no delivery becomes a poison candidate.

Nor does an occasional success prove the destination healthy. A destination that is up for seconds at a time, or
answers every fifth request, fails healthy deliveries again and again. So a delivery is given up under stricter rules:

* Only its failures as a batch of one count, from the first of these on.
* If all requests failed since its previous failure, others among them, it is an outage: its history starts again.
* Most of the other requests must have succeeded meanwhile.

*Other* requests are those of batches that are not isolated. The failures of an isolated batch say nothing about the
destination, and two poison candidates would excuse each other forever.
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
"""Statuses that postpone the request and say nothing about its content.

RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4.
"""


@dataclass(frozen=True, slots=True)
class PoisonDetectionOptions:
    """The thresholds of poison detection."""

    failures: int = 5
    """Counted failures after which a batch is a poison candidate. After as many failures of any kind it is isolated."""
    other_successes: int = 1
    """Other requests that must have succeeded since the previous failure, so that a failure counts."""
    give_up_after_s: float = 3600.0
    """Seconds since its first counted failure after which a single delivery may be given up."""
    give_up_successes: int = 100
    """Deliveries that other requests must have delivered since then. Most of these requests must have succeeded."""


@dataclass(slots=True)
class _Tally:
    """The results of the requests to one endpoint."""

    successes: int = 0
    """Requests that succeeded."""
    other_deliveries: int = 0
    """Deliveries that other requests delivered."""
    other_successes: int = 0
    """Other requests that succeeded."""
    other_failures: int = 0


def counts_as_failure(verdict: Verdict) -> bool:
    """Return True if the content of the request may have caused the verdict. A status that postpones never does.

    A 5xx with a stated wait may: gateways add the header to the response for a worker that crashed.
    """
    if isinstance(verdict, Deferred):
        return verdict.fault.status not in _LATER
    return isinstance(verdict, Blocked)


class FailureAction(Enum):
    """What to do with a batch that has just failed."""

    RETRY = "retry"
    """Send it again, first in its lane."""
    ISOLATE = "isolate"
    """It keeps failing. It waits for its own back-off, while its lane continues with other keys."""
    SPLIT = "split"
    """It fails while others succeed. Split it to find the event."""
    GIVE_UP = "give up"
    """A single delivery is poison, and has failed long enough. Dead-letter it."""


@dataclass(frozen=True, slots=True)
class FailureAssessment:
    """The detector's assessment of one failure.

    Attributes:
        action: what to do with the batch.
        is_poison: whether the batch caused the failure, not its endpoint.
    """

    action: FailureAction
    is_poison: bool


class PoisonDetector:
    """Distinguishes failures caused by a batch from failures of its destination, by endpoint."""

    def __init__(self, options: PoisonDetectionOptions) -> None:
        """Start without any request recorded."""
        self._options = options
        self._tallies: dict[Endpoint, _Tally] = {}

    def record_success(self, batch: Sequence[Delivery]) -> None:
        """Record a request that succeeded for these deliveries."""
        tally = self._tally(batch)
        tally.successes += 1
        if not self._is_isolated(batch):
            tally.other_deliveries += len(batch)
            tally.other_successes += 1

    def record_failure(self, batch: Sequence[Delivery], now: float) -> FailureAssessment:
        """Record a failure of a batch at `now` (monotonic seconds) and assess it.

        Call it only if `counts_as_failure` is true for the verdict.
        """
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
        other_failures_before = tally.other_failures
        tally.other_failures += not self._is_isolated(batch)
        after: dict[FailureHistory | None, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before not in after:
                after[before] = self._after_failure(before, tally, other_failures_before, now, alone=len(batch) == 1)
            delivery.failure_history = after[before]

    def _tally(self, batch: Sequence[Delivery]) -> _Tally:
        endpoint = batch[0].envelope.endpoint
        tally = self._tallies.get(endpoint)
        if tally is None:
            tally = self._tallies[endpoint] = _Tally()
        return tally

    def _is_isolated(self, batch: Sequence[Delivery]) -> bool:
        history = batch[0].failure_history
        return history is not None and (history.was_split or history.failures >= self._options.failures)

    def _after_failure(
        self, before: FailureHistory | None, tally: _Tally, other_failures_before: int, now: float, *, alone: bool
    ) -> FailureHistory:
        """Return the history after one more failure.

        `other_failures_before`: failed other requests to the endpoint before this failure.
        """
        past = before or FailureHistory(tally.successes, tally.other_failures)
        counts = before is not None and tally.successes - past.successes_at_last >= self._options.other_successes
        restart = self._is_outage(past, tally, other_failures_before) or (alone and not past.lone_failures)
        counted = counts + (0 if restart else past.counted_failures)
        first = counted == counts
        return FailureHistory(
            successes_at_last=tally.successes,
            other_failures_at_last=tally.other_failures,
            failures=past.failures + 1,
            counted_failures=counted,
            lone_failures=past.lone_failures + 1 if alone else 0,
            last_counted=counts,
            was_split=past.was_split,
            first_counted_s=now if first else past.first_counted_s,
            other_deliveries_at_first=tally.other_deliveries if first else past.other_deliveries_at_first,
            other_successes_at_first=tally.other_successes if first else past.other_successes_at_first,
            other_failures_since_first=0
            if first
            else past.other_failures_since_first + other_failures_before - past.other_failures_at_last,
        )

    @staticmethod
    def _is_outage(before: FailureHistory, tally: _Tally, other_failures_before: int) -> bool:
        """Return True if a failure belongs to an outage: other requests failed since the previous one, none succeeded.

        Without any other request nothing is known: that is neither evidence for the delivery nor against it.
        """
        return tally.successes == before.successes_at_last and other_failures_before > before.other_failures_at_last

    def keeps_failing(self, batch: Sequence[Delivery]) -> bool:
        """Return True if a batch has failed so often that it is isolated, so that other batches can be sent."""
        history = batch[0].failure_history
        return history is not None and history.failures >= self._options.failures

    def is_candidate(self, batch: Sequence[Delivery]) -> bool:
        """Return True if a batch is a poison candidate, judged by the history of its oldest delivery.

        Each half of a split candidate stays a candidate. So each level of splitting costs one counted failure, not
        `failures` of them.
        """
        history = batch[0].failure_history
        return history is not None and (history.was_split or history.counted_failures >= self._options.failures)

    def is_poison(self, batch: Sequence[Delivery]) -> bool:
        """Return True if a batch that has just failed caused it: it is a candidate, and the failure counts."""
        history = batch[0].failure_history
        return history is not None and history.last_counted and self.is_candidate(batch)

    def _mark_split(self, batch: Sequence[Delivery]) -> None:
        after: dict[FailureHistory, FailureHistory] = {}
        for delivery in batch:
            before = delivery.failure_history
            if before is not None:
                delivery.failure_history = after.setdefault(before, replace(before, was_split=True))

    def should_give_up(self, delivery: Delivery, now: float) -> bool:
        """Return True if a delivery that has just failed as a batch of one is given up.

        If most of the other requests failed since its first counted failure, the destination is the problem.
        """
        history, options = delivery.failure_history, self._options
        tally = self._tally([delivery])
        return (
            history is not None
            and history.last_counted
            and history.counted_failures >= options.failures
            and now - history.first_counted_s >= options.give_up_after_s
            and tally.other_deliveries - history.other_deliveries_at_first >= options.give_up_successes
            and tally.other_successes - history.other_successes_at_first > history.other_failures_since_first
        )
