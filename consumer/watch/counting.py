"""One pipeline's observer that counts: by lot and by call, on series made beforehand."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.observe

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import product

from consumer.lot import SchemaKey
from consumer.model import Cause, Fault, Partition, Skip, Trouble
from consumer.observe import Observer
from consumer.watch.families import Families
from consumer.watch.labels import NONE, OTHER, Children, Lid, codes, status_class, status_code, topics

_RESULTS = ("found", "unknown", "unreachable", "refused")
_CLASSES = ("2xx", "4xx", "429", "5xx", "error")
_ENDS = ("success", "failure")
_OPERATIONS = ("by_id", "by_guid")
_UNSAID = (Cause.UNMAPPABLE, Cause.CONTRACT, Cause.TOO_LARGE, Cause.REPEATED_ELEMENT)
_UNDECODED = (Cause.UNDECODABLE, Cause.UNKNOWN_SCHEMA)


def _begin(families: Iterable[Callable[..., object]], *axes: Iterable[str]) -> None:
    for family, values in product(families, product(*axes)):
        family(*values)


class Counting(Observer):
    """Counts one pipeline."""

    def __init__(
        self,
        families: Families,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
        subscribed: Sequence[str],
    ) -> None:
        known = tuple(topic for topic in subscribed if not topic.startswith("^"))
        self._topic = topics(known)
        self._event = Lid(event_types)
        self._code = codes()
        self._result = Lid(_RESULTS)
        self._source = Lid(("local", "told"))
        self._destination = Lid(destinations)
        self._endpoints = {name: Lid(endpoints) for name, endpoints in destinations.items()}
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
        self._standstills = f.standstills.labels(pipeline)
        self._decoded = Children(f.decoded, pipeline)
        self._decode_failures = Children(f.decode_failures, pipeline)
        self._translated = Children(f.translated, pipeline)
        self._translation_failures = Children(f.translation_failures, pipeline)
        self._skipped = Children(f.skipped, pipeline)
        self._registry_requests = Children(f.registry_requests, pipeline)
        self._registry_s = Children(f.registry_s, pipeline)
        self._retries = Children(f.retries, pipeline)
        self._partial_failures = Children(f.partial_failures, pipeline)
        self._splits = Children(f.splits, pipeline)
        self._refused = Children(f.refused, pipeline)
        self._event_s = Children(f.event_s, pipeline)
        self._append_s = Children(f.append_s, pipeline)
        self._call_s = Children(f.call_s, pipeline)
        self._responses = Children(f.responses, pipeline)
        self._call_events = Children(f.call_events, pipeline)
        self._call_bytes = Children(f.call_bytes, pipeline)
        self._waited_s = Children(f.waited_s, pipeline)
        self._holds = Children(f.holds, pipeline)
        self._held_s = Children(f.held_s, pipeline)
        self._credentials_valid = Children(f.credentials_valid, pipeline)
        self._auth_failures = Children(f.auth_failures, pipeline)
        self._renewals = Children(f.renewals, pipeline)
        self._dead_letters = Children(f.dead_letters, pipeline)
        self._dead_letter_failures = f.dead_letter_failures.labels(pipeline)
        self._begin_at_nought(known, tuple(event_types))

    def _begin_at_nought(self, known: Sequence[str], event_types: Sequence[str]) -> None:
        """Make every known series now: `rate()` misses the first failure of a series that begins with it."""
        events = (*event_types, OTHER)
        _begin((self._records, self._record_bytes), known)
        _begin((self._decode_failures,), known, _UNDECODED)
        _begin((self._rebalances,), ("assign", "revoke", "lost"))
        _begin((self._rebalance_s,), ("revoke", "lost"))
        _begin((self._commits,), _ENDS)
        _begin((self._registry_requests,), _OPERATIONS, _RESULTS)
        _begin((self._registry_s,), _OPERATIONS)
        _begin((self._decoded,), events)
        _begin((self._dead_letters,), (NONE,), _UNDECODED)
        names = tuple(self._endpoints)
        _begin((self._skipped,), (*names, NONE), Skip)
        _begin((self._splits, self._partial_failures, self._held_s, self._auth_failures), names)
        _begin((self._event_s, self._append_s, self._call_events, self._call_bytes), names)
        _begin((self._dead_letters,), names, Cause)
        _begin((self._translation_failures,), names, events, _UNSAID)
        _begin((self._retries,), names, Trouble)
        _begin((self._holds,), names, (*Trouble, OTHER))
        _begin((self._waited_s,), names, ("local", "told"))
        _begin((self._renewals,), names, _ENDS)
        _begin((self._translated, self._refused), names, events)
        for name, endpoints in self._endpoints.items():
            _begin((self._call_s,), (name,), endpoints.known, _CLASSES)

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
        self._standstills.inc()

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
            self._skipped(self._to(destination), reason).inc(count)

    def faulty(self, topic: str, destination: str, event_type: str, cause: Cause, count: int) -> None:
        if destination:
            self._translation_failures(self._destination(destination), self._event(event_type), cause).inc(count)
        else:
            self._decode_failures(self._topic(topic), cause).inc(count)

    def schema_fetched(self, key: SchemaKey, result: str, seconds: float) -> None:
        operation = "by_id" if isinstance(key, int) else "by_guid"
        self._registry_requests(operation, self._result(result)).inc()
        self._registry_s(operation).add(seconds)

    # ── Delivery ──

    def called(
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

    def listed(self, destination: str, events: int, refused: int) -> None:
        self._partial_failures(self._destination(destination)).inc()

    def deferred(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        self._retries(self._destination(destination), _trouble(fault)).inc()

    def split(self, destination: str, events: int) -> None:
        self._splits(self._destination(destination)).inc()

    def held(self, destination: str, endpoint: str, fault: Fault) -> None:
        self._holds(self._destination(destination), _trouble(fault)).inc()

    def resumed(self, destination: str, endpoint: str, seconds: float) -> None:
        if seconds > 0:
            self._held_s(self._destination(destination)).inc(seconds)

    def throttled(self, destination: str, source: str, seconds: float) -> None:
        if seconds > 0:
            self._waited_s(self._destination(destination), self._source(source)).inc(seconds)

    def credential_renewed(self, destination: str, *, ok: bool) -> None:
        self._renewals(self._destination(destination), "success" if ok else "failure").inc()

    def credentials(self, destination: str, *, valid: bool) -> None:
        self._credentials_valid(self._destination(destination)).set(valid)

    # ── Dead letters ──

    def shelved(self, destination: str, cause: Cause, count: int) -> None:
        self._dead_letters(self._to(destination), cause).inc(count)

    def shelf_failed(self, code: str) -> None:
        self._dead_letter_failures.inc()

    def _to(self, destination: str) -> str:
        return self._destination(destination) if destination else NONE


def _trouble(fault: Fault) -> str:
    """Keep the two closed lists apart: a cause of dead letters is no reason to wait (a flood guard's hold has one)."""
    return fault.cause if isinstance(fault.cause, Trouble) else OTHER
