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
    """One lane. Its state belongs to the loop; `run` is its only task."""

    def __init__(self, context: DestinationContext, prober: Prober, wire: HttpConnection) -> None:
        """Start empty."""
        self._context = context
        self._prober = prober
        self._wire = wire
        self._queue = KeyedQueue()
        self._wake = asyncio.Event()
        self._outcomes = OutcomeHandler(context, self._queue, self._wake.set)
        self._queued_bytes = 0  # a hint for lingering only: exact while nothing was set aside
        self._since = 0.0
        self._enough = self._enough_bytes = 0  # what makes a lingering lane look up: events and bytes
        self.in_flight: Sequence[Delivery] = ()
        self.request_done: asyncio.Future[None] | None = None
        self.probe: WaitReason | None = None
        self._probed = False  # by its last call or try of one
        self._hurry = False

    @property
    def open_bytes(self) -> int:
        """Bytes of the bodies that are queued, aside or on the wire."""
        return self._outcomes.open_bytes

    @property
    def not_before(self) -> float:
        """When its own back-off is over (monotonic seconds)."""
        return self._outcomes.not_before

    # ── What others do to it ──

    def enqueue(self, deliveries: Collection[Delivery], size: int) -> None:
        """Queue deliveries in order; `size` is the bytes of their bodies."""
        if not self._queue:
            self._since, self._queued_bytes = time.monotonic(), 0
        self._queue.append(deliveries)
        self._queued_bytes += size
        self._outcomes.open_bytes += size
        # While it lingers, each lot would wake it only to find that the call is not full yet.
        if len(self._queue) >= self._enough or self._queued_bytes >= self._enough_bytes:
            self._wake.set()

    def wake(self) -> None:
        """Let the lane look again at what it may do."""
        self._wake.set()

    def end_linger(self) -> None:
        """Linger no more: the pipeline is leaving."""
        self._hurry = True
        self._wake.set()

    def release(self, scope: WaitReason) -> None:
        """Let go what waited for `scope`."""
        self._queue.release(scope)
        self._wake.set()

    def count_waiting(self, scope: WaitReason) -> int:
        """Count what waits for `scope`."""
        return self._queue.count_waiting(scope)

    def can_probe(self, scope: WaitReason, fit: Callable[[Delivery], bool], proof: ProbeFilter) -> bool:
        """Tell whether anything that waits for `scope` can probe it."""
        return self._queue.find_probe(scope, fit, proof) is not None

    def drop_revoked(self) -> None:
        """Forget deliveries whose ledger sends no more; a call on the wire stays there."""
        self._outcomes.open_bytes -= self._queue.drop_revoked()
        self._outcomes.isolated.prune(self._queue.count_waiting)
        self._wake.set()

    def recheck(self, reason: Callable[[Delivery], object | None]) -> None:
        """Look anew at all that waits for what may have changed, and at what is apart and has a `reason` now."""
        self._queue.recheck(lambda delivery: delivery.ledger.may_send and reason(delivery) is not None)
        self._outcomes.isolated.prune(self._queue.count_waiting)
        self._wake.set()

    def can_make_progress(self, by: float) -> bool:
        """Tell whether it still gets somewhere by this time: what leaving waits for.

        Letters are not counted: whether the dead-letter topic takes them is not known here.
        """
        waits = bool(self._queue) or self._outcomes.isolated.next_due_s <= by
        return bool(self.in_flight) or (waits and self.not_before <= by)

    def poison_candidates(self) -> int:
        """Count the deliveries that are suspects: apart, or tried just now."""
        batch = self.in_flight
        tried = len(batch) if batch and self._context.poison_detector.is_candidate(batch) else 0
        return self._outcomes.isolated.candidates + tried

    # ── Its own life ──

    async def run(self) -> None:
        """Call, for ever."""
        while True:
            if self.probe is None and not self._queue and self._outcomes.isolated.next_due_s > time.monotonic():
                await self._rest()
                continue
            if self.probe is None:
                await self._gather()
            await self._context.request_gate.wait_until_open(lambda: self.not_before)
            # Nothing may be awaited between forming a batch and putting it on the wire: a partition could go between.
            hold = None
            # Between two probes all that is queued has its turn. With the next probe always there already, as under a
            # rate, it would never go, and what stands behind a probe that ended would never be looked at.
            self._probed = self.probe is not None and not (self._probed and self._queue)
            if self.probe is not None and self._probed:
                hold, batch = self._probe_batch(self.probe)
                self.probe = None
            else:
                if scope := self._outcomes.isolated.take_due(time.monotonic(), others=bool(self._queue)):
                    self._queue.release(scope)
                batch = self._queue.take_batch(self._context.admission(), self._outcomes.dead_letter)
            if batch:
                await self._call(batch, hold)
            else:
                await asyncio.sleep(0)

    async def _rest(self) -> None:
        """Wait until there is something to do."""
        due_s = self._outcomes.isolated.next_due_s
        self._wake.clear()
        try:
            async with asyncio.timeout(None if due_s == float("inf") else due_s - time.monotonic()):
                await self._wake.wait()
        except TimeoutError:
            return

    async def _gather(self) -> None:
        """Wait for company until a call would be full, or until the oldest has lingered long enough."""
        while self._queue and not self._hurry and self.probe is None:
            first = self._queue.first()
            shape = first.envelope
            if len(self._queue) >= shape.max_events or self._queued_bytes >= shape.max_bytes or first.attempts:
                return
            left = self._since + self._context.options.linger_s - time.monotonic()
            if left <= 0:
                return
            self._wake.clear()
            self._enough, self._enough_bytes = shape.max_events, shape.max_bytes
            try:
                async with asyncio.timeout(left):
                    await self._wake.wait()
            except TimeoutError:
                return
            finally:
                self._enough = self._enough_bytes = 0

    def _probe_batch(self, scope: WaitReason) -> tuple[OpenCircuit | None, list[Delivery]]:
        """Take one delivery of what is held, of another key than the probes before it."""
        hold = self._prober.open_circuit(scope)
        if hold is None:
            return None, []
        while (chosen := self._choose(scope, hold)) is not None:
            if isinstance(fault := self._context.time_window.reason(chosen), Fault):
                # Too old by now, and for ever. Kept, it would fill the limits, and no younger one could come to probe.
                self._outcomes.dead_letter(chosen, fault)
            else:
                hold.probed_keys[self].add(chosen.key)
                return hold, [chosen]
        self._context.circuit_breakers.record_probe(hold, time.monotonic())
        return None, []

    def _choose(self, scope: WaitReason, hold: OpenCircuit) -> Delivery | None:
        """Take what probes a hold: of a key that was not tried since all of them were, if there is one."""
        prober, tried = self._prober, hold.probed_keys[self]
        proof = prober.probe_filter(scope, hold)
        chosen = self._queue.take_probe(scope, prober.probe_predicate(scope, tried), proof)
        if (
            chosen is None
            and (chosen := self._queue.take_probe(scope, prober.probe_predicate(scope, ()), proof)) is not None
        ):
            tried.clear()
        return chosen

    async def _call(self, batch: list[Delivery], probed: OpenCircuit | None) -> None:
        context = self._context
        endpoint, body = batch[0].envelope.endpoint, body_of(batch)
        self._queued_bytes -= len(body)
        self.in_flight = batch
        self.request_done = asyncio.get_running_loop().create_future()
        started = time.monotonic()
        context.rate_limiter.record_start(started)
        try:
            answer = await send(
                self._wire,
                HttpRequest(endpoint, body),
                context.credentials,
                may_start=lambda: context.request_gate.may_start(batch, started),
                may_repeat=lambda: context.request_gate.may_repeat(batch),
            )
            self._report(endpoint, answer, len(batch), len(body), time.monotonic() - started)
            if answer is None:  # nothing was sent, so that nothing was learnt and nothing failed
                self._outcomes.requeue(batch)
                if probed is not None:
                    probed.probing = False
                return
            verdict = judge_result(context.destination, batch, answer)
            own = self._outcomes.handle_verdict(
                batch, verdict, started, called=isinstance(answer, HttpResponse | Fault)
            )
            if isinstance(verdict, Deferred | Blocked) and context.poison_detector.keeps_failing(batch):
                # The server behind this connection may be the one that is ill; other lanes may never reach it.
                self._wire.use_new_connection()
            context.endpoint_health.record_verdict(
                endpoint, verdict, answered=isinstance(answer, HttpResponse), probe=probed, poison=own
            )
        finally:
            self.in_flight = ()
            self.request_done.set_result(None)

    def _report(
        self,
        endpoint: Endpoint,
        answer: HttpResponse | Fault | Blocked | Deferred | None,
        events: int,
        size: int,
        seconds: float,
    ) -> None:
        """Tell what a call ended with, and learn the destination's time from it."""
        context = self._context
        if isinstance(answer, HttpResponse | Fault):  # else the door of credentials stayed shut, and no call was made
            status = answer.status if isinstance(answer, HttpResponse) else None
            context.observer.request_finished(context.name, endpoint.name, status, events, size, seconds)
        if isinstance(answer, HttpResponse) and context.time_window.active:
            context.time_window.record_server_date(answer.headers.get("date"))
