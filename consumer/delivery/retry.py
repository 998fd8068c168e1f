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

_REST = 3.0
"""A suspect waits at least so many times as long as its call took, and as its answer asked all to wait: tried again
whenever its back-off is over, it would have its lane, or with a stated wait every lane, stand still for half of an
hour."""


class OutcomeHandler:
    """One lane's outcomes."""

    def __init__(self, context: DestinationContext, queue: KeyedQueue, wake: Callable[[], None]) -> None:
        """Put back into `queue` what has not ended; `wake` lets the lane look at it again."""
        self._context = context
        self._queue = queue
        self._wake = wake
        self._failures = 0
        self.isolated = IsolatedBatches()
        self.not_before = 0.0
        self.open_bytes = 0

    def handle_verdict(self, batch: list[Delivery], verdict: Verdict, started: float, *, called: bool) -> bool:
        """End what the verdict ends, and put the rest back to be sent again; tell whether the trouble is the batch's.

        `called`: its endpoint was, and not just the door of credentials before it.
        """
        context = self._context
        if not isinstance(verdict, Deferred | Blocked):
            self._failures = 0
            self.isolated.record_success()
        elif called and counts_as_failure(verdict):
            return self._against(batch, verdict, started)
        match verdict:
            case Delivered():
                self._delivered(batch, started)
            case PartiallyRefused(refused):
                context.observer.partial_failure(context.name, len(batch), len(refused))
                refusals = [(batch[index], refused[index]) for index in sorted(refused)]
                context.flood_guard.watch(refusals)
                self._delivered([delivery for index, delivery in enumerate(batch) if index not in refused], started)
                self._refuse(refusals)
            case Refused(fault) | BatchRefused(fault) if len(batch) == 1:
                self._refuse([(batch[0], fault)])
            case Refused() | BatchRefused():
                self._failed(batch)
                self._halve(batch)
                self.requeue(batch)
            case Deferred(fault, asked_s, everyone):
                self._failed(batch)
                self.requeue(batch)
                self._later(batch, fault, asked_s, everyone=everyone)
            case Blocked(fault):
                self._failed(batch)
                self.requeue(batch)
                if context.circuit_breakers.succeeded_since(batch[0].envelope.endpoint, started):
                    self._later(batch, fault, None, everyone=False)
                    return True
            case _:
                assert_never(verdict)
        return False

    def _against(self, batch: list[Delivery], verdict: Deferred | Blocked, started: float) -> bool:
        """Put back what has failed, maybe by its own fault; tell whether it was."""
        context, now = self._context, time.monotonic()
        fault = verdict.fault
        asked_s, everyone = (
            (verdict.wait_s, verdict.whole_destination) if isinstance(verdict, Deferred) else (None, False)
        )
        assessment = context.poison_detector.record_failure(batch, now)
        if assessment.action is FailureAction.GIVE_UP:
            self._pause(asked_s, everyone=everyone)
            self._give_up(batch[0], fault)
            return True
        self._failed(batch)
        if (
            isinstance(verdict, Blocked)
            and not assessment.is_poison
            and not context.circuit_breakers.succeeded_since(batch[0].envelope.endpoint, started)
        ):
            self.requeue(batch)  # it is held with all the others of its endpoint
            return False
        match assessment.action:
            case FailureAction.SPLIT:
                self._halve(batch)
                context.observer.batch_isolated(context.name, len(batch))
                self._apart(batch, now)
            case FailureAction.ISOLATE:
                self._isolate(batch, asked_s, now, now - started)
            case FailureAction.RETRY:
                self.requeue(batch)
            case _:
                assert_never(assessment.action)
        self._later(batch, fault, asked_s, everyone=everyone)
        return assessment.is_poison or isinstance(verdict, Blocked)

    def _give_up(self, delivery: Delivery, fault: Fault) -> None:
        alone = delivery.failure_history.lone_failures if delivery.failure_history else 0
        why = f"it failed {alone} times by itself, others were taken meanwhile: {fault.cause.value}"
        self._refuse([(delivery, Fault(DeadLetterCause.NEVER_ACCEPTED, why, fault.status))])

    def _isolate(self, batch: Sequence[Delivery], asked_s: float | None, now: float, took_s: float) -> None:
        """Let a batch that keeps failing wait for its own back-off; it never grows again."""
        own_s = self._context.options.backoff.next_delay(batch[0].attempts, asked_s, self._context.random)
        if self._context.poison_detector.is_candidate(batch):
            own_s = max(own_s, _REST * (took_s + (asked_s or 0)))
        if not batch[0].fragment:
            set_fragment(batch, self._context.next_fragment())
        self._apart(batch, now + own_s)

    def _apart(self, batch: Sequence[Delivery], due_s: float) -> None:
        """Let a batch wait by itself, its lane going on with other keys."""
        suspects = len(batch) if self._context.poison_detector.is_candidate(batch) else 0
        scope: WaitReason = ("isolated", self._context.next_fragment())
        self.open_bytes -= self._queue.isolate(batch, scope)
        if self._queue.count_waiting(scope):
            self.isolated.add(scope, due_s, suspects)

    def _halve(self, batch: Sequence[Delivery]) -> None:
        split(batch, self._context.next_fragment)
        self._context.observer.batch_split(self._context.name, len(batch))

    def _delivered(self, batch: Sequence[Delivery], started: float) -> None:
        if not batch:
            return  # an answer that names every one of them
        self._context.poison_detector.record_success(batch)
        self.open_bytes -= bytes_of(batch)
        self._context.sink.delivered(batch)
        self._context.flood_guard.record_delivered(batch, started)

    def requeue(self, batch: Sequence[Delivery]) -> None:
        """Put a batch back to where it came from."""
        self.open_bytes -= self._queue.requeue(batch)

    def _failed(self, batch: Iterable[Delivery]) -> None:
        at_ms = now_ms()
        for delivery in batch:
            delivery.attempts += 1
            delivery.first_failed_ms = delivery.first_failed_ms or at_ms

    def _later(self, batch: Sequence[Delivery], fault: Fault, asked_s: float | None, *, everyone: bool) -> None:
        """Let the lane wait before its next call, or the whole destination."""
        wait_s = self._pause(asked_s, everyone=everyone)
        self._context.observer.retry_scheduled(self._context.name, fault, len(batch), wait_s)

    def _pause(self, asked_s: float | None, *, everyone: bool = False) -> float:
        self._failures += 1
        wait_s = self._context.options.backoff.next_delay(self._failures, asked_s, self._context.random)
        until = time.monotonic() + wait_s
        if everyone:
            self._context.rate_limiter.pause_until(until)
        else:
            self.not_before = until
        return wait_s

    def _refuse(self, refusals: Iterable[tuple[Delivery, Fault]]) -> None:
        """Dead-letter deliveries that were sent, unless there are so many that the flood guard lets them wait."""
        waiting: list[Delivery] = []
        for delivery, answered in refusals:
            self._failed([delivery])
            fault = (
                self._context.time_window.expired(delivery) or answered
            )  # the answer itself may have to say what time it is
            cause = fault.cause if isinstance(fault.cause, DeadLetterCause) else DeadLetterCause.REFUSED
            if self._context.flood_guard.record_refusal(delivery, cause):
                waiting.append(delivery)
            else:
                self.dead_letter(delivery, Fault(cause, fault.detail, answered.status))
        self.requeue(waiting)  # together: one by one, each would come to stand before the one it follows

    def dead_letter(self, delivery: Delivery, fault: Fault) -> None:
        """Dead-letter a delivery. Its key waits for the letter's acknowledgement; other keys go on."""
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
    destination: Destination, batch: Sequence[Delivery], answer: HttpResponse | Fault | Blocked | Deferred
) -> Verdict:
    """Turn what came of a call into a verdict."""
    if isinstance(answer, Fault):
        return Deferred(answer)
    if not isinstance(answer, HttpResponse):
        return answer
    if answer.truncated and answer.status < 300:  # noqa: PLR2004 - any 2xx
        return Blocked(Fault(TransientCause.UNINTELLIGIBLE, "the answer is longer than any contract's", answer.status))
    return destination.judge(batch[0].envelope, [delivery.identity for delivery in batch], answer)
