"""How everything stands at one moment: what the screen shows, from the service's facts and the shop's notes."""

from __future__ import annotations

import time
from collections import Counter, deque
from collections.abc import Mapping
from dataclasses import dataclass, field

from consumer.demo.observer import Tally
from consumer.demo.produced_records import ProducedRecords
from consumer.model import DeadLetterCause
from consumer.model.status import DestinationStatus, PipelineStatus
from consumer.observability.status_sources import StatusSources

_RATE_OVER_S = 3.0
_SLOW_PER_S = 100.0
"""A rate up to this is worth telling: calls wait for it."""


@dataclass(frozen=True, slots=True)
class Line:
    """One destination."""

    name: str
    delivered: int
    rate_per_s: float
    in_flight: int
    """Calls on the wire."""
    open: int
    """Deliveries owed and not ended."""
    lag: int
    """Records written and not settled."""
    letters: Counter[DeadLetterCause]
    skipped: int
    state: str
    """What it waits for, if it does."""
    held: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One moment."""

    seconds: float
    """Since business began."""
    made: int
    """Records the shop has written."""
    lines: tuple[Line, ...]
    phase: str
    """What is going on, in a few words."""
    news: tuple[tuple[float, str], ...] = ()


@dataclass(slots=True)
class ProgressReader:
    """Looks at everything, and remembers the last seconds for the rates."""

    sources: StatusSources
    tallies: Mapping[str, Tally]
    notes: ProducedRecords
    news: list[tuple[float, str]]
    began: float = field(default_factory=time.monotonic)
    phase: str = "the shop is open"
    _past: dict[str, deque[tuple[float, int]]] = field(default_factory=dict)

    def look(self) -> Snapshot:
        """Return how everything stands now."""
        now = time.monotonic()
        ends = self.notes.ends()
        lines: list[Line] = []
        for facts in self.sources.all():
            settled = {each.partition: each.committable_offset for each in facts.partitions}
            lag = sum(max(0, end - settled.get(partition, 0)) for partition, end in ends.items())
            lines.extend(self._line(each, facts, lag, now) for each in facts.destinations)
        return Snapshot(now - self.began, self.notes.made, tuple(lines), self.phase, tuple(self.news))

    def _line(self, facts: DestinationStatus, pipeline: PipelineStatus, lag: int, now: float) -> Line:
        tally = self.tallies[pipeline.name]
        past = self._past.setdefault(facts.name, deque([(self.began, 0)]))
        past.append((now, facts.accounting.delivered))
        while now - past[0][0] > _RATE_OVER_S:
            past.popleft()
        seconds = now - past[0][0]
        rate = (facts.accounting.delivered - past[0][1]) / seconds if seconds > 0 else 0.0
        state, held = _state(facts, pipeline, tally, now)
        return Line(
            name=facts.name,
            delivered=facts.accounting.delivered,
            rate_per_s=rate,
            in_flight=facts.requests,
            open=facts.accounting.open,
            lag=0 if pipeline.shut_down else lag,
            letters=tally.causes(),
            skipped=facts.accounting.skipped,
            state=state,
            held=held,
        )


def _state(facts: DestinationStatus, pipeline: PipelineStatus, tally: Tally, now: float) -> tuple[str, bool]:
    if pipeline.shut_down:
        return "stopped", False
    if facts.holds:
        return f"held: {facts.holds[0].cause}", True
    if pipeline.dead_letters.stalled_reason:
        return f"dead letters stalled: {pipeline.dead_letters.stalled_reason}", True
    if tally.trouble is not None and tally.trouble[0] > now:
        return f"waiting: {tally.trouble[1]}", True
    if facts.waiting_until_ms is not None:
        return "waiting, as it was asked", True
    if pipeline.schemas_pending:
        return "waiting for a schema", False
    if not pipeline.partitions:
        return "joining its group", False
    if facts.accounting.open and facts.rate is not None and facts.rate <= _SLOW_PER_S:
        return f"paced: {facts.rate:g} calls/s", False
    return "delivering" if facts.accounting.open else "idle", False
