"""One pipeline's observer that counts: by lot and by call, on series made beforehand."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.model.observer

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
    LabelledSeries,
    addressee,
    codes,
    preinitialize,
    status_class,
    status_code,
    topics,
)

_RESULTS = ("found", "unknown", "unreachable", "refused")
_OPERATIONS = ("by_id", "by_guid")
_UNSAID = (
    DeadLetterCause.UNMAPPABLE,
    DeadLetterCause.CONTRACT,
    DeadLetterCause.TOO_LARGE,
    DeadLetterCause.REPEATED_ELEMENT,
)
_CLASSES = ("2xx", "4xx", "429", "5xx", "error")
_SOURCES = ("local", "server")
_ENDS = ("success", "failure")
_DECODE_CAUSES = [cause for cause in DeadLetterCause if cause.is_decoding]
_GUARDED_CAUSES = [each for each in DeadLetterCause if not (each.is_decoding or each.exempt_from_flood_guard)]
"""Causes that can trip a destination's flood guard."""


class MetricsObserver(Observer):
    """Counts one pipeline: the records on their way in, and the deliveries on their way out."""

    def __init__(
        self,
        counters: Counters,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
        subscribed: Sequence[str],
    ) -> None:
        known = tuple(topic for topic in subscribed if not topic.startswith("^"))
        self._topic = topics(known)
        self._event = LabelAllowlist(event_types)
        self._code = codes()
        self._stop = codes()
        self._result = LabelAllowlist(_RESULTS)
        self._destination = LabelAllowlist(destinations)
        self._source = LabelAllowlist(_SOURCES)
        self._endpoints = {name: LabelAllowlist(endpoints) for name, endpoints in destinations.items()}
        self._begin_records(counters, pipeline, known, (*event_types, OTHER))
        self._begin_deliveries(counters, pipeline, (*event_types, OTHER))

    def _begin_records(self, f: Counters, pipeline: str, known: Sequence[str], events: Sequence[str]) -> None:
        """Make every known series now: `rate()` misses the first failure of a series that begins with it."""
        self._records = LabelledSeries(f.records, pipeline)
        self._record_bytes = LabelledSeries(f.record_bytes, pipeline)
        self._rebalances = LabelledSeries(f.rebalances, pipeline)
        self._rebalance_s = LabelledSeries(f.rebalance_s, pipeline)
        self._commits = LabelledSeries(f.commits, pipeline)
        self._commit_s = f.commit_s.labels(pipeline)
        self._last_commit = LabelledSeries(f.last_commit, pipeline)
        self._client_errors = LabelledSeries(f.client_errors, pipeline)
        self._poll_s = f.poll_s.labels(pipeline)
        self._fences = f.fences.labels(pipeline)
        self._stops = LabelledSeries(f.stops, pipeline)
        self._gaps = LabelledSeries(f.gaps, pipeline)
        self._decoded = LabelledSeries(f.decoded, pipeline)
        self._decode_failures = LabelledSeries(f.decode_failures, pipeline)
        self._translated = LabelledSeries(f.translated, pipeline)
        self._translation_failures = LabelledSeries(f.translation_failures, pipeline)
        self._skipped = LabelledSeries(f.skipped, pipeline)
        self._registry_requests = LabelledSeries(f.registry_requests, pipeline)
        self._registry_s = LabelledSeries(f.registry_s, pipeline)
        preinitialize((self._records, self._record_bytes, self._gaps), known)
        preinitialize((self._decode_failures,), known, _DECODE_CAUSES)
        preinitialize((self._rebalances,), ("assign", "revoke", "lost"))
        preinitialize((self._rebalance_s,), ("revoke", "lost"))
        preinitialize((self._commits,), ("success", "failure"))
        preinitialize((self._stops,), ("_AUTO_OFFSET_RESET",))
        preinitialize((self._registry_requests,), _OPERATIONS, _RESULTS)
        preinitialize((self._registry_s,), _OPERATIONS)
        preinitialize((self._decoded,), events)
        preinitialize((self._skipped,), (*self._destination.known, NONE), SkipReason)
        preinitialize((self._translation_failures,), self._destination.known, events, _UNSAID)
        preinitialize((self._translated,), self._destination.known, events)

    def _begin_deliveries(self, f: Counters, pipeline: str, events: Sequence[str]) -> None:
        """Make every known series now: `rate()` misses the first failure of a series that begins with it."""
        self._retries = LabelledSeries(f.retries, pipeline)
        self._partial_failures = LabelledSeries(f.partial_failures, pipeline)
        self._splits = LabelledSeries(f.splits, pipeline)
        self._isolated = LabelledSeries(f.isolated, pipeline)
        self._refused = LabelledSeries(f.refused, pipeline)
        self._event_s = LabelledSeries(f.event_s, pipeline)
        self._append_s = LabelledSeries(f.append_s, pipeline)
        self._call_s = LabelledSeries(f.call_s, pipeline)
        self._responses = LabelledSeries(f.responses, pipeline)
        self._call_events = LabelledSeries(f.call_events, pipeline)
        self._call_bytes = LabelledSeries(f.call_bytes, pipeline)
        self._waited_s = LabelledSeries(f.waited_s, pipeline)
        self._holds = LabelledSeries(f.holds, pipeline)
        self._held_s = LabelledSeries(f.held_s, pipeline)
        self._credentials_valid = LabelledSeries(f.credentials_valid, pipeline)
        self._auth_failures = LabelledSeries(f.auth_failures, pipeline)
        self._renewals = LabelledSeries(f.renewals, pipeline)
        self._trips = LabelledSeries(f.trips, pipeline)
        self._tripped_s = LabelledSeries(f.tripped_s, pipeline)
        self._dead_letters = LabelledSeries(f.dead_letters, pipeline)
        self._dead_letter_failures = f.dead_letter_failures.labels(pipeline)
        names = self._destination.known
        preinitialize((self._dead_letters, self._trips), (NONE,), _DECODE_CAUSES)
        preinitialize((self._dead_letters,), names, DeadLetterCause)
        preinitialize((self._trips,), names, _GUARDED_CAUSES)
        preinitialize((self._tripped_s,), (*names, NONE))
        preinitialize((self._splits, self._isolated, self._partial_failures, self._held_s, self._auth_failures), names)
        preinitialize((self._event_s, self._append_s, self._call_events, self._call_bytes), names)
        preinitialize((self._retries,), names, TransientCause)
        preinitialize((self._holds,), names, (*TransientCause, OTHER))
        preinitialize((self._waited_s,), names, _SOURCES)
        preinitialize((self._renewals,), names, _ENDS)
        preinitialize((self._refused,), names, events)
        for name, endpoints in self._endpoints.items():
            preinitialize((self._call_s,), (name,), endpoints.known, _CLASSES)

    # ── Kafka ──

    def partitions_assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._rebalances("assign").inc()

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        event = "lost" if lost else "revoke"
        self._rebalances(event).inc()
        self._rebalance_s(event).add(seconds)

    def records_consumed(self, topic: str, records: int, size: int) -> None:
        label = self._topic(topic)
        self._records(label).inc(records)
        self._record_bytes(label).inc(size)

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self._commits("success").inc()
        self._commit_s.add(seconds)
        self._last_commit().set(time.time())

    def commit_failed(self, code: str, seconds: float) -> None:
        self._commits("failure").inc()
        self._commit_s.add(seconds)

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        self._client_errors(self._code(code), "true" if fatal else "false").inc()

    def poll_ticked(self, interval_s: float) -> None:
        self._poll_s.add(interval_s)

    def fence_closed(self) -> None:
        self._fences.inc()

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        self._stops(self._stop(code)).inc()

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self._gaps(self._topic(partition.topic)).inc()

    # ── Translation ──

    def events_decoded(self, events: Mapping[str, int]) -> None:
        for event, count in events.items():
            self._decoded(self._event(event)).inc(count)

    def events_translated(self, destination: str, events: Mapping[str, int]) -> None:
        label = self._destination(destination)
        for event, count in events.items():
            self._translated(label, self._event(event)).inc(count)

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        for (destination, _, reason), count in counts.items():
            self._skipped(addressee(self._destination, destination), reason).inc(count)

    def translation_failed(
        self, topic: str, destination: str, event_type: str, cause: DeadLetterCause, count: int
    ) -> None:
        if destination:
            self._translation_failures(self._destination(destination), self._event(event_type), cause).inc(count)
        else:
            self._decode_failures(self._topic(topic), cause).inc(count)

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        operation = "by_id" if isinstance(key, int) else "by_guid"
        self._registry_requests(operation, self._result(result)).inc()
        self._registry_s(operation).add(seconds)

    # ── Calls ──

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        label = self._destination(destination)
        lid = self._endpoints.get(destination)
        address = lid(endpoint) if lid is not None else OTHER
        self._call_s(label, address, status_class(status)).add(seconds)
        self._responses(label, address, status_code(status)).inc()
        self._call_events(label).add(events)
        self._call_bytes(label).add(size)
        if status in {401, 403}:
            self._auth_failures(label).inc()

    def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:
        label = self._destination(destination)
        self._append_s(label).add_all(append_s)
        self._event_s(label).add_all(event_s)

    def refused(self, destination: str, event_type: str, fault: Fault) -> None:
        self._refused(self._destination(destination), self._event(event_type)).inc()

    def partial_failure(self, destination: str, events: int, refused: int) -> None:
        self._partial_failures(self._destination(destination)).inc()

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._retries(self._destination(destination), _trouble(fault)).inc()

    def batch_split(self, destination: str, events: int) -> None:
        self._splits(self._destination(destination)).inc()

    def batch_isolated(self, destination: str, events: int) -> None:
        self._isolated(self._destination(destination)).inc()

    def hold_started(self, destination: str, endpoint: str, fault: Fault) -> None:
        self._holds(self._destination(destination), _trouble(fault)).inc()

    def hold_ended(self, destination: str, endpoint: str, seconds: float) -> None:
        if seconds > 0:
            self._held_s(self._destination(destination)).inc(seconds)

    def request_delayed(self, destination: str, source: str, seconds: float) -> None:
        if seconds > 0:
            self._waited_s(self._destination(destination), self._source(source)).inc(seconds)

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        self._renewals(self._destination(destination), "success" if ok else "failure").inc()

    def credentials_checked(self, destination: str, *, valid: bool) -> None:
        self._credentials_valid(self._destination(destination)).set(valid)

    # ── Flood guard ──

    def flood_guard_tripped(self, destination: str, kind: str, cause: DeadLetterCause, refused: int, of: int) -> None:
        self._trips(addressee(self._destination, destination), cause).inc()

    def flood_guard_reset(self, destination: str, kind: str, cause: DeadLetterCause, seconds: float, by: str) -> None:
        if seconds > 0:
            self._tripped_s(addressee(self._destination, destination)).inc(seconds)

    # ── Dead letters ──

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        self._dead_letters(addressee(self._destination, destination), cause).inc(count)

    def dead_letter_failed(self, code: str) -> None:
        self._dead_letter_failures.inc()


def _trouble(fault: Fault) -> str:
    """Keep the two closed lists apart: a cause of dead letters is no reason to wait (a flood guard's hold has one)."""
    return fault.cause if isinstance(fault.cause, TransientCause) else OTHER
