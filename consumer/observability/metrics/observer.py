"""The observer that counts one pipeline, by batch and by request, on series created beforehand."""
# ruff: noqa: ARG002, D102  methods and arguments are documented in consumer.model.observer

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from consumer.model import DeadLetterCause, Fault, Partition, SkipReason, TransientCause
from consumer.model.observer import Observer
from consumer.model.translated_batch import SchemaKey
from consumer.observability.metrics.declarations import Counters
from consumer.observability.metrics.labels import (
    NONE,
    OTHER,
    LabelAllowlist,
    codes,
    destination_label,
    preinitialize,
    status_class,
    status_code,
    topics,
)

_RESULTS = ("found", "unknown", "unreachable", "refused", "schema_needs_decryption")
_OPERATIONS = ("by_id", "by_guid")
_TRANSLATION_CAUSES = (
    DeadLetterCause.UNMAPPABLE,
    DeadLetterCause.CONTRACT,
    DeadLetterCause.TOO_LARGE,
    DeadLetterCause.REPEATED_ELEMENT,
)
_CLASSES = ("2xx", "4xx", "429", "5xx", "error")
_SOURCES = ("local", "server")
_OUTCOMES = ("success", "failure")
_DECODE_CAUSES = [cause for cause in DeadLetterCause if cause.is_decoding]
_GUARDED_CAUSES = [each for each in DeadLetterCause if not (each.is_decoding or each.exempt_from_flood_guard)]
"""Causes that can trip a destination's flood guard."""


class MetricsObserver(Observer):
    """Counts one pipeline: its records, and its deliveries.

    Args:
        counters: the metric families of the process.
        pipeline: the pipeline's name.
        destinations: by destination name, the names of its endpoints.
        event_types: full names of the configured event types; any other is counted as `other`.
        subscribed: subscribed topics and `^expressions`.
    """

    def __init__(
        self,
        counters: Counters,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
        subscribed: Sequence[str],
    ) -> None:
        self._counters = counters
        self._pipeline = pipeline
        self._topic = topics(subscribed)
        self._event = LabelAllowlist(event_types)
        self._error_code = codes()
        self._stop_code = codes()
        self._result = LabelAllowlist(_RESULTS)
        self._destination = LabelAllowlist(destinations)
        self._source = LabelAllowlist(_SOURCES)
        self._endpoints = {name: LabelAllowlist(endpoints) for name, endpoints in destinations.items()}
        self._preinitialize_records((*event_types, OTHER))
        self._preinitialize_deliveries((*event_types, OTHER))

    def _preinitialize_records(self, events: Sequence[str]) -> None:
        c, pipeline, topics, names = self._counters, (self._pipeline,), self._topic.known, self._destination.known
        preinitialize((c.commit_s, c.poll_s, c.fences), pipeline)
        preinitialize((c.records, c.record_bytes, c.gaps), pipeline, topics)
        preinitialize((c.decode_failures,), pipeline, topics, _DECODE_CAUSES)
        preinitialize((c.rebalances,), pipeline, ("assign", "revoke", "lost"))
        preinitialize((c.rebalance_s,), pipeline, ("revoke", "lost"))
        preinitialize((c.commits,), pipeline, _OUTCOMES)
        preinitialize((c.stops,), pipeline, ("_AUTO_OFFSET_RESET",))
        preinitialize((c.registry_requests,), pipeline, _OPERATIONS, _RESULTS)
        preinitialize((c.registry_s,), pipeline, _OPERATIONS)
        preinitialize((c.decoded,), pipeline, events)
        preinitialize((c.skipped,), pipeline, (*names, NONE), SkipReason)
        preinitialize((c.translation_failures,), pipeline, names, events, _TRANSLATION_CAUSES)
        preinitialize((c.translated,), pipeline, names, events)

    def _preinitialize_deliveries(self, events: Sequence[str]) -> None:
        c, pipeline, names = self._counters, (self._pipeline,), self._destination.known
        preinitialize((c.dead_letter_failures,), pipeline)
        preinitialize((c.dead_letters, c.trips), pipeline, (NONE,), _DECODE_CAUSES)
        preinitialize((c.dead_letters,), pipeline, names, DeadLetterCause)
        preinitialize((c.trips,), pipeline, names, _GUARDED_CAUSES)
        preinitialize((c.tripped_s,), pipeline, (*names, NONE))
        preinitialize((c.splits, c.isolated, c.partial_failures, c.held_s, c.auth_failures), pipeline, names)
        preinitialize((c.event_s, c.append_s, c.request_events, c.request_bytes), pipeline, names)
        preinitialize((c.retries,), pipeline, names, TransientCause)
        preinitialize((c.holds,), pipeline, names, (*TransientCause, OTHER))
        preinitialize((c.waited_s,), pipeline, names, _SOURCES)
        preinitialize((c.renewals,), pipeline, names, _OUTCOMES)
        preinitialize((c.refused,), pipeline, names, events)
        for name, endpoints in self._endpoints.items():
            preinitialize((c.request_s,), pipeline, (name,), endpoints.known, _CLASSES)

    # ── Kafka ──

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._counters.rebalances(self._pipeline, "assign").inc()

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        event = "lost" if lost else "revoke"
        self._counters.rebalances(self._pipeline, event).inc()
        self._counters.rebalance_s(self._pipeline, event).add(seconds)

    def records_consumed(self, topic: str, records: int, size: int) -> None:
        label = self._topic(topic)
        self._counters.records(self._pipeline, label).inc(records)
        self._counters.record_bytes(self._pipeline, label).inc(size)

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self._counters.commits(self._pipeline, "success").inc()
        self._counters.commit_s(self._pipeline).add(seconds)
        self._counters.last_commit(self._pipeline).set(time.time())

    def commit_failed(self, code: str, seconds: float) -> None:
        self._counters.commits(self._pipeline, "failure").inc()
        self._counters.commit_s(self._pipeline).add(seconds)

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        self._counters.client_errors(self._pipeline, self._error_code(code), "true" if fatal else "false").inc()

    def poll_ticked(self, interval_s: float) -> None:
        self._counters.poll_s(self._pipeline).add(interval_s)

    def fence_closed(self) -> None:
        self._counters.fences(self._pipeline).inc()

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        self._counters.stops(self._pipeline, self._stop_code(code)).inc()

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self._counters.gaps(self._pipeline, self._topic(partition.topic)).inc()

    # ── Translation ──

    def events_decoded(self, events: Mapping[str, int]) -> None:
        for event, count in events.items():
            self._counters.decoded(self._pipeline, self._event(event)).inc(count)

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        label = self._destination(destination)
        for event, count in events.items():
            self._counters.translated(self._pipeline, label, self._event(event)).inc(count)

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        for (destination, _, reason), count in counts.items():
            self._counters.skipped(self._pipeline, destination_label(self._destination, destination), reason).inc(count)

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        if destination:
            self._counters.translation_failures(
                self._pipeline, self._destination(destination), self._event(event_type), cause
            ).inc(count)
        else:
            self._counters.decode_failures(self._pipeline, self._topic(topic), cause).inc(count)

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        operation = "by_id" if isinstance(key, int) else "by_guid"
        self._counters.registry_requests(self._pipeline, operation, self._result(result)).inc()
        self._counters.registry_s(self._pipeline, operation).add(seconds)

    # ── Requests ──

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        label = self._destination(destination)
        endpoints = self._endpoints.get(destination)
        endpoint_label = endpoints(endpoint) if endpoints is not None else OTHER
        self._counters.request_s(self._pipeline, label, endpoint_label, status_class(status)).add(seconds)
        self._counters.responses(self._pipeline, label, endpoint_label, status_code(status)).inc()
        self._counters.request_events(self._pipeline, label).add(events)
        self._counters.request_bytes(self._pipeline, label).add(size)
        if status in {401, 403}:
            self._counters.auth_failures(self._pipeline, label).inc()

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        label = self._destination(destination)
        self._counters.append_s(self._pipeline, label).add_all(append_s)
        self._counters.event_s(self._pipeline, label).add_all(event_s)

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        self._counters.refused(self._pipeline, self._destination(destination), self._event(event_type)).inc()

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        self._counters.partial_failures(self._pipeline, self._destination(destination)).inc()

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._counters.retries(self._pipeline, self._destination(destination), _transient_cause(fault)).inc()

    def batch_split(self, destination: str, events: int) -> None:
        self._counters.splits(self._pipeline, self._destination(destination)).inc()

    def batch_isolated(self, destination: str, events: int) -> None:
        self._counters.isolated(self._pipeline, self._destination(destination)).inc()

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self._counters.holds(self._pipeline, self._destination(destination), _transient_cause(fault)).inc()

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        if seconds > 0:
            self._counters.held_s(self._pipeline, self._destination(destination)).inc(seconds)

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        if seconds > 0:
            self._counters.waited_s(self._pipeline, self._destination(destination), self._source(source)).inc(seconds)

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        self._counters.renewals(self._pipeline, self._destination(destination), "success" if ok else "failure").inc()

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        self._counters.credentials_valid(self._pipeline, self._destination(destination)).set(valid)

    # ── Flood guard ──

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self._counters.trips(self._pipeline, destination_label(self._destination, destination), cause).inc()

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        if seconds > 0:
            self._counters.tripped_s(self._pipeline, destination_label(self._destination, destination)).inc(seconds)

    # ── Dead letters ──

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        self._counters.dead_letters(self._pipeline, destination_label(self._destination, destination), cause).inc(count)

    def dead_letter_failed(self, code: str) -> None:
        self._counters.dead_letter_failures(self._pipeline).inc()


def _transient_cause(fault: Fault) -> str:
    """Return the cause as a label: `other` for a dead-letter cause, which a flood guard's hold can have."""
    return fault.cause if isinstance(fault.cause, TransientCause) else OTHER
