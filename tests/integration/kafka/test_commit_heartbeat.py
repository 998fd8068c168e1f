"""Heartbeat commits: which offsets they contain, and which responses prove the membership."""

from types import SimpleNamespace
from typing import cast

import pytest
from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from consumer.model import Partition
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_committer import FakeConsumer, P, Q, responses


def test_heartbeat_commit_is_timed_from_send() -> None:
    """A heartbeat commits an unmoved offset, and its response counts from the time of sending."""
    now = [100.0]
    fence = Fence(3.0, lambda: now[0])
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), fence)
    consumer = cast("Consumer", client)
    committer.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    committer.commit_async(consumer)
    assert client.commits == []
    committer.commit_async(consumer, heartbeat=True)
    now[0] += 2.0
    committer.on_commit(None, responses({P: 7}))
    assert client.commits == [{P: 7}]
    assert fence.may_send()
    now[0] += 1.1
    assert not fence.may_send(), "the response counts from its send time"


def test_response_of_an_older_epoch_proves_nothing() -> None:
    fence = Fence(3.0, lambda: 100.0)
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), fence)
    committer.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    committer.commit_async(cast("Consumer", client), heartbeat=True)
    committer.revoke([P])
    committer.assign({P: 2}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    committer.on_commit(None, responses({P: 7}))
    assert not fence.may_send()


def test_heartbeat_takes_last_accepted_and_longest_waiting_partition() -> None:
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    many = {Partition("shop.orders", index): 7 for index in range(5)}
    committer.assign(dict.fromkeys(many, 1), StartOffsets(many, many, GroupStart("earliest")))
    for _ in range(6):
        committer.commit_async(cast("Consumer", client), heartbeat=True)
        committer.on_commit(None, responses({P: 7}) if P in client.commits[-1] else [rejected(one) for one in many])
    assert [sorted(one.index for one in sent) for sent in client.commits] == [
        [0],
        [0, 1],
        [0, 2],
        [0, 3],
        [0, 4],
        [0, 1],
    ]


def test_permanently_rejected_partition_does_not_prevent_a_proof() -> None:
    fence = Fence(3.0, lambda: 100.0)
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), fence)
    committer.assign({P: 1, Q: 2}, StartOffsets({P: 7, Q: 8}, {P: 7, Q: 8}, GroupStart("earliest")))
    committer.note_consumed({P: 9})
    committer.advance(CommittableOffsets({P: (1, 10)}))
    for _ in range(3):
        committer.commit_async(cast("Consumer", client), heartbeat=True)
        assert client.commits[-1] == {P: 10, Q: 8}
        committer.on_commit(None, [rejected(P), *responses({Q: 8})])
        assert fence.may_send()


def rejected(partition: Partition) -> TopicPartition:
    """Return the response for a partition whose commits are not authorized."""
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return cast(
        "TopicPartition", SimpleNamespace(topic=partition.topic, partition=partition.index, offset=-1, error=error)
    )


def test_large_commit_is_split_longest_waiting_first() -> None:
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    consumer = cast("Consumer", client)
    many = [Partition("shop.orders", index) for index in range(2000)]
    committer.assign(
        dict.fromkeys(many, 1), StartOffsets(dict.fromkeys(many, 0), dict.fromkeys(many, 0), GroupStart("earliest"))
    )
    for offset in (1, 2, 3):
        committer.note_consumed(dict.fromkeys(many, offset))
        committer.advance(CommittableOffsets(dict.fromkeys(many, (1, offset))))
        committer.commit_async(consumer)
        committer.on_commit(None, responses(client.commits[-1]))
    first, second, third = client.commits
    assert first.keys().isdisjoint(second.keys())
    assert first.keys() | second.keys() | third.keys() == set(many)
    assert committer.commit_sync(consumer, many)
    assert {one: offset for sent in client.commits for one, offset in sent.items()} == dict.fromkeys(many, 3)
    assert max(map(len, client.commits)) < 1000


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.FENCED_MEMBER_EPOCH]
)
def test_unknown_member_error_closes_fence(code: int) -> None:
    fence = Fence(3.0, lambda: 100.0)
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), fence)
    committer.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    committer.commit_async(cast("Consumer", client), heartbeat=True)
    committer.on_commit(None, responses({P: 7}))
    assert fence.may_send()
    committer.commit_async(cast("Consumer", client), heartbeat=True)
    committer.on_commit(KafkaError(code), [])
    assert not fence.may_send()


def test_rebalance_in_progress_error_leaves_fence_open() -> None:
    fence = Fence(3.0, lambda: 100.0)
    client, committer = FakeConsumer(), OffsetCommitter(RecordingObserver(), fence)
    committer.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    committer.commit_async(cast("Consumer", client), heartbeat=True)
    committer.on_commit(None, responses({P: 7}))
    committer.commit_async(cast("Consumer", client), heartbeat=True)
    committer.on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), [])
    assert fence.may_send()


def test_has_pending_until_all_fetched_records_have_ended() -> None:
    committer = OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    committer.assign({P: 1, Q: 2}, StartOffsets({P: 7, Q: 8}, {P: 7, Q: 8}, GroupStart("earliest")))
    assert not committer.has_pending()
    committer.note_consumed({Q: 10})
    committer.advance(CommittableOffsets({P: (1, 7), Q: (2, 10)}))
    assert committer.has_pending()
    committer.advance(CommittableOffsets({P: (1, 7), Q: (2, 11)}))
    assert not committer.has_pending()
