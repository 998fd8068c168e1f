"""One pipeline's observer that counts deliveries on their way out: by call, on series made beforehand."""
# ruff: noqa: ARG002, D102  what a verb means, and what comes with it, stands with the contract in consumer.model.observer

from __future__ import annotations

from collections.abc import Mapping, Sequence

from consumer.model import Cause, Fault, Trouble
from consumer.model.observer import Observer
from consumer.observability.metrics.families_deliveries import DeliveryFamilies
from consumer.observability.metrics.labels import (
    NONE,
    OTHER,
    Children,
    Lid,
    addressee,
    begin,
    status_class,
    status_code,
)

_CLASSES = ("2xx", "4xx", "429", "5xx", "error")
_SOURCES = ("local", "told")
_ENDS = ("success", "failure")
_UNDECODED = (Cause.UNDECODABLE, Cause.UNKNOWN_SCHEMA)
_EXEMPT = frozenset({Cause.OUT_OF_WINDOW, Cause.QUARANTINED, *_UNDECODED})
"""Causes that close no destination's flood guard."""


class CountingDeliveries(Observer):
    """Counts one pipeline's calls, what comes of them, and its dead letters."""

    def __init__(
        self,
        families: DeliveryFamilies,
        pipeline: str,
        destinations: Mapping[str, Sequence[str]],
        event_types: Sequence[str],
    ) -> None:
        self._event = Lid(event_types)
        self._source = Lid(_SOURCES)
        self._destination = Lid(destinations)
        self._endpoints = {name: Lid(endpoints) for name, endpoints in destinations.items()}
        f = families
        self._retries = Children(f.retries, pipeline)
        self._partial_failures = Children(f.partial_failures, pipeline)
        self._splits = Children(f.splits, pipeline)
        self._suspected = Children(f.suspected, pipeline)
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
        self._closures = Children(f.closures, pipeline)
        self._guarded_s = Children(f.guarded_s, pipeline)
        self._dead_letters = Children(f.dead_letters, pipeline)
        self._dead_letter_failures = f.dead_letter_failures.labels(pipeline)
        self._begin_deliveries((*event_types, OTHER))

    def _begin_deliveries(self, events: Sequence[str]) -> None:
        """Make every known series now: `rate()` misses the first failure of a series that begins with it."""
        names = self._destination.known
        begin((self._dead_letters, self._closures), (NONE,), _UNDECODED)
        begin((self._dead_letters,), names, Cause)
        begin((self._closures,), names, (cause for cause in Cause if cause not in _EXEMPT))
        begin((self._guarded_s,), (*names, NONE))
        begin((self._splits, self._suspected, self._partial_failures, self._held_s, self._auth_failures), names)
        begin((self._event_s, self._append_s, self._call_events, self._call_bytes), names)
        begin((self._retries,), names, Trouble)
        begin((self._holds,), names, (*Trouble, OTHER))
        begin((self._waited_s,), names, _SOURCES)
        begin((self._renewals,), names, _ENDS)
        begin((self._refused,), names, events)
        for name, endpoints in self._endpoints.items():
            begin((self._call_s,), (name,), endpoints.known, _CLASSES)

    # ── Calls ──

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

    def suspected(self, destination: str, events: int) -> None:
        self._suspected(self._destination(destination)).inc()

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

    # ── Flood guard ──

    def guard_closed(self, destination: str, kind: str, cause: Cause, refused: int, of: int) -> None:
        self._closures(addressee(self._destination, destination), cause).inc()

    def guard_opened(self, destination: str, kind: str, cause: Cause, seconds: float, by: str) -> None:
        if seconds > 0:
            self._guarded_s(addressee(self._destination, destination)).inc(seconds)

    # ── Dead letters ──

    def shelved(self, destination: str, cause: Cause, count: int) -> None:
        self._dead_letters(addressee(self._destination, destination), cause).inc(count)

    def shelf_failed(self, code: str) -> None:
        self._dead_letter_failures.inc()


def _trouble(fault: Fault) -> str:
    """Keep the two closed lists apart: a cause of dead letters is no reason to wait (a flood guard's hold has one)."""
    return fault.cause if isinstance(fault.cause, Trouble) else OTHER
