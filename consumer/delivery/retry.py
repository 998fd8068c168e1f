"""What happens to a lane's batch after its request: settle, retry, split, isolate, hold or dead-letter."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from consumer.delivery.batch import bytes_of, set_fragment, split
from consumer.delivery.guards.poison_detector import FailureAction, counts_as_failure
from consumer.delivery.keyed_queue import IsolatedBatches
from consumer.model import (
    BatchRefused,
    Blocked,
    DeadLetterCause,
    Deferred,
    Delivered,
    Fault,
    HttpResponse,
    PartiallyRefused,
    Refused,
    TransientCause,
)
from consumer.model.clock import now_ms

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.destination_context import DestinationContext
    from consumer.delivery.keyed_queue import KeyedQueue, WaitReason
    from consumer.destinations import Destination
    from consumer.model import Verdict

_CANDIDATE_WAIT_FACTOR = 3.0
"""A poison candidate waits at least this many times as long as its request took and its response asked to wait.

If it were tried whenever its back-off is over, it would occupy its lane half of the time until it is given up. With a
requested wait, it would occupy every lane of the destination."""


class OutcomeHandler:
    """Applies the verdicts on one lane's batches."""

    def __init__(self, context: DestinationContext, queue: KeyedQueue, wake: Callable[[], None]) -> None:
        """Put unfinished deliveries back into `queue`; call `wake` when a blocked key may be sent again."""
        self._context = context
        self._queue = queue
        self._wake = wake
        self._failures = 0
        self.isolated = IsolatedBatches()
        self.not_before = 0.0
        self.open_bytes = 0

    def handle_verdict(
        self, batch: list[Delivery], verdict: Verdict, started: float, *, reached_endpoint: bool
    ) -> bool:
        """Settle or dead-letter the deliveries that the verdict ends, and requeue the others.

        Args:
            batch: the deliveries of the request.
            verdict: the verdict on its response.
            started: when the request started (monotonic seconds).
            reached_endpoint: False if no request was sent because the credentials could not be had.

        Returns:
            True if the batch itself is the problem, not its endpoint.
        """
        context = self._context
        if not isinstance(verdict, Deferred | Blocked):
            self._failures = 0
            self.isolated.record_success()
        elif reached_endpoint and counts_as_failure(verdict):
            return self._handle_failure(batch, verdict, started)
        match verdict:
            case Delivered():
                self._settle(batch, started)
            case PartiallyRefused(refused):
                context.observer.partial_failure(context.name, len(batch), len(refused))
                refusals = [(batch[index], refused[index]) for index in sorted(refused)]
                context.flood_guard.watch(refusals)
                self._settle([delivery for index, delivery in enumerate(batch) if index not in refused], started)
                self._refuse(refusals)
            case Refused(fault) | BatchRefused(fault) if len(batch) == 1:
                self._refuse([(batch[0], fault)])
            case Refused() | BatchRefused():
                self._count_attempt(batch)
                self._split(batch)
                self.requeue(batch)
            case Deferred(fault, at_least_s, whole_destination):
                self._count_attempt(batch)
                self.requeue(batch)
                self._schedule_retry(batch, fault, at_least_s, whole_destination=whole_destination)
            case Blocked(fault):
                self._count_attempt(batch)
                self.requeue(batch)
                if context.circuit_breakers.succeeded_since(batch[0].envelope.endpoint, started):
                    self._schedule_retry(batch, fault, None, whole_destination=False)
                    return True
            case _:
                assert_never(verdict)
        return False

    def _handle_failure(self, batch: list[Delivery], verdict: Deferred | Blocked, started: float) -> bool:
        """Retry, isolate, split or give up a batch whose content may have caused the failure.

        Return True if it did.
        """
        context, now = self._context, time.monotonic()
        fault = verdict.fault
        at_least_s, whole_destination = (
            (verdict.wait_s, verdict.whole_destination) if isinstance(verdict, Deferred) else (None, False)
        )
        assessment = context.poison_detector.record_failure(batch, now)
        if assessment.action is FailureAction.GIVE_UP:
            self._back_off(at_least_s, whole_destination=whole_destination)
            self._give_up(batch[0], fault)
            return True
        self._count_attempt(batch)
        if (
            isinstance(verdict, Blocked)
            and not assessment.is_poison
            and not context.circuit_breakers.succeeded_since(batch[0].envelope.endpoint, started)
        ):
            self.requeue(batch)  # it is held with all others of its endpoint
            return False
        match assessment.action:
            case FailureAction.SPLIT:
                self._split(batch)
                context.observer.batch_isolated(context.name, len(batch))
                self._wait_in_isolation(batch, now)
            case FailureAction.ISOLATE:
                self._isolate(batch, at_least_s, now, now - started)
            case FailureAction.RETRY:
                self.requeue(batch)
            case _:
                assert_never(assessment.action)
        self._schedule_retry(batch, fault, at_least_s, whole_destination=whole_destination)
        return assessment.is_poison or isinstance(verdict, Blocked)

    def _give_up(self, delivery: Delivery, fault: Fault) -> None:
        failures = delivery.failure_history.lone_failures if delivery.failure_history else 0
        why = f"failed {failures} times by itself while other requests succeeded: {fault.cause.value}"
        self._refuse([(delivery, Fault(DeadLetterCause.NEVER_ACCEPTED, why, fault.status))])

    def _isolate(self, batch: Sequence[Delivery], at_least_s: float | None, now: float, took_s: float) -> None:
        """Let a batch that keeps failing wait for its own back-off. It never grows again."""
        wait_s = self._context.options.backoff.next_delay(batch[0].attempts, at_least_s, self._context.random)
        if self._context.poison_detector.is_candidate(batch):
            wait_s = max(wait_s, _CANDIDATE_WAIT_FACTOR * (took_s + (at_least_s or 0)))
        if not batch[0].fragment:
            set_fragment(batch, self._context.next_fragment())
        self._wait_in_isolation(batch, now + wait_s)

    def _wait_in_isolation(self, batch: Sequence[Delivery], due_s: float) -> None:
        """Let a batch wait until `due_s`. Its lane continues with other keys."""
        candidates = len(batch) if self._context.poison_detector.is_candidate(batch) else 0
        reason: WaitReason = ("isolated", self._context.next_fragment())
        self.open_bytes -= self._queue.isolate(batch, reason)
        if self._queue.count_waiting(reason):
            self.isolated.add(reason, due_s, candidates)

    def _split(self, batch: Sequence[Delivery]) -> None:
        split(batch, self._context.next_fragment)
        self._context.observer.batch_split(self._context.name, len(batch))

    def _settle(self, batch: Sequence[Delivery], started: float) -> None:
        if not batch:
            return  # the response refuses every delivery by name
        self._context.poison_detector.record_success(batch)
        self.open_bytes -= bytes_of(batch)
        self._context.sink.delivered(batch)
        self._context.flood_guard.record_delivered(batch, started)

    def requeue(self, batch: Sequence[Delivery]) -> None:
        """Put an unfinished batch back to its place in the queue."""
        self.open_bytes -= self._queue.requeue(batch)

    def _count_attempt(self, batch: Iterable[Delivery]) -> None:
        at_ms = now_ms()
        for delivery in batch:
            delivery.attempts += 1
            delivery.first_failed_ms = delivery.first_failed_ms or at_ms

    def _schedule_retry(
        self, batch: Sequence[Delivery], fault: Fault, at_least_s: float | None, *, whole_destination: bool
    ) -> None:
        """Let the lane, or the whole destination, wait before its next request."""
        wait_s = self._back_off(at_least_s, whole_destination=whole_destination)
        self._context.observer.retry_scheduled(self._context.name, fault, len(batch), wait_s)

    def _back_off(self, at_least_s: float | None, *, whole_destination: bool = False) -> float:
        self._failures += 1
        wait_s = self._context.options.backoff.next_delay(self._failures, at_least_s, self._context.random)
        until = time.monotonic() + wait_s
        if whole_destination:
            self._context.rate_limiter.pause_until(until)
        else:
            self.not_before = until
        return wait_s

    def _refuse(self, refusals: Iterable[tuple[Delivery, Fault]]) -> None:
        """Dead-letter refused deliveries, except those that wait because the flood guard has tripped."""
        waiting: list[Delivery] = []
        for delivery, reported in refusals:
            self._count_attempt([delivery])
            # Checked after the response: its `Date` may be the first sign of the destination's time.
            fault = self._context.time_window.expired(delivery) or reported
            cause = fault.cause if isinstance(fault.cause, DeadLetterCause) else DeadLetterCause.REFUSED
            if self._context.flood_guard.record_refusal(delivery, cause):
                waiting.append(delivery)
            else:
                self.dead_letter(delivery, Fault(cause, fault.detail, reported.status))
        self.requeue(waiting)  # in one call: one by one, each would be put before the one that it follows

    def dead_letter(self, delivery: Delivery, fault: Fault) -> None:
        """Dead-letter a delivery. Its key waits for the acknowledgement; other keys continue."""
        key = delivery.key
        self.open_bytes -= len(delivery.body)
        self._queue.block_key(key)
        if not isinstance(fault.cause, DeadLetterCause):
            fault = Fault(DeadLetterCause.REFUSED, fault.detail, fault.status)

        def acknowledged() -> None:
            self._queue.record_acknowledgement(key)
            self._wake()

        self._context.sink.refused(delivery, fault, acknowledged)


def judge_result(
    destination: Destination, batch: Sequence[Delivery], result: HttpResponse | Fault | Blocked | Deferred
) -> Verdict:
    """Return the verdict on the result of a request."""
    if isinstance(result, Fault):
        return Deferred(result)
    if not isinstance(result, HttpResponse):
        return result
    if result.truncated and result.status < 300:  # noqa: PLR2004 - any 2xx
        fault = Fault(TransientCause.UNINTELLIGIBLE, "the response is longer than any in the contract", result.status)
        return Blocked(fault)
    return destination.judge(batch[0].envelope, [delivery.identity for delivery in batch], result)
