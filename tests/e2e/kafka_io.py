"""Kafka clients of the tests: produce the shop's records, read a topic to its end, look up offsets."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

from tests.e2e.produced import Headers, ProducedRecord
from tests.kafka_clusters import Broker

_WITHIN_S = 120.0

_PRODUCERS: WeakKeyDictionary[Broker, Producer] = WeakKeyDictionary()
"""One for each broker: a new one waits half a second before it requests its idempotent producer id."""

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One record of the dead-letter topic."""

    key: bytes | None
    value: bytes | None
    headers: Headers

    def header(self, name: str) -> str | None:
        """Return the one header of this name as text; `None` if it is missing or repeated."""
        found = [value for header, value in self.headers if header == name]
        return found[0].decode() if len(found) == 1 and found[0] is not None else None


def produce(broker: Broker, topic: str, records: Iterable[ProducedRecord]) -> None:
    """Produce records. Each must get the offset it was made with."""
    wrong: list[str] = []

    def done(sent: ProducedRecord) -> Callable[[KafkaError | None, Message], None]:
        def report(error: KafkaError | None, message: Message) -> None:
            if error is not None or message.offset() != sent.offset:
                wrong.append(f"{sent.kind} went to {message.offset()}, not {sent.offset}: {error}")

        return report

    # A producer is reused only if everything was acknowledged.
    producer = _PRODUCERS.pop(broker, None) or Producer(_properties(broker))
    producer.list_topics(topic, _WITHIN_S)  # else it would not know partitions created since its last metadata refresh
    for sent in records:
        while True:
            try:
                producer.produce(
                    topic,
                    sent.value,
                    sent.key,
                    partition=sent.partition,
                    headers=list(sent.headers),
                    timestamp=sent.timestamp_ms,
                    on_delivery=done(sent),
                )
                break
            except BufferError:
                producer.poll(0.1)
        producer.poll(0)
    assert producer.flush(_WITHIN_S) == 0, "not everything was produced"
    assert not wrong, wrong[:3]
    _PRODUCERS[broker] = producer


def _properties(broker: Broker) -> dict[str, Any]:
    # Between two uses the broker may be down, temporarily or for good: its log lines are noise.
    return {**broker.client(enable_idempotence=True, linger_ms=5), "log_level": 0}


def log_ends(broker: Broker, topic: str, partitions: int) -> dict[int, int]:
    """Return the end offset of each partition's log."""
    with _reader(broker) as consumer:
        return _retried(
            lambda: {
                index: consumer.get_watermark_offsets(TopicPartition(topic, index), timeout=_WITHIN_S)[1]
                for index in range(partitions)
            }
        )


def committed(broker: Broker, group: str, topic: str, partitions: int) -> dict[int, int]:
    """Return the committed offsets of a group; -1 for a partition without a commit."""
    with _reader(broker, group) as consumer:
        asked = [TopicPartition(topic, index) for index in range(partitions)]
        results = _retried(lambda: consumer.committed(asked, timeout=_WITHIN_S))
    assert all(each.error is None for each in results), results
    return {each.partition: max(-1, each.offset) for each in results}


def read_dead_letters(broker: Broker, topic: str) -> list[DeadLetter]:
    """Return all records that the dead-letter topic has now."""
    dead_letters: list[DeadLetter] = []
    with _reader(broker) as consumer:
        partition = TopicPartition(topic, 0, 0)
        end = consumer.get_watermark_offsets(partition, timeout=_WITHIN_S)[1]
        consumer.assign([partition])
        deadline = time.monotonic() + _WITHIN_S
        while end and consumer.position([partition])[0].offset < end:
            assert time.monotonic() < deadline, "the dead-letter topic could not be read to its end"
            for message in consumer.consume(500, 0.2):
                assert message.error() is None, message.error()
                dead_letters.append(DeadLetter(message.key(), message.value(), _pairs(message)))
    return dead_letters


def _retried(ask: Callable[[], _Result]) -> _Result:
    """Return the result of `ask`, retried after an error: a broker that has just started knows no coordinator."""
    deadline = time.monotonic() + _WITHIN_S
    while True:
        try:
            return ask()
        except KafkaException as error:
            if error.args[0].fatal() or time.monotonic() > deadline:
                raise
            time.sleep(0.2)


def _pairs(message: Message) -> Headers:
    headers = message.headers() or []
    assert isinstance(headers, list)
    return [(name, value.encode() if isinstance(value, str) else value) for name, value in headers]


def _reader(broker: Broker, group: str = "reader") -> Consumer:
    return Consumer(broker.client(group_id=group, enable_auto_commit=False, auto_offset_reset="earliest"))
