"""Writing letters: in order, until the broker has them, each as whole as its topic takes it.

Non-obvious:

* A topic limits the size of a batch, not of a record. A letter that came back as too large is first written alone, then
  without its value, and at last with our own headers only.
* `produce` raises at once, with no report to follow, when the client knows the topic to be missing.
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
from consumer.kafka.topics import TopicWatch
from consumer.model import DeadLetter
from consumer.model.observer import Observer

REPORTS_S = 0.05
_AT_ONCE = 1000
_QUESTION_S = 5.0
_FIRST_PAUSE_S = 0.5
_LONGEST_PAUSE_S = 5.0

_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


class PayloadMode(IntEnum):
    """How a letter is written: each form is tried once the one before was too large."""

    BATCHED = 0
    ALONE = 1
    WITHOUT_VALUE = 2
    COORDINATES_ONLY = 3


@dataclass(slots=True)
class PendingDeadLetter:
    """A letter on its way, whom to tell, and the form it is written in."""

    number: int
    dead_letter: DeadLetter
    on_acknowledged: Callable[[], None]
    mode: PayloadMode = PayloadMode.BATCHED


class DeadLetterProducer:
    """The letters of one thread and its producer.

    Args:
        properties: the producer's.
        topic: the dead-letter topic.
        headers: a letter's headers in the form it is written in.
        observer: told what failed.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        topic: str,
        headers: Callable[[DeadLetter, PayloadMode], Headers],
        observer: Observer,
    ) -> None:
        self._properties = dict(properties)
        self._topic = topic
        self._headers = headers
        self._observer = observer
        self._pile: deque[PendingDeadLetter] = deque()
        self._out: dict[int, PendingDeadLetter] = {}
        self._back: list[PendingDeadLetter] = []
        self._done: list[PendingDeadLetter] = []
        self._pause_s = _FIRST_PAUSE_S
        self._not_before_s = 0.0
        self._fatal = False
        self._leaving = False
        self.failing: tuple[str, float] | None = None
        """The code of the last failure, and since when (monotonic) no letter was acknowledged; read by anyone."""
        self._topic_watch = TopicWatch((topic,), observer.topic_missing, self._topic_found)
        self._producer = self._new()

    @property
    def is_idle(self) -> bool:
        """Whether nothing is to be written or reported."""
        return not self._pile and not self._out

    @property
    def wait_s(self) -> float:
        """Seconds to wait before anything can be done."""
        return 0.0 if self._out or not self._pile else max(0.0, self._not_before_s - time.monotonic())

    def add(self, pending: PendingDeadLetter) -> None:
        """Take a letter."""
        self._pile.append(pending)

    def serve(self) -> list[PendingDeadLetter]:
        """Write what can be written, and return the letters that the broker has acknowledged since."""
        if self._fatal and not self._out and not self._is_made_anew():
            return self._sorted()
        # Before any letter needs the topic, and again while it is missing: the client itself would learn of a topic
        # created meanwhile only after minutes.
        self._topic_watch.refresh_if_due(self._producer, time.monotonic(), _QUESTION_S)
        if not self._fatal and time.monotonic() >= self._not_before_s:
            self._write()
        self._producer.poll(REPORTS_S if self._out else 0)
        self._fatal = self._fatal or self._broker_loss.brokers_lost
        if self._fatal:
            self._producer.purge(blocking=False)  # every letter still with it comes back
        return self._sorted()

    def close(self) -> list[PendingDeadLetter]:
        """Take back what is not acknowledged, and return the letters that were."""
        self._leaving = True
        self._producer.purge(blocking=False)
        self._producer.poll(0)
        return self._sorted()

    def _is_made_anew(self) -> bool:
        """Make another producer: after a fatal error, or without any broker, one writes nothing any more."""
        try:
            self._producer = self._new()
        except KafkaException as error:
            self._failed(error.args[0])  # a file that it reads may be away for a moment: letters wait, and nothing ends
            return False
        self._fatal = False
        return True

    def _new(self) -> Producer:
        self._broker_loss = BrokerLossDetector()
        callbacks = {"error_cb": self._error, **self._broker_loss.properties()}
        return Producer({**self._properties, **callbacks}, logger=LIBRDKAFKA_LOG)

    def _write(self) -> None:
        """Give letters to the producer in order; one that goes alone waits for those before it, and others for it."""
        written = 0
        # One that goes alone is only ever out by itself, so one look tells: looking at all that are out before each
        # letter took minutes for a large pile. Nor is a large pile written in one go: reports must be served between.
        while self._pile and written < _AT_ONCE and not self._one_is_out_alone():
            sheet = self._pile[0]
            if sheet.mode is not PayloadMode.BATCHED and self._out:
                return
            message = sheet.dead_letter.message
            try:
                self._producer.produce(
                    self._topic,
                    value=message.value() if sheet.mode < PayloadMode.WITHOUT_VALUE else None,
                    key=message.key() if sheet.mode < PayloadMode.COORDINATES_ONLY else None,
                    headers=cast("list[tuple[str, str | bytes | None]]", self._headers(sheet.dead_letter, sheet.mode)),
                    on_delivery=self._reporter(sheet),
                )
            except BufferError:
                return  # full: reports make room
            except KafkaException as error:
                self._failed(error.args[0], sheet)
                return
            self._pile.popleft()
            self._out[sheet.number] = sheet
            written += 1

    def _one_is_out_alone(self) -> bool:
        return len(self._out) == 1 and next(iter(self._out.values())).mode is not PayloadMode.BATCHED

    def _reporter(self, sheet: PendingDeadLetter) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, _: Message) -> None:
            del self._out[sheet.number]
            if error is None:
                self._done.append(sheet)
            else:
                self._back.append(sheet)
                self._failed(error, sheet)

        return report

    def _failed(self, error: KafkaError, sheet: PendingDeadLetter | None = None) -> None:
        if self._leaving:
            return  # taken back, not refused
        if sheet is not None and error.code() in _TOO_LARGE and sheet.mode is not PayloadMode.COORDINATES_ONLY:
            sheet.mode = PayloadMode(sheet.mode + 1)
        else:
            self._not_before_s = time.monotonic() + self._pause_s
            self._pause_s = min(self._pause_s * 2, _LONGEST_PAUSE_S)
        if error.code() in MISSING_TOPIC_ERRORS:
            self._topic_watch.refresh_soon()
        self.failing = (error.name(), time.monotonic() if self.failing is None else self.failing[1])
        self._observer.dead_letter_failed(error.name())

    def _topic_found(self, topic: str) -> None:
        self._not_before_s = 0.0  # what was put off for want of the topic need not wait any longer
        self._observer.topic_found(topic)

    def _sorted(self) -> list[PendingDeadLetter]:
        """Put what came back before what has not been written yet, in the old order; return what is done."""
        if self._back:
            # A producer gives letters back in several portions: a later one may belong behind an earlier one.
            last = max(sheet.number for sheet in self._back)
            while self._pile and self._pile[0].number < last:
                self._back.append(self._pile.popleft())
            self._pile.extendleft(sorted(self._back, key=lambda sheet: -sheet.number))
            self._back = []
        done, self._done = self._done, []
        if done:
            self.failing, self._pause_s, self._not_before_s = None, _FIRST_PAUSE_S, 0.0
        return done

    def _error(self, error: KafkaError) -> None:
        self._fatal = self._fatal or error.fatal()
        # Never fatal to the process: another producer is made, and what was not acknowledged is written again.
        self._observer.client_error(error.name(), error.str(), fatal=False)
