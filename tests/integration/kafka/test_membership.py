"""Changes that no callback reports, and the lookup of start offsets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import LoopBridge
from consumer.kafka.properties import PollOptions
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import GroupStart, encode_metadata
from consumer.model import Partition
from consumer.model.observer import Observer
from tests.integration.kafka.recording_handler import RecordingHandler, member, options, produce
from tests.kafka_clusters import EmbeddedBroker


class FakeClient:
    """A consumer whose cluster has one topic. Partitions can be added to it."""

    def __init__(self) -> None:
        self.partitions: int | None = 4
        """`None`: the topic does not exist."""
        self.more_topics: tuple[str, ...] = ()
        self.listings = 0
        self.subscriptions: list[list[str]] = []

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        self.listings += 1
        topic = SimpleNamespace(partitions=dict.fromkeys(range(self.partitions or 0)), error=None)
        names = (*(() if self.partitions is None else ("orders",)), *self.more_topics)
        return SimpleNamespace(topics=dict.fromkeys(names, topic))

    def subscribe(self, topics: list[str], **callbacks: object) -> None:
        assert callbacks.keys() == {"on_assign", "on_revoke", "on_lost"}
        self.subscriptions.append(topics)

    def consumer_group_metadata(self) -> None:
        return None

    def assign(self, partitions: list[object]) -> None:
        assert partitions == []


class DirectBridge:
    """A bridge that calls the handler directly."""

    def post(self, callback: Callable[[], None]) -> None:
        callback()

    def submit(self, coroutine: Coroutine[Any, Any, object]) -> Future[None]:
        coroutine.close()
        done: Future[None] = Future()
        done.set_result(None)
        return done


def membership_of_one(topic: str = "orders") -> tuple[GroupMembership, RecordingHandler, FakeClient]:
    handler = RecordingHandler()
    options = PollOptions(
        properties={"bootstrap.servers": "nowhere"},
        group="cdp",
        topics=(topic,),
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


def test_subscription_changes_no_more_once_a_shutdown_begins() -> None:
    async def run() -> None:
        member, _, group = membership_of_one("^ord")
        client = cast("Consumer", group)
        member.subscribe(client)
        assert group.subscriptions == [], "the pattern is not resolved yet"
        member.refresh(client, 1.0)
        member.refresh(client, 2.0)
        assert group.subscriptions == [["orders"]]
        group.more_topics = ("ordinary",)
        member.refresh(client, 32.0)
        assert group.subscriptions == [["orders"], ["orders", "ordinary"]]
        group.more_topics = ("ordinary", "ordeal")
        member.shutdown().result()
        member.refresh(client, 63.0)
        assert len(group.subscriptions) == 2

    asyncio.run(run())


def test_last_topic_of_a_pattern_stays_subscribed_after_its_end() -> None:
    async def run() -> None:
        member, _, group = membership_of_one("^ord")
        client = cast("Consumer", group)
        member.refresh(client, 1.0)
        group.partitions = None
        for now_s in (32.0, 63.0, 94.0):
            member.refresh(client, now_s)
        assert (group.listings, group.subscriptions) == (4, [["orders"]])

    asyncio.run(run())


class DeletingCluster:
    """A consumer, and a client for topics, of a cluster from which the topic `gone` was deleted a moment ago."""

    def __init__(self, commits: dict[Partition, GroupStart]) -> None:
        self.commits = commits

    def list_topics(self, *, timeout: float) -> Any:  # noqa: ANN401, ARG002 - the library's own signature
        return SimpleNamespace(topics={"orders": SimpleNamespace(partitions={0: None}, error=None)})

    def close(self) -> None:
        pass

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        assert partitions, "librdkafka treats an empty request as an error"
        found = [(one, self.commits.get(Partition(one.topic, one.partition))) for one in partitions]
        return [
            TopicPartition(
                one.topic, one.partition, -1001 if start is None else 7, "" if start is None else encode_metadata(start)
            )
            for one, start in found
        ]

    def offsets_for_times(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        if any(one.topic == "gone" for one in partitions):
            raise KafkaException(KafkaError(KafkaError.UNKNOWN_TOPIC_OR_PART))
        return [TopicPartition(one.topic, one.partition, 3) for one in partitions]


@pytest.mark.parametrize("rest", [{Partition("orders", 0)}, set()])
@pytest.mark.parametrize("commits", [{}, {Partition("orders", 0): GroupStart(5)}])
def test_topic_deleted_during_its_assignment_does_not_delay_the_others(
    rest: set[Partition], commits: dict[Partition, GroupStart], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def run() -> None:
        member, _, _ = membership_of_one("^")
        client = cast("Consumer", DeletingCluster(commits))
        monkeypatch.setattr(member, "_topics_client", lambda: client)
        gone = Partition("gone", 0)
        found = member._resolve_starts(client, {gone, *rest})
        assert found.offsets == {gone: 0, **dict.fromkeys(rest, 7 if commits else 3)}
        assert found.confirmed == (dict.fromkeys(rest, 7) if commits else {}), (
            "nothing is fetched of a topic that is gone"
        )
        assert found.group_start == (GroupStart(5) if commits else GroupStart("earliest"))

    asyncio.run(run())
