"""The partition pauser resumes partitions that were assigned paused."""

from __future__ import annotations

from typing import Any, cast

from confluent_kafka import TopicPartition

from consumer.kafka.fetcher import PartitionPauser
from consumer.model import Partition
from consumer.model.observer import Observer

P, Q = Partition("t", 0), Partition("t", 1)


class Client:
    def __init__(self) -> None:
        self.calls: list[tuple[str, list[int]]] = []

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(("pause", sorted(one.partition for one in partitions)))

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(("resume", sorted(one.partition for one in partitions)))


def test_partition_assigned_paused_is_resumed_once_unblocked() -> None:
    client, pauser = Client(), PartitionPauser(Observer())
    consumer = cast("Any", client)
    pauser.sync(consumer, {P: 1}, frozenset(), {P})
    pauser.sync(consumer, {P: 1}, frozenset(), ())
    assert client.calls == [("pause", [0]), ("resume", [0])]
    client.calls.clear()
    pauser.sync(consumer, {P: 1, Q: 2}, frozenset(), ())
    assert client.calls == [("resume", [1])]
    client.calls.clear()
    pauser.sync(consumer, {P: 1, Q: 2}, frozenset(), ())
    assert client.calls == []
