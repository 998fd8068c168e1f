"""A partition is assigned anew behind a gap: wholly, or not at all and then again, whatever the client makes of it."""

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
OLD, OTHER, LATER = 10**9, 10**9 + 1, 10**9 + 2  # far from the epochs that this process gives


class Client:
    """A consumer that keeps its assignment as librdkafka does, and refuses what the test names."""

    def __init__(self) -> None:
        self.assignment = {P: 10, Q: 20}
        self.refusing: dict[str, KafkaError] = {}
        self.asked: list[str] = []
        self.paused: list[Partition] = []
        self.committed: list[dict[Partition, int]] = []

    def _hear(self, verb: str) -> None:
        self.asked.append(verb)
        if verb in self.refusing:
            raise KafkaException(self.refusing[verb])

    def incremental_unassign(self, partitions: list[TopicPartition]) -> None:
        self._hear("incremental_unassign")
        if any(place(one) not in self.assignment for one in partitions):
            raise KafkaException(KafkaError(KafkaError._INVALID_ARG))
        for one in partitions:
            del self.assignment[place(one)]

    def incremental_assign(self, partitions: list[TopicPartition]) -> None:
        self._hear("incremental_assign")
        if any(place(one) in self.assignment for one in partitions):
            raise KafkaException(KafkaError(KafkaError._CONFLICT))
        self.assignment |= {place(one): one.offset for one in partitions}

    def assign(self, partitions: list[TopicPartition]) -> None:
        self._hear("assign")
        self.assignment = {place(one): one.offset for one in partitions}

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        assert not asynchronous
        self._hear("commit")
        self.committed.append({place(one): one.offset for one in offsets})
        return offsets

    def get_watermark_offsets(self, _: TopicPartition, within_s: float, *, cached: bool) -> tuple[int, int]:
        assert not cached
        assert within_s <= 2.0, "all the other partitions wait meanwhile"
        return 40, 100

    def pause(self, partitions: list[TopicPartition]) -> None:
        self.paused += map(place, partitions)

    def resume(self, partitions: list[TopicPartition]) -> None:
        assert partitions


def place(one: TopicPartition) -> Partition:
    return Partition(one.topic, one.partition)


class AtOnce:
    """A bridge with the loop right behind it."""

    def post(self, what: Callable[[], None]) -> None:
        what()


class Gone:
    """A member that holds P and Q and has settled them; P stopped before 10, and that gap is accepted."""

    def __init__(self, strategy: str = "cooperative-sticky") -> None:
        self.client, self.road, self.heard = Client(), RecordingHandler(), RecordingObserver()
        fence = Fence(10.0)
        self.commits = OffsetCommitter(self.heard, fence)
        self.commits.assign({P: OLD, Q: OTHER}, StartOffsets({P: 10, Q: 20}, {P: 10, Q: 20}, GroupStart("earliest")))
        options = PollOptions({"partition.assignment.strategy": strategy}, "cdp", ("orders",), "earliest", 1.0)
        crossing = cast("LoopBridge", AtOnce())
        self.member = GroupMembership(options, self.road, crossing, self.commits, fence, self.heard)
        self.member.assigned = {P: OLD, Q: OTHER}
        self.stops = StoppedPartitions(self.member, self.commits, self.road, self.heard)
        self.stops.add(P, "_AUTO_OFFSET_RESET")
        self.road.accepted_gaps = [AcceptGap(1, "", P.topic, P.index, 10, 57)]

    def turn(self, now_s: float) -> None:
        self.stops.resume_stopped(cast("Consumer", self.client), now_s)


BOTH = pytest.mark.parametrize(
    ("strategy", "last"), [("cooperative-sticky", "incremental_assign"), ("range", "assign")]
)


@BOTH
def test_a_partition_goes_on_behind_its_gap_and_the_others_where_they_are(strategy: str, last: str) -> None:
    one = Gone(strategy)
    one.turn(0.0)
    assert one.client.asked[-2:] == [last, "commit"]
    assert one.client.assignment == {P: 57, Q: 20}
    assert one.client.committed == [{P: 57}]
    assert one.road.events == ["lost", "assigned"]
    (news,) = one.road.assignments
    assert (news.epochs, news.starts) == ({P: one.member.assigned[P]}, {P: 57})
    assert one.member.assigned[P] not in (OLD, OTHER)
    assert one.heard.gaps == [(P, 10, 57)]
    assert one.client.paused == []


@BOTH
def test_where_the_client_refuses_to_assign_the_old_tenure_stays_until_it_does(strategy: str, last: str) -> None:
    one = Gone(strategy)
    one.client.refusing = {last: KafkaError(KafkaError._STATE)}
    for now_s in (0.0, 1.0):
        one.turn(now_s)
    assert one.heard.errors == [("_STATE", False)] * 2
    assert one.member.assigned == {P: OLD, Q: OTHER}
    assert one.stops.snapshot().keys() == {P}
    assert (one.road.events, one.client.committed, one.heard.gaps) == ([], [], [])
    one.client.refusing = {}
    one.turn(3.0)
    assert one.client.assignment == {P: 57, Q: 20}
    assert one.client.asked.count("incremental_unassign") == (1 if strategy == "cooperative-sticky" else 0)
    assert one.heard.gaps == [(P, 10, 57)]


def test_where_the_client_refuses_to_unassign_nothing_has_changed() -> None:
    one = Gone()
    one.client.refusing = {"incremental_unassign": KafkaError(KafkaError._STATE)}
    one.turn(0.0)
    assert one.client.assignment == {P: 10, Q: 20}
    one.client.refusing = {}
    one.turn(1.0)
    assert one.client.assignment == {P: 57, Q: 20}


def test_a_partition_the_client_has_not_assigned_is_given_back_all_the_same() -> None:
    one = Gone()
    one.client.refusing = {"incremental_assign": KafkaError(KafkaError._STATE)}
    one.turn(0.0)
    assert one.client.assignment == {Q: 20}
    one.client.refusing = {}
    client = cast("Consumer", one.client)
    one.member.on_lost(client, [TopicPartition(*P), TopicPartition(*Q)])
    assert one.client.assignment == {}
    assert one.member.assigned == {}
    one.client.assignment = {P: 10}
    one.commits.assign({P: LATER}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    one.member.assigned = {P: LATER}
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.turn(60.0)
    assert one.client.assignment == {P: 57}, "it was taken for unassigned, though it had come back"


def test_a_start_behind_a_gap_that_is_not_committed_yet_is_not_read_from() -> None:
    one = Gone()
    one.client.refusing = {"commit": KafkaError(KafkaError.REBALANCE_IN_PROGRESS)}
    one.turn(0.0)
    assert one.client.paused == [P]
    assert one.heard.gaps == [(P, 10, 57)]
    one.client.refusing = {}
    one.commits.advance(CommittableOffsets({P: (one.member.assigned[P], 57)}))
    assert one.commits.commit_sync(cast("Consumer", one.client), [P])
    assert one.client.committed == [{P: 57}]
