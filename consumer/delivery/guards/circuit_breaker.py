"""Circuit breakers: a hold is an open circuit, to which only probes are sent.

Held are endpoints for which *our* configuration is wrong (4xx such as 401 and 404), and event types for which the flood
guard is tripped. A 5xx opens no circuit.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

from consumer.model import Blocked, Deferred, Delivered, PartiallyRefused, TransientCause

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from consumer.delivery.keyed_queue import WaitReason
    from consumer.model import Endpoint, Fault, Verdict
    from consumer.model.observer import Observer

Target = TypeVar("Target")


class OpenCircuit:
    """One thing held.

    It is probed with one delivery at a time, of different keys in turn, so that one bad event cannot keep it shut.
    """

    def __init__(self, fault: Fault, now: float, probe_s: float) -> None:
        """Hold from `now` (monotonic seconds), and probe `probe_s` later."""
        self.fault = fault
        self.since = now
        self.next_probe = now + probe_s
        self.next_passthrough = float("inf")
        """When one goes that waits with the others and can prove nothing; never, but at the flood guard."""
        self.probing = False
        self.is_passthrough = False
        """Whether its probe is such a one."""
        self.probed_keys: defaultdict[object, set[int]] = defaultdict(set)
        """Of each lane, the keys that had a turn since all of its keys had one."""

    def probe_due(self, now: float) -> bool:
        """Tell whether one goes now, a probe before any other."""
        if self.probing or now < min(self.next_probe, self.next_passthrough):
            return False
        self.is_passthrough = now < self.next_probe
        return True

    def schedule_probe(self, at: float) -> None:
        """Let the next delivery go `at` this time (monotonic seconds): of the sort that went last."""
        if self.is_passthrough:
            self.next_passthrough = at
        else:
            self.next_probe = at

    def unmark_probed(self, key: int) -> None:
        """Give a key its turn back: what was tried of it has ended, and could say nothing of what is held."""
        for tried in self.probed_keys.values():
            tried.discard(key)


class CircuitBreakers(Generic[Target]):
    """All holds of one kind within one destination."""

    def __init__(self, probe_s: float) -> None:
        """Start with nothing held."""
        self.probe_s = probe_s
        self._holds: dict[Target, OpenCircuit] = {}
        self._last_success: dict[Target, float] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is held."""
        return bool(self._holds)

    def __contains__(self, target: Target) -> bool:
        """Tell whether it is held."""
        return target in self._holds

    def __iter__(self) -> Iterator[tuple[Target, OpenCircuit]]:
        """Go through what is held."""
        return iter(tuple(self._holds.items()))

    def get(self, target: Target) -> OpenCircuit | None:
        """Return the hold of it, if it is held."""
        return self._holds.get(target)

    def succeeded_since(self, target: Target, started: float) -> bool:
        """Tell whether a call there succeeded after `started`: a Blocked answer is not the endpoint's then."""
        return self._last_success.get(target, float("-inf")) > started

    def open(
        self, target: Target, fault: Fault, now: float, first_probe_s: float | None = None, *, passthrough: bool = False
    ) -> bool:
        """Note a Blocked answer; tell whether the hold is new. Those of calls started before the hold change nothing.

        `first_s`: seconds to the first probe, where it is not as far off as every other. `others`: there are some that
        can prove nothing.
        """
        if target in self._holds:
            return False
        hold = self._holds[target] = OpenCircuit(fault, now, self.probe_s if first_probe_s is None else first_probe_s)
        if passthrough:
            hold.next_passthrough = now
        return True

    def record_probe(self, hold: OpenCircuit, now: float, fault: Fault | None = None) -> None:
        """Note that a probe ended without an answer that ends the hold; `fault`: the Blocked answer it had."""
        hold.fault = fault or hold.fault
        hold.schedule_probe(now + self.probe_s)
        hold.probing = False

    def close(self, target: Target, now: float, *, success: bool) -> OpenCircuit | None:
        """Note an answer that is not Blocked; return the hold it ends, if there was one."""
        if success:
            self._last_success[target] = now
        return self._holds.pop(target, None)

    def probe_now(self, now: float) -> None:
        """Let every hold be probed at once: something on our side has changed."""
        for hold in self._holds.values():
            hold.next_probe = min(hold.next_probe, now)


class EndpointHealth:
    """What the verdicts of one destination say: which endpoints are held, and whether the credentials are valid.

    Attributes:
        credentials_valid: by the last verdict that tells; `None` before the first one.
        credentials_proven: whether they were ever accepted.
    """

    def __init__(
        self,
        name: str,
        circuit_breakers: CircuitBreakers[Endpoint],
        observer: Observer,
        *,
        is_guard_probe: Callable[[OpenCircuit], bool],
        wake_prober: Callable[[], None],
        wake_lanes: Callable[[], None],
        release: Callable[[WaitReason], None],
    ) -> None:
        """Begin, keep and end the holds in `circuit_breakers`.

        `is_guard_probe` tells a probe of the flood guard from that of an endpoint. `wake_prober` and `wake_lanes` are
        called when a hold begins; `release`, when one has ended.
        """
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self._name = name
        self._circuit_breakers = circuit_breakers
        self._observer = observer
        self._is_guard_probe = is_guard_probe
        self._wake_prober = wake_prober
        self._wake_lanes = wake_lanes
        self._release = release

    def record_verdict(
        self, endpoint: Endpoint, verdict: Verdict, *, answered: bool, probe: OpenCircuit | None, poison: bool
    ) -> None:
        """Let the verdict on one call begin, keep or end a hold.

        `answered`: the endpoint itself said so, not the door of credentials before it. `probe`: the hold it probed.
        `own`: a Blocked answer is the batch's own trouble, and says nothing of the endpoint.
        """
        now = time.monotonic()
        if probe is not None:
            self._record_probe(probe, endpoint, verdict, now, answered=answered)
        if isinstance(verdict, Blocked):
            if poison:
                return
            if verdict.fault.cause is TransientCause.UNAUTHORIZED:
                self._record_credentials(valid=False)
            if self._circuit_breakers.open(endpoint, verdict.fault, now):
                self._observer.hold_started(self._name, endpoint.name, verdict.fault)
                self._wake_prober()
                self._wake_lanes()
            return
        if not answered:
            return
        # An overloaded gateway that says "later" has not looked at the credentials.
        if not isinstance(verdict, Deferred) and not self.credentials_valid:
            self._record_credentials(valid=True)
        ended = self._circuit_breakers.close(endpoint, now, success=isinstance(verdict, Delivered | PartiallyRefused))
        if ended is not None:
            self._observer.hold_ended(self._name, endpoint.name, now - ended.since)
            self._release(("endpoint", endpoint))

    def _record_probe(
        self, probe: OpenCircuit, endpoint: Endpoint, verdict: Verdict, now: float, *, answered: bool
    ) -> None:
        mine = probe is self._circuit_breakers.get(endpoint)
        self._circuit_breakers.record_probe(
            probe, now, verdict.fault if mine and isinstance(verdict, Blocked) else None
        )
        taken = isinstance(verdict, Delivered)
        if answered and (taken if self._is_guard_probe(probe) else not isinstance(verdict, Blocked | Deferred)):
            probe.schedule_probe(now)  # it ended the delivery: if it taught nothing, the next one may be asked at once

    def _record_credentials(self, *, valid: bool) -> None:
        self.credentials_valid = valid
        self.credentials_proven = self.credentials_proven or valid
        self._observer.credentials_checked(self._name, valid=valid)
