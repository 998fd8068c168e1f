"""A partition is assigned anew after a gap: completely, or not at all and then again, whatever the client raises."""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets, LoopBridge
from consumer.kafka.properties import PollOptions
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from consumer.kafka.stopped_partitions import StoppedPartitions
from consumer.model import Partition
from consumer.model.directives import AcceptGap
from tests.integration.kafka.recording_handler import RecordingHandler, RecordingObserver

P, Q = Partition("orders", 0), Partition("orders", 1)
OLD, OTHER, LATER = 10**9, 10**9 + 1, 10**9 + 2  # far from the epoch numbers of this process


class Client:
    """A consumer that keeps its assignment as librdkafka does, and raises the test's errors."""

    def __init__(self) -> None:
        self.assignment = {P: 10, Q: 20}
        self.errors_of: dict[str, KafkaError] = {}
        self.calls: list[str] = []
        self.paused: list[Partition] = []
        self.committed: list[dict[Partition, int]] = []

    def _called(self, method: str) -> None:
        self.calls.append(method)
        if method in self.errors_of:
            raise KafkaException(self.errors_of[method])

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self._called("incremental_unassign")
        if any(partition_of(one) not in self.assignment for one in partitions):
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        for one in partitions:
            del self.assignment[partition_of(one)]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._called("incremental_assign")
        if any(partition_of(one) in self.assignment for one in partitions):
            raise KafkaException(KafkaError(KafkaError._CONFLICT))
        self.assignment |= {partition_of(one): one.offset for one in partitions}

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._called("assign")
        self.assignment = {partition_of(one): one.offset for one in partitions}

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        self._called("commit")
        self.committed.append({partition_of(one): one.offset for one in offsets})
        return offsets

    def get_watermark_offsets(self, _: TopicPartition, timeout_s: float, *, cached: bool) -> tuple[int, int]:
        assert not cached
        assert timeout_s <= 2.0, "all the other partitions wait meanwhile"
        return 40, 100

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += map(partition_of, partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        assert partitions


def partition_of(one: TopicPartition) -> Partition:
    return Partition(one.topic, one.partition)


class DirectBridge:
    """A bridge that calls the handler directly."""

    def post(self, callback: Callable[[], None]) -> None:
        callback()


class StoppedMember:
    """A member with P and Q assigned and settled. P stopped before 10, and that gap is accepted."""

    def __init__(self, strategy: str = "cooperative-sticky") -> None:
        self.client, self.handler, self.observer = Client(), RecordingHandler(), RecordingObserver()
        fence = Fence(10.0)
        self.committer = OffsetCommitter(self.observer, fence)
        self.committer.assign({P: OLD, Q: OTHER}, StartOffsets({P: 10, Q: 20}, {P: 10, Q: 20}, GroupStart("earliest")))
        options = PollOptions({"partition.assignment.strategy": strategy}, "cdp", ("orders",), "earliest", 1.0)
        bridge = cast("LoopBridge", DirectBridge())
        self.member = GroupMembership(options, self.handler, bridge, self.committer, fence, self.observer)
        self.member.assigned = {P: OLD, Q: OTHER}
        self.stops = StoppedPartitions(self.member, self.committer, self.handler, self.observer)
        self.stops.add(P, "_AUTO_OFFSET_RESET")
        self.handler.accepted_gaps = [AcceptGap(1, "", P.topic, P.index, 10, 57)]

    def resume(self, now_s: float) -> None:
        self.stops.resume_stopped(cast("Consumer", self.client), now_s)


BOTH = pytest.mark.parametrize(
    ("strategy", "last"), [("cooperative-sticky", "incremental_assign"), ("range", "assign")]
)


@BOTH
def test_reassigned_partition_resumes_after_gap_and_others_continue(strategy: str, last: str) -> None:
    one = StoppedMember(strategy)
    one.resume(0.0)
    assert one.client.calls[-2:] == [last, "commit"]
    assert one.client.assignment == {P: 57, Q: 20}
    assert one.client.committed == [{P: 57}]
    assert one.handler.events == ["lost", "assigned"]
    (assignment,) = one.handler.assignments
    assert (assignment.epochs, assignment.starts) == ({P: one.member.assigned[P]}, {P: 57})
    assert one.member.assigned[P] not in (OLD, OTHER)
    assert one.observer.gaps_accepted == [(P, 10, 57)]
    assert one.client.paused == []


@BOTH
def test_failed_assign_keeps_old_epoch_until_a_retry_succeeds(strategy: str, last: str) -> None:
    one = StoppedMember(strategy)
    one.client.errors_of = {last: KafkaError(KafkaError._STATE)}
    for now_s in (0.0, 1.0):
        one.resume(now_s)
    assert one.observer.errors == [("_STATE", False)] * 2
    assert one.member.assigned == {P: OLD, Q: OTHER}
    assert one.stops.snapshot().keys() == {P}
    assert (one.handler.events, one.client.committed, one.observer.gaps_accepted) == ([], [], [])
    one.client.errors_of = {}
    one.resume(3.0)
    assert one.client.assignment == {P: 57, Q: 20}
    assert one.client.calls.count("incremental_unassign") == (1 if strategy == "cooperative-sticky" else 0)
    assert one.observer.gaps_accepted == [(P, 10, 57)]


def test_failed_unassign_changes_nothing() -> None:
    one = StoppedMember()
    one.client.errors_of = {"incremental_unassign": KafkaError(KafkaError._STATE)}
    one.resume(0.0)
    assert one.client.assignment == {P: 10, Q: 20}
    one.client.errors_of = {}
    one.resume(1.0)
    assert one.client.assignment == {P: 57, Q: 20}


def test_partition_unassigned_by_client_can_still_be_lost() -> None:
    """A partition between two assignments of the client is lost without an error."""
    one = StoppedMember()
    one.client.errors_of = {"incremental_assign": KafkaError(KafkaError._STATE)}
    one.resume(0.0)
    assert one.client.assignment == {Q: 20}
    one.client.errors_of = {}
    client = cast("Consumer", one.client)
    one.member.on_lost(client, [TopicPartition(*P), TopicPartition(*Q)])
    assert one.client.assignment == {}
    assert one.member.assigned == {}
    one.client.assignment = {P: 10}
    one.committer.assign({P: LATER}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    one.member.assigned = {P: LATER}
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.resume(60.0)
    assert one.client.assignment == {P: 57}, "it still counted as unassigned after its new assignment"


def test_uncommitted_start_after_gap_stays_paused() -> None:
    one = StoppedMember()
    one.client.errors_of = {"commit": KafkaError(KafkaError.REBALANCE_IN_PROGRESS)}
    one.resume(0.0)
    assert one.client.paused == [P]
    assert one.observer.gaps_accepted == [(P, 10, 57)]
    one.client.errors_of = {}
    one.committer.advance(CommittableOffsets({P: (one.member.assigned[P], 57)}))
    assert one.committer.commit_sync(cast("Consumer", one.client), [P])
    assert one.client.committed == [{P: 57}]
