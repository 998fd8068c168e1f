"""The order of steps inside the revoke and lost callbacks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets, LoopBridge
from consumer.kafka.properties import PollOptions
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from consumer.model import Partition
from tests.integration.kafka.recording_handler import RecordingHandler, RecordingObserver

P, Q = Partition("orders", 0), Partition("orders", 1)
STRATEGIES = pytest.mark.parametrize(
    ("strategy", "unassign"), [("range", "unassign"), ("cooperative-sticky", "incremental_unassign")]
)


class Client:
    """A consumer that records its calls. Commits fail while `error` is set."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, object]] = []
        self.error: KafkaError | None = None

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, -1001) for one in partitions]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous, "its response would come after the partitions have a new owner"
        self.calls.append(("commit", {one.partition: one.offset for one in offsets}))
        if self.error is not None:
            raise KafkaException(self.error)
        return offsets

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(("resume", {one.partition for one in partitions}))

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.calls.append(("incremental_unassign", {one.partition for one in partitions}))

    def unassign(self) -> None:
        self.calls.append(("unassign", {0, 1}))


class DirectBridge:
    """A bridge that calls the handler directly."""

    def post(self, callback: Callable[[], None]) -> None:
        callback()

    def submit(self, coroutine: Coroutine[Any, Any, CommittableOffsets]) -> Future[CommittableOffsets]:
        future: Future[CommittableOffsets] = Future()
        future.set_result(asyncio.run(coroutine))
        return future

    def wait(self, future: Future[CommittableOffsets], timeout_s: float) -> bool:  # noqa: ARG002
        return future.done()


class TwoPartitionMember:
    """A member with P and Q assigned: ten records fetched of each, seven settled of P and four of Q."""

    def __init__(self, strategy: str) -> None:
        self.client, self.handler, self.observer = Client(), RecordingHandler(), RecordingObserver()
        fence = Fence(10.0)
        self.committer = OffsetCommitter(self.observer, fence)
        options = PollOptions({"partition.assignment.strategy": strategy}, "cdp", ("orders",), "earliest", 1.0)
        bridge = cast("LoopBridge", DirectBridge())
        self.member = GroupMembership(options, self.handler, bridge, self.committer, fence, self.observer)
        self.committer.assign({P: 1, Q: 2}, StartOffsets({P: 0, Q: 0}, {P: 0, Q: 0}, GroupStart("earliest")))
        self.committer.note_consumed({P: 9, Q: 9})
        self.handler.next = {P: (1, 7), Q: (2, 4)}
        self.member.assigned = {P: 1, Q: 2}

    def revoke(self, *partitions: Partition) -> None:
        self.member.on_revoke(cast("Consumer", self.client), [TopicPartition(*one) for one in partitions])

    def lose(self, *partitions: Partition) -> None:
        self.member.on_lost(cast("Consumer", self.client), [TopicPartition(*one) for one in partitions])


@STRATEGIES
def test_revoke_drains_commits_resumes_and_unassigns_in_order(strategy: str, unassign: str) -> None:
    one = TwoPartitionMember(strategy)
    one.revoke(P, Q)
    assert one.handler.events == ["drain"]
    assert one.client.calls == [("commit", {0: 7, 1: 4}), ("resume", {0, 1}), (unassign, {0, 1})]
    assert one.member.assigned == {}
    assert one.observer.revocations == [(frozenset({P, Q}), False)]


def test_partial_revoke_commits_only_the_revoked_partition() -> None:
    one = TwoPartitionMember("cooperative-sticky")
    one.revoke(Q)
    assert one.client.calls == [("commit", {1: 4}), ("resume", {1}), ("incremental_unassign", {1})]
    assert one.member.assigned == {P: 1}


@STRATEGIES
@pytest.mark.parametrize("code", [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION])
def test_failed_commit_does_not_prevent_unassign(strategy: str, unassign: str, code: int) -> None:
    one = TwoPartitionMember(strategy)
    one.client.error = KafkaError(code)
    one.revoke(P, Q)
    assert one.observer.failed_commits == [KafkaError(code).name()]
    assert one.client.calls[1:] == [("resume", {0, 1}), (unassign, {0, 1})]
    assert one.member.assigned == {}


@STRATEGIES
def test_lost_partitions_are_not_committed(strategy: str, unassign: str) -> None:
    one = TwoPartitionMember(strategy)
    one.committer.advance(CommittableOffsets({P: (1, 9), Q: (2, 9)}))
    one.lose(P, Q)
    assert one.client.calls == [("resume", {0, 1}), (unassign, {0, 1})]
    assert one.handler.events == ["lost"]
    assert one.member.assigned == {}
    assert one.observer.revocations == [(frozenset({P, Q}), True)]


def test_committable_offset_of_a_lost_partition_is_ignored() -> None:
    one = TwoPartitionMember("cooperative-sticky")
    one.lose(P)
    one.committer.advance(CommittableOffsets({P: (1, 10), Q: (2, 10)}))
    assert one.committer.commit_sync(cast("Consumer", one.client), [P, Q])
    assert one.client.calls[-1] == ("commit", {1: 10})


@STRATEGIES
def test_closing_member_neither_drains_nor_commits(strategy: str, unassign: str) -> None:
    one = TwoPartitionMember(strategy)
    one.member.closing = True
    one.revoke(P)
    one.lose(Q)
    assert one.handler.events == []
    assert [name for name, _ in one.client.calls] == ["resume", unassign, "resume", unassign]
