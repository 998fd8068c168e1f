"""One pipeline's observer that writes the log: changes always, repetitions seldom, deliveries only when refused."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.observe

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING, Final

from consumer.lot import SchemaKey
from consumer.model import Cause, Fault, Partition
from consumer.observe import Observer
from consumer.watch.lines import broker_in

if TYPE_CHECKING:
    from consumer.watch.log import Log

_ADVICE: Final[Mapping[str, str]] = {
    "_ALL_BROKERS_DOWN": "no broker can be reached: is the address right, is the network open?",
    "_AUTHENTICATION": "the brokers do not take our credentials, or speak another mechanism",
    "_AUTO_OFFSET_RESET": "an offset is out of range: the partition waits until somebody accepts the gap",
    "_FATAL": "the client is dead; the process ends",
    "_MAX_POLL_EXCEEDED": "the poll thread was away too long and the group went on without us",
    "_RESOLVE": "a broker's name cannot be resolved",
    "_SSL": "TLS with a broker failed: certificate, authority or name",
    "_TRANSPORT": "a connection to a broker failed; the client tries again by itself",
    "CLUSTER_AUTHORIZATION_FAILED": "our principal lacks a right on the cluster",
    "GROUP_AUTHORIZATION_FAILED": "our principal may not read with this group",
    "SASL_AUTHENTICATION_FAILED": "the brokers do not take our credentials",
    "TOPIC_AUTHORIZATION_FAILED": "our principal may not use this topic",
    "UNKNOWN_TOPIC_OR_PART": "a topic is missing",
}


class Story(Observer):
    """Tells one pipeline's story."""

    def __init__(self, log: Log, pipeline: str) -> None:
        self._log = log
        self._pipeline = pipeline
        self._taken: dict[str, bool] = {}
        """By destination, whether its credentials were taken when last heard of."""

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
            advice=_ADVICE.get(code),
        )

    def poll_turned(self, interval_s: float) -> None:
        self._log.summaries()  # so that the last summary does not wait for another line

    def topic_missing(self, topic: str) -> None:
        self._log.repeat("warning", "topic missing", (self._pipeline, topic), pipeline=self._pipeline, topic=topic)

    def topic_found(self, topic: str) -> None:
        self._log.write("info", "topic found", pipeline=self._pipeline, topic=topic)

    def fenced(self) -> None:
        self._log.write("error", "standstill", pipeline=self._pipeline, advice="calls wait for an accepted commit")

    def unfenced(self) -> None:
        self._log.write("info", "standstill over", pipeline=self._pipeline)

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
        self._log.repeat(
            "debug" if result == "found" else "warning",
            "schema fetched" if result == "found" else "schema not had",
            (self._pipeline, result),
            pipeline=self._pipeline,
            schema=str(key),
            result=result,
            seconds=round(seconds, 3),
        )

    # ── Delivery ──

    def called(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        if self._log.hears("debug"):
            self._log.write(
                "debug",
                "call ended",
                pipeline=self._pipeline,
                destination=destination,
                endpoint=endpoint,
                http_status=status,
                events=events,
                bytes=size,
                seconds=round(seconds, 4),
            )

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        self._fault("warning", "delivery refused", destination, fault, event_type=event_type)

    def deferred(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._fault("warning", "batch deferred", destination, fault, events=events, wait_s=round(wait_s, 3))

    def split(self, destination: str, events: int) -> None:
        kind = (self._pipeline, destination)
        self._log.repeat("info", "batch split", kind, pipeline=self._pipeline, destination=destination, events=events)

    def held(self, destination: str, endpoint: str, fault: Fault) -> None:
        self._log.write(
            "error",
            "endpoint held",
            pipeline=self._pipeline,
            destination=destination,
            endpoint=endpoint,
            cause=fault.cause.value,
            http_status=fault.status,
            detail=fault.detail or None,
        )

    def resumed(self, destination: str, endpoint: str, seconds: float) -> None:
        self._log.write(
            "info",
            "hold ended",
            pipeline=self._pipeline,
            destination=destination,
            endpoint=endpoint,
            seconds=round(seconds, 1),
        )

    def throttled(self, destination: str, source: str, seconds: float) -> None:
        kind = (self._pipeline, destination, source)
        told = {"pipeline": self._pipeline, "destination": destination, "source": source}
        self._log.repeat("debug", "call waited", kind, **told, seconds=round(seconds, 3))

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        level, event = ("info", "credential renewed") if ok else ("warning", "credential not renewed")
        self._log.repeat(level, event, (self._pipeline, destination), pipeline=self._pipeline, destination=destination)

    def credentials(self, destination: str, *, valid: bool) -> None:
        before = self._taken.get(destination)
        self._taken[destination] = valid
        if before is valid:
            return
        level, event = ("info", "credentials taken") if valid else ("error", "credentials rejected")
        self._log.write(level, event, pipeline=self._pipeline, destination=destination)

    # ── Dead letters ──

    def shelved(self, destination: str, cause: Cause, count: int) -> None:
        self._log.repeat(
            "warning",
            "dead letters written",
            (self._pipeline, destination, cause),
            pipeline=self._pipeline,
            destination=destination or None,
            cause=cause.value,
            count=count,
        )

    def shelf_failed(self, code: str) -> None:
        self._log.repeat("error", "dead letter not written", (self._pipeline, code), pipeline=self._pipeline, code=code)

    # ── Leaving ──

    def leaving(self) -> None:
        self._log.write("info", "leaving", pipeline=self._pipeline)

    def left(self, released: int) -> None:
        self._log.write("info", "left", pipeline=self._pipeline, released=released)

    def _fault(self, level: str, event: str, destination: str, fault: Fault, **fields: str | float) -> None:
        self._log.repeat(
            level,
            event,
            (self._pipeline, destination, fault.cause),
            pipeline=self._pipeline,
            destination=destination,
            cause=fault.cause.value,
            http_status=fault.status,
            **fields,
            detail=fault.detail or None,
        )


def _by_topic(partitions: Iterable[Partition]) -> dict[str, list[int]]:
    listed: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        listed.setdefault(topic, []).append(index)
    return listed
