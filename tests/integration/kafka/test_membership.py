"""Changes that no callback reports, and the lookup of start offsets."""

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


class FakeClient:
    """A consumer whose cluster has one topic. Partitions can be added to it."""

    def __init__(self) -> None:
        self.partitions = 4
        self.listings = 0

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        self.listings += 1
        topic = SimpleNamespace(partitions=dict.fromkeys(range(self.partitions)), error=None)
        return SimpleNamespace(topics={"orders": topic})

    def consumer_group_metadata(self) -> None:
        return None

    def assign(self, partitions: list[object]) -> None:
        assert partitions == []


class DirectBridge:
    """A bridge that calls the handler directly."""

    def post(self, callback: Callable[[], None]) -> None:
        callback()


def membership_of_one() -> tuple[GroupMembership, RecordingHandler, FakeClient]:
    handler = RecordingHandler()
    options = PollOptions(
        properties={"bootstrap.servers": "nowhere"},
        group="cdp",
        topics=("orders",),
        start="earliest",
        drain_s=1.0,
        commit_interval_s=1.0,
    )
    observer, fence = Observer(), Fence(10.0)
    bridge = cast("LoopBridge", DirectBridge())
    membership = GroupMembership(options, handler, bridge, OffsetCommitter(observer, fence), fence, observer)
    membership.assigned = {Partition("orders", 0): 1}
    return membership, handler, FakeClient()


def test_partition_count_without_an_assignment_is_reported_once() -> None:
    async def run() -> None:
        member, handler, group = membership_of_one()
        client = cast("Consumer", group)
        for now_s in (1.0, 2.0, 200.0):
            member.refresh(client, now_s)
        assert (handler.totals, group.listings) == ([4], 1)
        group.partitions = 6
        member.refresh(client, 250.0)
        assert handler.totals == [4], "topics are listed every five minutes"
        member.refresh(client, 302.0)
        member.refresh(client, 303.0)
        assert (handler.totals, group.listings) == ([4, 6], 2)

    asyncio.run(run())


def test_rebalance_without_new_partitions_refreshes_the_count() -> None:
    async def run() -> None:
        member, handler, group = membership_of_one()
        client = cast("Consumer", group)
        member.refresh(client, 1.0)
        group.partitions = 12
        member.on_assign(client, [])
        member.refresh(client, 2.0)
        assert handler.totals == [4, 12]

    asyncio.run(run())


def test_count_is_not_reported_without_partitions() -> None:
    async def run() -> None:
        member, handler, group = membership_of_one()
        member.assigned = {}
        member.refresh(cast("Consumer", group), 1.0)
        assert (handler.totals, group.listings) == ([], 1)

    asyncio.run(run())


def test_start_offsets_are_resolved_once_a_client_can_be_created(
    embedded_broker: EmbeddedBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    topic, group = embedded_broker.create_topic("orders"), embedded_broker.unique("group")
    produce(embedded_broker, topic, 3)
    refused: list[str] = []

    def membership(properties: dict[str, str]) -> Consumer:
        if not refused:
            refused.append("once")
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.ca.location failed: No such file"))
        return Consumer(properties)

    monkeypatch.setattr("consumer.kafka.rebalance.Consumer", membership)

    async def run() -> None:
        async with member(options(embedded_broker, (topic,), group)) as one:
            await one.until(lambda: len(one.handler.received) == 3)
            assert refused

    asyncio.run(run())
