"""One destination's lanes, and what they share: pace, holds, credentials, and what its answers have taught."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from consumer.delivery.batch import bytes_of
from consumer.delivery.guarding import Guarding
from consumer.delivery.guards.circuit_breaker import Hold, Holds
from consumer.delivery.guards.directive_filter import Directed
from consumer.delivery.guards.poison_detector import Suspicion
from consumer.delivery.guards.prober import Prober
from consumer.delivery.guards.time_window import Window
from consumer.delivery.http.rate_limiter import Pace
from consumer.delivery.lane import Lane
from consumer.delivery.options import LaneOptions
from consumer.delivery.turns import Turns
from consumer.model import Barred, Deferred, Delivered, Fault, Listed, Reply, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.http.client import Wire
    from consumer.delivery.http.credentials import Credentials
    from consumer.delivery.keyed_queue import Scope, Waits
    from consumer.delivery.ledger.partition_ledger import Tenure
    from consumer.delivery.options import Ends
    from consumer.destinations import Destination
    from consumer.model import Endpoint, Verdict
    from consumer.model.directives import Directives
    from consumer.model.observer import Observer


class Lanes:
    """All lanes of one destination within one pipeline."""

    def __init__(
        self,
        destination: Destination,
        options: LaneOptions,
        *,
        wire: Callable[[], Wire],
        credentials: Credentials,
        ends: Ends,
        may_call: Callable[[], bool],
        observer: Observer,
        dice: Random | None = None,
    ) -> None:
        """Make the lanes; `run` starts them."""
        self.destination = destination
        self.name = destination.name
        self.options = options
        self.credentials = credentials
        self.ends = ends
        self.observer = observer
        self.dice = (dice or Random()).random  # noqa: S311 - jitter, not a secret
        self.pace = Pace(options.rate_per_s)
        self.turns = Turns(self.name, self.pace, may_call, observer)
        self.holds: Holds[Endpoint] = Holds(options.probe_s)
        self.prober = Prober(self)
        self.suspicion = Suspicion(options.suspects)
        self.said = Directed(self.name)
        self.guarding = Guarding(self.name, options.guard, options.probe_s, self, observer)
        self.window = Window(self.name, self.holds, self.release, self.prober.wake, observer)
        self.hurry = False
        self.calls = 0
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self.next_piece: Callable[[], int] = count(1).__next__
        """Return a number no half has had."""
        self._wires = [wire() for _ in range(options.lanes)]
        if options.rate_per_s is not None:
            for each in self._wires:
                each.rated = self.pace
        self.lanes = [Lane(self, each) for each in self._wires]

    # ── In and out ──

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order, each in the lane its key chooses."""
        lanes = len(self.lanes)
        by_lane: dict[int, list[Delivery]] = defaultdict(list)
        shape = None
        for delivery in deliveries:
            by_lane[delivery.key % lanes].append(delivery)
            if delivery.shape is not shape:
                shape = delivery.shape
                self.window.active = self.window.active or shape.max_age_ms is not None
        for number, some in by_lane.items():
            self.lanes[number].put(some, bytes_of(some))

    def withdraw(self, tenures: Collection[Tenure]) -> list[asyncio.Future[None]]:
        """Forget what waits of tenures that send no more; return a future for each call that carries some of theirs."""
        for lane in self.lanes:
            lane.withdraw()
        self.window.withdrawn()
        return [
            lane.answered
            for lane in self.lanes
            if lane.answered is not None and any(delivery.tenure in tenures for delivery in lane.on_wire)
        ]

    def open_bytes(self) -> int:
        """Return the bytes of the bodies that are queued, aside or on the wire."""
        return sum(lane.open_bytes for lane in self.lanes)

    def waiting(self, scope: Scope) -> int:
        """Count what waits for `scope`."""
        return sum(lane.waiting(scope) for lane in self.lanes)

    @property
    def suspects(self) -> int:
        """How many deliveries are suspects now."""
        return sum(lane.suspects() for lane in self.lanes)

    def can_go(self, until: float | None = None) -> bool:
        """Tell whether any lane still gets somewhere by `until` (monotonic seconds; default: at once)."""
        by = time.monotonic() if until is None else until
        return any(lane.on_wire for lane in self.lanes) or (
            self.pace.told_until <= by and any(lane.can_go(by) for lane in self.lanes)
        )

    def hasten(self) -> None:
        """Linger no more: the pipeline is leaving."""
        self.hurry = True
        for lane in self.lanes:
            lane.wake()

    async def run(self) -> None:
        """Run every lane and the prober, until cancelled or one of them falls."""
        try:
            async with asyncio.TaskGroup() as house:
                for number, lane in enumerate(self.lanes):
                    house.create_task(lane.run(), name=f"{self.name}-lane-{number}")
                house.create_task(self.prober.run(), name=f"{self.name}-prober")
        finally:
            self.window.close()
            for wire in self._wires:
                await wire.close()

    # ── What a lane asks before a call ──

    def admission(self) -> Waits | None:
        """Return what decides whether a delivery may go, or `None` where nothing can stand in its way."""
        if self.holds or self.guarding.held or self.said:
            return self._waits
        return self.window.reason if self.window.active else None

    def _waits(self, delivery: Delivery) -> Scope | Fault | None:
        if self.said and (reason := self.said.reason(delivery)):
            return reason
        if (endpoint := delivery.shape.endpoint) in self.holds:
            return "endpoint", endpoint
        return self.guarding.reason(delivery) or self.window.reason(delivery)

    def directed(self, directives: Directives) -> None:
        """Act on what an operator says from now on."""
        self.guarding.accept(directives.accepted)
        before, self.said = self.said, Directed(self.name, directives)
        if (before.pauses, before.quarantines) != (self.said.pauses, self.said.quarantines):
            for lane in self.lanes:
                lane.look_anew(self.said.reason)

    # ── What a lane tells after a call ──

    def started(self, now: float) -> None:
        """Note that a call starts."""
        self.pace.started(now)
        self.calls += 1

    def ended(
        self,
        endpoint: Endpoint,
        answer: Reply | Fault | Barred | Deferred | None,
        events: int,
        size: int,
        seconds: float,
    ) -> None:
        """Note that a call ended, with what."""
        self.calls -= 1
        if isinstance(answer, Reply | Fault):  # else the door of credentials stayed shut, and no call was made
            status = answer.status if isinstance(answer, Reply) else None
            self.observer.called(self.name, endpoint.name, status, events, size, seconds)
        if isinstance(answer, Reply) and self.window.active:
            self.window.heard(answer.headers.get("date"))

    def judge(self, batch: Sequence[Delivery], answer: Reply | Fault | Barred | Deferred) -> Verdict:
        """Turn what came of a call into a verdict."""
        if isinstance(answer, Fault):
            return Deferred(answer)
        if not isinstance(answer, Reply):
            return answer
        if answer.truncated and answer.status < 300:  # noqa: PLR2004 - any 2xx
            return Barred(Fault(Trouble.UNINTELLIGIBLE, "the answer is longer than any contract's", answer.status))
        return self.destination.judge(batch[0].shape, [delivery.identity for delivery in batch], answer)

    def learn(self, endpoint: Endpoint, verdict: Verdict, *, answered: bool, probe: Hold | None, own: bool) -> None:
        """Let the verdict on one call begin, keep or end a hold.

        `answered`: the endpoint itself said so, not the door of credentials before it. `probe`: the hold it probed.
        `own`: a barred answer is the batch's own trouble, and says nothing of the endpoint.
        """
        now = time.monotonic()
        if probe is not None:
            self._probed(probe, endpoint, verdict, now, answered=answered)
        if isinstance(verdict, Barred):
            if own:
                return
            if verdict.fault.cause is Trouble.UNAUTHORIZED:
                self._credentials(valid=False)
            if self.holds.barred(endpoint, verdict.fault, now):
                self.observer.held(self.name, endpoint.name, verdict.fault)
                self.prober.wake()
                for lane in self.lanes:
                    lane.wake()
            return
        if not answered:
            return
        # An overloaded gateway that says "later" has not looked at the credentials.
        if not isinstance(verdict, Deferred) and not self.credentials_valid:
            self._credentials(valid=True)
        ended = self.holds.answered(endpoint, now, success=isinstance(verdict, Delivered | Listed))
        if ended is not None:
            self.observer.resumed(self.name, endpoint.name, now - ended.since)
            self.release(("endpoint", endpoint))

    def _probed(self, probe: Hold, endpoint: Endpoint, verdict: Verdict, now: float, *, answered: bool) -> None:
        mine = probe is self.holds.get(endpoint)
        self.holds.probed(probe, now, verdict.fault if mine and isinstance(verdict, Barred) else None)
        taken = isinstance(verdict, Delivered)
        if answered and (taken if self.guarding.is_probe(probe) else not isinstance(verdict, Barred | Deferred)):
            probe.go_on(now)  # it ended the delivery: if it taught nothing, the next one may be asked at once

    def _credentials(self, *, valid: bool) -> None:
        self.credentials_valid = valid
        self.credentials_proven = self.credentials_proven or valid
        self.observer.credentials(self.name, valid=valid)

    def release(self, scope: Scope) -> None:
        """Let go what waited for `scope`."""
        for lane in self.lanes:
            lane.release(scope)
