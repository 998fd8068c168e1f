"""One destination's dispatcher: its lanes, and what they share (rate limit, circuit breakers, credentials, guards)."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from itertools import count
from random import Random
from typing import TYPE_CHECKING

from consumer.delivery.batch import bytes_of
from consumer.delivery.destination_context import DestinationContext
from consumer.delivery.guards.circuit_breaker import CircuitBreakers, EndpointHealth
from consumer.delivery.guards.directive_filter import DirectiveFilter
from consumer.delivery.guards.flood_guard import DestinationFloodGuard
from consumer.delivery.guards.poison_detector import PoisonDetector
from consumer.delivery.guards.prober import Prober
from consumer.delivery.guards.time_window import TimeWindow
from consumer.delivery.http.rate_limiter import RateLimiter, RequestGate
from consumer.delivery.lane import Lane
from consumer.delivery.options import DestinationOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.http.client import HttpConnection
    from consumer.delivery.http.credentials import Credentials
    from consumer.delivery.keyed_queue import WaitReason
    from consumer.delivery.ledger.partition_ledger import PartitionLedger
    from consumer.delivery.options import SettlementSink
    from consumer.destinations import Destination
    from consumer.model import Endpoint
    from consumer.model.directives import Directives
    from consumer.model.observer import Observer


class Dispatcher:
    """All lanes of one destination within one pipeline."""

    def __init__(
        self,
        destination: Destination,
        options: DestinationOptions,
        *,
        connect: Callable[[], HttpConnection],
        credentials: Credentials,
        sink: SettlementSink,
        may_send: Callable[[], bool],
        observer: Observer,
        random: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Make the lanes; `run` starts them."""
        self.name = destination.name
        self.credentials = credentials
        self.rate_limiter = RateLimiter(options.rate_per_s)
        self.circuit_breakers: CircuitBreakers[Endpoint] = CircuitBreakers(options.probe_s)
        self.directive_filter = DirectiveFilter(self.name)
        something_held = asyncio.Event()
        self.time_window = TimeWindow(
            self.name, self.circuit_breakers, self.release, something_held.set, observer, wall_clock=wall_clock
        )
        self.flood_guard = DestinationFloodGuard(
            self.name,
            options.flood_guard,
            options.probe_s,
            observer,
            count_waiting=self.count_waiting,
            release=self.release,
            wake_prober=something_held.set,
        )
        self._health = EndpointHealth(
            self.name,
            self.circuit_breakers,
            observer,
            is_guard_probe=self.flood_guard.is_probe,
            wake_prober=something_held.set,
            wake_lanes=self._wake_lanes,
            release=self.release,
        )
        self.prober = Prober(
            self.name,
            something_held,
            circuit_breakers=self.circuit_breakers,
            flood_guard=self.flood_guard,
            time_window=self.time_window,
            directive_filter=self.directive_filter,
            credentials=credentials,
            observer=observer,
            secrets_check_s=options.secrets_check_s,
        )
        context = DestinationContext(
            destination=destination,
            options=options,
            observer=observer,
            sink=sink,
            credentials=credentials,
            rate_limiter=self.rate_limiter,
            request_gate=RequestGate(self.name, self.rate_limiter, may_send, observer),
            circuit_breakers=self.circuit_breakers,
            endpoint_health=self._health,
            poison_detector=PoisonDetector(options.poison_detection),
            flood_guard=self.flood_guard,
            time_window=self.time_window,
            directive_filter=self.directive_filter,
            next_fragment=count(1).__next__,
            random=(random or Random()).random,  # noqa: S311 - jitter, not a secret
        )
        self._wires = [connect() for _ in range(options.lanes)]
        if options.rate_per_s is not None:
            for each in self._wires:
                each.rate_limiter = self.rate_limiter
        self.lanes = [Lane(context, self.prober, each) for each in self._wires]

    # ── In and out ──

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order, each in the lane its key chooses."""
        lanes = len(self.lanes)
        by_lane: dict[int, list[Delivery]] = defaultdict(list)
        shape = None
        for delivery in deliveries:
            by_lane[delivery.key % lanes].append(delivery)
            if delivery.envelope is not shape:
                shape = delivery.envelope
                self.time_window.active = self.time_window.active or shape.max_age_ms is not None
        for number, some in by_lane.items():
            self.lanes[number].enqueue(some, bytes_of(some))

    def drop_revoked(self, ledgers: Collection[PartitionLedger]) -> list[asyncio.Future[None]]:
        """Forget what waits of ledgers that send no more; return a future for each call that carries some of theirs."""
        for lane in self.lanes:
            lane.drop_revoked()
        self.time_window.drop_revoked()
        return [
            lane.request_done
            for lane in self.lanes
            if lane.request_done is not None and any(delivery.ledger in ledgers for delivery in lane.in_flight)
        ]

    def open_bytes(self) -> int:
        """Return the bytes of the bodies that are queued, aside or on the wire."""
        return sum(lane.open_bytes for lane in self.lanes)

    def count_waiting(self, scope: WaitReason) -> int:
        """Count what waits for `scope`."""
        return sum(lane.count_waiting(scope) for lane in self.lanes)

    @property
    def requests_in_flight(self) -> int:
        """How many calls are on the wire."""
        return sum(bool(lane.in_flight) for lane in self.lanes)

    @property
    def credentials_valid(self) -> bool | None:
        """Whether the credentials were accepted last; `None` before that is known."""
        return self._health.credentials_valid

    @property
    def credentials_proven(self) -> bool:
        """Whether the credentials were ever accepted."""
        return self._health.credentials_proven

    @property
    def poison_candidates(self) -> int:
        """How many deliveries are suspects now."""
        return sum(lane.poison_candidates() for lane in self.lanes)

    def can_make_progress(self, until: float | None = None) -> bool:
        """Tell whether any lane still gets somewhere by `until` (monotonic seconds; default: at once)."""
        by = time.monotonic() if until is None else until
        return any(lane.in_flight for lane in self.lanes) or (
            self.rate_limiter.paused_until <= by and any(lane.can_make_progress(by) for lane in self.lanes)
        )

    def end_linger(self) -> None:
        """Linger no more: the pipeline is leaving."""
        for lane in self.lanes:
            lane.end_linger()

    async def run(self) -> None:
        """Run every lane and the prober, until cancelled or one of them falls."""
        try:
            async with asyncio.TaskGroup() as house:
                for number, lane in enumerate(self.lanes):
                    house.create_task(lane.run(), name=f"{self.name}-lane-{number}")
                house.create_task(self.prober.run(self.lanes), name=f"{self.name}-prober")
        finally:
            self.time_window.close()
            for wire in self._wires:
                await wire.close()

    def apply_directives(self, directives: Directives) -> None:
        """Act on what an operator says from now on."""
        self.flood_guard.accept(directives.accepted)
        if self.directive_filter.replace(directives):
            for lane in self.lanes:
                lane.recheck(self.directive_filter.reason)

    def release(self, scope: WaitReason) -> None:
        """Let go what waited for `scope`."""
        for lane in self.lanes:
            lane.release(scope)

    def _wake_lanes(self) -> None:
        for lane in self.lanes:
            lane.wake()
