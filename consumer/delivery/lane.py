"""One lane: an ordered queue of a destination with one request in flight, retried until every delivery has ended."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from consumer.delivery.batch import body_of
from consumer.delivery.http.client import send
from consumer.delivery.keyed_queue import KeyedQueue
from consumer.delivery.retry import OutcomeHandler, judge_result
from consumer.model import Blocked, Deferred, Fault, HttpRequest, HttpResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.destination_context import DestinationContext
    from consumer.delivery.guards.circuit_breaker import OpenCircuit
    from consumer.delivery.guards.prober import Prober
    from consumer.delivery.http.client import HttpConnection
    from consumer.delivery.keyed_queue import ProbeFilter, WaitReason
    from consumer.model import Endpoint


class Lane:
    """One lane. Only the event loop touches its state; `run` is its only task."""

    def __init__(self, context: DestinationContext, prober: Prober, connection: HttpConnection) -> None:
        """Start empty."""
        self._context = context
        self._prober = prober
        self._connection = connection
        self._queue = KeyedQueue()
        self._wake = asyncio.Event()
        self._outcomes = OutcomeHandler(context, self._queue, self._wake.set)
        self._queued_bytes = 0  # used for lingering only: exact while no delivery waits
        self._lingering_since = 0.0
        self._wake_at_events = self._wake_at_bytes = 0  # what ends the linger: events and bytes
        self.in_flight: Sequence[Delivery] = ()
        self.request_done: asyncio.Future[None] | None = None
        self.probe: WaitReason | None = None
        self._last_was_probe = False  # the last request, or attempt at one, was a probe
        self._linger_ended = False

    @property
    def open_bytes(self) -> int:
        """Bytes of the bodies that are queued, waiting or in flight."""
        return self._outcomes.open_bytes

    @property
    def not_before(self) -> float:
        """When its own back-off is over (monotonic seconds)."""
        return self._outcomes.not_before

    # ── Called by the dispatcher and the prober ──

    def enqueue(self, deliveries: Collection[Delivery], size: int) -> None:
        """Append deliveries in order; `size` is the bytes of their bodies."""
        if not self._queue:
            self._lingering_since, self._queued_bytes = time.monotonic(), 0
        self._queue.append(deliveries)
        self._queued_bytes += size
        self._outcomes.open_bytes += size
        # A lingering lane sleeps on until its request is full.
        if len(self._queue) >= self._wake_at_events or self._queued_bytes >= self._wake_at_bytes:
            self._wake.set()

    def wake(self) -> None:
        """Check again what can be sent."""
        self._wake.set()

    def end_linger(self) -> None:
        """Stop lingering: the pipeline shuts down."""
        self._linger_ended = True
        self._wake.set()

    def end_wait(self, reason: WaitReason) -> None:
        """Requeue the deliveries that waited for `reason`."""
        self._queue.end_wait(reason)
        self._wake.set()

    def count_waiting(self, reason: WaitReason) -> int:
        """Return how many deliveries wait for `reason`."""
        return self._queue.count_waiting(reason)

    def can_probe(self, reason: WaitReason, fit: Callable[[Delivery], bool], probe_filter: ProbeFilter) -> bool:
        """Return True if a delivery that waits for `reason` can probe it."""
        return self._queue.find_probe(reason, fit, probe_filter) is not None

    def drop_revoked(self) -> None:
        """Drop deliveries of ledgers that may not send. A request in flight stays in flight."""
        self._outcomes.open_bytes -= self._queue.drop_revoked()
        self._outcomes.isolated.prune(self._queue.count_waiting)
        self._wake.set()

    def recheck(self, reason_of: Callable[[Delivery], object | None]) -> None:
        """Check again the deliveries whose reason may have changed, and isolated ones that now have a reason."""
        self._queue.recheck(lambda delivery: delivery.ledger.may_send and reason_of(delivery) is not None)
        self._outcomes.isolated.prune(self._queue.count_waiting)
        self._wake.set()

    def can_make_progress(self, by: float) -> bool:
        """Return True if a delivery can still finish before `by` (monotonic seconds). Shutdown waits for this.

        Dead letters do not count: the lane does not know whether the dead-letter topic accepts them.
        """
        has_work = bool(self._queue) or self._outcomes.isolated.next_due_s <= by
        return bool(self.in_flight) or (has_work and self.not_before <= by)

    def poison_candidates(self) -> int:
        """Return how many poison candidates are isolated or in flight."""
        batch = self.in_flight
        in_flight = len(batch) if batch and self._context.poison_detector.is_candidate(batch) else 0
        return self._outcomes.isolated.candidates + in_flight

    # ── The lane's task ──

    async def run(self) -> None:
        """Send batches until cancelled."""
        while True:
            if self.probe is None and not self._queue and self._outcomes.isolated.next_due_s > time.monotonic():
                await self._wait_for_work()
                continue
            if self.probe is None:
                await self._linger()
            await self._context.request_gate.wait_until_open(lambda: self.not_before)
            # No await between forming a batch and sending it: a partition could be revoked in between.
            hold = None
            # Between two probes the queue has its turn. Under a rate the next probe is always there already: without
            # this, queued deliveries would never be sent, and those behind an ended probe never be checked again.
            self._last_was_probe = self.probe is not None and not (self._last_was_probe and self._queue)
            if self.probe is not None and self._last_was_probe:
                hold, batch = self._probe_batch(self.probe)
                self.probe = None
            else:
                if reason := self._outcomes.isolated.take_due(time.monotonic(), others=bool(self._queue)):
                    self._queue.end_wait(reason)
                batch = self._queue.take_batch(self._context.admission(), self._outcomes.dead_letter)
            if batch:
                await self._send_batch(batch, hold)
            else:
                await asyncio.sleep(0)

    async def _wait_for_work(self) -> None:
        """Wait until there may be a delivery to send."""
        due_s = self._outcomes.isolated.next_due_s
        self._wake.clear()
        try:
            async with asyncio.timeout(None if due_s == float("inf") else due_s - time.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _linger(self) -> None:
        """Wait for more deliveries until a request would be full or the oldest has lingered long enough."""
        while self._queue and not self._linger_ended and self.probe is None:
            first = self._queue.first()
            envelope = first.envelope
            if len(self._queue) >= envelope.max_events or self._queued_bytes >= envelope.max_bytes or first.attempts:
                return
            left = self._lingering_since + self._context.options.linger_s - time.monotonic()
            if left <= 0:
                return
            self._wake.clear()
            self._wake_at_events, self._wake_at_bytes = envelope.max_events, envelope.max_bytes
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return
            finally:
                self._wake_at_events = self._wake_at_bytes = 0

    def _probe_batch(self, reason: WaitReason) -> tuple[OpenCircuit | None, list[Delivery]]:
        """Take one delivery that probes a hold, of another key than the probes before it."""
        hold = self._prober.open_circuit(reason)
        if hold is None:
            return None, []
        while (chosen := self._choose_probe(reason, hold)) is not None:
            if isinstance(fault := self._context.time_window.reason(chosen), Fault):
                # Too old to be accepted, ever. If it stayed, it would use up the limits, and no newer one could probe.
                self._outcomes.dead_letter(chosen, fault)
            else:
                hold.probed_keys[self].add(chosen.key)
                return hold, [chosen]
        self._context.circuit_breakers.record_probe(hold, time.monotonic())
        return None, []

    def _choose_probe(self, reason: WaitReason, hold: OpenCircuit) -> Delivery | None:
        """Take a delivery that probes a hold: of a key not tried since all keys were tried, if there is one."""
        prober, tried = self._prober, hold.probed_keys[self]
        probe_filter = prober.probe_filter(reason, hold)
        chosen = self._queue.take_probe(reason, prober.probe_predicate(reason, tried), probe_filter)
        if (
            chosen is None
            and (chosen := self._queue.take_probe(reason, prober.probe_predicate(reason, ()), probe_filter)) is not None
        ):
            tried.clear()
        return chosen

    async def _send_batch(self, batch: list[Delivery], probe_of: OpenCircuit | None) -> None:
        context = self._context
        endpoint, body = batch[0].envelope.endpoint, body_of(batch)
        self._queued_bytes -= len(body)
        self.in_flight = batch
        self.request_done = asyncio.get_running_loop().create_future()
        started = time.monotonic()
        context.rate_limiter.record_start(started)
        try:
            result = await send(
                self._connection,
                HttpRequest(endpoint, body),
                context.credentials,
                may_start=lambda: context.request_gate.may_start(batch, started),
                may_repeat=lambda: context.request_gate.may_repeat(batch),
            )
            self._report(endpoint, result, len(batch), len(body), time.monotonic() - started)
            if result is None:  # no request was sent, so nothing failed
                self._outcomes.requeue(batch)
                if probe_of is not None:
                    probe_of.probing = False
                return
            verdict = judge_result(context.destination, batch, result)
            poison = self._outcomes.handle_verdict(
                batch, verdict, started, reached_endpoint=isinstance(result, HttpResponse | Fault)
            )
            if isinstance(verdict, Deferred | Blocked) and context.poison_detector.keeps_failing(batch):
                # The server behind this connection may be the one that is failing; other lanes may never reach it.
                self._connection.use_new_connection()
            context.endpoint_health.record_verdict(
                endpoint, verdict, answered=isinstance(result, HttpResponse), probe=probe_of, poison=poison
            )
        finally:
            self.in_flight = ()
            self.request_done.set_result(None)

    def _report(
        self,
        endpoint: Endpoint,
        result: HttpResponse | Fault | Blocked | Deferred | None,
        events: int,
        size: int,
        seconds: float,
    ) -> None:
        """Report the end of a request, and read the destination's time from its response."""
        context = self._context
        if isinstance(result, HttpResponse | Fault):  # else there were no credentials and no request was sent
            status = result.status if isinstance(result, HttpResponse) else None
            context.observer.request_finished(context.name, endpoint.name, status, events, size, seconds)
        if isinstance(result, HttpResponse) and context.time_window.active:
            context.time_window.record_server_date(result.headers.get("date"))
