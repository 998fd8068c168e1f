"""One destination's lanes, and what they share: pace, holds, credentials, and what its answers have taught."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from random import Random
from typing import TYPE_CHECKING, Protocol

from consumer.delivery.hold import Holds
from consumer.delivery.lane import Lane
from consumer.delivery.pace import Backoff, Pace
from consumer.model import Barred, Cause, Deferred, Delivered, Fault, Listed, Reply, Trouble

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.delivery.credentials import Credentials
    from consumer.delivery.delivery import Delivery
    from consumer.delivery.queue import Scope, Waits
    from consumer.delivery.ledger import Tenure
    from consumer.delivery.send import Wire
    from consumer.destinations import Destination
    from consumer.model import Endpoint, Verdict
    from consumer.observe import Observer

AHEAD_S = 60.0
"""How far ahead of our clock an event may be and still be waited for; also how far the destination's clock may be from ours."""

_SECRETS_EVERY_S = 2.0
_FENCE_POLL_S = 0.02


@dataclass(frozen=True, slots=True)
class LaneOptions:
    """How one destination is called. All times in seconds."""

    lanes: int = 4
    timeout_s: float = 15.0
    linger_s: float = 0.2
    backoff: Backoff = Backoff(0.5, 30.0)
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

    def __init__(  # noqa: PLR0913 - the composition root joins rooms here; each is one idea
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
        self.holds = Holds(options.probe_s)
        self.hurry = False
        self.windowed = False
        self.calls = 0
        self.skew_s = 0.0
        self.credentials_valid: bool | None = None
        self.credentials_proven = False
        self._may_call = may_call
        self._pieces = 0
        self._timers: dict[Scope, asyncio.TimerHandle] = {}
        self._held = asyncio.Event()
        self._next_prober = 0
        self._wires = [wire() for _ in range(options.lanes)]
        self.lanes = [Lane(self, each) for each in self._wires]

    # ── In and out ──

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order, each in the lane its key chooses."""
        count = len(self.lanes)
        by_lane: dict[int, list[Delivery]] = defaultdict(list)
        for delivery in deliveries:
            by_lane[delivery.key % count].append(delivery)
        for number, some in by_lane.items():
            self.windowed = self.windowed or any(delivery.shape.max_age_ms is not None for delivery in some)
            self.lanes[number].put(some, sum([len(delivery.body) for delivery in some]))

    def withdraw(self, tenures: Collection[Tenure]) -> list[asyncio.Future[None]]:
        """Forget what waits of tenures that send no more; return one future for each call that carries some of theirs."""
        for lane in self.lanes:
            lane.withdraw()
        return [
            lane.answered
            for lane in self.lanes
            if lane.answered is not None and any(delivery.tenure in tenures for delivery in lane.on_wire)
        ]

    def can_go(self) -> bool:
        """Tell whether any lane still gets somewhere without repeating anything."""
        now = time.monotonic()
        return any(lane.on_wire for lane in self.lanes) or (
            self.pace.told_until <= now and any(lane.can_go(now) for lane in self.lanes)
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
                house.create_task(self._probe(), name=f"{self.name}-prober")
        finally:
            for wire in self._wires:
                await wire.close()

    # ── What a lane asks before a call ──

    async def turn(self, lane: Lane) -> None:
        """Return when `lane` may start a call: told waits, the rate, its own back-off and the fence are over."""
        while True:
            now = time.monotonic()
            wait_s, source = self.pace.delay(now)
            if lane.not_before - now > wait_s:
                wait_s, source = lane.not_before - now, ""
            if wait_s <= 0:
                if self._may_call():
                    return
                wait_s, source = _FENCE_POLL_S, ""
            await asyncio.sleep(wait_s)
            if source:
                self.observer.throttled(self.name, source, wait_s)

    def admission(self) -> Waits | None:
        """Return what decides whether a delivery may go, or `None` where nothing can stand in its way."""
        return self._waits if self.windowed or self.holds else None

    def _waits(self, delivery: Delivery) -> Scope | Fault | None:
        endpoint = delivery.shape.endpoint
        if endpoint in self.holds:
            return "endpoint", endpoint
        ahead_s = self._outside_by(delivery)
        if ahead_s is None:
            return None
        if 0 < ahead_s <= AHEAD_S:
            return self._until(("clock", delivery.event_ms // 1000), ahead_s)
        if abs(self.skew_s) > AHEAD_S:
            return self._until(("clock", "skew"), self.options.probe_s)
        return Fault(
            Cause.OUT_OF_WINDOW,
            "the event's time lies in the future" if ahead_s > 0 else "the event is older than the destination takes",
        )

    def outside_window(self, delivery: Delivery) -> bool:
        """Tell whether the destination would refuse the event for its time alone."""
        return self._outside_by(delivery) is not None

    def _outside_by(self, delivery: Delivery) -> float | None:
        """Return seconds the event is ahead of our clock (negative: it is too old); `None` where its time is all right."""
        oldest = delivery.shape.max_age_ms
        if oldest is None:
            return None
        age_ms = time.time() * 1000 - delivery.event_ms
        return None if 0 <= age_ms <= oldest else -age_ms / 1000

    def _until(self, scope: Scope, wait_s: float) -> Scope:
        if scope not in self._timers:
            if scope[1] == "skew":
                self.observer.held(
                    self.name, "clock", Fault(Trouble.CLOCK_SKEW, "the destination's clock and ours disagree")
                )
            self._timers[scope] = asyncio.get_running_loop().call_later(wait_s, self._time_came, scope)
        return scope

    def _time_came(self, scope: Scope) -> None:
        del self._timers[scope]
        if scope[1] == "skew":
            self.observer.resumed(self.name, "clock", self.options.probe_s)
        self._release(scope)

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
        self, endpoint: Endpoint, answer: Reply | Fault | Barred | Deferred, events: int, size: int, seconds: float
    ) -> None:
        """Note that a call ended, with what."""
        self.calls -= 1
        status = answer.status if isinstance(answer, Reply) else None
        self.observer.called(self.name, endpoint.name, status, events, size, seconds)
        if isinstance(answer, Reply) and self.windowed and (date := answer.headers.get("date")):
            try:
                self.skew_s = parsedate_to_datetime(date).timestamp() - time.time()
            except ValueError:
                self.skew_s = 0.0

    def judge(self, batch: Sequence[Delivery], answer: Reply | Fault | Barred | Deferred) -> Verdict:
        """Turn what came of a call into a verdict."""
        if isinstance(answer, Fault):
            return Deferred(answer)
        if not isinstance(answer, Reply):
            return answer
        if answer.truncated and answer.status < 300:  # noqa: PLR2004 - any 2xx
            return Barred(Fault(Trouble.UNINTELLIGIBLE, "the answer is longer than any contract's", answer.status))
        return self.destination.judge(batch[0].shape, [delivery.identity for delivery in batch], answer)

    def learn(self, endpoint: Endpoint, verdict: Verdict, started: float) -> None:
        """Let the verdict on one call begin, keep or end a hold."""
        now = time.monotonic()
        if isinstance(verdict, Barred):
            if verdict.fault.cause is Trouble.UNAUTHORIZED:
                self._credentials(valid=False)
            if self.holds.succeeded_since(endpoint, started):
                return
            if self.holds.barred(endpoint, verdict.fault, now):
                self.observer.held(self.name, endpoint.name, verdict.fault)
                self._held.set()
                for lane in self.lanes:
                    lane.wake()
            return
        if isinstance(verdict, Deferred) and verdict.fault.status is None:
            self.holds.unanswered(endpoint, now)
            return
        if not self.credentials_valid:
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

    # ── Probing ──

    async def _probe(self) -> None:
        """While anything is held: let one lane at a time try one delivery, and try changed credentials at once."""
        secrets_read = 0.0
        while True:
            if not self.holds:
                self._held.clear()
                await self._held.wait()
            await asyncio.sleep(min(0.05, self.options.probe_s / 4))
            now = time.monotonic()
            if now - secrets_read >= _SECRETS_EVERY_S:
                secrets_read = now
                if self.credentials.refresh():
                    self.observer.credential_renewed(self.name, ok=True)
                    self.holds.probe_now(now)
            for endpoint, hold in self.holds:
                if not hold.probing and now >= hold.next_probe:
                    hold.probing = self._ask(endpoint)

    def _ask(self, endpoint: Endpoint) -> bool:
        for step in range(len(self.lanes)):
            number = (self._next_prober + step) % len(self.lanes)
            if self.lanes[number].waits_for(endpoint):
                self._next_prober = number + 1
                self.lanes[number].probe = endpoint
                self.lanes[number].wake()
                return True
        return False
