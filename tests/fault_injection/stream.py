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
        broker: whose topic; it may be away for a while.
        shop: makes the records.
        rate_per_s: records a second.
        trouble_every: a record of every bad kind each so many records.
    """

    def __init__(self, broker: Broker, shop: Shop, rate_per_s: float, trouble_every: int) -> None:
        self._shop = shop
        self._rate_per_s = rate_per_s
        self._trouble_every = trouble_every
        self._since_trouble = 0
        self._made = 0.0
        self._looked = time.monotonic()
        self._wrong: list[str] = []
        self._finished = False
        # Idempotence keeps offsets as they were made: a record repeated after a lost response is written once.
        patient = broker.client(enable_idempotence=True, linger_ms=5, message_timeout_ms=120_000)
        self._producer = Producer({**patient, "log_level": 0})  # a broker that is away is expected

    def produce_due(self) -> None:
        """Produce the records due by now; nothing after `finish`."""
        if self._finished:
            return
        now = time.monotonic()
        # After a pause of this process the stream continues; it does not catch up.
        self._made += min(1.0, now - self._looked) * self._rate_per_s
        self._looked = now
        count, self._made = int(self._made), self._made % 1
        self._since_trouble += count
        if count:
            self.live(count)
        if self._since_trouble >= self._trouble_every:
            self._since_trouble = 0
            self.produce_bad_records()
        self._producer.poll(0)

    def live(self, count: int) -> None:
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
                self._wrong.append(f"{sent.kind} got offset {message.offset()}, not {sent.offset}: {error}")

        return report

    def resume(self) -> None:
        """Continue after `finish`."""
        self._finished, self._looked = False, time.monotonic()

    def finish(self) -> None:
        """Stop producing, and wait until the broker has acknowledged everything."""
        self._finished = True
        assert self._producer.flush(_FLUSH_WITHIN_S) == 0, "not everything was produced"
        assert not self._wrong, self._wrong[:3]
