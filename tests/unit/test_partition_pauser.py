"""Pauses: a partition that came paused does not stay so."""

from __future__ import annotations

from typing import Any, cast

from confluent_kafka import TopicPartition

from consumer.kafka.fetcher import PartitionPauser
from consumer.model import Partition
from consumer.model.observer import Observer

P, Q = Partition("t", 0), Partition("t", 1)


class Client:
    def __init__(self) -> None:
        self.said: list[tuple[str, list[int]]] = []

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.said.append(("pause", sorted(one.partition for one in partitions)))

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.said.append(("resume", sorted(one.partition for one in partitions)))


def test_partition_assigned_paused_is_resumed_once_unblocked() -> None:
    client, pauses = Client(), PartitionPauser(Observer())
    consumer = cast("Any", client)
    pauses.sync(consumer, {P: 1}, frozenset(), {P})
    pauses.sync(consumer, {P: 1}, frozenset(), ())
    assert client.said == [("pause", [0]), ("resume", [0])]
    client.said.clear()
    pauses.sync(consumer, {P: 1, Q: 2}, frozenset(), ())
    assert client.said == [("resume", [1])]
    client.said.clear()
    pauses.sync(consumer, {P: 1, Q: 2}, frozenset(), ())
    assert client.said == []
