"""The records of a storm: created by the shop, produced at a constant rate, each at a known offset."""

from __future__ import annotations

import time
from collections.abc import Callable

from confluent_kafka import KafkaError, Message, Producer

from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import Shop
from tests.kafka_clusters import Broker

_FLUSH_WITHIN_S = 180.0


class RecordStream:
    """Produces the shop's records.

    Args:
        broker: has the topic; it may be unavailable for a while.
        shop: creates the records.
        rate_per_s: records per second.
        bad_records_every: after this many records, one record of every bad kind follows.
    """

    def __init__(self, broker: Broker, shop: Shop, rate_per_s: float, bad_records_every: int) -> None:
        self._shop = shop
        self._rate_per_s = rate_per_s
        self._bad_records_every = bad_records_every
        self._since_bad_records = 0
        self._due = 0.0
        self._produced_at = time.monotonic()
        self._wrong_offsets: list[str] = []
        self._finished = False
        # Idempotence keeps the expected offsets: a record that is sent again after a lost response is written once.
        patient = broker.client(enable_idempotence=True, linger_ms=5, message_timeout_ms=120_000)
        self._producer = Producer({**patient, "log_level": 0})  # an unavailable broker is expected

    def produce_due(self) -> None:
        """Produce the records due by now; nothing after `finish`."""
        if self._finished:
            return
        now = time.monotonic()
        # After a pause of this process the stream continues; it does not catch up.
        self._due += min(1.0, now - self._produced_at) * self._rate_per_s
        self._produced_at = now
        count, self._due = int(self._due), self._due % 1
        self._since_bad_records += count
        if count:
            self.produce_ordinary(count)
        if self._since_bad_records >= self._bad_records_every:
            self._since_bad_records = 0
            self.produce_bad_records()
        self._producer.poll(0)

    def produce_ordinary(self, count: int) -> None:
        """Produce ordinary records now."""
        self._send(lambda: self._shop.ordinary(count))

    def produce_bad_records(self) -> None:
        """Produce one record of every bad kind now."""
        self._send(self._shop.one_of_each_defect)

    def _send(self, make: Callable[[], None]) -> None:
        before = len(self._shop.records)
        make()
        for sent in self._shop.records[before:]:
            self._producer.produce(
                self._shop.topic,
                sent.value,
                sent.key,
                partition=sent.partition,
                headers=list(sent.headers),
                timestamp=sent.timestamp_ms,
                on_delivery=self._reporter(sent),
            )

    def _reporter(self, sent: ProducedRecord) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None or message.offset() != sent.offset:
                self._wrong_offsets.append(f"{sent.kind} got offset {message.offset()}, not {sent.offset}: {error}")

        return report

    def resume(self) -> None:
        """Continue after `finish`."""
        self._finished, self._produced_at = False, time.monotonic()

    def finish(self) -> None:
        """Stop producing, and wait until the broker has acknowledged everything."""
        self._finished = True
        assert self._producer.flush(_FLUSH_WITHIN_S) == 0, "not everything was produced"
        assert not self._wrong_offsets, self._wrong_offsets[:3]
