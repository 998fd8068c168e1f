"""What becomes of one lane's batches once their calls were answered: ended, put back, halved, or waited with."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, assert_never

from consumer.delivery.batch import bytes_of, halve
from consumer.model import Barred, Cause, Deferred, Delivered, Fault, Listed, Mixed, Refused

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery
    from consumer.delivery.lanes import Lanes
    from consumer.delivery.queue import KeyedQueue
    from consumer.model import Verdict


class Outcomes:
    """One lane's outcomes."""

    def __init__(self, road: Lanes, queue: KeyedQueue, wake: Callable[[], None]) -> None:
        """Put back into `queue` what has not ended; `wake` lets the lane look at it again."""
        self._road = road
        self._queue = queue
        self._wake = wake
        self._failures = 0
        self.not_before = 0.0
        self.open_bytes = 0

    def conclude(self, batch: list[Delivery], verdict: Verdict, started: float) -> None:
        """End what the verdict ends, and put the rest back to be sent again."""
        road = self._road
        if not isinstance(verdict, Deferred | Barred):
            self._failures = 0
        match verdict:
            case Delivered():
                self._delivered(batch)
            case Listed(refused):
                road.observer.listed(road.name, len(batch), len(refused))
                self._delivered([delivery for index, delivery in enumerate(batch) if index not in refused])
                for index in sorted(refused):
                    self._refuse(batch[index], refused[index])
            case Refused(fault) | Mixed(fault) if len(batch) == 1:
                self._refuse(batch[0], fault)
            case Refused() | Mixed():
                self._failed(batch)
                halve(batch, road.next_piece)
                self.again(batch)
                road.observer.split(road.name, len(batch))
            case Deferred(fault, asked_s, everyone):
                self._later(batch, fault, asked_s, everyone=everyone)
            case Barred(fault):
                if road.holds.succeeded_since(batch[0].shape.endpoint, started):
                    self._later(batch, fault, None, everyone=False)
                else:
                    self._failed(batch)
                    self.again(batch)
            case _:
                assert_never(verdict)

    def _delivered(self, batch: Sequence[Delivery]) -> None:
        self.open_bytes -= bytes_of(batch)
        self._road.ends.delivered(batch)

    def again(self, batch: Sequence[Delivery]) -> None:
        """Put a batch back to where it came from."""
        self.open_bytes -= self._queue.again(batch)

    def _failed(self, batch: Iterable[Delivery]) -> None:
        now_ms = int(time.time() * 1000)
        for delivery in batch:
            delivery.attempts += 1
            delivery.first_failed_ms = delivery.first_failed_ms or now_ms

    def _later(self, batch: Sequence[Delivery], fault: Fault, asked_s: float | None, *, everyone: bool) -> None:
        self._failed(batch)
        self.again(batch)
        self._failures += 1
        wait_s = self._road.options.backoff.wait(self._failures, asked_s, self._road.dice)
        until = time.monotonic() + wait_s
        if everyone:
            self._road.pace.told(until)
        else:
            self.not_before = until
        self._road.observer.deferred(self._road.name, fault, len(batch), wait_s)

    def _refuse(self, delivery: Delivery, fault: Fault) -> None:
        """Dead-letter a delivery that was sent."""
        self._failed([delivery])
        late = self._road.window.past_hope(delivery)  # where the answer itself had to say what time it is
        self.unsayable(delivery, fault if late is None else Fault(late.cause, late.detail, fault.status))

    def unsayable(self, delivery: Delivery, fault: Fault) -> None:
        """Dead-letter a delivery. Its key waits for the letter's acknowledgement; other keys go on."""
        key = delivery.key
        self.open_bytes -= len(delivery.body)
        self._queue.block(key)
        if not isinstance(fault.cause, Cause):
            fault = Fault(Cause.REFUSED, fault.detail, fault.status)

        def acknowledged() -> None:
            self._queue.acknowledged(key)
            self._wake()

        self._road.ends.refused(delivery, fault, acknowledged)
