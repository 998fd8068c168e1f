"""Where partitions start, decided without a broker."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from hypothesis import given
from hypothesis import strategies as st

from consumer.kafka.properties import Start
from consumer.kafka.start_offsets import (
    BEGINNING,
    GroupStart,
    OffsetOutOfRange,
    StartOffsetResolver,
    decode_metadata,
    encode_metadata,
    merge_group_starts,
    new_group_start,
    start_timestamp,
    topic_hash,
)
from consumer.model import Partition
from consumer.model.directives import ResumeAt

NOW_MS = 1_793_000_000_000
A0, A1, B0 = Partition("a", 0), Partition("a", 1), Partition("b", 0)
LOG = {A0: (5, 50), A1: (0, 20), B0: (3, 30)}

origins = st.builds(
    GroupStart,
    st.integers(min_value=0, max_value=2**53),
    st.none() | st.frozensets(st.text("0123456789abcdef", min_size=8, max_size=8)),
)


class Archive:
    """A consumer that knows commits, and whose logs have their records one second apart up to now."""

    def __init__(self, commits: dict[Partition, tuple[int, str | None]]) -> None:
        self.commits = commits
        self.questions = 0
        self.error: KafkaError | None = None

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        self.questions += 1
        if self.error is not None:
            raise KafkaException(self.error)
        found = []
        for one in partitions:
            offset, metadata = self.commits.get(Partition(one.topic, one.partition), (-1001, None))
            said = "" if metadata is None else metadata
            found.append(TopicPartition(one.topic, one.partition, offset, said))
        return found

    def offsets_for_times(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, self._at(one)) for one in partitions]

    def get_watermark_offsets(self, one: TopicPartition, _: float, *, cached: bool) -> tuple[int, int]:
        assert not cached, "what was fetched last says nothing of the log's ends now"
        return LOG[Partition(one.topic, one.partition)]

    def _at(self, asked: TopicPartition) -> int:
        first, end = LOG[Partition(asked.topic, asked.partition)]
        if asked.offset == BEGINNING:
            return first
        if asked.offset == -1:
            return end
        wanted = end - (NOW_MS - asked.offset) // 1000
        return -1 if wanted >= end else max(first, wanted)


def starts(
    start: Start, commits: dict[Partition, tuple[int, str | None]], *wanted: Partition
) -> tuple[dict[Partition, int], GroupStart, Archive]:
    archive = Archive(commits)
    starter = StartOffsetResolver(start, lambda: NOW_MS, 1.0)
    found = starter.resolve(cast("Consumer", archive), wanted, {"a": 2, "b": 1})
    return dict(found.offsets), found.group_start, archive


@given(origins)
def test_what_a_commit_says_is_read_back(origin: GroupStart) -> None:
    assert decode_metadata(encode_metadata(origin)) == origin


@pytest.mark.parametrize(
    "text",
    [None, "", "not json", "[]", "{}", '{"v": 2, "start": 1}', '{"v": 1}', '{"v": 1, "start": true}', '"v"'],
)
def test_metadata_of_somebody_else_says_nothing(text: str | None) -> None:
    assert decode_metadata(text) is None


def test_the_metadata_of_many_topics_still_fits_a_commit() -> None:
    assert len(encode_metadata(new_group_start("latest", [f"topic-{n}" for n in range(200)], NOW_MS))) < 2000
    assert new_group_start("latest", [f"topic-{n}" for n in range(201)], NOW_MS).topics is None


def test_members_that_began_moments_apart_agree_on_the_earlier_instant() -> None:
    assert merge_group_starts([GroupStart(20, frozenset("a")), GroupStart(10, frozenset("b"))]) == GroupStart(
        10, frozenset("ab")
    )
    assert merge_group_starts([GroupStart(20, frozenset("a")), GroupStart(10)]) == GroupStart(10)
    assert merge_group_starts([GroupStart(20), GroupStart("earliest")]) == GroupStart("earliest")
    assert merge_group_starts([]) is None


def test_a_first_assignment_starts_as_configured() -> None:
    assert starts("earliest", {}, A0, B0)[0] == {A0: 5, B0: 3}
    assert starts("latest", {}, A0, B0)[0] == {A0: 50, B0: 30}
    assert starts(NOW_MS - 4000, {}, A0, B0)[0] == {A0: 46, B0: 26}
    assert starts(NOW_MS + 9000, {}, A0)[0] == {A0: 50}  # an instant still to come: whatever comes next


def test_a_commit_goes_before_everything_and_one_question_is_enough() -> None:
    offsets, origin, archive = starts("latest", {A0: (17, encode_metadata(GroupStart(7)))}, A0)
    assert (offsets, origin, archive.questions) == ({A0: 17}, GroupStart(7), 1)


def test_a_partition_without_a_commit_starts_at_the_groups_instant() -> None:
    began = encode_metadata(GroupStart(NOW_MS - 6000, frozenset({topic_hash("a"), topic_hash("b")})))
    offsets, origin, _ = starts("latest", {A0: (48, began)}, A1, B0)
    assert offsets == {A1: 14, B0: 24}
    assert origin.start == NOW_MS - 6000


def test_a_topic_that_was_not_there_at_the_instant_is_read_from_its_beginning() -> None:
    began = encode_metadata(GroupStart(NOW_MS - 6000, frozenset({topic_hash("a")})))
    assert starts("latest", {A0: (48, began)}, A1, B0)[0] == {A1: 14, B0: 3}
    # Also when another member has committed in it meanwhile.
    assert start_timestamp("b", GroupStart(1, frozenset({topic_hash("a")})), {"a", "b"}) == BEGINNING


def test_without_a_record_of_the_topics_one_without_commits_is_new() -> None:
    assert start_timestamp("b", GroupStart(5), {"a"}) == BEGINNING
    assert start_timestamp("a", GroupStart(5), {"a"}) == 5


def test_commits_that_name_no_instant_make_nothing_be_skipped() -> None:
    offsets, origin, _ = starts("latest", {A0: (48, None)}, A0, A1, B0)
    assert offsets == {A0: 48, A1: 0, B0: 3}
    assert origin == GroupStart("earliest")


def test_only_commits_with_our_metadata_are_confirmed() -> None:
    archive = Archive({A0: (48, "tool"), A1: (9, json.dumps({"v": 1, "start": "earliest"}))})
    found = StartOffsetResolver("earliest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", archive), [A0, A1], {"a": 2})
    assert found.confirmed == {A1: 9}


def test_an_operator_means_the_logs_own_ends_or_an_offset_that_is_in_it() -> None:
    starter, log = StartOffsetResolver("latest", lambda: NOW_MS, 1.0), cast("Consumer", Archive({}))
    goals: tuple[ResumeAt, ...] = ("earliest", "latest", 5, 17, 50)
    assert [starter.offset_at(log, A0, goal) for goal in goals] == [5, 50, 5, 17, 50]
    assert [starter.offset_at(log, A0, goal) for goal in (4, 51, 2**63)] == [OffsetOutOfRange(5, 50)] * 3


def test_brokers_that_do_not_answer_are_an_error_not_a_start() -> None:
    archive = Archive({})
    archive.error = KafkaError(KafkaError._TRANSPORT)
    with pytest.raises(KafkaException):
        StartOffsetResolver("latest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", archive), [A0], {"a": 2})


def test_one_partition_that_is_refused_an_answer_stops_the_start_of_all() -> None:
    class Refusing(Archive):
        def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
            refused: Any = SimpleNamespace(error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
            return [*super().committed(partitions[1:], _), refused]

    with pytest.raises(KafkaException):
        StartOffsetResolver("latest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", Refusing({})), [A0, A1], {"a": 2})


def test_where_all_have_commits_or_none_are_there_no_empty_question_is_asked() -> None:
    class Strict(Archive):
        def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
            assert partitions, "librdkafka takes an empty question for an error"
            return super().committed(partitions, _)

    starter = StartOffsetResolver("latest", lambda: NOW_MS, 1.0)
    found = starter.resolve(cast("Consumer", Strict({})), [], {"a": 2})
    assert found.offsets == {}
    known = Strict({A0: (17, None), A1: (3, None)})
    assert starter.resolve(cast("Consumer", known), [A0, A1, B0], {"a": 2}).offsets[A0] == 17
