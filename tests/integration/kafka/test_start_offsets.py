"""Start offsets, with a fake consumer."""

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

group_starts = st.builds(
    GroupStart,
    st.integers(min_value=0, max_value=2**53),
    st.none() | st.frozensets(st.text("0123456789abcdef", min_size=8, max_size=8)),
)


class FakeConsumer:
    """A consumer with commits, whose logs have one record per second up to now."""

    def __init__(self, commits: dict[Partition, tuple[int, str | None]]) -> None:
        self.commits = commits
        self.requests = 0
        self.error: KafkaError | None = None

    def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        self.requests += 1
        if self.error is not None:
            raise KafkaException(self.error)
        found = []
        for one in partitions:
            offset, metadata = self.commits.get(Partition(one.topic, one.partition), (-1001, None))
            text = "" if metadata is None else metadata
            found.append(TopicPartition(one.topic, one.partition, offset, text))
        return found

    def offsets_for_times(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
        return [TopicPartition(one.topic, one.partition, self._at(one)) for one in partitions]

    def get_watermark_offsets(self, one: TopicPartition, _: float, *, cached: bool) -> tuple[int, int]:
        assert not cached, "cached watermarks may be old"
        return LOG[Partition(one.topic, one.partition)]

    def _at(self, request: TopicPartition) -> int:
        first, end = LOG[Partition(request.topic, request.partition)]
        if request.offset == BEGINNING:
            return first
        if request.offset == -1:
            return end
        wanted = end - (NOW_MS - request.offset) // 1000
        return -1 if wanted >= end else max(first, wanted)


def resolve(
    start: Start, commits: dict[Partition, tuple[int, str | None]], *wanted: Partition
) -> tuple[dict[Partition, int], GroupStart, FakeConsumer]:
    client = FakeConsumer(commits)
    resolver = StartOffsetResolver(start, lambda: NOW_MS, 1.0)
    found = resolver.resolve(cast("Consumer", client), wanted, {"a": 2, "b": 1})
    return dict(found.offsets), found.group_start, client


@given(group_starts)
def test_metadata_round_trip(group_start: GroupStart) -> None:
    assert decode_metadata(encode_metadata(group_start)) == group_start


@pytest.mark.parametrize(
    "text",
    [None, "", "not json", "[]", "{}", '{"v": 2, "start": 1}', '{"v": 1}', '{"v": 1, "start": true}', '"v"'],
)
def test_foreign_metadata_is_ignored(text: str | None) -> None:
    assert decode_metadata(text) is None


def test_metadata_of_many_topics_fits_a_commit() -> None:
    assert len(encode_metadata(new_group_start("latest", [f"topic-{n}" for n in range(200)], NOW_MS))) < 2000
    assert new_group_start("latest", [f"topic-{n}" for n in range(201)], NOW_MS).topics is None


def test_merged_group_start_is_the_earliest() -> None:
    assert merge_group_starts([GroupStart(20, frozenset("a")), GroupStart(10, frozenset("b"))]) == GroupStart(
        10, frozenset("ab")
    )
    assert merge_group_starts([GroupStart(20, frozenset("a")), GroupStart(10)]) == GroupStart(10)
    assert merge_group_starts([GroupStart(20), GroupStart("earliest")]) == GroupStart("earliest")
    assert merge_group_starts([]) is None


def test_first_assignment_starts_as_configured() -> None:
    assert resolve("earliest", {}, A0, B0)[0] == {A0: 5, B0: 3}
    assert resolve("latest", {}, A0, B0)[0] == {A0: 50, B0: 30}
    assert resolve(NOW_MS - 4000, {}, A0, B0)[0] == {A0: 46, B0: 26}
    assert resolve(NOW_MS + 9000, {}, A0)[0] == {A0: 50}  # an instant in the future: the next record


def test_commits_take_precedence_and_need_one_request() -> None:
    offsets, group_start, client = resolve("latest", {A0: (17, encode_metadata(GroupStart(7)))}, A0)
    assert (offsets, group_start, client.requests) == ({A0: 17}, GroupStart(7), 1)


def test_partition_without_commit_starts_at_group_start() -> None:
    began = encode_metadata(GroupStart(NOW_MS - 6000, frozenset({topic_hash("a"), topic_hash("b")})))
    offsets, group_start, _ = resolve("latest", {A0: (48, began)}, A1, B0)
    assert offsets == {A1: 14, B0: 24}
    assert group_start.start == NOW_MS - 6000


def test_topic_created_after_group_start_is_read_from_beginning() -> None:
    began = encode_metadata(GroupStart(NOW_MS - 6000, frozenset({topic_hash("a")})))
    assert resolve("latest", {A0: (48, began)}, A1, B0)[0] == {A1: 14, B0: 3}
    # Even if another member has committed in it meanwhile.
    assert start_timestamp("b", GroupStart(1, frozenset({topic_hash("a")})), {"a", "b"}) == BEGINNING


def test_topic_without_commits_is_new_if_topics_are_not_recorded() -> None:
    assert start_timestamp("b", GroupStart(5), {"a"}) == BEGINNING
    assert start_timestamp("a", GroupStart(5), {"a"}) == 5


def test_commits_without_our_metadata_skip_nothing() -> None:
    offsets, group_start, _ = resolve("latest", {A0: (48, None)}, A0, A1, B0)
    assert offsets == {A0: 48, A1: 0, B0: 3}
    assert group_start == GroupStart("earliest")


def test_only_commits_with_our_metadata_are_confirmed() -> None:
    client = FakeConsumer({A0: (48, "tool"), A1: (9, json.dumps({"v": 1, "start": "earliest"}))})
    found = StartOffsetResolver("earliest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", client), [A0, A1], {"a": 2})
    assert found.confirmed == {A1: 9}


def test_offset_at_accepts_log_ends_and_offsets_between() -> None:
    resolver, log = StartOffsetResolver("latest", lambda: NOW_MS, 1.0), cast("Consumer", FakeConsumer({}))
    requests: tuple[ResumeAt, ...] = ("earliest", "latest", 5, 17, 50)
    assert [resolver.offset_at(log, A0, request) for request in requests] == [5, 50, 5, 17, 50]
    assert [resolver.offset_at(log, A0, request) for request in (4, 51, 2**63)] == [OffsetOutOfRange(5, 50)] * 3


def test_unresponsive_brokers_raise() -> None:
    client = FakeConsumer({})
    client.error = KafkaError(KafkaError._TRANSPORT)
    with pytest.raises(KafkaException):
        StartOffsetResolver("latest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", client), [A0], {"a": 2})


def test_error_of_one_partition_raises_for_all() -> None:
    class Rejecting(FakeConsumer):
        def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
            rejected: Any = SimpleNamespace(error=KafkaError(KafkaError.TOPIC_AUTHORIZATION_FAILED))
            return [*super().committed(partitions[1:], _), rejected]

    with pytest.raises(KafkaException):
        StartOffsetResolver("latest", lambda: NOW_MS, 1.0).resolve(cast("Consumer", Rejecting({})), [A0, A1], {"a": 2})


def test_no_empty_request_is_sent() -> None:
    class Strict(FakeConsumer):
        def committed(self, partitions: list[TopicPartition], _: float) -> list[TopicPartition]:
            assert partitions, "librdkafka treats an empty request as an error"
            return super().committed(partitions, _)

    resolver = StartOffsetResolver("latest", lambda: NOW_MS, 1.0)
    found = resolver.resolve(cast("Consumer", Strict({})), [], {"a": 2})
    assert found.offsets == {}
    known = Strict({A0: (17, None), A1: (3, None)})
    assert resolver.resolve(cast("Consumer", known), [A0, A1, B0], {"a": 2}).offsets[A0] == 17
