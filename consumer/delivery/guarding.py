"""The flood guard of one destination's lanes: which deliveries wait at it, and which answers close and open it.

Non-obvious: a delivery that is refused by name, in a call that took later ones of its key, waits here too. Should it be
taken after all it arrives after them: those cannot be taken back.
"""

from __future__ import annotations

import time
from collections import Counter
from typing import TYPE_CHECKING

from consumer.delivery.guards.circuit_breaker import Holds
from consumer.delivery.guards.flood_guard import Guard, GuardOptions
from consumer.model import Cause, Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.circuit_breaker import Hold
    from consumer.delivery.keyed_queue import Scope
    from consumer.model.directives import AcceptRefusals
    from consumer.model.observer import Observer


class Guarding:
    """One destination's guard, as its lanes meet it."""

    def __init__(
        self,
        name: str,
        options: GuardOptions,
        probe_s: float,
        observer: Observer,
        *,
        count_waiting: Callable[[Scope], int],
        release: Callable[[Scope], None],
        wake_prober: Callable[[], None],
    ) -> None:
        """Hold deliveries back in the lanes, and have each of their event types probed every `probe_s` seconds.

        `count_waiting` counts the deliveries that wait for a scope, `release` lets them go; both in all lanes.
        """
        self.held: Holds[str] = Holds(probe_s)
        """The event types whose deliveries wait, each with its prober."""
        self._guard = Guard(name, options, lambda kind, _: count_waiting(("guard", kind)), observer)
        self._release = release
        self._wake_prober = wake_prober
        self.closed = self._guard.closed

    def reason(self, delivery: Delivery) -> Scope | None:
        """Return what a delivery must wait for, if the guard is closed for its event type."""
        event_type = delivery.entry.event_type
        return ("guard", event_type) if event_type in self.held else None

    def proves(self, kind: str) -> Callable[[Delivery], bool]:
        """Return what tells whether a delivery that is taken opens the guard for an event type."""
        labels = self._guard.labels(kind)
        return lambda delivery: delivery.entry.label in labels and delivery.entry.event_type == kind

    def is_probe(self, hold: Hold) -> bool:
        """Tell whether a probe is one of ours, and not that of a hold."""
        return any(hold is mine for _, mine in self.held)

    def delivered(self, batch: Sequence[Delivery], started: float) -> None:
        """Count what was taken; what was sent at `started` (monotonic), after the guard had closed, opens it again."""
        if not self._guard.watching and not self.held:
            return
        now = time.monotonic()
        for kind, count in Counter(delivery.entry.event_type for delivery in batch).items():
            hold = self.held.get(kind)
            if hold is None:
                self._guard.fine(kind, count, now)
            elif started > hold.since and any(map(self.proves(kind), batch)):
                self._guard.open(kind, now)
                self._let_go(kind)
            else:
                for delivery in batch:
                    hold.keeps_turn(delivery.key)

    def begin(self, refusals: Iterable[tuple[Delivery, Fault]]) -> None:
        """Watch what an answer refuses, before what it takes is counted: those verdicts belong together."""
        now = time.monotonic()
        for delivery, fault in refusals:
            if isinstance(fault.cause, Cause) and delivery.entry.event_type not in self.held:
                self._guard.begin(delivery.entry.event_type, fault.cause, now)

    def waits(self, delivery: Delivery, cause: Cause) -> bool:
        """Count a refusal; tell whether it waits instead of being dead-lettered.

        While the guard is closed for an event type for one cause, its refusals for others wait as well: they are
        answers to probes, or late ones to calls that had started before. So it is closed for one cause at a time.
        """
        entry = delivery.entry
        kind = entry.event_type
        hold = self.held.get(kind)
        if hold is not None:
            lets = self._guard.lets(kind, cause)
            if lets and not self.proves(kind)(delivery):
                hold.keeps_turn(delivery.key)
            return not lets
        now = time.monotonic()
        if not self._guard.refused(kind, cause, now, entry.label):
            return False
        self.held.barred(kind, Fault(cause), now, others=True)
        self._wake_prober()
        return True

    def accept(self, accepted: Iterable[AcceptRefusals]) -> None:
        """Let the refusals through that these directives speak of, and no others."""
        for kind, _ in self._guard.accept(accepted, time.monotonic()):
            self._let_go(kind)

    def _let_go(self, kind: str) -> None:
        self.held.answered(kind, time.monotonic(), success=False)
        self._release(("guard", kind))
