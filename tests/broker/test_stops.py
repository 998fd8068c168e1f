"""When a partition that stopped may go on, decided without a broker."""

from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException

from consumer.directive import AcceptGap, Goal
from consumer.kafka.commits import Commits
from consumer.kafka.hatch import Frontier
from consumer.kafka.membership import Membership
from consumer.kafka.start import Origin, Starts
from consumer.kafka.stops import Stop, Stops
from consumer.model import Partition
from tests.broker.recording_road import Heard, RecordingRoad

P = Partition("shop.orders", 0)
Q = Partition("shop.orders", 1)


def accepted(to: Goal = "earliest", until_ms: int = 1) -> AcceptGap:
    return AcceptGap(until_ms, "", P.topic, P.index, to)


class Member:
    """The part of a membership that stops look at: a new tenure begins where the test says that the log does."""

    def __init__(self, commits: Commits) -> None:
        self.held = {P: 1, Q: 2}
        self.log_begins = 40
        self.silent = False
        self._commits = commits

    def begin_behind(self, _: Consumer, partition: Partition, goal: Goal) -> int:
        if self.silent:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))
        offset = goal if isinstance(goal, int) else self.log_begins
        self.anew(partition, offset)
        return offset

    def anew(self, partition: Partition, offset: int) -> None:
        """Begin a tenure."""
        tenure = max(self.held.values()) + 1
        self.held = {**self.held, partition: tenure}
        self._commits.begin({partition: tenure}, Starts({partition: offset}, {}, Origin("earliest")))


class Stopped:
    """Stops of a member that has taken ten records of P, with nothing of them owed, and found no eleventh."""

    def __init__(self) -> None:
        self.heard, self.road = Heard(), RecordingRoad()
        self.commits = Commits(self.heard)
        self.commits.begin({P: 1, Q: 2}, Starts({P: 0, Q: 0}, {}, Origin("earliest")))
        self.commits.took({P: 9})
        self.commits.reached(Frontier({P: (1, 10)}))
        self.member = Member(self.commits)
        self.stops = Stops(cast("Membership", self.member), self.commits, self.road, self.heard)
        self.stops.note(P, "_AUTO_OFFSET_RESET")

    def turn(self, now_s: float = 0.0) -> None:
        self.stops.turn(cast("Consumer", None), now_s)


def test_a_stop_is_said_once_a_tenure_and_ends_with_it() -> None:
    one = Stopped()
    one.stops.note(P, "_AUTO_OFFSET_RESET")
    assert one.heard.stops == [(P, 10, "_AUTO_OFFSET_RESET")]
    assert one.stops.now() == {P: Stop(1, 10, "_AUTO_OFFSET_RESET")}
    one.member.anew(P, 10)
    assert one.stops.now() == {}
    one.stops.note(P, "_AUTO_OFFSET_RESET")
    assert one.heard.stops == [(P, 10, "_AUTO_OFFSET_RESET")] * 2


def test_without_an_acceptance_of_its_own_a_partition_waits() -> None:
    one = Stopped()
    one.turn()
    one.road.accepted_gaps = {Q: AcceptGap(1, "", Q.topic, Q.index, "latest")}
    one.turn()
    assert one.heard.gaps == []
    assert one.stops.now().keys() == {P}


def test_where_nothing_stopped_an_acceptance_does_nothing() -> None:
    one = Stopped()
    one.member.anew(P, 10)
    one.road.accepted_gaps = {P: accepted()}
    one.turn()
    assert one.heard.gaps == []


def test_what_was_taken_before_the_stop_ends_before_the_gap_is_passed() -> None:
    one = Stopped()
    one.commits.took({P: 11})  # two more records, and something of them is owed
    one.road.accepted_gaps = {P: accepted()}
    one.turn()
    assert one.heard.gaps == []
    one.commits.reached(Frontier({P: (1, 12)}))
    one.turn()
    assert one.heard.gaps == [(P, 10, 40)]
    assert one.stops.now() == {}


@pytest.mark.parametrize(("to", "goes_on_at"), [("earliest", 40), (57, 57), (3, 3)])
def test_a_partition_goes_on_where_the_operator_says_above_or_below(to: Goal, goes_on_at: int) -> None:
    one = Stopped()
    one.road.accepted_gaps = {P: accepted(to)}
    one.turn()
    assert one.heard.gaps == [(P, 10, goes_on_at)]


def test_an_acceptance_is_for_one_stop() -> None:
    one = Stopped()
    one.road.accepted_gaps = {P: accepted(20)}
    one.turn()
    one.stops.note(P, "_AUTO_OFFSET_RESET")  # there is nothing at 20 either
    one.turn()
    assert one.heard.gaps == [(P, 10, 20)]
    assert one.stops.now()[P].offset == 20
    one.road.accepted_gaps = {P: accepted(30)}
    one.turn()
    assert one.heard.gaps == [(P, 10, 20), (P, 20, 30)]


def test_an_acceptance_that_names_the_very_offset_of_the_stop_is_not_tried_for_ever() -> None:
    one = Stopped()
    one.road.accepted_gaps = {P: accepted(10)}
    one.turn()
    one.stops.note(P, "_AUTO_OFFSET_RESET")
    one.turn()
    assert one.heard.gaps == [(P, 10, 10)]


def test_a_partition_that_went_before_its_new_start_was_committed_has_the_acceptance_again() -> None:
    one = Stopped()
    one.road.accepted_gaps = {P: accepted()}
    one.turn()
    one.member.anew(P, 10)  # back from another member, with the old commit
    one.stops.note(P, "_AUTO_OFFSET_RESET")
    one.turn()
    assert one.heard.gaps == [(P, 10, 40), (P, 10, 40)]
    one.member.anew(P, 50)  # and once more, after it had got on
    one.stops.note(P, "_AUTO_OFFSET_RESET")
    one.turn()
    assert one.heard.gaps == [(P, 10, 40), (P, 10, 40)]
    assert one.stops.now()[P].offset == 50


def test_brokers_that_do_not_say_where_a_log_begins_are_asked_again_a_second_later() -> None:
    one = Stopped()
    one.road.accepted_gaps = {P: accepted()}
    one.member.silent = True
    one.turn(100.0)
    one.turn(100.5)
    assert one.heard.errors == [("_TIMED_OUT", False)]
    one.member.silent = False
    one.turn(100.9)
    assert one.heard.gaps == []
    one.turn(101.0)
    assert one.heard.gaps == [(P, 10, 40)]
