"""What is committed and what never: the thread's bookkeeping against a consumer that does as it is told."""

# ruff: noqa: ARG002 - the doubles have the signatures of what they stand for

from collections.abc import Callable
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.fetcher import Fetcher
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from consumer.kafka.stopped_partitions import Stop, StoppedPartitions
from consumer.model import Partition
from tests.integration.kafka.recording_handler import RecordingHandler, RecordingObserver

P = Partition("shop.orders", 0)
Q = Partition("shop.orders", 1)


class Obedient:
    """A consumer that answers what the test says."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int] = {}
        self.commits: list[dict[Partition, int]] = []
        self.refusal: KafkaError | None = None
        self.first: Message | None = None
        self.rest: Callable[[], list[Message]] = list

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(one.topic, one.partition, self.positions.get(Partition(one.topic, one.partition), -1001))
            for one in partitions
        ]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        if self.refusal is not None:
            raise KafkaException(self.refusal)
        self.commits.append({Partition(one.topic, one.partition): one.offset for one in offsets})
        return offsets

    def poll(self, timeout: float) -> Message | None:
        first, self.first = self.first, None
        return first

    def consume(self, count: int, timeout: float) -> list[Message]:
        return self.rest()


class Held:
    """The part of a membership that taking looks at."""

    def __init__(self, held: dict[Partition, int]) -> None:
        self.assigned = held


def taking_of(held: Held, commits: OffsetCommitter, heard: RecordingObserver) -> Fetcher:
    membership = cast("GroupMembership", held)
    return Fetcher(membership, commits, StoppedPartitions(membership, commits, RecordingHandler(), heard), heard)


def begun(*, following: int = 10) -> tuple[Obedient, Consumer, OffsetCommitter]:
    """Return commits with P begun at 0 under epoch 1, and its records below `following` taken and settled."""
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), Fence(10.0))
    commits.assign({P: 1}, StartOffsets({P: 0}, {P: 0}, GroupStart("earliest")))
    commits.note_consumed({P: following - 1})
    commits.advance(CommittableOffsets({P: (1, following)}))
    return obedient, cast("Consumer", obedient), commits


def record(partition: Partition, offset: int, error: KafkaError | None = None) -> Message:
    return Message(topic=partition.topic, partition=partition.index, offset=offset, value=b"v", error=error)


def answers(offsets: dict[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(*partition, offset) for partition, offset in offsets.items()]


def test_a_frontier_of_an_older_tenure_moves_nothing() -> None:
    obedient, consumer, commits = begun()
    commits.revoke([P])
    commits.assign({P: 2}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    commits.note_consumed({P: 19})
    commits.advance(CommittableOffsets({P: (1, 20)}))
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == []


def test_nothing_is_committed_below_what_was_confirmed_and_nothing_twice() -> None:
    obedient, consumer, commits = begun()
    assert commits.commit_sync(consumer, [P])
    commits.advance(CommittableOffsets({P: (1, 4)}))
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}]


def test_a_position_beyond_the_last_record_is_committed_only_when_nothing_is_owed() -> None:
    obedient, consumer, commits = begun()
    obedient.positions[P] = 12
    commits.note_consumed({P: 10})  # one more record, and it is owed
    assert commits.commit_sync(consumer, [P])
    commits.advance(CommittableOffsets({P: (1, 11)}))
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}, {P: 12}]


def test_a_record_in_hand_is_never_committed_by_a_callback_within_consume() -> None:
    obedient, consumer, commits = begun()
    held = Held({P: 1})
    taking = taking_of(held, commits, RecordingObserver())
    obedient.positions[P] = (
        12  # the client counts records 10 and 11 as taken: one was polled, one lies in consume's hand
    )
    obedient.first = record(P, 10)

    def revoked_meanwhile() -> list[Message]:
        assert commits.commit_sync(consumer, [P])
        commits.revoke([P])
        held.assigned = {}
        return [record(P, 11)]

    obedient.rest = revoked_meanwhile
    assert taking.fetch(consumer, 500, 0.1) == []
    assert obedient.commits == [{P: 10}]


def test_a_record_of_a_tenure_that_ended_while_more_were_taken_is_dropped() -> None:
    obedient, consumer, commits = begun()
    held = Held({P: 1})
    taking = taking_of(held, commits, RecordingObserver())
    obedient.first = record(P, 10)

    def assigned_anew() -> list[Message]:
        commits.revoke([P])
        commits.assign({P: 2}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
        held.assigned = {P: 2}
        return [record(P, 10), record(P, 11)]

    obedient.rest = assigned_anew
    assert [one.offset() for one in taking.fetch(consumer, 500, 0.1)] == [10, 11]


def test_records_after_a_stop_are_let_fall_and_their_position_never_counts() -> None:
    obedient, consumer, commits = begun()
    heard = RecordingObserver()
    taking = taking_of(Held({P: 1}), commits, heard)
    obedient.first = record(P, 10, KafkaError(KafkaError._BAD_COMPRESSION))
    obedient.rest = lambda: [record(P, 11)]
    obedient.positions[P] = 12
    assert taking.fetch(consumer, 500, 0.1) == []
    assert heard.stops == [(P, 10, "_BAD_COMPRESSION")]
    assert heard.errors == [("_BAD_COMPRESSION", False)]
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}]


def test_a_position_from_before_a_gap_is_never_committed() -> None:
    obedient, consumer, commits = begun()
    assert commits.commit_sync(consumer, [P])
    commits.reassign_at(P, 2, 3)
    assert commits.unconfirmed() == {P}
    obedient.positions[P] = 10  # the client may still tell where it was
    assert commits.commit_sync(consumer, [P])
    commits.note_consumed({P: 3})
    commits.advance(CommittableOffsets({P: (2, 4)}))
    obedient.positions[P] = 5
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}, {P: 3}, {P: 5}]


def test_a_fatal_error_among_the_records_is_raised() -> None:
    obedient, consumer, commits = begun()
    taking = taking_of(Held({P: 1}), commits, RecordingObserver())
    obedient.first = record(P, 10, KafkaError(KafkaError._FATAL, fatal=True))
    with pytest.raises(KafkaException):
        taking.fetch(consumer, 500, 0.1)


def test_what_comes_early_waits_for_its_turn_unless_its_tenure_ends() -> None:
    obedient, consumer, commits = begun()
    held = Held({P: 1, Q: 2})
    commits.assign({Q: 2}, StartOffsets({Q: 0}, {Q: 0}, GroupStart("earliest")))
    taking = taking_of(held, commits, RecordingObserver())
    for one in (record(P, 10), record(Q, 0)):
        obedient.first = one
        taking.poll_paused(consumer)
    commits.revoke([P])
    held.assigned = {P: 3, Q: 2}
    commits.assign({P: 3}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    assert [(one.partition(), one.offset()) for one in taking.fetch(consumer, 500, 0.1)] == [(1, 0)]


def test_a_refused_commit_is_put_off_and_the_next_one_says_it_all() -> None:
    obedient, consumer, commits = begun()
    obedient.refusal = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    assert not commits.commit_sync(consumer, [P])
    obedient.refusal = None
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}]


def test_a_commit_that_was_refused_for_good_is_raised() -> None:
    obedient, consumer, commits = begun()
    obedient.refusal = KafkaError(KafkaError.FENCED_INSTANCE_ID, fatal=True)
    with pytest.raises(KafkaException):
        commits.commit_sync(consumer, [P])


def test_a_stop_is_said_behind_the_records_that_came_in_the_same_lot() -> None:
    obedient, consumer, commits = begun()
    heard = RecordingObserver()
    stops = StoppedPartitions(cast("GroupMembership", Held({P: 1, Q: 2})), commits, RecordingHandler(), heard)
    commits.assign({Q: 2}, StartOffsets({Q: 0}, {Q: 0}, GroupStart("earliest")))
    taking = Fetcher(cast("GroupMembership", Held({P: 1, Q: 2})), commits, stops, heard)
    obedient.first = record(P, 10)
    obedient.rest = lambda: [
        record(Q, 3),
        record(P, 11),
        record(P, 12, KafkaError(KafkaError._AUTO_OFFSET_RESET)),
        record(Q, 4),
    ]
    assert [one.offset() for one in taking.fetch(consumer, 500, 0.1)] == [10, 3, 11, 4]
    assert heard.stops == [(P, 12, "_AUTO_OFFSET_RESET")]
    assert stops.snapshot() == {P: Stop(1, 12, "_AUTO_OFFSET_RESET")}
    assert not commits.is_settled(P)
    commits.advance(CommittableOffsets({P: (1, 12)}))
    assert commits.is_settled(P)
    assert commits.next_offset(Q) == 5
