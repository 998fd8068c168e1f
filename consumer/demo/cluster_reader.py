"""Reads dead letters and committed offsets from the brokers with plain consumers, after the run."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from consumer.demo.oracle import DeadLetterKey
from consumer.demo.produced_records import content_digest_of
from consumer.model import Partition

_TIMEOUT_S = 10.0


class ClusterReadError(Exception):
    """The brokers did not return the data for the accounting. The text says which data, and why."""


@dataclass(frozen=True, slots=True)
class StoredDeadLetter:
    """One record of the dead-letter topic."""

    pipeline: str
    destination: str
    key: DeadLetterKey
    content_digest: bytes
    """Digest of the dead letter's Kafka key and value."""


def read_dead_letters(bootstrap: str, topic: str) -> list[StoredDeadLetter]:
    """Return every record of the dead-letter topic, oldest first in each partition.

    Raises:
        ClusterReadError: the brokers do not respond, or a dead letter lacks a header of its contract.
    """
    consumer = _consumer(bootstrap, "demo-reader")
    try:
        partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
        watermarks = {
            index: consumer.get_watermark_offsets(TopicPartition(topic, index), _TIMEOUT_S, cached=False)
            for index in partitions
        }
        unread = {index: high for index, (low, high) in watermarks.items() if high > low}
        consumer.assign([TopicPartition(topic, index, watermarks[index][0]) for index in unread])
        found = []
        deadline = time.monotonic() + _TIMEOUT_S
        while unread:
            if time.monotonic() > deadline:
                raise ClusterReadError(f"{topic}: not read to its end (no record for {_TIMEOUT_S:g} s)")
            for message in consumer.consume(500, 0.1):
                if message.error() is None:
                    found.append(_dead_letter(message))
                    deadline = time.monotonic() + _TIMEOUT_S
                    if (message.offset() or 0) + 1 >= unread.get(message.partition() or 0, 0):
                        unread.pop(message.partition() or 0, None)
    except KafkaException as error:
        raise ClusterReadError(f"{topic}: cannot be read ({error.args[0].str()})") from error
    else:
        return found
    finally:
        consumer.close()


def read_committed(bootstrap: str, group: str, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Return the committed offset of each partition of a group. A partition without a commit is left out.

    Raises:
        ClusterReadError: the brokers do not respond.
    """
    consumer = _consumer(bootstrap, group)
    try:
        committed = consumer.committed([TopicPartition(each.topic, each.index) for each in partitions], _TIMEOUT_S)
    except KafkaException as error:
        raise ClusterReadError(f"group {group}: offsets cannot be read ({error.args[0].str()})") from error
    finally:
        consumer.close()
    return {Partition(each.topic, each.partition): each.offset for each in committed if each.offset >= 0}


def _consumer(bootstrap: str, group: str) -> Consumer:
    return Consumer(
        {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "enable.auto.commit": False,
            "auto.offset.reset": "earliest",
            "fetch.wait.max.ms": 20,
            "log_level": 0,
        }
    )


def _dead_letter(message: Message) -> StoredDeadLetter:
    pairs = message.headers() or []
    headers: Mapping[str, str] = {
        name: (value if isinstance(value, bytes) else b"").decode(errors="replace")
        for name, value in (pairs.items() if isinstance(pairs, dict) else pairs)
        if name.startswith("cdp-")
    }
    try:
        key = DeadLetterKey(
            headers.get("cdp-delivery-label", ""),
            headers["cdp-cause"],
            Partition(headers["cdp-original-topic"], int(headers["cdp-original-partition"])),
            int(headers["cdp-original-offset"]),
            headers["cdp-delivery-id"],
        )
        pipeline = headers["cdp-pipeline"]
    except (KeyError, ValueError) as error:
        raise ClusterReadError(
            f"dead letter at offset {message.offset()}: a header of its contract is missing or invalid ({error})"
        ) from error
    content = content_digest_of(message.key(), message.value())
    return StoredDeadLetter(pipeline, headers.get("cdp-destination", ""), key, content)
