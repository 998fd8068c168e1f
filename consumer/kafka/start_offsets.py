"""Where a partition starts: at its commit, else at the group's one instant.

A group begins at one instant, and the metadata of each of its commits says which. The text is JSON, a kilobyte or so:

    {"v": 1, "start": "earliest"}
    {"v": 1, "start": 1793491200000, "topics": "0c1f23aa9be1d004"}

`start` is `earliest` or an instant in epoch milliseconds (`latest` is the moment of the first assignment); `topics` are
the CRC-32 sums, eight hexadecimal digits each, of the names of the subscribed topics that existed then. A topic that is
not among them matches newly, and is read from its beginning. `topics` is left out where there are too many to keep in a
commit: a topic in which the group has committed nothing is then taken for new.
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
"""Asked as a time, a broker answers with the oldest offset (Kafka protocol guide, ListOffsets)."""
END = -1
"""Asked as a time, a broker answers with the offset after the newest record; as an answer it means "no such record"."""

_MOST_TOPICS = 200  # brokers take 4096 bytes of metadata by default (offset.metadata.max.bytes)


@dataclass(frozen=True, slots=True)
class GroupStart:
    """How a group began: its instant, and the topics it had then (`None`: not recorded)."""

    start: Literal["earliest"] | int
    topics: frozenset[str] | None = None


def encode_metadata(origin: GroupStart) -> str:
    """Return the metadata of a commit."""
    said: dict[str, object] = {"v": 1, "start": origin.start}
    if origin.topics is not None and origin.start != "earliest":
        said["topics"] = "".join(sorted(origin.topics))
    return json.dumps(said)


def decode_metadata(text: str | None) -> GroupStart | None:
    """Return what a commit's metadata says; `None` if it is not ours."""
    try:
        said = json.loads(text or "")
    except ValueError:
        return None
    if not isinstance(said, dict) or said.get("v") != 1:
        return None
    start, sums = said.get("start"), said.get("topics")
    if start == "earliest":
        return GroupStart("earliest")
    if not isinstance(start, int) or isinstance(start, bool):
        return None
    return GroupStart(start, _split(sums) if isinstance(sums, str) else None)


def merge_group_starts(origins: Iterable[GroupStart]) -> GroupStart | None:
    """Return the one origin of a group: members of a first assignment began within moments of each other."""
    found = tuple(origins)
    instants = [origin.start for origin in found if isinstance(origin.start, int)]
    if not found:
        return None
    if len(instants) < len(found):
        return GroupStart("earliest")
    recorded = [origin.topics for origin in found]
    topics = frozenset().union(*(names for names in recorded if names is not None)) if None not in recorded else None
    return GroupStart(min(instants), topics)


def new_group_start(start: Start, topics: Iterable[str], now_ms: int) -> GroupStart:
    """Return the origin of a group that begins now."""
    if start == "earliest":
        return GroupStart("earliest")
    names = frozenset(topic_hash(topic) for topic in topics)
    return GroupStart(now_ms if start == "latest" else start, names if len(names) <= _MOST_TOPICS else None)


def topic_hash(topic: str) -> str:
    """Return a topic's mark in the metadata."""
    return f"{zlib.crc32(topic.encode()):08x}"


def start_timestamp(topic: str, origin: GroupStart, topics_with_commits: Iterable[str]) -> int:
    """Return the time at which a partition without a commit starts in a group that has begun, or `BEGINNING`."""
    if origin.start == "earliest":
        return BEGINNING
    known = topic in topics_with_commits if origin.topics is None else topic_hash(topic) in origin.topics
    return origin.start if known else BEGINNING


@dataclass(frozen=True, slots=True)
class StartOffsets:
    """Where partitions start; those offsets the broker has already, with our metadata; and the group's origin."""

    offsets: Mapping[Partition, int]
    confirmed: Mapping[Partition, int] = field(default_factory=dict)
    group_start: GroupStart = field(default_factory=lambda: GroupStart("earliest"))


@dataclass(frozen=True, slots=True)
class OffsetOutOfRange:
    """An offset is not in its log, which begins at one and ends before another."""

    log_start: int
    log_end: int


@dataclass(frozen=True, slots=True)
class StartOffsetResolver:
    """Asks the brokers where partitions start.

    Attributes:
        start: where the group begins if it never committed.
        clock_ms: the time, epoch milliseconds.
        timeout_s: how long one question may take, in seconds.
    """

    start: Start
    clock_ms: Callable[[], int]
    timeout_s: float

    def resolve(self, consumer: Consumer, partitions: Iterable[Partition], topics: Mapping[str, int]) -> StartOffsets:
        """Return where these partitions start; `topics` are the subscribed ones with their numbers of partitions.

        Raises:
            KafkaException: the brokers could not be asked, or refused to answer.
        """
        wanted = list(partitions)
        commits = self._committed(consumer, wanted)
        if all(partition in commits for partition in wanted):
            found = commits  # the usual restart: one question
        else:
            every = [Partition(topic, index) for topic, count in topics.items() for index in range(count)]
            found = {**self._committed(consumer, [one for one in every if one not in commits]), **commits}
        origin = merge_group_starts(origin for _, origin in found.values() if origin is not None)
        if origin is None:
            # Commits that say nothing of an instant are somebody's own doing: what has none is then read from its
            # beginning.
            origin = GroupStart("earliest") if found else new_group_start(self.start, topics, self.clock_ms())
        offsets = {partition: commits[partition][0] for partition in wanted if partition in commits}
        times = {
            partition: self._time(partition.topic, origin, found) for partition in wanted if partition not in commits
        }
        offsets |= self._offsets_at(consumer, times)
        confirmed = {one: commits[one][0] for one in wanted if one in commits and commits[one][1] is not None}
        return StartOffsets(offsets, confirmed, origin)

    def offset_at(self, consumer: Consumer, partition: Partition, resume_at: ResumeAt) -> int | OffsetOutOfRange:
        """Return the offset that an operator means by `earliest`, by `latest`, or by its number, if the log has it.

        Raises:
            KafkaException: the brokers could not be asked, or refused to answer.
        """
        if isinstance(resume_at, int):
            ends = consumer.get_watermark_offsets(TopicPartition(*partition), self.timeout_s, cached=False)
            return resume_at if ends[0] <= resume_at <= ends[1] else OffsetOutOfRange(*ends)
        return self._offsets_at(consumer, {partition: BEGINNING if resume_at == "earliest" else END})[partition]

    def _time(self, topic: str, origin: GroupStart, found: Mapping[Partition, object]) -> int:
        if not found and self.start == "latest":
            return END  # exactly now, whatever the producers' clocks say
        if not found and isinstance(self.start, int):
            return self.start
        return start_timestamp(topic, origin, {partition.topic for partition in found})

    def _committed(
        self, consumer: Consumer, partitions: list[Partition]
    ) -> dict[Partition, tuple[int, GroupStart | None]]:
        if not partitions:
            return {}
        answers = consumer.committed([TopicPartition(*partition) for partition in partitions], self.timeout_s)
        _raise_errors(answers)
        return {
            partition_of(answer): (answer.offset, decode_metadata(answer.metadata))
            for answer in answers
            if answer.offset >= 0
        }

    def _offsets_at(self, consumer: Consumer, times: Mapping[Partition, int]) -> dict[Partition, int]:
        if not times:  # an empty question is an error to librdkafka
            return {}
        answers = consumer.offsets_for_times(
            [TopicPartition(*partition, time) for partition, time in times.items()], self.timeout_s
        )
        _raise_errors(answers)
        found = {partition_of(answer): answer.offset for answer in answers}
        later = {partition: END for partition, offset in found.items() if offset < 0 and times[partition] != END}
        return found | self._offsets_at(consumer, later)


def _raise_errors(answers: Iterable[TopicPartition]) -> None:
    for answer in answers:
        if answer.error is not None:
            raise KafkaException(answer.error)


def _split(sums: str) -> frozenset[str]:
    return frozenset(sums[at : at + 8] for at in range(0, len(sums), 8))
