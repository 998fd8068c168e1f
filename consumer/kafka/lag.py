"""How far behind the group is, asked of the brokers: the client's own figures stand still during a pause."""

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

_TIMEOUT_S = 5.0
_LOOK_S = 0.5


class LagMonitor:
    """Asks at intervals, in a thread of its own, through a plain consumer that never subscribes.

    Not through an AdminClient: one that asked for offsets while a broker restarted ended the process by an assertion
    (confluent-kafka 2.16.1).

    Args:
        properties: the user's librdkafka properties, as they stand.
        group: the consumer group.
        held: the partitions to ask about; called from the thread.
        every_s: seconds between two rounds.
    """

    def __init__(
        self,
        properties: Mapping[str, str],
        group: str,
        assigned: Callable[[], Iterable[Partition]],
        *,
        interval_s: float = 15.0,
    ) -> None:
        # Whatever is wrong with the brokers the poll thread's client says already.
        self._properties = {**effective_properties(PollOptions(properties, group, (), "earliest", 0)), "log_level": "0"}
        self._held = assigned
        self._every_s = interval_s
        self._snapshot: Mapping[Partition, tuple[int, int]] = MappingProxyType({})
        self._updated_at = 0.0
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"kafka-lag-{group}", daemon=True)

    @property
    def updated_at(self) -> float:
        """When the brokers last answered a round, epoch seconds; 0.0 = never. With nothing held nobody is asked."""
        return self._updated_at

    def start(self) -> None:
        """Start asking."""
        self._thread.start()

    def snapshot(self) -> Mapping[Partition, tuple[int, int]]:
        """Return the log end and the committed offset of each partition held at the last round.

        A partition without a commit, or one whose log end is not known, is not in it.
        """
        return self._snapshot

    def close(self) -> None:
        """Stop asking. The thread ends by itself if a broker keeps it waiting."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(LAG_S)

    def _run(self) -> None:
        while not self._stop.is_set():
            self._ask_until_stranded()

    def _ask_until_stranded(self) -> None:
        """Ask through one client, until it is to stop or the client has forgotten every broker: another one has not."""
        stranded = BrokerLossDetector()
        try:
            consumer = Consumer({**self._properties, **stranded.properties()})
        except KafkaException:  # a file that it reads may be gone for now: the figures grow old meanwhile, and say so
            self._stop.wait(self._every_s)
            return
        try:
            while not self._stop.is_set():
                consumer.poll(0)  # hands out what the client has to say: else it would pile up
                if stranded.brokers_lost:
                    return
                held = set(self._held())
                # Without an answer the old numbers stay, and `updated_at` says how old they are.
                with contextlib.suppress(KafkaException):
                    self._snapshot = self._ask(consumer, list(held))
                self._rest(held)
        finally:
            consumer.close()

    def _rest(self, asked: set[Partition]) -> None:
        """Wait for the next round; it comes early where other partitions are held by then: nothing is known."""
        due_s = time.monotonic() + self._every_s
        while time.monotonic() < due_s and not self._stop.wait(min(_LOOK_S, self._every_s)):
            if set(self._held()) != asked:
                return

    def _ask(self, consumer: Consumer, held: list[Partition]) -> Mapping[Partition, tuple[int, int]]:
        if not held:
            return MappingProxyType({})  # and `updated_at` stays as it was: no broker was reached
        found: dict[Partition, tuple[int, int]] = {}
        answers = consumer.committed([TopicPartition(*partition) for partition in held], _TIMEOUT_S)
        answered = [answer for answer in answers if answer.error is None]
        for answer in answered:
            if self._stop.is_set():
                break
            if answer.offset >= 0:
                place = TopicPartition(answer.topic, answer.partition)
                _, log_end = consumer.get_watermark_offsets(place, _TIMEOUT_S, cached=False)
                if log_end >= 0:
                    found[partition_of(answer)] = (log_end, answer.offset)
        if answered:
            self._updated_at = time.time()
        return MappingProxyType(found)
