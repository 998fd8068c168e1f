"""Snapshots of the demo's progress for the live view, from the service's status and the produced records."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.demo.observer import CountingObserver
from consumer.demo.produced_records import ProducedRecords
from consumer.model import DeadLetterCause
from consumer.model.status import DestinationStatus, PipelineStatus
from consumer.observability.status_sources import StatusSources

_RATE_OVER_S = 3.0
_SHOWN_RATE_PER_S = 100.0
"""A rate limit up to this is shown as the state, because requests wait for it."""


@dataclass(frozen=True, slots=True)
class DestinationProgress:
    """The progress of one destination."""

    name: str
    delivered: int
    rate_per_s: float
    requests: int
    """Requests in flight."""
    open: int
    """Owed deliveries without an outcome yet."""
    lag: int
    """Records produced and not settled."""
    dead_letters: Counter[DeadLetterCause]
    skipped: int
    state: str
    """What it does, or what it waits for."""
    is_blocked: bool
    """Whether `state` names a problem that stops deliveries."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The progress at one moment."""

    seconds: float
    """Since the start of production."""
    produced: int
    """Records produced so far."""
    destinations: tuple[DestinationProgress, ...]
    phase: str
    """The current phase of the demo, in a few words."""
    messages: tuple[tuple[float, str], ...] = ()
    """Messages about faults, each with its time in seconds."""


@dataclass(slots=True)
class ProgressReader:
    """Takes snapshots, and remembers the last seconds for the rates."""

    sources: StatusSources
    observers: Mapping[str, CountingObserver]
    records: ProducedRecords
    messages: list[tuple[float, str]]
    started: float = field(default_factory=time.monotonic)
    phase: str = "producing events"
    _history: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def read(self) -> Snapshot:
        """Return a snapshot of now."""
        now = time.monotonic()
        ends = self.records.log_ends()
        destinations: list[DestinationProgress] = []
        for pipeline in self.sources.all():
            settled = {each.partition: each.committable_offset for each in pipeline.partitions}
            lag = sum(max(0, end - settled.get(partition, 0)) for partition, end in ends.items())
            destinations.extend(self._destination(each, pipeline, lag, now) for each in pipeline.destinations)
        return Snapshot(
            now - self.started, self.records.produced, tuple(destinations), self.phase, tuple(self.messages)
        )

    def _destination(
        self, status: DestinationStatus, pipeline: PipelineStatus, lag: int, now: float
    ) -> DestinationProgress:
        observer = self.observers[pipeline.name]
        history = self._history.setdefault(status.name, deque([(self.started, 0)]))
        history.append((now, status.accounting.delivered))
        while now - history[0][0] > _RATE_OVER_S:
            history.popleft()
        seconds = now - history[0][0]
        rate = (status.accounting.delivered - history[0][1]) / seconds if seconds > 0 else 0.0
        state, is_blocked = _state(status, pipeline, observer, now)
        return DestinationProgress(
            name=status.name,
            delivered=status.accounting.delivered,
            rate_per_s=rate,
            requests=status.requests,
            open=status.accounting.open,
            lag=0 if pipeline.shut_down else lag,
            dead_letters=observer.dead_letters_by_cause(),
            skipped=status.accounting.skipped,
            state=state,
            is_blocked=is_blocked,
        )


def _state(
    status: DestinationStatus, pipeline: PipelineStatus, observer: CountingObserver, now: float
) -> tuple[str, bool]:
    """Return the state to show, and whether it is a problem that stops deliveries."""
    if pipeline.shut_down:
        return "stopped", False
    if status.holds:
        return f"held: {status.holds[0].cause}", True
    if pipeline.dead_letters.stalled_reason:
        return f"dead letters stalled: {pipeline.dead_letters.stalled_reason}", True
    if observer.next_retry is not None and observer.next_retry[0] > now:
        return f"backing off: {observer.next_retry[1]}", True
    if status.waiting_until_ms is not None:
        return "rate limited by server", True
    if pipeline.schemas_pending:
        return "waiting for a schema", False
    if not pipeline.partitions:
        return "joining the group", False
    if status.accounting.open and status.rate is not None and status.rate <= _SHOWN_RATE_PER_S:
        return f"rate limit: {status.rate:g}/s", False
    return "delivering" if status.accounting.open else "idle", False
