"""The dead-letter topic: letters are written until the broker acknowledges them, and only then said to be.

Its thread is its own. The poll thread must not serve its acknowledgements: during a drain it would wait for letters
that wait for it.
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

_IDLE_S = 0.5


class DeadLetterWriter:
    """Writes the dead letters of one pipeline.

    Args:
        properties: the user's librdkafka properties, as they stand.
        topic: the dead-letter topic.
        pipeline: the pipeline's name, for the headers.
        mapping_version: the mapping's version, for the headers.
        loop: where acknowledgements are told.
        observer: told, in the loop, what was acknowledged; and from the thread what failed.
        connect_headers: whether Kafka Connect's header names are written as well.

    Attributes:
        done: ends when the thread has ended: with a result after `close`, with an exception when it fell. Whoever owns
        it must
            then end the process: letters would wait for ever.
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
        self.done: asyncio.Future[None] = loop.create_future()
        self._properties = producer_properties(properties)
        self._topic = topic
        self._pipeline = pipeline
        self._mapping_version = mapping_version
        self._connect_headers = connect_headers
        self._loop = loop
        self._observer = observer
        self._inbox: SimpleQueue[PendingDeadLetter | None] = SimpleQueue()
        self._shelved = 0
        self._acknowledged = 0
        self._all_acknowledged = asyncio.Event()
        self._all_acknowledged.set()
        self._writing: DeadLetterProducer | None = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"dead-letters-{pipeline}", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def write(self, dead_letter: DeadLetter, on_acknowledged: Callable[[], None]) -> None:
        """Have a letter written; `acked` is called in the loop once the broker has it. Call it in the loop."""
        self._shelved += 1
        self._all_acknowledged.clear()
        self._inbox.put(PendingDeadLetter(self._shelved, dead_letter, on_acknowledged))

    def stalled_reason(self) -> str | None:
        """Return why letters are not being written now, in a sentence; `None` if they are, or if there are none."""
        waiting = self._shelved - self._acknowledged
        failing = self._writing.failing if self._writing is not None else None
        if failing is None or not waiting:
            return None
        code, since_s = failing
        for_s = time.monotonic() - since_s
        return f"the dead-letter topic {self._topic} has taken no letter for {for_s:.0f} s ({code}); {waiting} wait"

    async def close(self, timeout_s: float) -> int:
        """Write what can be written in so many seconds; return how many letters are left unacknowledged."""
        if self._thread.ident is None:
            return self._shelved
        emptied = asyncio.create_task(self._all_acknowledged.wait())
        either: list[asyncio.Future[Any]] = [emptied, self.done]
        await asyncio.wait(either, timeout=timeout_s, return_when=asyncio.FIRST_COMPLETED)
        emptied.cancel()
        self._stop.set()
        self._inbox.put(None)  # wakes the thread
        await asyncio.wait([self.done], timeout=DEAD_LETTERS_S)
        return self._shelved - self._acknowledged

    # ── The thread ──

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._writing = writing = DeadLetterProducer(self._properties, self._topic, self._headers, self._observer)
            while not self._stop.is_set():
                self._take(writing)
                self._stop.wait(min(writing.wait_s, _IDLE_S))
                self._tell(writing.serve())
            self._tell(writing.close())
        except BaseException as error:  # noqa: BLE001 - whatever it is, it ends the process, by way of `done`
            failure = error
        self._hop(self._end, failure)

    def _take(self, writing: DeadLetterProducer) -> None:
        try:
            # With nothing to do the thread sleeps until a letter comes, looking after the client now and then.
            sheet = self._inbox.get(timeout=_IDLE_S if writing.is_idle else 0)
            while True:
                if sheet is not None:
                    writing.add(sheet)
                sheet = self._inbox.get_nowait()
        except Empty:
            return

    def _headers(self, letter: DeadLetter, form: PayloadMode) -> list[tuple[str, bytes | None]]:
        return headers_of(
            letter,
            self._pipeline,
            self._mapping_version,
            value_omitted=form >= PayloadMode.WITHOUT_VALUE,
            own_headers_only=form is PayloadMode.COORDINATES_ONLY,
            connect_headers=self._connect_headers,
        )

    def _tell(self, done: list[PendingDeadLetter]) -> None:
        if done:
            self._hop(self._acknowledge, done)

    def _hop(self, what: Callable[..., None], *told: object) -> None:
        try:
            self._loop.call_soon_threadsafe(what, *told)
        except RuntimeError:
            self._stop.set()  # the loop is closed: nobody is left to tell

    # ── The loop ──

    def _acknowledge(self, sheets: list[PendingDeadLetter]) -> None:
        self._acknowledged += len(sheets)
        if self._acknowledged == self._shelved:
            self._all_acknowledged.set()
        counts: Counter[tuple[str, DeadLetterCause]] = Counter()
        for sheet in sheets:
            entry = sheet.dead_letter.entry
            counts[
                "" if entry is None else entry.destination, cast("DeadLetterCause", sheet.dead_letter.fault.cause)
            ] += 1
            sheet.on_acknowledged()
        for (destination, cause), count in counts.items():
            self._observer.dead_lettered(destination, cause, count)

    def _end(self, failure: BaseException | None) -> None:
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)
