"""An accepted commit shows that who sent it was a member then: what is sent for that alone, and what counts."""

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
from tests.integration.kafka.test_committer import Obedient, P, Q, answers


def test_what_has_not_moved_is_sent_again_when_the_fence_asks_and_its_answer_counts_from_when_it_was_sent() -> None:
    now = [100.0]
    fence = Fence(3.0, lambda: now[0])
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), fence)
    consumer = cast("Consumer", obedient)
    commits.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    commits.commit_async(consumer)
    assert obedient.commits == []
    commits.commit_async(consumer, heartbeat=True)
    now[0] += 2.0
    commits.on_commit(None, answers({P: 7}))
    assert obedient.commits == [{P: 7}]
    assert fence.may_send()
    now[0] += 1.1
    assert not fence.may_send(), "the answer is as old as its question"


def test_an_answer_about_an_earlier_tenure_shows_nothing_of_this_one() -> None:
    fence = Fence(3.0, lambda: 100.0)
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), fence)
    commits.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    commits.commit_async(cast("Consumer", obedient), heartbeat=True)
    commits.revoke([P])
    commits.assign({P: 2}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    commits.on_commit(None, answers({P: 7}))
    assert not fence.may_send()


def test_who_was_accepted_last_proves_it_again_beside_whoever_waited_longest() -> None:
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    many = {Partition("shop.orders", index): 7 for index in range(5)}
    commits.assign(dict.fromkeys(many, 1), StartOffsets(many, many, GroupStart("earliest")))
    for _ in range(6):
        commits.commit_async(cast("Consumer", obedient), heartbeat=True)
        commits.on_commit(None, answers({P: 7}) if P in obedient.commits[-1] else [refused(one) for one in many])
    assert [sorted(one.index for one in sent) for sent in obedient.commits] == [
        [0],
        [0, 1],
        [0, 2],
        [0, 3],
        [0, 4],
        [0, 1],
    ]


def test_a_partition_whose_commits_are_refused_for_good_keeps_nobody_from_proof() -> None:
    fence = Fence(3.0, lambda: 100.0)
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), fence)
    commits.assign({P: 1, Q: 2}, StartOffsets({P: 7, Q: 8}, {P: 7, Q: 8}, GroupStart("earliest")))
    commits.note_consumed({P: 9})
    commits.advance(CommittableOffsets({P: (1, 10)}))
    for _ in range(3):
        commits.commit_async(cast("Consumer", obedient), heartbeat=True)
        assert obedient.commits[-1] == {P: 10, Q: 8}
        commits.on_commit(None, [refused(P), *answers({Q: 8})])
        assert fence.may_send()


def refused(partition: Partition) -> TopicPartition:
    """Return the answer about a partition that may not be committed for."""
    error = KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED)
    return cast(
        "TopicPartition", SimpleNamespace(topic=partition.topic, partition=partition.index, offset=-1, error=error)
    )


def test_what_is_more_than_brokers_take_at_once_goes_in_portions_whoever_waited_longest_first() -> None:
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    consumer = cast("Consumer", obedient)
    many = [Partition("shop.orders", index) for index in range(2000)]
    commits.assign(
        dict.fromkeys(many, 1), StartOffsets(dict.fromkeys(many, 0), dict.fromkeys(many, 0), GroupStart("earliest"))
    )
    for offset in (1, 2, 3):
        commits.note_consumed(dict.fromkeys(many, offset))
        commits.advance(CommittableOffsets(dict.fromkeys(many, (1, offset))))
        commits.commit_async(consumer)
        commits.on_commit(None, answers(obedient.commits[-1]))
    first, second, third = obedient.commits
    assert first.keys().isdisjoint(second.keys())
    assert first.keys() | second.keys() | third.keys() == set(many)
    assert commits.commit_sync(consumer, many)
    assert {one: offset for sent in obedient.commits for one, offset in sent.items()} == dict.fromkeys(many, 3)
    assert max(map(len, obedient.commits)) < 1000


@pytest.mark.parametrize(
    "code", [KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.FENCED_MEMBER_EPOCH]
)
def test_who_is_told_that_it_is_no_member_calls_no_more(code: int) -> None:
    fence = Fence(3.0, lambda: 100.0)
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), fence)
    commits.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    commits.commit_async(cast("Consumer", obedient), heartbeat=True)
    commits.on_commit(None, answers({P: 7}))
    assert fence.may_send()
    commits.commit_async(cast("Consumer", obedient), heartbeat=True)
    commits.on_commit(KafkaError(code), [])
    assert not fence.may_send()


def test_a_commit_that_is_not_now_proves_nothing_either_way() -> None:
    fence = Fence(3.0, lambda: 100.0)
    obedient, commits = Obedient(), OffsetCommitter(RecordingObserver(), fence)
    commits.assign({P: 1}, StartOffsets({P: 7}, {P: 7}, GroupStart("earliest")))
    commits.commit_async(cast("Consumer", obedient), heartbeat=True)
    commits.on_commit(None, answers({P: 7}))
    commits.commit_async(cast("Consumer", obedient), heartbeat=True)
    commits.on_commit(KafkaError(KafkaError.REBALANCE_IN_PROGRESS), [])
    assert fence.may_send()


def test_something_is_owed_until_all_that_was_taken_has_ended() -> None:
    commits = OffsetCommitter(RecordingObserver(), Fence(3.0, lambda: 100.0))
    commits.assign({P: 1, Q: 2}, StartOffsets({P: 7, Q: 8}, {P: 7, Q: 8}, GroupStart("earliest")))
    assert not commits.has_pending()
    commits.note_consumed({Q: 10})
    commits.advance(CommittableOffsets({P: (1, 7), Q: (2, 10)}))
    assert commits.has_pending()
    commits.advance(CommittableOffsets({P: (1, 7), Q: (2, 11)}))
    assert not commits.has_pending()
