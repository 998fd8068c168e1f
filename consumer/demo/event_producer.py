"""Produces the shop's events to Kafka at a given rate, and notes the coordinates of every record."""

from __future__ import annotations

import time
from dataclasses import dataclass
from threading import Event, Thread

from confluent_kafka import KafkaError, Message, Producer

from consumer.demo.bad_records import BadRecords
from consumer.demo.events import DEVICES, ShopEvent
from consumer.demo.produced_records import ProducedRecord, ProducedRecords, content_digest_of
from consumer.demo.schemas import Schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, Partition
from consumer.model.clock import now_ms

_TICK_S = 0.02
_BAD_RECORD_EVERY = 33
"""One record in this many is bad, whatever the fault options are."""
_MAX_PARTITION_BYTES = 4_000_000
"""The embedded cluster drops older records of a partition above about 5 MB."""
_OVERHEAD = 100
_DEAD_LETTER_OVERHEAD = 1_100
"""Bytes of a dead letter beside the record's own: about twenty headers."""
_FLUSH_S = 10.0


@dataclass(frozen=True, slots=True)
class ProductionRate:
    """How many events are produced, how fast and how long."""

    per_s: float
    for_s: float | None
    """Seconds of production. `None` = no limit."""
    events: int | None
    """Total number of events. `None` = no limit."""
    poison: float
    """Share of events for which two destinations refuse whole requests, from 0 to 1."""


class EventProducer(Thread):
    """The producing thread.

    `finished` is set when the last record is acknowledged. Then `stop_reason` says why production stopped.

    Args:
        shop: makes the events.
        schemas: encode them.
        rate: how many, how fast and how long.
        bootstrap: the brokers' addresses.
        dead_letter_partitions: partitions of the dead-letter topic, for the limit on its bytes.
        max_partition_bytes: production stops before a partition holds more.
        dead_letter_overhead: bytes of a dead letter beside the record's own.
    """

    def __init__(
        self,
        shop: Shop,
        schemas: Schemas,
        rate: ProductionRate,
        bootstrap: str,
        dead_letter_partitions: int,
        *,
        max_partition_bytes: int = _MAX_PARTITION_BYTES,
        dead_letter_overhead: int = _DEAD_LETTER_OVERHEAD,
    ) -> None:
        super().__init__(name="shop", daemon=True)
        self.records = ProducedRecords()
        self.finished = Event()
        self.stop_reason = ""
        self._shop = shop
        self._bad_records = BadRecords(shop, schemas)
        self._schemas = schemas
        self._rate = rate
        self._closing = Event()
        self._max_partition_bytes = max_partition_bytes
        self._dead_letter_overhead = dead_letter_overhead
        self._dead_letter_bytes = 0
        self._max_dead_letter_bytes = max_partition_bytes * dead_letter_partitions // 2
        self._producer = Producer({"bootstrap.servers": bootstrap, "acks": "all", "linger.ms": 5, "log_level": 0})

    def close(self) -> None:
        """Stop production early. `finished` is set afterwards, by the thread."""
        self._closing.set()

    def run(self) -> None:
        """Produce at the given rate until a limit is reached."""
        try:
            self.stop_reason = self._produce()
            if self._producer.flush(_FLUSH_S):
                self.records.failure = f"event producer: records are not acknowledged within {_FLUSH_S:g} s"
        except Exception as error:  # noqa: BLE001 - the demo ends with this message
            self.records.failure = f"event producer: crashed ({type(error).__name__}: {error})"
        finally:
            self.finished.set()

    def _produce(self) -> str:
        started = time.monotonic()
        while not self._closing.is_set():
            seconds = time.monotonic() - started
            if self._rate.for_s is not None and seconds >= self._rate.for_s:
                return "the time is over"
            # One event is due at once, so that the first screen is not empty.
            due = int(seconds * self._rate.per_s) + 1
            while self.records.produced < due:
                if self._rate.events is not None and self.records.produced >= self._rate.events:
                    return f"{self._rate.events} events are produced"
                if self._is_log_full():
                    return "the log of the embedded cluster is full"
                self._write(self._next())
            self._producer.poll(0)
            self._closing.wait(_TICK_S)
        return "interrupted"

    def _is_log_full(self) -> bool:
        return (
            self.records.largest_partition_bytes() >= self._max_partition_bytes
            or self._dead_letter_bytes >= self._max_dead_letter_bytes
        )

    def _next(self) -> ShopEvent:
        at_ms = now_ms()
        if self._shop.is_open:
            if self._rate.poison and self._shop.rng.random() < self._rate.poison:
                return self._bad_records.poison(at_ms)
            if self.records.produced % _BAD_RECORD_EVERY == 0:
                return self._bad_records.next(at_ms)
        return self._shop.next(at_ms)

    def _write(self, event: ShopEvent) -> None:
        value = self._value(event)
        key = event.key.encode() or None
        size = len(value or b"") + len(key or b"") + _OVERHEAD
        dead_letters = sum(isinstance(one.outcome, DeadLetterCause) for one in event.owed)
        self._dead_letter_bytes += dead_letters * (size + self._dead_letter_overhead)

        def acknowledged(error: KafkaError | None, message: Message) -> None:
            if error is not None:
                self.records.failure = f"event producer: a record was not written ({error.str()})"
                return
            partition = Partition(message.topic() or "", message.partition() or 0)
            record = ProducedRecord(event, partition, message.offset() or 0, content_digest_of(key, value))
            self.records.record_acknowledged(record, size)

        while True:
            try:
                self._producer.produce(
                    event.topic,
                    value,
                    key,
                    on_delivery=acknowledged,
                    timestamp=event.timestamp_ms or now_ms(),
                    headers=list(event.headers),
                )
            except BufferError:
                self._producer.poll(0.1)
            else:
                break
        self.records.produced += 1

    def _value(self, event: ShopEvent) -> bytes | None:
        if event.datum is None:
            return event.raw
        encode = self._schemas.single_object if event.topic == DEVICES else self._schemas.confluent
        return encode(event.kind, event.datum)
