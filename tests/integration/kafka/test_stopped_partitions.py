"""When a partition that stopped may go on, decided without a broker."""

from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import GroupStart, OffsetOutOfRange, StartOffsets
from consumer.kafka.stopped_partitions import Stop, StoppedPartitions
from consumer.model import Partition
from consumer.model.directives import AcceptGap, ResumeAt
from tests.integration.kafka.recording_handler import RecordingHandler, RecordingObserver

P = Partition("shop.orders", 0)
Q = Partition("shop.orders", 1)


def accepted(stopped_at: int = 10, to: ResumeAt = "earliest", until_ms: int = 1, of: Partition = P) -> AcceptGap:
    return AcceptGap(until_ms, "", of.topic, of.index, stopped_at, to)


class Member:
    """The part of a membership that stops look at: each log has the offsets from 40 to below 100."""

    def __init__(self, commits: OffsetCommitter) -> None:
        self.assigned = {P: 1, Q: 2}
        self.quick_resolver = self
        self.asked: list[Partition] = []
        self.silent: dict[Partition, KafkaError] = {}
        self._commits = commits

    def offset_at(self, _: Consumer, partition: Partition, goal: ResumeAt) -> int | OffsetOutOfRange:
        self.asked.append(partition)
        if partition in self.silent:
            raise KafkaException(self.silent[partition])
        if isinstance(goal, int):
            return goal if 40 <= goal <= 100 else OffsetOutOfRange(40, 100)
        return 40 if goal == "earliest" else 100

    def reassign_at(self, _: Consumer, partition: Partition, offset: int) -> None:
        self.anew(partition, offset)

    def anew(self, partition: Partition, offset: int) -> None:
        """Begin an epoch."""
        epoch = max(self.assigned.values()) + 1
        self.assigned = {**self.assigned, partition: epoch}
        self._commits.assign({partition: epoch}, StartOffsets({partition: offset}, {}, GroupStart("earliest")))


class Stopped:
    """Stops of a member that has taken ten records of P, with nothing of them owed, and found no eleventh."""

    def __init__(self) -> None:
        self.heard, self.road = RecordingObserver(), RecordingHandler()
        self.commits = OffsetCommitter(self.heard, Fence(10.0))
        self.commits.assign({P: 1, Q: 2}, StartOffsets({P: 0, Q: 0}, {}, GroupStart("earliest")))
        self.commits.note_consumed({P: 9})
        self.commits.advance(CommittableOffsets({P: (1, 10)}))
        self.member = Member(self.commits)
        self.stops = self.restarted()
        self.stops.add(P, "_AUTO_OFFSET_RESET")

    def restarted(self) -> StoppedPartitions:
        """Return stops that remember nothing."""
        return StoppedPartitions(cast("GroupMembership", self.member), self.commits, self.road, self.heard)

    def turn(self, now_s: float = 0.0) -> None:
        self.stops.resume_stopped(cast("Consumer", None), now_s)


def test_a_stop_is_said_once_a_tenure_and_ends_with_it() -> None:
    one = Stopped()
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    assert one.heard.stops == [(P, 10, "_AUTO_OFFSET_RESET")]
    assert one.stops.snapshot() == {P: Stop(1, 10, "_AUTO_OFFSET_RESET")}
    one.member.anew(P, 10)
    assert one.stops.snapshot() == {}
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    assert one.heard.stops == [(P, 10, "_AUTO_OFFSET_RESET")] * 2


def test_a_stop_behind_the_marker_of_a_transaction_is_said_where_the_next_member_says_it() -> None:
    one = Stopped()
    one.commits.assign({Q: 2}, StartOffsets({Q: 12}, {Q: 14}, GroupStart("earliest")))
    one.stops.add(Q, "_AUTO_OFFSET_RESET")
    assert one.heard.stops[-1] == (Q, 14, "_AUTO_OFFSET_RESET")


@pytest.mark.parametrize("other", [accepted(10, of=Q), accepted(9), accepted(11), AcceptGap(1, "", "t", 0, 10, 40)])
def test_without_an_acceptance_of_its_own_stop_a_partition_waits(other: AcceptGap) -> None:
    one = Stopped()
    one.turn()
    one.road.accepted_gaps = [other]
    one.turn()
    assert (one.heard.gaps, one.member.asked) == ([], [])
    assert one.stops.snapshot().keys() == {P}


def test_of_several_acceptances_of_a_partition_the_one_of_its_stop_counts() -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted(9, 50), accepted(10, 60), accepted(11, 70)]
    one.turn()
    assert one.heard.gaps == [(P, 10, 60)]


def test_where_nothing_stopped_an_acceptance_does_nothing() -> None:
    one = Stopped()
    one.member.anew(P, 10)
    one.road.accepted_gaps = [accepted()]
    one.turn()
    assert one.heard.gaps == []


def test_what_was_taken_before_the_stop_ends_before_the_gap_is_passed() -> None:
    one = Stopped()
    one.commits.note_consumed({P: 11})  # two more records, and something of them is owed
    one.road.accepted_gaps = [accepted()]
    one.turn()
    assert one.heard.gaps == []
    one.commits.advance(CommittableOffsets({P: (1, 12)}))
    one.turn()
    assert one.heard.gaps == [(P, 10, 40)]
    assert one.stops.snapshot() == {}


@pytest.mark.parametrize(
    ("to", "goes_on_at"), [("earliest", 40), ("latest", 100), (40, 40), (57, 57), (99, 99), (100, 100)]
)
def test_a_partition_goes_on_where_the_operator_says(to: ResumeAt, goes_on_at: int) -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted(10, to)]
    one.turn()
    assert one.heard.gaps == [(P, 10, goes_on_at)]


@pytest.mark.parametrize("to", [0, 39, 101, 2**63 - 1, 2**63])
def test_an_offset_outside_the_log_is_said_and_the_partition_stays_where_it_is(to: int) -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted(10, to)]
    one.turn()
    assert one.heard.errors == [("OFFSET_OUT_OF_RANGE", False)]
    assert one.heard.gaps == []
    assert one.stops.snapshot() == {P: Stop(1, 10, "_AUTO_OFFSET_RESET")}
    one.road.accepted_gaps = [accepted(10, 60)]
    one.turn()
    assert one.heard.gaps == [(P, 10, 60)], "a better directive had to wait for the bad one"


def test_the_next_gap_of_a_partition_is_not_accepted_not_even_after_a_restart() -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted()]
    one.turn()
    one.commits.note_consumed({P: 59})
    one.commits.advance(CommittableOffsets({P: (one.member.assigned[P], 60)}))
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.turn()
    one.stops = one.restarted()
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.turn()
    assert one.heard.gaps == [(P, 10, 40)]
    assert one.stops.snapshot()[P].offset == 60


def test_a_partition_that_comes_to_the_same_stop_from_below_is_not_sent_below_for_ever() -> None:
    one = Stopped()
    one.member.anew(P, 70)
    one.stops.add(P, "_BAD_MSG")
    below = accepted(70, 50)
    one.road.accepted_gaps = [below]
    one.turn()
    one.commits.note_consumed({P: 69})
    one.commits.advance(CommittableOffsets({P: (one.member.assigned[P], 70)}))
    one.stops.add(P, "_BAD_MSG")
    one.turn()
    assert one.heard.gaps == [(P, 70, 50)]
    one.road.accepted_gaps = [below, accepted(70, 60)]
    for _ in range(4):
        one.turn()
        one.commits.note_consumed({P: 69})
        one.commits.advance(CommittableOffsets({P: (one.member.assigned[P], 70)}))
        one.stops.add(P, "_BAD_MSG")
    assert one.heard.gaps == [(P, 70, 50), (P, 70, 60)], "one of the two was used twice"


def test_a_partition_that_went_before_its_new_start_was_committed_has_the_acceptance_again() -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted()]
    one.turn()
    one.member.anew(P, 10)  # back from another member, with the old commit
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.turn()
    assert one.heard.gaps == [(P, 10, 40), (P, 10, 40)]


def test_brokers_that_do_not_say_where_a_log_begins_are_asked_again_after_longer_and_longer() -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted()]
    one.member.silent = {P: KafkaError(KafkaError._TIMED_OUT)}
    asked_at_s = []
    for tenth in range(3000):
        before = len(one.member.asked)
        one.turn(tenth / 10)
        if len(one.member.asked) > before:
            asked_at_s.append(tenth / 10)
    assert asked_at_s == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert one.heard.errors == [("_TIMED_OUT", False)] * len(asked_at_s)
    one.member.silent = {}
    one.turn(302.9)
    assert one.heard.gaps == []
    one.turn(303.0)
    assert one.heard.gaps == [(P, 10, 40)]


def test_a_partition_whose_broker_is_silent_keeps_no_other_from_going_on() -> None:
    one = Stopped()
    one.commits.note_consumed({Q: 19})
    one.commits.advance(CommittableOffsets({Q: (2, 20)}))
    one.stops.add(Q, "_AUTO_OFFSET_RESET")
    one.road.accepted_gaps = [accepted(), accepted(20, "latest", of=Q)]
    one.member.silent = {P: KafkaError(KafkaError._TIMED_OUT)}
    one.turn(1.0)
    assert one.member.asked == [P], "two questions in one turn keep the poll thread away for twice as long"
    one.turn(1.1)
    assert one.heard.gaps == [(Q, 20, 100)]
    assert one.member.asked == [P, Q]


def test_a_client_that_can_do_nothing_any_more_ends_the_thread() -> None:
    one = Stopped()
    one.road.accepted_gaps = [accepted()]
    one.member.silent = {P: KafkaError(KafkaError._FATAL, fatal=True)}
    with pytest.raises(KafkaException):
        one.turn()
