"""What the log tells of one pipeline's records, from Kafka to what is made of them."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.model.observer

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from consumer.model import Cause, Partition
from consumer.model.delivery_columns import SchemaKey
from consumer.model.observer import Observer
from consumer.observability.log.format import broker_in
from consumer.observability.log.hints import FENCED, KAFKA, REGISTRY, STOPPED

if TYPE_CHECKING:
    from consumer.observability.log.writer import Log


class StoryOfRecords(Observer):
    """Tells what happens between Kafka and the lanes."""

    def __init__(self, log: Log, pipeline: str) -> None:
        self._log = log
        self._pipeline = pipeline

    # ── Kafka ──

    def joined(self, group: str, protocol: str) -> None:
        self._log.write("info", "joined group", pipeline=self._pipeline, group=group, protocol=protocol)

    def assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._log.write("info", "partitions assigned", pipeline=self._pipeline, partitions=_by_topic(partitions))

    def revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        level, event = ("warning", "partitions lost") if lost else ("info", "partitions revoked")
        listed = _by_topic(partitions)
        self._log.write(level, event, pipeline=self._pipeline, partitions=listed, seconds=round(seconds, 3))

    def paused(self, partitions: Collection[Partition]) -> None:
        self._log.repeat(
            "debug", "partitions paused", (self._pipeline,), pipeline=self._pipeline, count=len(partitions)
        )

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self._log.repeat(
            "debug",
            "offsets committed",
            (self._pipeline,),
            pipeline=self._pipeline,
            count=len(offsets),
            seconds=seconds,
        )

    def commit_refused(self, code: str, seconds: float) -> None:
        self._log.repeat(
            "warning", "commit put off", (self._pipeline, code), pipeline=self._pipeline, code=code, seconds=seconds
        )

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        """Write code, broker and our own advice; the client's words stay out: they can name users."""
        self._log.repeat(
            "error" if fatal else "warning",
            "kafka client error",
            (self._pipeline, code, "fatal" if fatal else ""),
            pipeline=self._pipeline,
            code=code,
            fatal=fatal,
            broker=broker_in(text),
            advice=KAFKA.get(code),
        )

    def poll_turned(self, interval_s: float) -> None:
        self._log.summaries()  # so that the last summary does not wait for another line

    def topic_missing(self, topic: str) -> None:
        self._log.repeat("warning", "topic missing", (self._pipeline, topic), pipeline=self._pipeline, topic=topic)

    def topic_found(self, topic: str) -> None:
        self._log.write("info", "topic found", pipeline=self._pipeline, topic=topic)

    def fenced(self) -> None:
        self._log.write("error", "fenced", pipeline=self._pipeline, advice=FENCED)

    def unfenced(self) -> None:
        self._log.write("info", "fence lifted", pipeline=self._pipeline)

    def stopped(self, partition: Partition, offset: int, code: str) -> None:
        self._log.write(
            "error",
            "partition stopped",
            pipeline=self._pipeline,
            topic=partition.topic,
            partition=partition.index,
            offset=offset,
            code=code,
            advice=STOPPED,
        )

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self._log.write(
            "warning",
            "gap accepted",
            pipeline=self._pipeline,
            topic=partition.topic,
            partition=partition.index,
            lost_from=lost_from,
            goes_on_at=goes_on_at,
        )

    # ── Translation ──

    def faulty(self, topic: str, destination: str, event_type: str, cause: Cause, count: int) -> None:
        self._log.repeat(
            "warning",
            "delivery cannot be made" if destination else "record cannot be decoded",
            (self._pipeline, topic, destination, event_type, cause),
            pipeline=self._pipeline,
            topic=topic,
            destination=destination or None,
            event_type=event_type or None,
            cause=cause.value,
            count=count,
        )

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        level, event = ("debug", "schema fetched") if result == "found" else ("warning", "schema not had")
        self._log.repeat(
            "error" if result == "refused" else level,
            event,
            (self._pipeline, result),
            pipeline=self._pipeline,
            schema=str(key),
            result=result,
            seconds=round(seconds, 3),
            advice=REGISTRY.get(result),
        )


def _by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    listed: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        listed.setdefault(topic, []).append(index)
    return listed
