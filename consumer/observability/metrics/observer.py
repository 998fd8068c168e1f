"""One pipeline's observer that counts records on their way in: by lot, on series made beforehand."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.model.observer

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence

from consumer.model import Cause, Partition, Skip
from consumer.model.delivery_columns import SchemaKey
from consumer.model.observer import Observer
from consumer.observability.metrics.counters import RecordFamilies
from consumer.observability.metrics.labels import NONE, OTHER, Children, Lid, addressee, begin, codes, topics

_RESULTS = ("found", "unknown", "unreachable", "refused")
_OPERATIONS = ("by_id", "by_guid")
_UNSAID = (Cause.UNMAPPABLE, Cause.CONTRACT, Cause.TOO_LARGE, Cause.REPEATED_ELEMENT)
_UNDECODED = (Cause.UNDECODABLE, Cause.UNKNOWN_SCHEMA)


class CountingRecords(Observer):
    """Counts what one pipeline takes from Kafka, and what translation makes of it."""

    def __init__(
        self,
        families: RecordFamilies,
        pipeline: str,
        destinations: Sequence[str],
        event_types: Sequence[str],
        subscribed: Sequence[str],
    ) -> None:
        known = tuple(topic for topic in subscribed if not topic.startswith("^"))
        self._topic = topics(known)
        self._event = Lid(event_types)
        self._code = codes()
        self._stop = codes()
        self._result = Lid(_RESULTS)
        self._destination = Lid(destinations)
        f = families
        self._records = Children(f.records, pipeline)
        self._record_bytes = Children(f.record_bytes, pipeline)
        self._rebalances = Children(f.rebalances, pipeline)
        self._rebalance_s = Children(f.rebalance_s, pipeline)
        self._commits = Children(f.commits, pipeline)
        self._commit_s = f.commit_s.labels(pipeline)
        self._last_commit = Children(f.last_commit, pipeline)
        self._client_errors = Children(f.client_errors, pipeline)
        self._poll_s = f.poll_s.labels(pipeline)
        self._fences = f.fences.labels(pipeline)
        self._stops = Children(f.stops, pipeline)
        self._gaps = Children(f.gaps, pipeline)
        self._decoded = Children(f.decoded, pipeline)
        self._decode_failures = Children(f.decode_failures, pipeline)
        self._translated = Children(f.translated, pipeline)
        self._translation_failures = Children(f.translation_failures, pipeline)
        self._skipped = Children(f.skipped, pipeline)
        self._registry_requests = Children(f.registry_requests, pipeline)
        self._registry_s = Children(f.registry_s, pipeline)
        self._begin_records(known, (*event_types, OTHER))

    def _begin_records(self, known: Sequence[str], events: Sequence[str]) -> None:
        """Make every known series now: `rate()` misses the first failure of a series that begins with it."""
        begin((self._records, self._record_bytes, self._gaps), known)
        begin((self._decode_failures,), known, _UNDECODED)
        begin((self._rebalances,), ("assign", "revoke", "lost"))
        begin((self._rebalance_s,), ("revoke", "lost"))
        begin((self._commits,), ("success", "failure"))
        begin((self._stops,), ("_AUTO_OFFSET_RESET",))
        begin((self._registry_requests,), _OPERATIONS, _RESULTS)
        begin((self._registry_s,), _OPERATIONS)
        begin((self._decoded,), events)
        begin((self._skipped,), (*self._destination.known, NONE), Skip)
        begin((self._translation_failures,), self._destination.known, events, _UNSAID)
        begin((self._translated,), self._destination.known, events)

    # ── Kafka ──

    def assigned(self, partitions: Mapping[Partition, int]) -> None:
        self._rebalances("assign").inc()

    def revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        event = "lost" if lost else "revoke"
        self._rebalances(event).inc()
        self._rebalance_s(event).add(seconds)

    def took(self, topic: str, records: int, size: int) -> None:
        label = self._topic(topic)
        self._records(label).inc(records)
        self._record_bytes(label).inc(size)

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self._commits("success").inc()
        self._commit_s.add(seconds)
        self._last_commit().set(time.time())

    def commit_refused(self, code: str, seconds: float) -> None:
        self._commits("failure").inc()
        self._commit_s.add(seconds)

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        self._client_errors(self._code(code), "true" if fatal else "false").inc()

    def poll_turned(self, interval_s: float) -> None:
        self._poll_s.add(interval_s)

    def fenced(self) -> None:
        self._fences.inc()

    def stopped(self, partition: Partition, offset: int, code: str) -> None:
        self._stops(self._stop(code)).inc()

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self._gaps(self._topic(partition.topic)).inc()

    # ── Translation ──

    def decoded(self, events: Mapping[str, int]) -> None:
        for event, count in events.items():
            self._decoded(self._event(event)).inc(count)

    def translated(self, destination: str, events: Mapping[str, int]) -> None:
        label = self._destination(destination)
        for event, count in events.items():
            self._translated(label, self._event(event)).inc(count)

    def skipped(self, counts: Mapping[tuple[str, str, Skip], int]) -> None:
        for (destination, _, reason), count in counts.items():
            self._skipped(addressee(self._destination, destination), reason).inc(count)

    def faulty(self, topic: str, destination: str, event_type: str, cause: Cause, count: int) -> None:
        if destination:
            self._translation_failures(self._destination(destination), self._event(event_type), cause).inc(count)
        else:
            self._decode_failures(self._topic(topic), cause).inc(count)

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        operation = "by_id" if isinstance(key, int) else "by_guid"
        self._registry_requests(operation, self._result(result)).inc()
        self._registry_s(operation).add(seconds)
