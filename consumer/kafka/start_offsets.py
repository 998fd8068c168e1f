"""The start offset of a partition: its commit, or else the group's start.

A group starts at one instant, and the metadata of each of its commits names it. The text is JSON, up to about a
kilobyte:

    {"v": 1, "start": "earliest"}
    {"v": 1, "start": 1793491200000, "topics": "0c1f23aa9be1d004"}

`start` is `earliest` or an instant in epoch milliseconds; `latest` is stored as the instant of the first assignment.
`topics` holds the CRC-32 sums, eight hexadecimal digits each, of the names of the subscribed topics at that instant. A
topic that is not among them is new, and is read from its beginning. `topics` is left out if it would be too long for a
commit. Then a topic counts as new if the group has no commit in it.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.kafka.properties import Start
from consumer.model import Partition, partition_of
from consumer.model.directives import ResumeAt

BEGINNING = -2
"""As a timestamp in a request: the oldest offset (Kafka protocol guide, ListOffsets)."""
END = -1
"""As a timestamp in a request: the offset after the newest record. In a response it means "no such record"."""

_MAX_TOPICS = 200  # brokers accept 4096 bytes of metadata by default (offset.metadata.max.bytes)


@dataclass(frozen=True, slots=True)
class GroupStart:
    """The start of a group: its instant, and the topics that existed then (`None`: not recorded)."""

    start: Literal["earliest"] | int
    topics: frozenset[str] | None = None


def encode_metadata(group_start: GroupStart) -> str:
    """Return the metadata of a commit."""
    content: dict[str, object] = {"v": 1, "start": group_start.start}
    if group_start.topics is not None and group_start.start != "earliest":
        content["topics"] = "".join(sorted(group_start.topics))
    return json.dumps(content)


def decode_metadata(text: str | None) -> GroupStart | None:
    """Return the group start in a commit's metadata, or `None` if the metadata is not ours."""
    try:
        content = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(content, dict) or content.get("v") != 1:
        return None
    start, hashes = content.get("start"), content.get("topics")
    if start == "earliest":
        return GroupStart("earliest")
    if not isinstance(start, int) or isinstance(start, bool):
        return None
    return GroupStart(start, _split(hashes) if isinstance(hashes, str) else None)


def merge_group_starts(group_starts: Iterable[GroupStart]) -> GroupStart | None:
    """Return the earliest start. Members of a first assignment begin within moments of each other."""
    found = tuple(group_starts)
    instants = [one.start for one in found if isinstance(one.start, int)]
    if not found:
        return None
    if len(instants) < len(found):
        return GroupStart("earliest")
    recorded = [one.topics for one in found]
    topics = frozenset().union(*(names for names in recorded if names is not None)) if None not in recorded else None
    return GroupStart(min(instants), topics)


def new_group_start(start: Start, topics: Iterable[str], now_ms: int) -> GroupStart:
    """Return the start of a group that begins now."""
    if start == "earliest":
        return GroupStart("earliest")
    hashes = frozenset(topic_hash(topic) for topic in topics)
    return GroupStart(now_ms if start == "latest" else start, hashes if len(hashes) <= _MAX_TOPICS else None)


def topic_hash(topic: str) -> str:
    """Return the hash that stands for a topic in the metadata."""
    return f"{zlib.crc32(topic.encode()):08x}"


def start_timestamp(topic: str, group_start: GroupStart, topics_with_commits: Iterable[str]) -> int:
    """Return the start timestamp, or `BEGINNING`, of a partition without a commit in a group that has commits."""
    if group_start.start == "earliest":
        return BEGINNING
    existed = topic in topics_with_commits if group_start.topics is None else topic_hash(topic) in group_start.topics
    return group_start.start if existed else BEGINNING


@dataclass(frozen=True, slots=True)
class StartOffsets:
    """Start offsets, those of them that are committed with our metadata already, and the group's start."""

    offsets: Mapping[Partition, int]
    confirmed: Mapping[Partition, int] = field(default_factory=dict)
    group_start: GroupStart = field(default_factory=lambda: GroupStart("earliest"))


@dataclass(frozen=True, slots=True)
class OffsetOutOfRange:
    """An offset is outside its log, which holds the offsets from `log_start` to before `log_end`."""

    log_start: int
    log_end: int


@dataclass(frozen=True, slots=True)
class StartOffsetResolver:
    """Looks up start offsets at the brokers.

    Attributes:
        start: where a group without commits starts.
        clock_ms: returns the time in epoch milliseconds.
        timeout_s: seconds that one request may take.
    """

    start: Start
    clock_ms: Callable[[], int]
    timeout_s: float

    def resolve(self, consumer: Consumer, partitions: Iterable[Partition], topics: Mapping[str, int]) -> StartOffsets:
        """Return the start offsets of partitions.

        Args:
            consumer: the client for the requests.
            partitions: the partitions. Without any, only the group's start is looked up.
            topics: the subscribed topics with their partition counts.

        Raises:
            KafkaException: the brokers did not respond, or returned an error.
        """
        requested = list(partitions)
        commits = self._committed(consumer, requested)
        if requested and all(partition in commits for partition in requested):
            found = commits  # the usual restart: one request
        else:
            every = [Partition(topic, index) for topic, count in topics.items() for index in range(count)]
            found = {**self._committed(consumer, [one for one in every if one not in commits]), **commits}
        group_start = merge_group_starts(one for _, one in found.values() if one is not None)
        if group_start is None:
            # Commits without our metadata were made by other tools: partitions without a commit then start at their
            # beginning, so that nothing is skipped.
            group_start = GroupStart("earliest") if found else new_group_start(self.start, topics, self.clock_ms())
        offsets = {partition: commits[partition][0] for partition in requested if partition in commits}
        timestamps = {
            partition: self._timestamp(partition.topic, group_start, found)
            for partition in requested
            if partition not in commits
        }
        offsets |= self._offsets_at(consumer, timestamps)
        confirmed = {one: commits[one][0] for one in requested if one in commits and commits[one][1] is not None}
        return StartOffsets(offsets, confirmed, group_start)

    def offset_at(self, consumer: Consumer, partition: Partition, resume_at: ResumeAt) -> int | OffsetOutOfRange:
        """Return the offset of an operator's `earliest`, `latest` or number, if the log holds it.

        Raises:
            KafkaException: the brokers did not respond, or returned an error.
        """
        if isinstance(resume_at, int):
            log = consumer.get_watermark_offsets(TopicPartition(*partition), self.timeout_s, cached=False)
            return resume_at if log[0] <= resume_at <= log[1] else OffsetOutOfRange(*log)
        return self._offsets_at(consumer, {partition: BEGINNING if resume_at == "earliest" else END})[partition]

    def _timestamp(self, topic: str, group_start: GroupStart, found: Mapping[Partition, object]) -> int:
        if not found and self.start == "latest":
            return END  # exactly now, whatever the producers' clocks are
        if not found and isinstance(self.start, int):
            return self.start
        return start_timestamp(topic, group_start, {partition.topic for partition in found})

    def _committed(
        self, consumer: Consumer, partitions: list[Partition]
    ) -> dict[Partition, tuple[int, GroupStart | None]]:
        if not partitions:
            return {}
        results = consumer.committed([TopicPartition(*partition) for partition in partitions], self.timeout_s)
        _raise_errors(results)
        return {
            partition_of(result): (result.offset, decode_metadata(result.metadata))
            for result in results
            if result.offset >= 0
        }

    def _offsets_at(self, consumer: Consumer, timestamps: Mapping[Partition, int]) -> dict[Partition, int]:
        if not timestamps:  # librdkafka treats an empty request as an error
            return {}
        results = consumer.offsets_for_times(
            [TopicPartition(*partition, timestamp) for partition, timestamp in timestamps.items()], self.timeout_s
        )
        _raise_errors(results)
        found = {partition_of(result): result.offset for result in results}
        later = {partition: END for partition, offset in found.items() if offset < 0 and timestamps[partition] != END}
        return found | self._offsets_at(consumer, later)


def _raise_errors(results: Iterable[TopicPartition]) -> None:
    for result in results:
        if result.error is not None:
            raise KafkaException(result.error)


def _split(hashes: str) -> frozenset[str]:
    return frozenset(hashes[at : at + 8] for at in range(0, len(hashes), 8))
