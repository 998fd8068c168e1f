"""The benchmark's Kafka: librdkafka's mock cluster in a process of its own, filled once and read by every row."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.demo.embedded_kafka import EmbeddedKafka
from tests.benchmarks.workload import PARTITIONS, Record, repeated

DEAD_LETTERS = "bench-dead-letters"
_KEPT_BYTES = 4_500_000
"""Of a partition: the mock drops what lies before its last 5 MB or so, and a row would wait for ever."""

_ASK_S = 30.0


class MockKafka:
    """The cluster and its topics, one for each number of events.

    Args:
        base: the distinct records.
    """

    def __init__(self, base: list[Record]) -> None:
        self._base = base
        self._kafka = EmbeddedKafka()
        self._topics: dict[int, str] = {}

    def __enter__(self) -> Self:
        self._kafka.start()
        self._kafka.create_topic(DEAD_LETTERS, 1)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._kafka.close()

    @property
    def bootstrap(self) -> str:
        """Its address."""
        return self._kafka.bootstrap

    @property
    def pid(self) -> int:
        """Its process."""
        return self._kafka.pid

    def topic(self, events: int) -> str:
        """Return a topic that holds so many records.

        Raises:
            ValueError: more than the mock keeps.
        """
        if events not in self._topics:
            self._topics[events] = self._filled(f"bench.orders.{events}", events)
        return self._topics[events]

    def _filled(self, name: str, events: int) -> str:
        sizes = [0] * PARTITIONS
        self._kafka.create_topic(name, PARTITIONS)
        producer = Producer({"bootstrap.servers": self.bootstrap, "linger.ms": 50, "batch.size": 200_000})
        for partition, key, value in repeated(self._base, events):
            sizes[partition] += len(key) + len(value) + 16
            while True:
                try:
                    producer.produce(name, value=value, key=key, partition=partition)
                except BufferError:
                    producer.poll(0.1)
                else:
                    break
        if max(sizes) > _KEPT_BYTES:
            raise ValueError(f"{events} events are {max(sizes)} bytes in one partition: the mock drops the oldest")
        if left := producer.flush(_ASK_S):
            raise RuntimeError(f"{left} records could not be produced")
        return name

    def uncommitted(self, group: str, topic: str) -> dict[int, tuple[int, int]]:
        """Return the partitions whose committed offset is not the log's end: (committed, end)."""
        asker = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
        try:
            places = [TopicPartition(topic, index) for index in range(PARTITIONS)]
            committed = {each.partition: each.offset for each in asker.committed(places, timeout=_ASK_S)}
            ends = {place.partition: asker.get_watermark_offsets(place, timeout=_ASK_S)[1] for place in places}
        finally:
            asker.close()
        # A partition with no record has nothing to commit.
        return {index: (committed[index], end) for index, end in ends.items() if end and committed[index] != end}
