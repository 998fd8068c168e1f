"""Commits sent without waiting: one at a time, and what becomes of each answer."""

from typing import Any, cast

from confluent_kafka import Consumer, KafkaError, TopicPartition

from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.start_offsets import GroupStart, StartOffsets
from tests.integration.kafka.recording_handler import RecordingObserver
from tests.integration.kafka.test_committer import Obedient, P, Q, answers, begun


def test_while_an_answer_is_outstanding_nothing_more_is_sent() -> None:
    obedient, consumer, commits = begun()
    commits.commit_async(consumer)
    commits.note_consumed({P: 14})
    commits.advance(CommittableOffsets({P: (1, 15)}))
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}]
    commits.on_commit(None, answers({P: 10}))
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}, {P: 15}]


def test_one_partition_refused_among_others_is_sent_again_alone() -> None:
    obedient, consumer, commits = begun()
    commits.assign({Q: 2}, StartOffsets({Q: 3}, {}, GroupStart("earliest")))
    assert commits.unconfirmed() == {Q}
    commits.commit_async(consumer)
    refused_one = TopicPartition(*Q, 3)
    answer: Any = type("Answer", (), {"topic": Q.topic, "partition": 1, "offset": 3, "error": None})()
    answer.error = KafkaError(KafkaError.UNKNOWN_MEMBER_ID)
    commits.on_commit(None, [*answers({P: 10}), answer])
    assert commits.unconfirmed() == {Q}
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10, Q: 3}, {Q: 3}]
    commits.on_commit(None, [refused_one])
    assert commits.unconfirmed() == set()


def test_a_commit_the_client_would_not_even_send_is_put_off() -> None:
    obedient, consumer, commits = begun()
    obedient.refusal = KafkaError(KafkaError._NO_OFFSET)
    commits.commit_async(consumer)
    obedient.refusal = None
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}], "no answer is waited for that will never come"


def test_an_answer_nobody_waits_for_confirms_nothing() -> None:
    obedient, consumer, commits = begun()
    commits.on_commit(None, answers({P: 10}))
    assert commits.commit_sync(consumer, [P])
    assert obedient.commits == [{P: 10}]


def test_an_answer_that_comes_after_its_partitions_went_is_told_to_nobody() -> None:
    heard, obedient = RecordingObserver(), Obedient()
    commits = OffsetCommitter(heard, Fence(10.0))
    commits.assign({P: 1}, StartOffsets({P: 0}, {P: 0}, GroupStart("earliest")))
    commits.advance(CommittableOffsets({P: (1, 10)}))
    commits.commit_async(cast("Consumer", obedient))
    commits.revoke([P])
    commits.on_commit(None, answers({P: 10}))
    assert heard.committed_offsets == []
    assert heard.refusals == []


def test_an_answer_to_an_earlier_tenure_confirms_nothing_of_the_next() -> None:
    obedient, consumer, commits = begun()
    commits.commit_async(consumer)
    commits.reassign_at(P, 2, 3)
    commits.on_commit(None, answers({P: 10}))
    assert commits.unconfirmed() == {P}
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}, {P: 3}]


def test_a_whole_answer_that_is_an_error_is_put_off() -> None:
    obedient, consumer, commits = begun()
    commits.commit_async(consumer)
    commits.on_commit(KafkaError(KafkaError.COORDINATOR_NOT_AVAILABLE), [])
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}, {P: 10}]


def test_what_has_not_moved_is_not_sent() -> None:
    obedient, consumer, commits = begun()
    assert commits.commit_sync(consumer, [P])
    commits.commit_async(consumer)
    assert obedient.commits == [{P: 10}]
