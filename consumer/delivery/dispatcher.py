"""One destination's dispatcher: its lanes, and their shared rate limit, circuit breakers, credentials and guards."""

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
    from consumer.model.observer import DeliveryEvents


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
        observer: DeliveryEvents,
        random: Random | None = None,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Build the lanes; `run` starts them.

        Args:
            destination: encodes deliveries and judges responses.
            options: the destination's options.
            connect: opens a connection; called once per lane.
            credentials: authenticate the requests.
            sink: receives ended deliveries.
            may_send: returns False while the fence is closed.
            observer: receives what happens.
            random: source of the back-off's jitter.
            wall_clock: returns epoch seconds.
        """
        self.name = destination.name
        self.credentials = credentials
        self.rate_limiter = RateLimiter(options.rate_per_s)
        self.circuit_breakers: CircuitBreakers[Endpoint] = CircuitBreakers(options.probe_s)
        self.directive_filter = DirectiveFilter(self.name)
        something_held = asyncio.Event()
        self.time_window = TimeWindow(
            self.name, self.circuit_breakers, self.end_wait, something_held.set, observer, wall_clock=wall_clock
        )
        self.flood_guard = DestinationFloodGuard(
            self.name,
            options.flood_guard,
            options.probe_s,
            observer,
            count_waiting=self.count_waiting,
            end_wait=self.end_wait,
            wake_prober=something_held.set,
        )
        self._health = EndpointHealth(
            self.name,
            self.circuit_breakers,
            observer,
            is_guard_probe=self.flood_guard.is_probe,
            wake_prober=something_held.set,
            wake_lanes=self._wake_lanes,
            end_wait=self.end_wait,
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
        self._connections = [connect() for _ in range(options.lanes)]
        if options.rate_per_s is not None:
            for connection in self._connections:
                connection.rate_limiter = self.rate_limiter
        self.lanes = [Lane(context, self.prober, connection) for connection in self._connections]

    # ── Deliveries ──

    def enqueue(self, deliveries: Iterable[Delivery]) -> None:
        """Enqueue deliveries in order, each in the lane of its key."""
        lanes = len(self.lanes)
        by_lane: dict[int, list[Delivery]] = defaultdict(list)
        envelope = None
        for delivery in deliveries:
            by_lane[delivery.key % lanes].append(delivery)
            if delivery.envelope is not envelope:
                envelope = delivery.envelope
                self.time_window.active = self.time_window.active or envelope.max_age_ms is not None
        for index, of_lane in by_lane.items():
            self.lanes[index].enqueue(of_lane, bytes_of(of_lane))

    def drop_revoked(self, ledgers: Collection[PartitionLedger]) -> list[asyncio.Future[None]]:
        """Drop deliveries of ledgers that may not send. Return a future per request in flight that carries theirs."""
        for lane in self.lanes:
            lane.drop_revoked()
        self.time_window.drop_revoked()
        return [
            lane.request_done
            for lane in self.lanes
            if lane.request_done is not None and any(delivery.ledger in ledgers for delivery in lane.in_flight)
        ]

    def open_bytes(self) -> int:
        """Return the bytes of the bodies that are queued, waiting or in flight."""
        return sum(lane.open_bytes for lane in self.lanes)

    def count_waiting(self, reason: WaitReason) -> int:
        """Return how many deliveries wait for `reason`."""
        return sum(lane.count_waiting(reason) for lane in self.lanes)

    @property
    def requests_in_flight(self) -> int:
        """The number of requests in flight."""
        return sum(bool(lane.in_flight) for lane in self.lanes)

    @property
    def credentials_valid(self) -> bool | None:
        """Whether the credentials were accepted last; `None` until that is known."""
        return self._health.credentials_valid

    @property
    def credentials_proven(self) -> bool:
        """Whether the credentials were ever accepted."""
        return self._health.credentials_proven

    @property
    def poison_candidates(self) -> int:
        """The number of poison candidates."""
        return sum(lane.poison_candidates() for lane in self.lanes)

    def can_make_progress(self, until: float | None = None) -> bool:
        """Return True if a delivery can still finish before `until` (monotonic seconds; default: now)."""
        by = time.monotonic() if until is None else until
        return any(lane.in_flight for lane in self.lanes) or (
            self.rate_limiter.paused_until <= by and any(lane.can_make_progress(by) for lane in self.lanes)
        )

    def end_linger(self) -> None:
        """Stop lingering: the pipeline shuts down."""
        for lane in self.lanes:
            lane.end_linger()

    async def run(self) -> None:
        """Run all lanes and the prober until cancelled or one of them fails."""
        try:
            async with asyncio.TaskGroup() as tasks:
                for index, lane in enumerate(self.lanes):
                    tasks.create_task(lane.run(), name=f"{self.name}-lane-{index}")
                tasks.create_task(self.prober.run(self.lanes), name=f"{self.name}-prober")
        finally:
            self.time_window.close()
            for connection in self._connections:
                await connection.close()

    def apply_directives(self, directives: Directives) -> None:
        """Apply the operator's directives instead of the previous ones."""
        self.flood_guard.accept(directives.accepted)
        if self.directive_filter.replace(directives):
            for lane in self.lanes:
                lane.recheck(self.directive_filter.reason)

    def end_wait(self, reason: WaitReason) -> None:
        """Requeue the deliveries that waited for `reason`."""
        for lane in self.lanes:
            lane.end_wait(reason)

    def _wake_lanes(self) -> None:
        for lane in self.lanes:
            lane.wake()
