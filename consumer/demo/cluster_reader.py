"""What the brokers hold when all is over, read with plain consumers: dead letters and committed offsets."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from confluent_kafka import Consumer, KafkaException, Message, TopicPartition

from consumer.demo.oracle import Letter
from consumer.demo.produced_records import digest_of
from consumer.model import Partition, partition_of

_WITHIN_S = 10.0


class ClusterReadError(Exception):
    """The brokers did not give what is needed for the books; the text says what."""


@dataclass(frozen=True, slots=True)
class FoundLetter:
    """One record of the dead-letter topic."""

    pipeline: str
    destination: str
    letter: Letter
    digest: bytes
    """Of its key and value as they are now."""


def read_letters(bootstrap: str, topic: str) -> list[FoundLetter]:
    """Return everything in the dead-letter topic, oldest first in each partition.

    Raises:
        UnreadableError: the brokers do not answer, or a letter lacks a header of its contract.
    """
    consumer = _consumer(bootstrap, "demo-reader")
    try:
        partitions = consumer.list_topics(topic, timeout=_WITHIN_S).topics[topic].partitions
        ends = {
            index: consumer.get_watermark_offsets(TopicPartition(topic, index), _WITHIN_S, cached=False)
            for index in partitions
        }
        left = {index: high for index, (low, high) in ends.items() if high > low}
        consumer.assign([TopicPartition(topic, index, ends[index][0]) for index in left])
        found = []
        deadline = time.monotonic() + _WITHIN_S
        while left:
            if time.monotonic() > deadline:
                raise ClusterReadError(f"{topic} could not be read to its end")
            for message in consumer.consume(500, 0.1):
                if message.error() is None:
                    found.append(_letter(message))
                    deadline = time.monotonic() + _WITHIN_S
                    if (message.offset() or 0) + 1 >= left.get(message.partition() or 0, 0):
                        left.pop(message.partition() or 0, None)
    except KafkaException as error:
        raise ClusterReadError(f"{topic} could not be read: {error.args[0].str()}") from error
    else:
        return found
    finally:
        consumer.close()


def read_committed(bootstrap: str, group: str, partitions: Iterable[Partition]) -> dict[Partition, int]:
    """Return the committed offset of each partition of a group; one without a commit is left out.

    Raises:
        UnreadableError: the brokers do not answer.
    """
    consumer = _consumer(bootstrap, group)
    try:
        answers = consumer.committed([TopicPartition(each.topic, each.index) for each in partitions], _WITHIN_S)
    except KafkaException as error:
        raise ClusterReadError(f"the offsets of {group} could not be read: {error.args[0].str()}") from error
    finally:
        consumer.close()
    return {partition_of(each): each.offset for each in answers if each.offset >= 0}


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


def _letter(message: Message) -> FoundLetter:
    said = message.headers() or []
    headers: Mapping[str, str] = {
        name: (value if isinstance(value, bytes) else b"").decode(errors="replace")
        for name, value in (said.items() if isinstance(said, dict) else said)
        if name.startswith("cdp-")
    }
    try:
        place = Partition(headers["cdp-original-topic"], int(headers["cdp-original-partition"]))
        letter = Letter(
            headers.get("cdp-delivery-label", ""),
            headers["cdp-cause"],
            place,
            int(headers["cdp-original-offset"]),
            headers["cdp-delivery-id"],
        )
        pipeline = headers["cdp-pipeline"]
    except (KeyError, ValueError) as error:
        raise ClusterReadError(
            f"a dead letter at {message.offset()} lacks a header of its contract: {error}"
        ) from error
    return FoundLetter(pipeline, headers.get("cdp-destination", ""), letter, digest_of(message.key(), message.value()))
