"""When a stopped partition resumes, with a fake membership."""

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


def acceptance(stopped_at: int = 10, to: ResumeAt = "earliest", until_ms: int = 1, of: Partition = P) -> AcceptGap:
    return AcceptGap(until_ms, "", of.topic, of.index, stopped_at, to)


class FakeMembership:
    """The part of a membership that `StoppedPartitions` uses. Each log has the offsets from 40 to below 100."""

    def __init__(self, committer: OffsetCommitter) -> None:
        self.assigned = {P: 1, Q: 2}
        self.quick_resolver = self
        self.requests: list[Partition] = []
        self.errors: dict[Partition, KafkaError] = {}
        self._committer = committer

    def offset_at(self, _: Consumer, partition: Partition, resume_at: ResumeAt) -> int | OffsetOutOfRange:
        self.requests.append(partition)
        if partition in self.errors:
            raise KafkaException(self.errors[partition])
        if isinstance(resume_at, int):
            return resume_at if 40 <= resume_at <= 100 else OffsetOutOfRange(40, 100)
        return 40 if resume_at == "earliest" else 100

    def reassign_at(self, _: Consumer, partition: Partition, offset: int) -> None:
        self.begin_epoch(partition, offset)

    def begin_epoch(self, partition: Partition, offset: int) -> None:
        """Begin an epoch."""
        epoch = max(self.assigned.values()) + 1
        self.assigned = {**self.assigned, partition: epoch}
        self._committer.assign({partition: epoch}, StartOffsets({partition: offset}, {}, GroupStart("earliest")))


class StopHarness:
    """A member that stopped in P after ten records, with nothing owed."""

    def __init__(self) -> None:
        self.observer, self.handler = RecordingObserver(), RecordingHandler()
        self.committer = OffsetCommitter(self.observer, Fence(10.0))
        self.committer.assign({P: 1, Q: 2}, StartOffsets({P: 0, Q: 0}, {}, GroupStart("earliest")))
        self.committer.note_consumed({P: 9})
        self.committer.advance(CommittableOffsets({P: (1, 10)}))
        self.member = FakeMembership(self.committer)
        self.stops = self.restarted()
        self.stops.add(P, "_AUTO_OFFSET_RESET")

    def restarted(self) -> StoppedPartitions:
        """Return new `StoppedPartitions` without a history."""
        return StoppedPartitions(cast("GroupMembership", self.member), self.committer, self.handler, self.observer)

    def resume(self, now_s: float = 0.0) -> None:
        self.stops.resume_stopped(cast("Consumer", None), now_s)


def test_stop_is_reported_once_per_epoch_and_ends_with_it() -> None:
    one = StopHarness()
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    assert one.observer.stops == [(P, 10, "_AUTO_OFFSET_RESET")]
    assert one.stops.snapshot() == {P: Stop(1, 10, "_AUTO_OFFSET_RESET")}
    one.member.begin_epoch(P, 10)
    assert one.stops.snapshot() == {}
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    assert one.observer.stops == [(P, 10, "_AUTO_OFFSET_RESET")] * 2


def test_stop_after_transaction_marker_is_at_the_commit() -> None:
    """The next member, which starts at the commit, reports the same offset."""
    one = StopHarness()
    one.committer.assign({Q: 2}, StartOffsets({Q: 12}, {Q: 14}, GroupStart("earliest")))
    one.stops.add(Q, "_AUTO_OFFSET_RESET")
    assert one.observer.stops[-1] == (Q, 14, "_AUTO_OFFSET_RESET")


@pytest.mark.parametrize(
    "other", [acceptance(10, of=Q), acceptance(9), acceptance(11), AcceptGap(1, "", "t", 0, 10, 40)]
)
def test_partition_waits_for_an_acceptance_of_its_own_stop(other: AcceptGap) -> None:
    one = StopHarness()
    one.resume()
    one.handler.accepted_gaps = [other]
    one.resume()
    assert (one.observer.gaps_accepted, one.member.requests) == ([], [])
    assert one.stops.snapshot().keys() == {P}


def test_acceptance_of_the_stop_offset_is_applied_among_others() -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance(9, 50), acceptance(10, 60), acceptance(11, 70)]
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, 60)]


def test_acceptance_without_a_stop_does_nothing() -> None:
    one = StopHarness()
    one.member.begin_epoch(P, 10)
    one.handler.accepted_gaps = [acceptance()]
    one.resume()
    assert one.observer.gaps_accepted == []


def test_owed_records_end_before_the_gap_is_passed() -> None:
    one = StopHarness()
    one.committer.note_consumed({P: 11})  # two more records are owed
    one.handler.accepted_gaps = [acceptance()]
    one.resume()
    assert one.observer.gaps_accepted == []
    one.committer.advance(CommittableOffsets({P: (1, 12)}))
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, 40)]
    assert one.stops.snapshot() == {}


@pytest.mark.parametrize(
    ("to", "goes_on_at"), [("earliest", 40), ("latest", 100), (40, 40), (57, 57), (99, 99), (100, 100)]
)
def test_partition_resumes_at_the_accepted_offset(to: ResumeAt, goes_on_at: int) -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance(10, to)]
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, goes_on_at)]


@pytest.mark.parametrize("to", [0, 39, 101, 2**63 - 1, 2**63])
def test_offset_outside_the_log_is_reported_and_not_applied(to: int) -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance(10, to)]
    one.resume()
    assert one.observer.errors == [("OFFSET_OUT_OF_RANGE", False)]
    assert one.observer.gaps_accepted == []
    assert one.stops.snapshot() == {P: Stop(1, 10, "_AUTO_OFFSET_RESET")}
    one.handler.accepted_gaps = [acceptance(10, 60)]
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, 60)], "the corrected directive had to wait"


def test_next_gap_is_not_accepted_even_after_a_restart() -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance()]
    one.resume()
    one.committer.note_consumed({P: 59})
    one.committer.advance(CommittableOffsets({P: (one.member.assigned[P], 60)}))
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.resume()
    one.stops = one.restarted()
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, 40)]
    assert one.stops.snapshot()[P].offset == 60


def test_acceptance_is_not_applied_twice_at_the_same_stop() -> None:
    one = StopHarness()
    one.member.begin_epoch(P, 70)
    one.stops.add(P, "_BAD_MSG")
    below = acceptance(70, 50)
    one.handler.accepted_gaps = [below]
    one.resume()
    one.committer.note_consumed({P: 69})
    one.committer.advance(CommittableOffsets({P: (one.member.assigned[P], 70)}))
    one.stops.add(P, "_BAD_MSG")
    one.resume()
    assert one.observer.gaps_accepted == [(P, 70, 50)]
    one.handler.accepted_gaps = [below, acceptance(70, 60)]
    for _ in range(4):
        one.resume()
        one.committer.note_consumed({P: 69})
        one.committer.advance(CommittableOffsets({P: (one.member.assigned[P], 70)}))
        one.stops.add(P, "_BAD_MSG")
    assert one.observer.gaps_accepted == [(P, 70, 50), (P, 70, 60)], "one of the two was applied twice"


def test_acceptance_is_applied_again_in_an_epoch_of_the_old_commit() -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance()]
    one.resume()
    one.member.begin_epoch(P, 10)  # assigned again after another member, with the old commit
    one.stops.add(P, "_AUTO_OFFSET_RESET")
    one.resume()
    assert one.observer.gaps_accepted == [(P, 10, 40), (P, 10, 40)]


def test_failed_acceptance_is_retried_with_back_off() -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance()]
    one.member.errors = {P: KafkaError(KafkaError._TIMED_OUT)}
    requested_at_s = []
    for tenth in range(3000):
        before = len(one.member.requests)
        one.resume(tenth / 10)
        if len(one.member.requests) > before:
            requested_at_s.append(tenth / 10)
    assert requested_at_s == [0, 1, 3, 7, 15, 31, 63, 123, 183, 243]
    assert one.observer.errors == [("_TIMED_OUT", False)] * len(requested_at_s)
    one.member.errors = {}
    one.resume(302.9)
    assert one.observer.gaps_accepted == []
    one.resume(303.0)
    assert one.observer.gaps_accepted == [(P, 10, 40)]


def test_unresponsive_broker_does_not_delay_other_partitions() -> None:
    one = StopHarness()
    one.committer.note_consumed({Q: 19})
    one.committer.advance(CommittableOffsets({Q: (2, 20)}))
    one.stops.add(Q, "_AUTO_OFFSET_RESET")
    one.handler.accepted_gaps = [acceptance(), acceptance(20, "latest", of=Q)]
    one.member.errors = {P: KafkaError(KafkaError._TIMED_OUT)}
    one.resume(1.0)
    assert one.member.requests == [P], "two requests in one call keep the poll thread waiting twice as long"
    one.resume(1.1)
    assert one.observer.gaps_accepted == [(Q, 20, 100)]
    assert one.member.requests == [P, Q]


def test_fatal_error_of_an_acceptance_is_raised() -> None:
    one = StopHarness()
    one.handler.accepted_gaps = [acceptance()]
    one.member.errors = {P: KafkaError(KafkaError._FATAL, fatal=True)}
    with pytest.raises(KafkaException):
        one.resume()
