"""Circuit breakers: a hold is an open circuit, to which only probes are sent.

Two kinds of target are held. Endpoints are held when *our* configuration is wrong (4xx such as 401 and 404). Event
types are held while the flood guard is tripped for them. A 5xx opens no circuit.
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
    from consumer.model.observer import DeliveryEvents

Target = TypeVar("Target")


class OpenCircuit:
    """The hold on one target.

    One delivery at a time probes it. Probes take the ordering keys in turn, so one bad event cannot keep it open.
    """

    def __init__(self, fault: Fault, now: float, probe_s: float) -> None:
        """Start the hold at `now` (monotonic seconds). The first probe is due `probe_s` later."""
        self.fault = fault
        self.since = now
        self.next_probe = now + probe_s
        self.next_passthrough = float("inf")
        """When the next pass-through delivery is due (monotonic seconds).

        A pass-through delivery waits for the hold, but its response cannot end it. Only the flood guard has these;
        for an endpoint this stays infinite.
        """
        self.probing = False
        self.is_passthrough = False
        """Whether the delivery sent last, or due now, is a pass-through and not a probe."""
        self.probed_keys: defaultdict[object, set[int]] = defaultdict(set)
        """By lane, the ordering keys that have been probed in the present round.

        A round ends when every key of the lane has been probed.
        """

    def probe_due(self, now: float) -> bool:
        """Return True if a delivery may be sent now. A due probe goes before a due pass-through."""
        if self.probing or now < min(self.next_probe, self.next_passthrough):
            return False
        self.is_passthrough = now < self.next_probe
        return True

    def schedule_probe(self, at: float) -> None:
        """Set when the next delivery of the kind sent last is due, probe or pass-through (monotonic seconds)."""
        if self.is_passthrough:
            self.next_passthrough = at
        else:
            self.next_probe = at

    def unmark_probed(self, key: int) -> None:
        """Let a key be probed again in this round: its delivery has ended, but its response proved nothing."""
        for probed in self.probed_keys.values():
            probed.discard(key)


class CircuitBreakers(Generic[Target]):
    """All holds of one kind (endpoints, or event types) within one destination."""

    def __init__(self, probe_s: float) -> None:
        """Start without holds. `probe_s`: seconds between two probes of a hold."""
        self.probe_s = probe_s
        self._holds: dict[Target, OpenCircuit] = {}
        self._last_success: dict[Target, float] = {}

    def __bool__(self) -> bool:
        """Return True if any target is held."""
        return bool(self._holds)

    def __contains__(self, target: Target) -> bool:
        """Return True if `target` is held."""
        return target in self._holds

    def __iter__(self) -> Iterator[tuple[Target, OpenCircuit]]:
        """Iterate over the held targets and their holds. Holds may begin or end meanwhile."""
        return iter(tuple(self._holds.items()))

    def get(self, target: Target) -> OpenCircuit | None:
        """Return the hold on `target`, or `None` if it is not held."""
        return self._holds.get(target)

    def succeeded_since(self, target: Target, started: float) -> bool:
        """Return True if a request to `target` succeeded after `started` (monotonic seconds).

        A Blocked response to a request started before that success is then a problem of its batch.
        """
        return self._last_success.get(target, float("-inf")) > started

    def open(
        self, target: Target, fault: Fault, now: float, first_probe_s: float | None = None, *, passthrough: bool = False
    ) -> bool:
        """Hold `target` because of a Blocked response; return whether the hold is new.

        An existing hold stays as it is: Blocked responses to requests that started before it change nothing.

        Args:
            target: what is held.
            fault: the reason.
            now: monotonic seconds.
            first_probe_s: seconds until the first probe; `None` = the interval of all probes.
            passthrough: whether deliveries that cannot end the hold pass through between its probes.
        """
        if target in self._holds:
            return False
        hold = self._holds[target] = OpenCircuit(fault, now, self.probe_s if first_probe_s is None else first_probe_s)
        if passthrough:
            hold.next_passthrough = now
        return True

    def record_probe(self, hold: OpenCircuit, now: float, fault: Fault | None = None) -> None:
        """Record that a probe ended and the hold continues. `fault`: its Blocked response, if it had one."""
        hold.fault = fault or hold.fault
        hold.schedule_probe(now + self.probe_s)
        hold.probing = False

    def close(self, target: Target, now: float, *, success: bool) -> OpenCircuit | None:
        """Record a response that is not Blocked; return the hold it ends, or `None` without one."""
        if success:
            self._last_success[target] = now
        return self._holds.pop(target, None)

    def probe_now(self, now: float) -> None:
        """Make a probe of every hold due at once, because something on our side has changed."""
        for hold in self._holds.values():
            hold.next_probe = min(hold.next_probe, now)


class EndpointHealth:
    """The state of one destination's endpoints and credentials, derived from its verdicts.

    Attributes:
        credentials_valid: whether the last verdict that depends on credentials accepted them; `None` before the first.
        credentials_proven: whether the credentials were accepted at least once.
    """

    def __init__(
        self,
        name: str,
        circuit_breakers: CircuitBreakers[Endpoint],
        observer: DeliveryEvents,
        *,
        is_guard_probe: Callable[[OpenCircuit], bool],
        wake_prober: Callable[[], None],
        wake_lanes: Callable[[], None],
        end_wait: Callable[[WaitReason], None],
    ) -> None:
        """Start with unknown credentials.

        Args:
            name: the destination.
            circuit_breakers: where endpoints are held.
            observer: receives what happens.
            is_guard_probe: returns True for a hold of the flood guard, False for a hold on an endpoint.
            wake_prober: called when a hold begins.
            wake_lanes: called when a hold begins.
            end_wait: called with the wait reason when a hold has ended.
        """
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self._name = name
        self._circuit_breakers = circuit_breakers
        self._observer = observer
        self._is_guard_probe = is_guard_probe
        self._wake_prober = wake_prober
        self._wake_lanes = wake_lanes
        self._end_wait = end_wait

    def record_verdict(
        self, endpoint: Endpoint, verdict: Verdict, *, answered: bool, probe: OpenCircuit | None, poison: bool
    ) -> None:
        """Begin, keep or end a hold according to the verdict on one request.

        Args:
            endpoint: where the request went.
            verdict: the verdict on it.
            answered: whether the endpoint itself responded. False: transport or credentials failed.
            probe: the hold that the request probed, if it was a probe.
            poison: whether a Blocked response is the batch's own problem, and proves nothing about the endpoint.
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
        # An overloaded gateway that responds "later" has not checked the credentials.
        if not isinstance(verdict, Deferred) and not self.credentials_valid:
            self._record_credentials(valid=True)
        ended = self._circuit_breakers.close(endpoint, now, success=isinstance(verdict, Delivered | PartiallyRefused))
        if ended is not None:
            self._observer.hold_ended(self._name, endpoint.name, now - ended.since)
            self._end_wait(("endpoint", endpoint))

    def _record_probe(
        self, probe: OpenCircuit, endpoint: Endpoint, verdict: Verdict, now: float, *, answered: bool
    ) -> None:
        own = probe is self._circuit_breakers.get(endpoint)
        self._circuit_breakers.record_probe(probe, now, verdict.fault if own and isinstance(verdict, Blocked) else None)
        delivered = isinstance(verdict, Delivered)
        if answered and (delivered if self._is_guard_probe(probe) else not isinstance(verdict, Blocked | Deferred)):
            probe.schedule_probe(now)  # the delivery has ended: if the hold has not, the next probe need not wait

    def _record_credentials(self, *, valid: bool) -> None:
        self.credentials_valid = valid
        self.credentials_proven = self.credentials_proven or valid
        self._observer.credentials_checked(self._name, valid=valid)
