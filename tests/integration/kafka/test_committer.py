"""Which offsets are committed and which never are, with a fake consumer."""

# ruff: noqa: ARG002 - the fakes have the library's signatures

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


class FakeConsumer:
    """A consumer whose responses the test sets."""

    def __init__(self) -> None:
        self.positions: dict[Partition, int] = {}
        self.commits: list[dict[Partition, int]] = []
        self.error: KafkaError | None = None
        self.first: Message | None = None
        self.rest: Callable[[], list[Message]] = list

    def position(self, partitions: list[TopicPartition]) -> list[TopicPartition]:
        return [
            TopicPartition(one.topic, one.partition, self.positions.get(Partition(one.topic, one.partition), -1001))
            for one in partitions
        ]

    def commit(self, *, offsets: list[TopicPartition], asynchronous: bool) -> list[TopicPartition]:
        if self.error is not None:
            raise KafkaException(self.error)
        self.commits.append({Partition(one.topic, one.partition): one.offset for one in offsets})
        return offsets

    def poll(self, timeout: float) -> Message | None:
        first, self.first = self.first, None
        return first

    def consume(self, count: int, timeout: float) -> list[Message]:
        return self.rest()


class FakeMembership:
    """The part of a membership that the fetcher uses."""

    def __init__(self, membership: dict[Partition, int]) -> None:
        self.assigned = membership


def fetcher_of(fake: FakeMembership, committer: OffsetCommitter, observer: RecordingObserver) -> Fetcher:
    membership = cast("GroupMembership", fake)
    stopped = StoppedPartitions(membership, committer, RecordingHandler(), observer)
    return Fetcher(membership, committer, stopped, observer)


def committer_at(*, next_offset: int = 10) -> tuple[FakeConsumer, Consumer, OffsetCommitter]:
    """Return a committer with P in epoch 1 from offset 0, and its records below `next_offset` settled."""
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), Fence(10.0))
    committer.assign({P: 1}, StartOffsets({P: 0}, {P: 0}, GroupStart("earliest")))
    committer.note_consumed({P: next_offset - 1})
    committer.advance(CommittableOffsets({P: (1, next_offset)}))
    return client, cast("Consumer", client), committer


def record(partition: Partition, offset: int, error: KafkaError | None = None) -> Message:
    return Message(topic=partition.topic, partition=partition.index, offset=offset, value=b"v", error=error)


def responses(offsets: dict[Partition, int]) -> list[TopicPartition]:
    return [TopicPartition(*partition, offset) for partition, offset in offsets.items()]


def test_committable_offset_of_an_older_epoch_is_ignored() -> None:
    client, consumer, committer = committer_at()
    committer.revoke([P])
    committer.assign({P: 2}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    committer.note_consumed({P: 19})
    committer.advance(CommittableOffsets({P: (1, 20)}))
    assert committer.commit_sync(consumer, [P])
    assert client.commits == []


def test_no_offset_is_committed_twice_or_below_a_confirmed_one() -> None:
    client, consumer, committer = committer_at()
    assert committer.commit_sync(consumer, [P])
    committer.advance(CommittableOffsets({P: (1, 4)}))
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}]


def test_position_is_committed_only_when_nothing_is_owed() -> None:
    client, consumer, committer = committer_at()
    client.positions[P] = 12
    committer.note_consumed({P: 10})  # one more record is owed
    assert committer.commit_sync(consumer, [P])
    committer.advance(CommittableOffsets({P: (1, 11)}))
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}, {P: 12}]


def test_callback_within_consume_does_not_commit_fetched_records() -> None:
    client, consumer, committer = committer_at()
    membership = FakeMembership({P: 1})
    fetcher = fetcher_of(membership, committer, RecordingObserver())
    client.positions[P] = 12  # the client counts records 10 and 11 as fetched: one polled, one inside `consume`
    client.first = record(P, 10)

    def revoked_meanwhile() -> list[Message]:
        assert committer.commit_sync(consumer, [P])
        committer.revoke([P])
        membership.assigned = {}
        return [record(P, 11)]

    client.rest = revoked_meanwhile
    assert fetcher.fetch(consumer, 500, 0.1) == []
    assert client.commits == [{P: 10}]


def test_record_is_dropped_if_its_epoch_ends_within_consume() -> None:
    client, consumer, committer = committer_at()
    membership = FakeMembership({P: 1})
    fetcher = fetcher_of(membership, committer, RecordingObserver())
    client.first = record(P, 10)

    def assigned_anew() -> list[Message]:
        committer.revoke([P])
        committer.assign({P: 2}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
        membership.assigned = {P: 2}
        return [record(P, 10), record(P, 11)]

    client.rest = assigned_anew
    assert [one.offset() for one in fetcher.fetch(consumer, 500, 0.1)] == [10, 11]


def test_records_after_a_stop_are_dropped_and_not_committed() -> None:
    client, consumer, committer = committer_at()
    observer = RecordingObserver()
    fetcher = fetcher_of(FakeMembership({P: 1}), committer, observer)
    client.first = record(P, 10, KafkaError(KafkaError._BAD_COMPRESSION))
    client.rest = lambda: [record(P, 11)]
    client.positions[P] = 12
    assert fetcher.fetch(consumer, 500, 0.1) == []
    assert observer.stops == [(P, 10, "_BAD_COMPRESSION")]
    assert observer.errors == [("_BAD_COMPRESSION", False)]
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}]


def test_position_from_before_a_gap_is_never_committed() -> None:
    client, consumer, committer = committer_at()
    assert committer.commit_sync(consumer, [P])
    committer.reassign_at(P, 2, 3)
    assert committer.unconfirmed() == {P}
    client.positions[P] = 10  # the client may still return its old position
    assert committer.commit_sync(consumer, [P])
    committer.note_consumed({P: 3})
    committer.advance(CommittableOffsets({P: (2, 4)}))
    client.positions[P] = 5
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}, {P: 3}, {P: 5}]


def test_fatal_error_among_records_is_raised() -> None:
    client, consumer, committer = committer_at()
    fetcher = fetcher_of(FakeMembership({P: 1}), committer, RecordingObserver())
    client.first = record(P, 10, KafkaError(KafkaError._FATAL, fatal=True))
    with pytest.raises(KafkaException):
        fetcher.fetch(consumer, 500, 0.1)


def test_record_fetched_while_paused_is_kept_until_its_epoch_ends() -> None:
    client, consumer, committer = committer_at()
    membership = FakeMembership({P: 1, Q: 2})
    committer.assign({Q: 2}, StartOffsets({Q: 0}, {Q: 0}, GroupStart("earliest")))
    fetcher = fetcher_of(membership, committer, RecordingObserver())
    for one in (record(P, 10), record(Q, 0)):
        client.first = one
        fetcher.poll_paused(consumer)
    committer.revoke([P])
    membership.assigned = {P: 3, Q: 2}
    committer.assign({P: 3}, StartOffsets({P: 10}, {P: 10}, GroupStart("earliest")))
    assert [(one.partition(), one.offset()) for one in fetcher.fetch(consumer, 500, 0.1)] == [(1, 0)]


def test_next_commit_repeats_a_failed_one() -> None:
    client, consumer, committer = committer_at()
    client.error = KafkaError(KafkaError.REBALANCE_IN_PROGRESS)
    assert not committer.commit_sync(consumer, [P])
    client.error = None
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}]


def test_fatal_commit_error_is_raised() -> None:
    client, consumer, committer = committer_at()
    client.error = KafkaError(KafkaError.FENCED_INSTANCE_ID, fatal=True)
    with pytest.raises(KafkaException):
        committer.commit_sync(consumer, [P])


def test_stop_is_reported_after_the_records_of_its_batch() -> None:
    client, consumer, committer = committer_at()
    observer = RecordingObserver()
    membership = cast("GroupMembership", FakeMembership({P: 1, Q: 2}))
    stops = StoppedPartitions(membership, committer, RecordingHandler(), observer)
    committer.assign({Q: 2}, StartOffsets({Q: 0}, {Q: 0}, GroupStart("earliest")))
    fetcher = Fetcher(membership, committer, stops, observer)
    client.first = record(P, 10)
    client.rest = lambda: [
        record(Q, 3),
        record(P, 11),
        record(P, 12, KafkaError(KafkaError._AUTO_OFFSET_RESET)),
        record(Q, 4),
    ]
    assert [one.offset() for one in fetcher.fetch(consumer, 500, 0.1)] == [10, 3, 11, 4]
    assert observer.stops == [(P, 12, "_AUTO_OFFSET_RESET")]
    assert stops.snapshot() == {P: Stop(1, 12, "_AUTO_OFFSET_RESET")}
    assert not committer.is_settled(P)
    committer.advance(CommittableOffsets({P: (1, 12)}))
    assert committer.is_settled(P)
    assert committer.next_offset(Q) == 5
