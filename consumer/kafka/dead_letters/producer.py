"""Produces dead letters: in order, until the broker has them, with as much of each record as the topic accepts.

Non-obvious:

* A topic limits the size of a batch, not of a record. A dead letter that is rejected as too large is first written
  alone, then without its value, and at last with our own headers only.
* If the client knows the topic to be missing, `produce` raises at once, and no delivery report follows.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import cast

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from consumer.kafka.client_health import MISSING_TOPIC_ERRORS, BrokerLossDetector
from consumer.kafka.dead_letters.headers import Headers
from consumer.kafka.properties import LIBRDKAFKA_LOG
from consumer.kafka.topics import Subscription, TopicWatch
from consumer.model import DeadLetter
from consumer.model.observer import Observer

REPORTS_S = 0.05
_MAX_PER_CALL = 1000
_METADATA_TIMEOUT_S = 5.0
_FIRST_BACKOFF_S = 0.5
_MAX_BACKOFF_S = 5.0

_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


class PayloadMode(IntEnum):
    """How much of a record its dead letter contains. Each mode is tried after the one before was too large."""

    BATCHED = 0
    ALONE = 1
    WITHOUT_VALUE = 2
    COORDINATES_ONLY = 3


@dataclass(slots=True)
class PendingDeadLetter:
    """A dead letter that is not acknowledged yet, with its number in the order of writing."""

    number: int
    dead_letter: DeadLetter
    on_acknowledged: Callable[[], None]
    mode: PayloadMode = PayloadMode.BATCHED


class DeadLetterProducer:
    """The pending dead letters of one thread, and its producer.

    Args:
        properties: the producer's properties.
        topic: the dead-letter topic.
        headers: returns a dead letter's headers in a mode.
        observer: is notified of failures.
        metadata_timeout_s: seconds that listing the topics may take.
        max_backoff_s: the longest back-off after failures, in seconds.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        topic: str,
        headers: Callable[[DeadLetter, PayloadMode], Headers],
        observer: Observer,
        *,
        metadata_timeout_s: float = _METADATA_TIMEOUT_S,
        max_backoff_s: float = _MAX_BACKOFF_S,
    ) -> None:
        self._properties = dict(properties)
        self._topic = topic
        self._headers = headers
        self._observer = observer
        self._metadata_timeout_s = metadata_timeout_s
        self._max_backoff_s = max_backoff_s
        self._queue: deque[PendingDeadLetter] = deque()
        self._in_flight: dict[int, PendingDeadLetter] = {}
        self._returned: list[PendingDeadLetter] = []
        self._acknowledged: list[PendingDeadLetter] = []
        self._backoff_s = _FIRST_BACKOFF_S
        self._not_before_s = 0.0
        self._fatal = False
        self._closing = False
        self.failing: tuple[str, float] | None = None
        """The code of the last failure, and the monotonic time since which no dead letter was acknowledged.

        Any thread may read it."""
        self._topic_watch = TopicWatch(Subscription((topic,)), observer.topic_missing, self._topic_found)
        self._producer = self._new()

    @property
    def is_idle(self) -> bool:
        """Whether no dead letter is queued or in flight."""
        return not self._queue and not self._in_flight

    @property
    def wait_s(self) -> float:
        """Seconds until `serve` can do anything."""
        return 0.0 if self._in_flight or not self._queue else max(0.0, self._not_before_s - time.monotonic())

    def add(self, pending: PendingDeadLetter) -> None:
        """Queue a dead letter."""
        self._queue.append(pending)

    def serve(self) -> list[PendingDeadLetter]:
        """Write queued dead letters and serve delivery reports; return the newly acknowledged dead letters."""
        if self._fatal and not self._in_flight and not self._replace_producer():
            return self._requeue_returned()
        # Before the first dead letter, and again while the topic is missing. By itself the client would notice a
        # created topic only after minutes.
        self._topic_watch.refresh_if_due(self._producer, time.monotonic(), self._metadata_timeout_s)
        if not self._fatal and time.monotonic() >= self._not_before_s:
            self._write()
        self._producer.poll(REPORTS_S if self._in_flight else 0)
        self._fatal = self._fatal or self._broker_loss.brokers_lost
        if self._fatal:
            self._producer.purge(blocking=False)  # the reports return every dead letter in flight
        return self._requeue_returned()

    def close(self) -> list[PendingDeadLetter]:
        """Cancel the dead letters in flight, and return those acknowledged since the last call."""
        self._closing = True
        self._producer.purge(blocking=False)
        self._producer.poll(0)
        return self._requeue_returned()

    def _replace_producer(self) -> bool:
        """Create another producer. After a fatal error, or without any broker, the old one never writes again."""
        try:
            self._producer = self._new()
        except KafkaException as error:
            # A file that it reads may be missing for a moment. The dead letters wait, and the thread goes on.
            self._note_failure(error.args[0])
            return False
        self._fatal = False
        return True

    def _new(self) -> Producer:
        self._broker_loss = BrokerLossDetector()
        callbacks = {"error_cb": self._on_error, **self._broker_loss.properties()}
        return Producer({**self._properties, **callbacks}, logger=LIBRDKAFKA_LOG)

    def _write(self) -> None:
        """Produce in order. One that is written alone waits for all before it, and all after it wait for it."""
        written = 0
        # One that is written alone is the only one in flight, so a look at one is enough: a look at all in flight for
        # each dead letter took minutes for a long queue. The maximum per call lets reports be served in between.
        while self._queue and written < _MAX_PER_CALL and not self._one_is_alone_in_flight():
            pending = self._queue[0]
            if pending.mode is not PayloadMode.BATCHED and self._in_flight:
                return
            message = pending.dead_letter.message
            try:
                self._producer.produce(
                    self._topic,
                    value=message.value() if pending.mode < PayloadMode.WITHOUT_VALUE else None,
                    key=message.key() if pending.mode < PayloadMode.COORDINATES_ONLY else None,
                    headers=cast(
                        "list[tuple[str, str | bytes | None]]", self._headers(pending.dead_letter, pending.mode)
                    ),
                    on_delivery=self._reporter(pending),
                )
            except BufferError:
                return  # the client's queue is full: delivery reports make room
            except KafkaException as error:
                self._note_failure(error.args[0], pending)
                return
            self._queue.popleft()
            self._in_flight[pending.number] = pending
            written += 1

    def _one_is_alone_in_flight(self) -> bool:
        return len(self._in_flight) == 1 and next(iter(self._in_flight.values())).mode is not PayloadMode.BATCHED

    def _reporter(self, pending: PendingDeadLetter) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _: Message) -> None:
            del self._in_flight[pending.number]
            if error is None:
                self._acknowledged.append(pending)
            else:
                self._returned.append(pending)
                self._note_failure(error, pending)

        return report

    def _note_failure(self, error: KafkaError, pending: PendingDeadLetter | None = None) -> None:
        if self._closing:
            return  # cancelled by `close`, not rejected
        if pending is not None and error.code() in _TOO_LARGE and pending.mode is not PayloadMode.COORDINATES_ONLY:
            pending.mode = PayloadMode(pending.mode + 1)
        else:
            self._not_before_s = time.monotonic() + self._backoff_s
            self._backoff_s = min(self._backoff_s * 2, self._max_backoff_s)
        if error.code() in MISSING_TOPIC_ERRORS:
            self._topic_watch.refresh_soon()
        self.failing = (error.name(), time.monotonic() if self.failing is None else self.failing[1])
        self._observer.dead_letter_failed(error.name())

    def _topic_found(self, topic: str) -> None:
        self._not_before_s = 0.0  # ends the back-off of dead letters that failed because the topic was missing
        self._observer.topic_found(topic)

    def _requeue_returned(self) -> list[PendingDeadLetter]:
        """Put returned dead letters back in front of the queue, in their old order; return the acknowledged ones."""
        if self._returned:
            # A producer returns dead letters in several portions. A later portion may belong behind an earlier one.
            last = max(pending.number for pending in self._returned)
            while self._queue and self._queue[0].number < last:
                self._returned.append(self._queue.popleft())
            self._queue.extendleft(sorted(self._returned, key=lambda pending: -pending.number))
            self._returned = []
        acknowledged, self._acknowledged = self._acknowledged, []
        if acknowledged:
            self.failing, self._backoff_s, self._not_before_s = None, _FIRST_BACKOFF_S, 0.0
        return acknowledged

    def _on_error(self, error: KafkaError) -> None:
        self._fatal = self._fatal or error.fatal()
        # Never fatal to the process: another producer is created, and writes the unacknowledged dead letters again.
        self._observer.client_error(error.name(), error.str(), fatal=False)
