"""The probes: liveness fails on what a restart fixes, readiness on what must stop a rollout, and nothing else.

A hold, an outage, lag or credentials rejected *later on* make no member unready. All members would become unready at
once, no traffic would be spared, and the disruption budget would then prevent nodes from being drained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from consumer.model.status import PipelineStatus


@dataclass(frozen=True, slots=True)
class Moment:
    """One instant on both clocks."""

    wall_ms: int
    monotonic_s: float

    @classmethod
    def now(cls) -> Moment:
        """Read the clocks."""
        return cls(time.time_ns() // 1_000_000, time.monotonic())


@dataclass(frozen=True, slots=True)
class HealthThresholds:
    """How long each condition may last before a check fails, in seconds."""

    poll_s: float | None = None
    """Between ticks of the poll thread; `None` = a minute, or half of max.poll.interval if that is longer."""
    loop_s: float = 60.0
    """Between ticks of the loop while records are open."""
    out_of_group_s: float = 300.0
    """Out of the group without having left it."""


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check. `age_s` is the age of what `reason` reports, `None` where it has none."""

    name: str
    pipeline: str
    ok: bool
    reason: str
    age_s: float | None = None


Probe = Callable[[Sequence[PipelineStatus], Moment, HealthThresholds], list[Check]]


def live(pipelines: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:
    """Check what a restart would fix: a poll thread or loop that hangs, a client after a fatal error."""
    return [check for status in pipelines for check in _live(status, moment, limits)]


def ready(pipelines: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:
    """Check what a rollout must wait for: joined, in the group, not shutting down, credentials not rejected."""
    return _or_not_started(check for status in pipelines for check in _ready(status, moment, limits))


def startup(pipelines: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:  # noqa: ARG001  a probe
    """Check that poll thread and loop have ticked once. A restart would not help if brokers or registry are down."""
    return _or_not_started(check for status in pipelines for check in _startup(status, moment))


def _or_not_started(checks: Iterable[Check]) -> list[Check]:
    return list(checks) or [Check("pipeline_started", "", ok=False, reason="no pipeline has started yet")]


def _live(status: PipelineStatus, moment: Moment, limits: HealthThresholds) -> Iterable[Check]:
    poll_s = limits.poll_s if limits.poll_s is not None else max(60.0, status.max_poll_interval_s / 2)
    yield _ticking("poll_ticking", status, status.poll_ticked_at_s, moment, poll_s)
    if status.records.open > 0:
        yield _ticking("loop_ticking", status, status.loop_ticked_at_s, moment, limits.loop_s)
    else:
        yield Check(
            "loop_ticking", status.name, ok=True, reason="no open records", age_s=_age(status.loop_ticked_at_s, moment)
        )
    if status.fatal is None:
        yield Check("client_alive", status.name, ok=True, reason="no fatal error")
    else:
        yield Check("client_alive", status.name, ok=False, reason=f"fatal error of the Kafka client: {status.fatal}")


def _ticking(name: str, status: PipelineStatus, at_s: float | None, moment: Moment, limit_s: float) -> Check:
    age = _age(at_s, moment)
    if status.shut_down:
        return Check(name, status.name, ok=True, reason="the pipeline is shut down", age_s=age)
    if age is None:
        return Check(name, status.name, ok=True, reason="no tick yet")
    if age > limit_s:
        return Check(name, status.name, ok=False, reason=f"no tick for more than {limit_s:g} s", age_s=age)
    return Check(name, status.name, ok=True, reason="ticking", age_s=age)


def _ready(status: PipelineStatus, moment: Moment, limits: HealthThresholds) -> Iterable[Check]:
    joined = "joined the group" if status.joined else "has not joined the group yet"
    yield Check("joined", status.name, ok=status.joined, reason=joined)
    out_s = None if status.lost_since_ms is None else max(0.0, (moment.wall_ms - status.lost_since_ms) / 1000)
    if out_s is None:
        yield Check("in_group", status.name, ok=True, reason="not removed from the group")
    else:
        over = out_s > limits.out_of_group_s
        reason = f"removed from the group and not back; fails after {limits.out_of_group_s:g} s"
        yield Check("in_group", status.name, ok=not over, reason=reason, age_s=out_s)
    rejected = [d.name for d in status.destinations if d.credentials_valid is False and not d.credentials_proven]
    if rejected:
        reason = f"credentials rejected, and never accepted since the start: {', '.join(rejected)}"
        yield Check("credentials_accepted", status.name, ok=False, reason=reason)
    else:
        yield Check("credentials_accepted", status.name, ok=True, reason="accepted since the start, or not checked yet")
    leaving = status.shutting_down or status.shut_down
    yield Check("staying", status.name, ok=not leaving, reason="shutting down" if leaving else "not shutting down")


def _startup(status: PipelineStatus, moment: Moment) -> Iterable[Check]:
    for name, at_s in (("poll_started", status.poll_ticked_at_s), ("loop_started", status.loop_ticked_at_s)):
        started = at_s is not None
        reason = "has ticked" if started else "has not ticked yet"
        yield Check(name, status.name, ok=started, reason=reason, age_s=_age(at_s, moment))


def _age(at_s: float | None, moment: Moment) -> float | None:
    return None if at_s is None else max(0.0, moment.monotonic_s - at_s)
