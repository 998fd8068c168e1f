"""The flood guard: if an implausible share of recent events is refused, the rest waits and is not dead-lettered.

The guard counts verdicts on single events by scope. A scope is a kind and a cause. The kind is an event type, or a
topic for causes of decoding. A cause is watched from its first refusal until its last refusal has left the window.
While nothing is refused, nothing is counted. Each process counts on its own, and starts again at 0 after a start and
after a reset.

The refusal that trips the guard is the first that waits. So the dead letters of one scope, written within nine tenths
of the window, are bounded: at most `refusals` - 1, or `share` of the verdicts counted, whichever is more. With the
defaults that is 49 if every event is refused.

Non-obvious: a response can refuse one delivery by its id and accept later ones of the same ordering key. The refused
delivery waits here too. If it is accepted after all, it arrives after them, because those cannot be recalled.
"""

from __future__ import annotations

import time
from collections import Counter, deque
from dataclasses import dataclass
from typing import TYPE_CHECKING

from consumer.delivery.guards.circuit_breaker import CircuitBreakers
from consumer.model import DeadLetterCause, Fault
from consumer.model.clock import now_ms
from consumer.model.status import FloodGuardStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.guards.circuit_breaker import OpenCircuit
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.model.directives import AcceptRefusals
    from consumer.model.observer import DeliveryEvents

_PARTS = 10
"""The window slides in steps of one tenth of its length."""


@dataclass(frozen=True, slots=True)
class FloodGuardOptions:
    """The guard trips at `refusals` within `window_s` seconds, if they are more than `share` of the verdicts."""

    refusals: int = 50
    window_s: float = 600.0
    share: float = 0.5


class FloodGuard:
    """The recent refusals of one destination, and the scopes in which the guard is tripped because of them."""

    def __init__(
        self,
        name: str,
        options: FloodGuardOptions,
        count_waiting: Callable[[str, DeadLetterCause], int],
        observer: DeliveryEvents,
    ) -> None:
        """Start with nothing tripped.

        Args:
            name: the destination, or "" for causes of decoding.
            options: the thresholds.
            count_waiting: returns how many deliveries wait in a scope.
            observer: receives trips and resets.
        """
        self.name = name
        self._options = options
        self._count_waiting = count_waiting
        self._observer = observer
        self._watched: dict[str, dict[DeadLetterCause, _Tally]] = {}
        self._tripped: dict[tuple[str, DeadLetterCause], _Trip] = {}
        self._accepted: tuple[AcceptRefusals, ...] = ()

    @property
    def watching(self) -> bool:
        """Whether any cause is watched. If not, successes need not be recorded."""
        return bool(self._watched)

    def watch(self, kind: str, cause: DeadLetterCause, now: float) -> None:
        """Watch a cause. Call this before recording the verdicts that came with its first refusal.

        `now`: monotonic seconds, as everywhere here.
        """
        if self.is_exempt(kind, cause) or (kind, cause) in self._tripped:
            return
        step, watched = self._step(now), self._watched.setdefault(kind, {})
        if cause in watched and watched[cause].last_refusal_step > step - _PARTS:
            watched[cause].last_refusal_step = step
        else:
            watched[cause] = _Tally(step)

    def record_success(self, kind: str, count: int, now: float) -> None:
        """Count `count` verdicts that are no refusals."""
        if watched := self._watched.get(kind):
            step = self._step(now)
            for cause, tally in list(watched.items()):
                tally.add(step, 0, count)
                if tally.last_refusal_step <= step - _PARTS:
                    self._unwatch(kind, cause)

    def record_refusal(self, kind: str, cause: DeadLetterCause, now: float, label: str = "") -> bool:
        """Count a refusal; return whether the delivery must wait.

        `label`: the label of the mapping entry; "" if the record was not decoded.
        """
        if self.is_exempt(kind, cause):
            return False
        if (kind, cause) in self._tripped:
            return True
        self.watch(kind, cause, now)
        step, watched = self._step(now), self._watched[kind]
        for other, other_tally in watched.items():
            other_tally.add(step, int(other is cause), 1)
        tally = watched[cause]
        tally.labels.add(label)
        if tally.refused < self._options.refusals or tally.refused <= self._options.share * tally.verdicts:
            return False
        self._unwatch(kind, cause)
        self._tripped[kind, cause] = _Trip(now, tally.refused, tally.verdicts, frozenset(tally.labels))
        self._observer.flood_guard_tripped(self.name, kind, cause, tally.refused, tally.verdicts)
        return True

    def is_exempt(self, kind: str, cause: DeadLetterCause) -> bool:
        """Return True if refusals of this scope are dead-lettered however many there are."""
        return cause.exempt_from_flood_guard or any(self._covers(each, kind, cause) for each in self._accepted)

    def is_tripped(self, kind: str, cause: DeadLetterCause) -> bool:
        """Return True if the guard is tripped for this scope."""
        return (kind, cause) in self._tripped

    def refused_labels(self, kind: str) -> frozenset[str]:
        """Return the labels of the mapping entries whose refusals tripped the guard for a kind.

        Only an accepted delivery of one of these entries proves that the cause is fixed.
        """
        return frozenset().union(*(trip.labels for (tripped, _), trip in self._tripped.items() if tripped == kind))

    def reset(self, kind: str, now: float) -> None:
        """Reset the guard for a kind, because its probe was accepted."""
        self._reset([scope for scope in self._tripped if scope[0] == kind], now, "probe")

    def accept(self, accepted: Iterable[AcceptRefusals], now: float) -> Sequence[tuple[str, DeadLetterCause]]:
        """Let through the refusals that these directives cover, and no others; return the scopes this resets.

        When a directive ends, counting starts again at 0.
        """
        self._accepted = tuple(accepted)
        exempt = [scope for scope in self._tripped if self.is_exempt(*scope)]
        self._reset(exempt, now, "directive")
        for kind, cause in [(kind, cause) for kind, causes in self._watched.items() for cause in causes]:
            if self.is_exempt(kind, cause):
                self._unwatch(kind, cause)
        return exempt

    def tripped(self, now: float, wall_ms: int) -> Sequence[FloodGuardStatus]:
        """Return the scopes in which the guard is tripped.

        `now` (monotonic seconds) and `wall_ms` (epoch milliseconds) are the same instant on two clocks.
        """
        return [
            FloodGuardStatus(
                kind,
                cause,
                since_ms=wall_ms - int((now - trip.since) * 1000),
                refused=trip.refused,
                of=trip.verdicts,
                waiting=self._count_waiting(kind, cause),
            )
            for (kind, cause), trip in self._tripped.items()
        ]

    def _reset(self, scopes: Iterable[tuple[str, DeadLetterCause]], now: float, by: str) -> None:
        for kind, cause in scopes:
            trip = self._tripped.pop((kind, cause))
            self._observer.flood_guard_reset(self.name, kind, cause, now - trip.since, by)

    def _covers(self, accepted: AcceptRefusals, kind: str, cause: DeadLetterCause) -> bool:
        if accepted.cause is not cause:
            return False
        if not self.name:
            return accepted.topic in {None, kind}
        return (
            accepted.topic is None and accepted.destination in {None, self.name} and accepted.event_type in {None, kind}
        )

    def _step(self, now: float) -> int:
        return int(now * _PARTS / self._options.window_s)

    def _unwatch(self, kind: str, cause: DeadLetterCause) -> None:
        watched = self._watched[kind]
        del watched[cause]
        if not watched:
            del self._watched[kind]


def merge_tripped(tripped: Iterable[FloodGuardStatus]) -> Sequence[FloodGuardStatus]:
    """Return each scope once. The guards of requests and of failed translation can be tripped for the same scope."""
    merged: dict[tuple[str, DeadLetterCause], FloodGuardStatus] = {}
    for one in tripped:
        other = merged.get((one.kind, one.cause))
        merged[one.kind, one.cause] = (
            one
            if other is None
            else FloodGuardStatus(
                one.kind,
                one.cause,
                since_ms=min(one.since_ms, other.since_ms),
                refused=one.refused + other.refused,
                of=one.of + other.of,
                waiting=one.waiting + other.waiting,
            )
        )
    return tuple(merged.values())


@dataclass(frozen=True, slots=True)
class _Trip:
    since: float
    refused: int
    verdicts: int
    labels: frozenset[str]


class _Tally:
    """The verdicts on one kind within the window, counted since one cause of it is watched."""

    __slots__ = ("_steps", "labels", "last_refusal_step", "refused", "verdicts")

    def __init__(self, step: int) -> None:
        self.last_refusal_step = step
        self.refused = self.verdicts = 0
        self.labels: set[str] = set()
        self._steps: deque[list[int]] = deque()

    def add(self, step: int, refused: int, of: int) -> None:
        if not self._steps or self._steps[-1][0] != step:
            self._steps.append([step, 0, 0])
        self._steps[-1][1] += refused
        self._steps[-1][2] += of
        self.refused += refused
        self.verdicts += of
        while self._steps[0][0] <= step - _PARTS:
            _, past_refused, past_of = self._steps.popleft()
            self.refused -= past_refused
            self.verdicts -= past_of


class DestinationFloodGuard:
    """The flood guard of one destination: deliveries of a tripped event type wait in the lanes and are probed."""

    def __init__(
        self,
        name: str,
        options: FloodGuardOptions,
        probe_s: float,
        observer: DeliveryEvents,
        *,
        count_waiting: Callable[[WaitReason], int],
        end_wait: Callable[[WaitReason], None],
        wake_prober: Callable[[], None],
    ) -> None:
        """Start with nothing tripped.

        Args:
            name: the destination.
            options: the thresholds.
            probe_s: seconds between two probes of an event type.
            observer: receives trips and resets.
            count_waiting: returns how many deliveries wait for a reason, in all lanes.
            end_wait: requeues these deliveries in all lanes.
            wake_prober: called when the guard trips.
        """
        self.circuit_breakers: CircuitBreakers[str] = CircuitBreakers(probe_s)
        """The holds on the event types for which the guard is tripped."""
        self._guard = FloodGuard(name, options, lambda kind, _: count_waiting(("guard", kind)), observer)
        self._end_wait = end_wait
        self._wake_prober = wake_prober

    def tripped(self) -> Sequence[FloodGuardStatus]:
        """Return the scopes in which the guard is tripped now."""
        return self._guard.tripped(time.monotonic(), now_ms())

    def reason(self, delivery: Delivery) -> WaitReason | None:
        """Return why a delivery must wait, or `None` if the guard is not tripped for its event type."""
        event_type = delivery.entry.event_type
        return ("guard", event_type) if event_type in self.circuit_breakers else None

    def is_proof(self, kind: str) -> Callable[[Delivery], bool]:
        """Return a predicate: True for a delivery whose acceptance resets the guard for an event type."""
        labels = self._guard.refused_labels(kind)
        return lambda delivery: delivery.entry.label in labels and delivery.entry.event_type == kind

    def is_probe(self, hold: OpenCircuit) -> bool:
        """Return True if `hold` belongs to the flood guard and not to an endpoint."""
        return any(hold is own for _, own in self.circuit_breakers)

    def record_delivered(self, batch: Sequence[Delivery], started: float) -> None:
        """Count accepted deliveries. One that proves the cause fixed, sent after the guard tripped, resets it.

        `started`: when the request was sent, monotonic seconds.
        """
        if not self._guard.watching and not self.circuit_breakers:
            return
        now = time.monotonic()
        for kind, count in Counter(delivery.entry.event_type for delivery in batch).items():
            hold = self.circuit_breakers.get(kind)
            if hold is None:
                self._guard.record_success(kind, count, now)
            elif started > hold.since and any(map(self.is_proof(kind), batch)):
                self._guard.reset(kind, now)
                self._end_hold(kind)
            else:
                for delivery in batch:
                    hold.unmark_probed(delivery.key)

    def watch(self, refusals: Iterable[tuple[Delivery, Fault]]) -> None:
        """Watch the causes of these refusals. Call this before counting what the same response accepted."""
        now = time.monotonic()
        for delivery, fault in refusals:
            if isinstance(fault.cause, DeadLetterCause) and delivery.entry.event_type not in self.circuit_breakers:
                self._guard.watch(delivery.entry.event_type, fault.cause, now)

    def record_refusal(self, delivery: Delivery, cause: DeadLetterCause) -> bool:
        """Count a refusal; return whether the delivery waits instead of being dead-lettered.

        While the guard is tripped for an event type, refusals with other causes wait as well. These are responses to
        probes, or late responses to requests sent before the trip. So the guard is tripped for one cause at a time.
        """
        entry = delivery.entry
        kind = entry.event_type
        hold = self.circuit_breakers.get(kind)
        if hold is not None:
            exempt = self._guard.is_exempt(kind, cause)
            if exempt and not self.is_proof(kind)(delivery):
                hold.unmark_probed(delivery.key)
            return not exempt
        now = time.monotonic()
        if not self._guard.record_refusal(kind, cause, now, entry.label):
            return False
        self.circuit_breakers.open(kind, Fault(cause), now, passthrough=True)
        self._wake_prober()
        return True

    def accept(self, accepted: Iterable[AcceptRefusals]) -> None:
        """Let through the refusals that these directives cover, and no others."""
        for kind, _ in self._guard.accept(accepted, time.monotonic()):
            self._end_hold(kind)

    def _end_hold(self, kind: str) -> None:
        self.circuit_breakers.close(kind, time.monotonic(), success=False)
        self._end_wait(("guard", kind))
