"""What a member learns of its group and asks of its topics: what no callback tells, and where partitions start."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import LoopBridge
from consumer.kafka.properties import PollOptions
from consumer.kafka.rebalance import GroupMembership
from consumer.model import Partition
from consumer.model.observer import Observer
from tests.integration.kafka.recording_handler import RecordingHandler, member, options, produce
from tests.kafka_clusters import EmbeddedBroker


class Group:
    """A consumer whose cluster has one topic that can grow."""

    def __init__(self) -> None:
        self.partitions = 4
        self.looks = 0

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        self.looks += 1
        topic = SimpleNamespace(partitions=dict.fromkeys(range(self.partitions)), error=None)
        return SimpleNamespace(topics={"orders": topic})

    def consumer_group_metadata(self) -> None:
        return None

    def assign(self, partitions: list[object]) -> None:
        assert partitions == []


class AtOnce:
    """A bridge with the loop right behind it."""

    def post(self, what: Callable[[], None]) -> None:
        what()


def members() -> tuple[GroupMembership, RecordingHandler, Group]:
    road = RecordingHandler()
    options = PollOptions(
        properties={"bootstrap.servers": "nowhere"},
        group="cdp",
        topics=("orders",),
        start="earliest",
        drain_s=1.0,
        commit_interval_s=1.0,
    )
    told, fence = Observer(), Fence(10.0)
    made = GroupMembership(options, road, cast("LoopBridge", AtOnce()), OffsetCommitter(told, fence), fence, told)
    made.assigned = {Partition("orders", 0): 1}
    return made, road, Group()


def test_a_total_that_changes_without_an_assignment_is_told_once() -> None:
    async def run() -> None:
        member, road, group = members()
        client = cast("Consumer", group)
        for now_s in (1.0, 2.0, 200.0):
            member.refresh(client, now_s)
        assert (road.totals, group.looks) == ([4], 1)
        group.partitions = 6
        member.refresh(client, 250.0)
        assert road.totals == [4], "it is looked for every five minutes"
        member.refresh(client, 302.0)
        member.refresh(client, 303.0)
        assert (road.totals, group.looks) == ([4, 6], 2)

    asyncio.run(run())


def test_a_rebalance_that_brings_nothing_here_has_the_partitions_counted_at_once() -> None:
    async def run() -> None:
        member, road, group = members()
        client = cast("Consumer", group)
        member.refresh(client, 1.0)
        group.partitions = 12
        member.on_assign(client, [])
        member.refresh(client, 2.0)
        assert road.totals == [4, 12]

    asyncio.run(run())


def test_who_holds_nothing_is_told_nothing() -> None:
    async def run() -> None:
        member, road, group = members()
        member.assigned = {}
        member.refresh(cast("Consumer", group), 1.0)
        assert (road.totals, group.looks) == ([], 1)

    asyncio.run(run())


def test_where_partitions_start_is_asked_once_a_client_can_be_made(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
    produce(embedded_broker, topic, 3)
    refused: list[str] = []

    def made(properties: dict[str, str]) -> Consumer:
        if not refused:
            refused.append("once")
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.ca.location failed: No such file"))
        return Consumer(properties)

    monkeypatch.setattr("consumer.kafka.rebalance.Consumer", made)

    async def run() -> None:
        async with member(options(embedded_broker, (topic,), group)) as one:
            await one.until(lambda: len(one.road.taken) == 3)
            assert refused

    asyncio.run(run())
