"""The observer that logs one pipeline: every change, repeated events in summaries, deliveries only when refused."""
# ruff: noqa: ARG002, D102  methods and arguments are documented in consumer.model.observer

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TYPE_CHECKING

from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem
from consumer.model.observer import Observer
from consumer.model.translated_batch import SchemaKey
from consumer.observability.log.format import broker_in
from consumer.observability.log.hints import (
    DEAD_LETTERS,
    FENCED,
    HELD,
    KAFKA,
    REGISTRY,
    SECRETS,
    STOPPED,
    flood_guard_hint,
)

if TYPE_CHECKING:
    from consumer.observability.log.writer import Log


class LogObserver(Observer):
    """Logs one pipeline: its records, its deliveries and its shutdown."""

    def __init__(self, log: Log, pipeline: str) -> None:
        self._log = log
        self._pipeline = pipeline
        self._credentials_valid: dict[str, bool] = {}
        """By destination, the result logged last: only a change is logged."""
        self._dead_letters_fail = False
        """Whether the last attempt to write a dead letter failed."""

    # ── Kafka ──

    def group_joined(self, group: str, protocol: str) -> None:
        self._log.write("info", "joined group", pipeline=self._pipeline, group=group, protocol=protocol)

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._log.write("info", "partitions assigned", pipeline=self._pipeline, partitions=_by_topic(partitions))

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        level, event = ("warning", "partitions lost") if lost else ("info", "partitions revoked")
        by_topic = _by_topic(partitions)
        self._log.write(level, event, pipeline=self._pipeline, partitions=by_topic, seconds=round(seconds, 3))

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
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

    def commit_failed(self, code: str, seconds: float) -> None:
        self._log.repeat(
            "warning",
            "offset commit failed",
            (self._pipeline, code),
            pipeline=self._pipeline,
            code=code,
            seconds=seconds,
        )

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        """Log code, broker and our own hint. The client's text is left out, because it can contain user names."""
        self._log.repeat(
            "error" if fatal else "warning",
            "kafka client error",
            (self._pipeline, code, "fatal" if fatal else ""),
            pipeline=self._pipeline,
            code=code,
            fatal=fatal,
            broker=broker_in(text),
            hint=KAFKA.get(code),
        )

    def poll_ticked(self, interval_s: float) -> None:
        self._log.summaries()  # a due summary must not wait for the next line

    def topic_missing(self, topic: str) -> None:
        self._log.repeat("warning", "topic missing", (self._pipeline, topic), pipeline=self._pipeline, topic=topic)

    def topic_found(self, topic: str) -> None:
        self._log.write("info", "topic found", pipeline=self._pipeline, topic=topic)

    def fence_closed(self) -> None:
        self._log.write("error", "fenced", pipeline=self._pipeline, hint=FENCED)

    def fence_released(self) -> None:
        self._log.write("info", "fence released", pipeline=self._pipeline)

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        self._log.write(
            "error",
            "partition stopped",
            pipeline=self._pipeline,
            topic=partition.topic,
            partition=partition.index,
            offset=offset,
            code=code,
            hint=STOPPED,
        )

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self._log.write(
            "warning",
            "offset gap accepted",
            pipeline=self._pipeline,
            topic=partition.topic,
            partition=partition.index,
            lost_from=lost_from,
            goes_on_at=goes_on_at,
        )

    # ── Translation ──

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        self._log.repeat(
            "warning",
            "mapping failed" if destination else "record undecodable",
            (self._pipeline, topic, destination, event_type, cause),
            pipeline=self._pipeline,
            topic=topic,
            destination=destination or None,
            event_type=event_type or None,
            cause=cause.value,
            count=count,
        )

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        level, event = ("debug", "schema fetched") if result == "found" else ("warning", "schema fetch failed")
        self._log.repeat(
            "error" if result == "refused" else level,
            event,
            (self._pipeline, result),
            pipeline=self._pipeline,
            schema=str(key),
            result=result,
            seconds=round(seconds, 3),
            hint=REGISTRY.get(result),
        )

    # ── Delivery ──

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        if self._log.enabled("debug"):
            self._log.write(
                "debug",
                "request finished",
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

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._fault("warning", "batch retry scheduled", destination, fault, events=events, wait_s=round(wait_s, 3))

    def batch_split(self, destination: str, events: int) -> None:
        kind = (self._pipeline, destination)
        self._log.repeat("info", "batch split", kind, pipeline=self._pipeline, destination=destination, events=events)

    def batch_isolated(self, destination: str, events: int) -> None:
        kind = (self._pipeline, destination)
        scope = {"pipeline": self._pipeline, "destination": destination}
        self._log.repeat("warning", "batch isolated", kind, **scope, events=events)

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self._log.write(
            "error",
            "endpoint held",
            pipeline=self._pipeline,
            destination=destination,
            endpoint=endpoint,
            cause=fault.cause.value,
            http_status=fault.status,
            detail=fault.detail or None,
            hint=HELD.get(fault.cause),
        )

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        self._log.write(
            "info",
            "hold ended",
            pipeline=self._pipeline,
            destination=destination,
            endpoint=endpoint,
            seconds=round(seconds, 1),
        )

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        kind = (self._pipeline, destination, source)
        scope = {"pipeline": self._pipeline, "destination": destination, "source": source}
        self._log.repeat("debug", "request delayed", kind, **scope, seconds=round(seconds, 3))

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        level, event = ("info", "credential renewed") if ok else ("warning", "credential renewal failed")
        self._log.repeat(level, event, (self._pipeline, destination), pipeline=self._pipeline, destination=destination)

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        if self._credentials_valid.get(destination) is valid:
            return
        self._credentials_valid[destination] = valid
        level, event = ("info", "credentials accepted") if valid else ("error", "credentials rejected")
        self._log.write(level, event, pipeline=self._pipeline, destination=destination)

    def secret_problem(self, destination: str, problem: SecretProblem | None) -> None:
        scope = {"pipeline": self._pipeline, "destination": destination}
        if problem is None:
            self._log.write("info", "secret file in use again", **scope)
        else:
            self._log.write("error", "secret file not in use", **scope, reason=problem.value, hint=SECRETS[problem])

    # ── Flood guard ──

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self._log.write(
            "error",
            "flood guard tripped",
            **self._scope(destination, kind, cause),
            refused=refused,
            of=of,
            hint=flood_guard_hint(cause),
        )

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        scope = self._scope(destination, kind, cause)
        self._log.write("info", "flood guard reset", **scope, seconds=round(seconds, 1), by=by)

    def _scope(self, destination: str, kind: str, cause: DeadLetterCause) -> dict[str, str]:
        scope = {"destination": destination, "event_type": kind} if destination else {"topic": kind}
        return {"pipeline": self._pipeline, **scope, "cause": cause.value}

    # ── Dead letters ──

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        if self._dead_letters_fail:
            self._dead_letters_fail = False
            self._log.write("info", "dead letters are written again", pipeline=self._pipeline)
        self._log.repeat(
            "warning",
            "dead letters written",
            (self._pipeline, destination, cause),
            pipeline=self._pipeline,
            destination=destination or None,
            cause=cause.value,
            count=count,
        )

    def dead_letter_failed(self, code: str) -> None:
        self._dead_letters_fail = True
        kind, hint = (self._pipeline, code), DEAD_LETTERS.get(code)
        self._log.repeat("error", "dead letter write failed", kind, pipeline=self._pipeline, code=code, hint=hint)

    # ── Shutdown ──

    def shutdown_started(self) -> None:
        self._log.write("info", "shutdown started", pipeline=self._pipeline)

    def shutdown_finished(self, released: int) -> None:
        self._log.write("info", "pipeline stopped", pipeline=self._pipeline, released=released)

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
    by_topic: dict[str, list[int]] = {}
    for topic, index in sorted(partitions):
        by_topic.setdefault(topic, []).append(index)
    return by_topic
