"""Asynchronous commits: one in flight at a time, and the effect of each response."""

from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_committer import FakeConsumer, P, Q, committer_at, responses


def test_nothing_is_sent_while_a_commit_is_in_flight() -> None:
    client, consumer, committer = committer_at()
    committer.commit_async(consumer)
    committer.note_consumed({P: 14})
    committer.advance(CommittableOffsets({P: (1, 15)}))
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}]
    committer.on_commit(None, responses({P: 10}))
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}, {P: 15}]


def test_rejected_partition_is_committed_again_alone() -> None:
    client, consumer, committer = committer_at()
    committer.assign({Q: 2}, StartOffsets({Q: 3}, {}, GroupStart("earliest")))
    assert committer.unconfirmed() == {Q}
    committer.commit_async(consumer)
    accepted = TopicPartition(*Q, 3)
    rejected: Any = type("Response", (), {"topic": Q.topic, "partition": 1, "offset": 3, "error": None})()
    rejected.error = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)
    committer.on_commit(None, [*responses({P: 10}), rejected])
    assert committer.unconfirmed() == {Q}
    committer.commit_async(consumer)
    assert client.commits == [{P: 10, Q: 3}, {Q: 3}]
    committer.on_commit(None, [accepted])
    assert committer.unconfirmed() == set()


def test_commit_that_client_does_not_send_is_repeated() -> None:
    client, consumer, committer = committer_at()
    client.error = KafkaError(KafkaError._NO_OFFSET)
    committer.commit_async(consumer)
    client.error = None
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}], "a commit that was not sent is not in flight"


def test_unexpected_response_confirms_nothing() -> None:
    client, consumer, committer = committer_at()
    committer.on_commit(None, responses({P: 10}))
    assert committer.commit_sync(consumer, [P])
    assert client.commits == [{P: 10}]


def test_response_after_revocation_is_not_reported() -> None:
    observer, client = RecordingObserver(), FakeConsumer()
    committer = OffsetCommitter(observer, Fence(10.0))
    committer.assign({P: 1}, StartOffsets({P: 0}, {P: 0}, GroupStart("earliest")))
    committer.advance(CommittableOffsets({P: (1, 10)}))
    committer.commit_async(cast("Consumer", client))
    committer.revoke([P])
    committer.on_commit(None, responses({P: 10}))
    assert observer.committed_offsets == []
    assert observer.failed_commits == []


def test_response_of_an_older_epoch_confirms_nothing() -> None:
    client, consumer, committer = committer_at()
    committer.commit_async(consumer)
    committer.reassign_at(P, 2, 3)
    committer.on_commit(None, responses({P: 10}))
    assert committer.unconfirmed() == {P}
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}, {P: 3}]


def test_failed_commit_is_repeated() -> None:
    client, consumer, committer = committer_at()
    committer.commit_async(consumer)
    committer.on_commit(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE), [])
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}, {P: 10}]


def test_unmoved_offset_is_not_committed() -> None:
    client, consumer, committer = committer_at()
    assert committer.commit_sync(consumer, [P])
    committer.commit_async(consumer)
    assert client.commits == [{P: 10}]
