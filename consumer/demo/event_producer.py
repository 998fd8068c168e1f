"""Where the shop's life becomes records: so many a second, each noted with its place, until something says stop."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event, Thread

from confluent_kafka import KafkaError, Message, Producer

from consumer.demo.bad_records import BadRecords
from consumer.demo.events import DEVICES, ShopEvent
from consumer.demo.produced_records import ProducedRecords, Written, digest_of
from consumer.demo.schemas import Schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, Partition
from consumer.model.clock import now_ms

_TURN_S = 0.02
_ONE_IN = 33
"""Of so many records one is bad, whatever faults are asked for."""
MOST_BYTES = 4_000_000
"""In one partition: the embedded cluster drops what is older than about 5 MB of them."""
_OVERHEAD = 100
_LETTER_OVERHEAD = 1_100
"""Bytes of a dead letter beside the record's own: about twenty headers."""
_FLUSH_S = 10.0


@dataclass(frozen=True, slots=True)
class ProductionRate:
    """How much the shop does."""

    per_s: float
    for_s: float | None
    """Seconds of business; `None` = no end."""
    events: int | None
    """Records after which it closes; `None` = no end."""
    poison: float
    """Share of records that make two destinations refuse whole requests, from 0 to 1."""


class EventProducer(Thread):
    """The shop's thread. `ended` is set when the last record was acknowledged; `why` then says what made it stop."""

    def __init__(
        self, shop: Shop, schemas: Schemas, pace: ProductionRate, bootstrap: str, letter_partitions: int
    ) -> None:
        """Prepare a day of business."""
        super().__init__(name="shop", daemon=True)
        self.notes = ProducedRecords()
        self.ended = Event()
        self.why = ""
        self._shop = shop
        self._mishaps = BadRecords(shop, schemas)
        self._schemas = schemas
        self._pace = pace
        self._closing = Event()
        self._letter_bytes = 0
        self._most_letter_bytes = MOST_BYTES * letter_partitions // 2
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5, "log_level": 0})

    def close(self) -> None:
        """Let the shop close early; `ended` follows."""
        self._closing.set()

    def run(self) -> None:
        """Do business at the pace asked for."""
        try:
            self.why = self._open()
            if self._producer.flush(_FLUSH_S):
                self.notes.failed = "the embedded cluster does not acknowledge records"
        except Exception as error:  # noqa: BLE001 - the demo ends with it, in words
            self.notes.failed = f"the shop broke down: {type(error).__name__}: {error}"
        finally:
            self.ended.set()

    def _open(self) -> str:
        began = time.monotonic()
        while not self._closing.is_set():
            seconds = time.monotonic() - began
            if self._pace.for_s is not None and seconds >= self._pace.for_s:
                return "time is up"
            # The first customers come at once: nobody should look at an empty screen.
            due = int(seconds * self._pace.per_s) + 1
            while self.notes.made < due:
                if self._pace.events is not None and self.notes.made >= self._pace.events:
                    return f"{self._pace.events} events are written"
                if max(self.notes.largest(), self._letter_bytes - self._most_letter_bytes + MOST_BYTES) >= MOST_BYTES:
                    return "the embedded cluster keeps no more than this"
                self._write(self._next())
            self._producer.poll(0)
            self._closing.wait(_TURN_S)
        return "it was asked to close"

    def _next(self) -> ShopEvent:
        at_ms = now_ms()
        if self._shop.is_open:
            if self._pace.poison and self._shop.dice.random() < self._pace.poison:
                return self._mishaps.poison(at_ms)
            if self.notes.made % _ONE_IN == 0:
                return self._mishaps.next(at_ms)
        return self._shop.next(at_ms)

    def _write(self, happening: ShopEvent) -> None:
        value = self._value(happening)
        key = happening.key.encode() or None
        size = len(value or b"") + len(key or b"") + _OVERHEAD
        letters = sum(isinstance(one.end, DeadLetterCause) for one in happening.owed)
        self._letter_bytes += letters * (size + _LETTER_OVERHEAD)

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.notes.failed = f"a record could not be written: {error.str()}"
                return
            place = Partition(message.topic() or "", message.partition() or 0)
            written = Written(happening, place, message.offset() or 0, digest_of(key, value))
            self.notes.wrote(written, size)

        while True:
            try:
                self._producer.produce(
                    happening.topic,
                    value,
                    key,
                    on_delivery=acknowledged,
                    timestamp=happening.written_ms or now_ms(),
                    headers=list(happening.headers),
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self.notes.made += 1

    def _value(self, happening: ShopEvent) -> bytes | None:
        if happening.event is None:
            return happening.raw
        wrap = self._schemas.single_object if happening.topic == DEVICES else self._schemas.confluent
        return wrap(happening.kind, happening.event)
