"""Writes dead letters until the broker acknowledges them, and reports each acknowledgement to the loop.

It has a thread of its own. The poll thread must not serve delivery reports: during a drain it would wait for dead
letters that wait for it.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, cast

from consumer.kafka.dead_letters.headers import headers_of
from consumer.kafka.dead_letters.producer import DeadLetterProducer, PayloadMode, PendingDeadLetter
from consumer.kafka.properties import producer_properties
from consumer.kafka.timeouts import DEAD_LETTERS_S
from consumer.model import DeadLetter, DeadLetterCause
from consumer.model.observer import Observer
from consumer.threads import LoopThread

_IDLE_S = 0.5


class DeadLetterWriter:
    """Writes the dead letters of one pipeline.

    Args:
        properties: the user's librdkafka properties, unchanged.
        topic: the dead-letter topic.
        pipeline: the pipeline's name, for the headers.
        mapping_version: the mapping's version, for the headers.
        loop: the event loop in which acknowledgements are reported.
        observer: is notified of acknowledgements in the loop, and of failures in the thread.
        connect_headers: whether Kafka Connect's header names are written as well.

    Attributes:
        done: a future of the loop, done when the thread has ended. It has a result after `close`, and an exception if
            the thread failed. Its owner must then end the process: dead letters would wait forever.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        topic: str,
        pipeline: str,
        mapping_version: str,
        loop: asyncio.AbstractEventLoop,
        observer: Observer,
        *,
        connect_headers: bool = False,
    ) -> None:
        self._properties = producer_properties(properties)
        self._topic = topic
        self._pipeline = pipeline
        self._mapping_version = mapping_version
        self._connect_headers = connect_headers
        self._observer = observer
        self._inbox: SimpleQueue[PendingDeadLetter | None] = SimpleQueue()
        self._accepted = 0
        self._acknowledged = 0
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self._producer: DeadLetterProducer | None = None
        self._stop = threading.Event()
        self._thread = LoopThread(self._run, loop, f"dead-letters-{pipeline}")
        self.done: asyncio.Future[None] = self._thread.done

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def write(self, dead_letter: DeadLetter, on_acknowledged: Callable[[], None]) -> None:
        """Have a dead letter written. Call it in the loop, which calls `on_acknowledged` once the broker has it."""
        self._accepted += 1
        self._all_acknowledged.clear()
        self._inbox.put(PendingDeadLetter(self._accepted, dead_letter, on_acknowledged))

    def stalled_reason(self) -> str | None:
        """Return why no dead letter can be written now; `None` if they are written, or if none waits."""
        waiting = self._accepted - self._acknowledged
        failing = self._producer.failing if self._producer is not None else None
        if failing is None or not waiting:
            return None
        code, since_s = failing
        for_s = time.monotonic() - since_s
        return f"topic {self._topic} has acknowledged no write for {for_s:.0f} s ({code}); {waiting} dead letters wait"

    async def close(self, timeout_s: float) -> int:
        """Write as many dead letters as the timeout allows; return how many are not acknowledged."""
        if not self._thread.started:
            return self._accepted
        emptied = asyncio.create_task(self._all_acknowledged.wait())
        either: list[asyncio.Future[Any]] = [emptied, self.done]
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        self._stop.set()
        self._inbox.put(None)  # wakes the thread
        await asyncio.wait([self.done], timeout=DEAD_LETTERS_S)
        return self._accepted - self._acknowledged

    # ── The thread ──

    def _run(self) -> None:
        self._producer = producer = DeadLetterProducer(self._properties, self._topic, self._headers, self._observer)
        while not self._stop.is_set():
            self._take_from_inbox(producer)
            self._stop.wait(min(producer.wait_s, _IDLE_S))
            self._report(producer.serve())
        self._report(producer.close())

    def _take_from_inbox(self, producer: DeadLetterProducer) -> None:
        try:
            # An idle thread waits for the next dead letter. The timeout lets it serve the client now and then.
            pending = self._inbox.get(timeout=_IDLE_S if producer.is_idle else 0)
            while True:
                if pending is not None:
                    producer.add(pending)
                pending = self._inbox.get_nowait()
        except Empty:
            return

    def _headers(self, dead_letter: DeadLetter, mode: PayloadMode) -> list[tuple[str, bytes | None]]:
        return headers_of(
            dead_letter,
            self._pipeline,
            self._mapping_version,
            value_omitted=mode >= PayloadMode.WITHOUT_VALUE,
            own_headers_only=mode is PayloadMode.COORDINATES_ONLY,
            connect_headers=self._connect_headers,
        )

    def _report(self, acknowledged: list[PendingDeadLetter]) -> None:
        if acknowledged and not self._thread.call_in_loop(self._on_acknowledged, acknowledged):
            self._stop.set()  # the loop is closed: no acknowledgement has any effect any more

    # ── The loop ──

    def _on_acknowledged(self, acknowledged: list[PendingDeadLetter]) -> None:
        self._acknowledged += len(acknowledged)
        if self._acknowledged == self._accepted:
            self._all_acknowledged.set()
        counts: Counter[tuple[str, DeadLetterCause]] = Counter()
        for pending in acknowledged:
            dead_letter = pending.dead_letter
            destination = "" if dead_letter.entry is None else dead_letter.entry.destination
            counts[destination, cast("DeadLetterCause", dead_letter.fault.cause)] += 1
            pending.on_acknowledged()
        for (destination, cause), count in counts.items():
            self._observer.dead_lettered(destination, cause, count)
