"""What happens inside the callbacks in which partitions go: in which order, and what is never done."""

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
    """A consumer that writes down what it is asked; commits are refused while there is a refusal."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, object]] = []
        self.refusal: KafkaError | None = None

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, -1001) for one in partitions]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous, "its answer would come when the partitions are somebody else's"
        self.asked.append(("commit", {one.partition: one.offset for one in offsets}))
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        return offsets

    def resume(self, partitions: list[TopicPartition]) -> None:
        self.asked.append(("resume", {one.partition for one in partitions}))

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self.asked.append(("incremental_unassign", {one.partition for one in partitions}))

    def unassign(self) -> None:
        self.asked.append(("unassign", {0, 1}))


class AtOnce:
    """A bridge with the loop right behind it."""

    def post(self, what: Callable[[], None]) -> None:
        what()

    def submit(self, question: Coroutine[Any, Any, CommittableOffsets]) -> Future[CommittableOffsets]:
        answer: Future[CommittableOffsets] = Future()
        answer.set_result(asyncio.run(question))
        return answer

    def wait(self, answer: Future[CommittableOffsets], within_s: float) -> bool:  # noqa: ARG002
        return answer.done()


class Holding:
    """A member that holds P and Q, has taken ten records of each, and settled seven of P and four of Q."""

    def __init__(self, strategy: str) -> None:
        self.client, self.road, self.heard = Client(), RecordingHandler(), RecordingObserver()
        fence = Fence(10.0)
        self.commits = OffsetCommitter(self.heard, fence)
        options = PollOptions({"partition.assignment.strategy": strategy}, "cdp", ("orders",), "earliest", 1.0)
        crossing = cast("LoopBridge", AtOnce())
        self.member = GroupMembership(options, self.road, crossing, self.commits, fence, self.heard)
        self.commits.assign({P: 1, Q: 2}, StartOffsets({P: 0, Q: 0}, {P: 0, Q: 0}, GroupStart("earliest")))
        self.commits.note_consumed({P: 9, Q: 9})
        self.road.next = {P: (1, 7), Q: (2, 4)}
        self.member.assigned = {P: 1, Q: 2}

    def revoked(self, *partitions: Partition) -> None:
        self.member.on_revoke(cast("Consumer", self.client), [TopicPartition(*one) for one in partitions])

    def lost(self, *partitions: Partition) -> None:
        self.member.on_lost(cast("Consumer", self.client), [TopicPartition(*one) for one in partitions])


@STRATEGIES
def test_partitions_are_drained_then_committed_then_given_back_resumed(strategy: str, unassign: str) -> None:
    one = Holding(strategy)
    one.revoked(P, Q)
    assert one.road.events == ["drain"]
    assert one.client.asked == [("commit", {0: 7, 1: 4}), ("resume", {0, 1}), (unassign, {0, 1})]
    assert one.member.assigned == {}
    assert one.heard.revocations == [(frozenset({P, Q}), False)]


def test_who_keeps_a_partition_commits_and_gives_back_only_the_other() -> None:
    one = Holding("cooperative-sticky")
    one.revoked(Q)
    assert one.client.asked == [("commit", {1: 4}), ("resume", {1}), ("incremental_unassign", {1})]
    assert one.member.assigned == {P: 1}


@STRATEGIES
@pytest.mark.parametrize("code", [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION])
def test_partitions_are_given_back_though_their_commit_was_refused(strategy: str, unassign: str, code: int) -> None:
    one = Holding(strategy)
    one.client.refusal = KafkaError(code)
    one.revoked(P, Q)
    assert one.heard.refusals == [KafkaError(code).name()]
    assert one.client.asked[1:] == [("resume", {0, 1}), (unassign, {0, 1})]
    assert one.member.assigned == {}


@STRATEGIES
def test_nothing_is_committed_for_partitions_that_were_lost(strategy: str, unassign: str) -> None:
    one = Holding(strategy)
    one.commits.advance(CommittableOffsets({P: (1, 9), Q: (2, 9)}))
    one.lost(P, Q)
    assert one.client.asked == [("resume", {0, 1}), (unassign, {0, 1})]
    assert one.road.events == ["lost"]
    assert one.member.assigned == {}
    assert one.heard.revocations == [(frozenset({P, Q}), True)]


def test_a_frontier_that_comes_after_its_partitions_went_commits_nothing() -> None:
    one = Holding("cooperative-sticky")
    one.lost(P)
    one.commits.advance(CommittableOffsets({P: (1, 10), Q: (2, 10)}))
    assert one.commits.commit_sync(cast("Consumer", one.client), [P, Q])
    assert one.client.asked[-1] == ("commit", {1: 10})


@STRATEGIES
def test_a_member_that_ends_has_drained_already(strategy: str, unassign: str) -> None:
    one = Holding(strategy)
    one.member.closing = True
    one.revoked(P)
    one.lost(Q)
    assert one.road.events == []
    assert [name for name, _ in one.client.asked] == ["resume", unassign, "resume", unassign]
