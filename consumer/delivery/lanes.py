"""One destination's lanes, and what they share: pace, holds, credentials, and what its answers have taught."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.batch import bytes_of
from consumer.delivery.hold import Hold, Holds
from consumer.delivery.lane import Lane
from consumer.delivery.pace import Backoff, Pace
from consumer.delivery.prober import Prober
from consumer.delivery.turns import Turns
from consumer.delivery.window import Window
from consumer.model import Barred, Deferred, Delivered, Fault, Listed, Reply, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.delivery.credentials import Credentials
    from consumer.delivery.delivery import Delivery
    from consumer.delivery.ledger import Tenure
    from consumer.delivery.queue import Scope, Waits
    from consumer.delivery.send import Wire
    from consumer.destinations import Destination
    from consumer.model import Endpoint, Verdict
    from consumer.observe import Observer

_BACKOFF = Backoff(0.5, 30.0)


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How one destination is called. All times in seconds."""

    lanes: int = 4
    timeout_s: float = 15.0
    linger_s: float = 0.2
    backoff: Backoff = _BACKOFF
    probe_s: float = 30.0
    rate_per_s: float | None = None


class Ends(Protocol):
    """Where deliveries end."""

    def delivered(self, batch: Sequence[Delivery]) -> None:
        """The destination has them."""

    def refused(self, delivery: Delivery, fault: Fault, acknowledged: Callable[[], None]) -> None:
        """The destination will never take it: dead-letter it, and say when the dead-letter topic has it."""


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
        self.holds = Holds(options.probe_s)
        self.prober = Prober(self)
        self.window = Window(self.name, self.holds, self._release, self.prober.wake, observer)
        self.hurry = False
        self.calls = 0
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self._pieces = 0
        self._wires = [wire() for _ in range(options.lanes)]
        self.lanes = [Lane(self, each) for each in self._wires]

    # ── In and out ──

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order, each in the lane its key chooses."""
        count = len(self.lanes)
        by_lane: dict[int, list[Delivery]] = defaultdict(list)
        shape = None
        for delivery in deliveries:
            by_lane[delivery.key % count].append(delivery)
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
        return self._waits if self.window.active or self.holds else None

    def _waits(self, delivery: Delivery) -> Scope | Fault | None:
        endpoint = delivery.shape.endpoint
        return ("endpoint", endpoint) if endpoint in self.holds else self.window.reason(delivery)

    # ── What a lane tells after a call ──

    def next_piece(self) -> int:
        """Return a number no half has had."""
        self._pieces += 1
        return self._pieces

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

    def learn(
        self, endpoint: Endpoint, verdict: Verdict, started: float, *, answered: bool, probe: Hold | None
    ) -> None:
        """Let the verdict on one call begin, keep or end a hold.

        `answered`: the endpoint itself said so, not the door of credentials before it. `probe`: the hold it probed.
        """
        now = time.monotonic()
        if probe is not None:
            mine = probe is self.holds.get(endpoint)
            self.holds.probed(probe, now, verdict.fault if mine and isinstance(verdict, Barred) else None)
            if answered and not isinstance(verdict, Barred | Deferred):
                probe.next_probe = now  # it ended the delivery: if it taught no time, the next one may be asked at once
        if isinstance(verdict, Barred):
            if verdict.fault.cause is Trouble.UNAUTHORIZED:
                self._credentials(valid=False)
            if not self.holds.succeeded_since(endpoint, started) and self.holds.barred(endpoint, verdict.fault, now):
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
            self._release(("endpoint", endpoint))

    def _credentials(self, *, valid: bool) -> None:
        self.credentials_valid = valid
        self.credentials_proven = self.credentials_proven or valid
        self.observer.credentials(self.name, valid=valid)

    def _release(self, scope: Scope) -> None:
        for lane in self.lanes:
            lane.release(scope)
