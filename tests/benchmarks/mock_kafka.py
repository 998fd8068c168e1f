"""Kafka of the benchmark: librdkafka's mock cluster in its own process, filled once and read by every row."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.demo.embedded_kafka import EmbeddedKafka
from tests.benchmarks.workload import PARTITIONS, Record, repeated

DEAD_LETTERS = "bench-dead-letters"
_RETAINED_BYTES = 4_500_000
"""Limit per partition. The mock keeps about the last 5 MB; a row would wait forever for records it dropped."""

_REQUEST_TIMEOUT_S = 30.0


class MockKafka:
    """The cluster and its topics: one topic per number of events.

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
        """Bootstrap address of the cluster."""
        return self._kafka.bootstrap

    @property
    def pid(self) -> int:
        """Process id of the cluster."""
        return self._kafka.pid

    def topic(self, events: int) -> str:
        """Return a topic with this number of records. Fill it on first use.

        Raises:
            ValueError: more records than the mock cluster retains.
            RuntimeError: a record was not acknowledged in time.
        """
        if events not in self._topics:
            self._topics[events] = self._fill(f"bench.orders.{events}", events)
        return self._topics[events]

    def _fill(self, name: str, events: int) -> str:
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
        if max(sizes) > _RETAINED_BYTES:
            raise ValueError(
                f"topic {name}: {events} events need {max(sizes)} bytes in one partition, "
                f"above the {_RETAINED_BYTES} that the mock cluster retains. Use fewer events."
            )
        if unacknowledged := producer.flush(_REQUEST_TIMEOUT_S):
            raise RuntimeError(f"topic {name}: {unacknowledged} records not acknowledged in {_REQUEST_TIMEOUT_S:g} s")
        return name

    def uncommitted(self, group: str, topic: str) -> dict[int, tuple[int, int]]:
        """Return the partitions not committed to the log end offset, as (committed offset, log end offset)."""
        consumer = Consumer({"bootstrap.servers": self.bootstrap, "group.id": group, "enable.auto.commit": False})
        try:
            partitions = [TopicPartition(topic, index) for index in range(PARTITIONS)]
            committed = {
                each.partition: each.offset for each in consumer.committed(partitions, timeout=_REQUEST_TIMEOUT_S)
            }
            ends = {
                each.partition: consumer.get_watermark_offsets(each, timeout=_REQUEST_TIMEOUT_S)[1]
                for each in partitions
            }
        finally:
            consumer.close()
        # An empty partition has no offset to commit.
        return {index: (committed[index], end) for index, end in ends.items() if end and committed[index] != end}
