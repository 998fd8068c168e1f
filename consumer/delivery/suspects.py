"""Suspects: what tells an event that its destination cannot bear from an outage.

Non-obvious: a failure says nothing by itself. It speaks against the deliveries it met (it is *damning*) only if, since
their failure before it, other calls to the same endpoint succeeded: then the destination is up, and the trouble is
theirs. In an outage nothing succeeds, so that no failure is damning however long it lasts, and nobody is suspected.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from consumer.model import Barred, Deferred

if TYPE_CHECKING:
    from collections.abc import Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.model import Endpoint, Verdict

_LATER = (408, 425, 429)
"""Statuses that say "later" of the call, not of what is in it (RFC 9110 §15.5.9, RFC 8470 §5.2, RFC 6585 §4)."""


@dataclass(frozen=True, slots=True)
class SuspectOptions:
    """How sure one must be."""

    failures: int = 5
    """Damning failures after which a batch is a suspect; also how often one fails before it waits by itself."""
    successes: int = 1
    """Other calls that must have succeeded since the failure before, for a failure to be damning."""
    after_s: float = 3600.0
    """Seconds since its first damning failure after which a lone delivery may be given up."""
    others: int = 100
    """Deliveries the endpoint must have taken since then, for a lone one to be given up."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What is known against a delivery. Frozen, so that all of a batch with the same past share one.

    A failed call makes one or few, so that their memory is that of calls, not of deliveries.
    """

    failures: int
    damning: int
    """How many of the failures were."""
    lately: bool
    """Whether the last one was."""
    suspected: bool
    """Whether it was in a batch that was halved for it."""
    calls: int
    """How many calls to its endpoint had succeeded at its last failure."""
    first_s: float
    """When its first damning failure was (monotonic seconds)."""
    delivered: int
    """How many deliveries its endpoint had taken by then."""


def speaks_against(verdict: Verdict) -> bool:
    """Tell whether a verdict may be the fault of what was in the call: one that asks to wait never is."""
    if isinstance(verdict, Deferred):
        return verdict.wait_s is None and not verdict.everyone and verdict.fault.status not in _LATER
    return isinstance(verdict, Barred)


class Suspicion:
    """What one destination's calls say of each other, by endpoint."""

    def __init__(self, options: SuspectOptions) -> None:
        """Know nothing yet."""
        self._options = options
        self._calls: dict[Endpoint, int] = {}
        self._delivered: dict[Endpoint, int] = {}

    def succeeded(self, endpoint: Endpoint, deliveries: int) -> None:
        """Note that a call to `endpoint` succeeded, and how many deliveries it took."""
        self._calls[endpoint] = self._calls.get(endpoint, 0) + 1
        self._delivered[endpoint] = self._delivered.get(endpoint, 0) + deliveries

    def failed(self, batch: Sequence[Delivery], now: float) -> None:
        """Note a failure that speaks against a batch, at `now` (monotonic seconds)."""
        endpoint = batch[0].shape.endpoint
        after: dict[Evidence | None, Evidence] = {}
        for delivery in batch:
            before = delivery.evidence
            if before not in after:
                after[before] = self._more(before, endpoint, now)
            delivery.evidence = after[before]

    def _more(self, before: Evidence | None, endpoint: Endpoint, now: float) -> Evidence:
        calls, delivered = self._calls.get(endpoint, 0), self._delivered.get(endpoint, 0)
        if before is None:
            return Evidence(1, 0, lately=False, suspected=False, calls=calls, first_s=now, delivered=delivered)
        lately = calls - before.calls >= self._options.successes
        first = lately and not before.damning
        return Evidence(
            before.failures + 1,
            before.damning + lately,
            lately,
            before.suspected,
            calls,
            now if first else before.first_s,
            delivered if first else before.delivered,
        )

    def failing(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch has failed so often that it waits by itself: others may fare better."""
        evidence = batch[0].evidence
        return evidence is not None and evidence.failures >= self._options.failures

    def suspects(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch is a suspect, as its oldest delivery's past shows.

        A half of one stays one: each level of halving costs one damning failure, not as many as proved the whole.
        """
        evidence = batch[0].evidence
        return evidence is not None and (evidence.suspected or evidence.damning >= self._options.failures)

    def guilty(self, batch: Sequence[Delivery]) -> bool:
        """Tell whether a batch that has just failed did so by its own fault: a suspect's failure that is damning."""
        evidence = batch[0].evidence
        return evidence is not None and evidence.lately and self.suspects(batch)

    def halved(self, batch: Sequence[Delivery]) -> None:
        """Note that a batch is halved because it is a suspect."""
        after: dict[Evidence, Evidence] = {}
        for delivery in batch:
            before = delivery.evidence
            if before is not None:
                delivery.evidence = after.setdefault(before, replace(before, suspected=True))

    def hopeless(self, delivery: Delivery, now: float) -> bool:
        """Tell whether a delivery that has just failed by itself is given up, by its own past alone."""
        evidence, options = delivery.evidence, self._options
        return (
            evidence is not None
            and evidence.lately
            and evidence.damning >= options.failures
            and now - evidence.first_s >= options.after_s
            and self._delivered.get(delivery.shape.endpoint, 0) - evidence.delivered >= options.others
        )
