"""The group's lag, measured at the brokers: the client's own figures do not move while a partition is paused."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.kafka.client_health import BrokerLossDetector
from consumer.kafka.properties import PollOptions, effective_properties
from consumer.kafka.timeouts import LAG_S
from consumer.model import Partition, partition_of
from consumer.model.status import LagStatus

_TIMEOUT_S = 5.0
_CHECK_ASSIGNED_S = 0.5


class LagMonitor:
    """Measures the lag at intervals, in a thread of its own, through a plain consumer that never subscribes.

    Not through an AdminClient: one that read offsets while a broker restarted ended the process by an assertion
    (confluent-kafka 2.16.1).

    Args:
        properties: the user's librdkafka properties.
        group: the consumer group.
        assigned: returns the partitions to measure; called from the thread.
        interval_s: seconds between two rounds.
        timeout_s: seconds that one request may take.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        group: str,
        assigned: Callable[[], Iterable[Partition]],
        *,
        interval_s: float = 15.0,
        timeout_s: float = _TIMEOUT_S,
    ) -> None:
        # No log of its own: the poll thread's client already reports every problem with the brokers.
        self._properties = {**effective_properties(PollOptions(properties, group, (), "earliest", 0)), "log_level": "0"}
        self._assigned = assigned
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._snapshot: Mapping[Partition, tuple[int, int]] = MappingProxyType({})
        self._updated_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-lag-{group}", daemon=True)

    @property
    def updated_at(self) -> float:
        """When the brokers last answered a round, in epoch seconds; 0.0 = never.

        Without assigned partitions no broker is asked, and the value stays.
        """
        return self._updated_at

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def snapshot(self) -> Mapping[Partition, tuple[int, int]]:
        """Return the log end and the committed offset of each partition assigned at the last round.

        A partition without a commit or with an unknown log end is missing from it.
        """
        return self._snapshot

    def status(self) -> LagStatus:
        """Return the last snapshot and its age, for the pipeline's status."""
        return LagStatus(self._snapshot, int(self._updated_at * 1000) if self._updated_at else None)

    def close(self) -> None:
        """Stop measuring. If a broker keeps the thread waiting, the thread ends later, by itself."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(LAG_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._measure_until_brokers_lost()

    def _measure_until_brokers_lost(self) -> None:
        """Measure through one client, until `close` or until that client has lost its brokers for good."""
        broker_loss = BrokerLossDetector()
        try:
            consumer = Consumer({**self._properties, **broker_loss.properties()})
        except KafkaException:
            # A file that the client reads may be missing for now. Meanwhile `updated_at` shows the age of the figures.
            self._stop.wait(self._interval_s)
            return
        try:
            while not self._stop.is_set():
                consumer.poll(0)  # serves the client's callbacks: otherwise its events would pile up
                if broker_loss.brokers_lost:
                    return
                assigned = set(self._assigned())
                # Without a response the old figures stay, and `updated_at` shows their age.
                with contextlib.suppress(KafkaException):
                    self._snapshot = self._measure(consumer, list(assigned))
                self._wait_for_next_round(assigned)
        finally:
            consumer.close()

    def _wait_for_next_round(self, measured: set[Partition]) -> None:
        """Wait for the interval, or until the assignment changes: new partitions have no figures yet."""
        due_s = time.monotonic() + self._interval_s
        while time.monotonic() < due_s and not self._stop.wait(min(_CHECK_ASSIGNED_S, self._interval_s)):
            if set(self._assigned()) != measured:
                return

    def _measure(self, consumer: Consumer, partitions: list[Partition]) -> Mapping[Partition, tuple[int, int]]:
        if not partitions:
            return MappingProxyType({})  # `updated_at` stays: no broker was asked
        found: dict[Partition, tuple[int, int]] = {}
        results = consumer.committed([TopicPartition(*partition) for partition in partitions], self._timeout_s)
        successes = [result for result in results if result.error is None]
        for committed in successes:
            if self._stop.is_set():
                break
            if committed.offset >= 0:
                partition = TopicPartition(committed.topic, committed.partition)
                _, log_end = consumer.get_watermark_offsets(partition, self._timeout_s, cached=False)
                if log_end >= 0:
                    found[partition_of(committed)] = (log_end, committed.offset)
        if successes:
            self._updated_at = time.time()
        return MappingProxyType(found)
