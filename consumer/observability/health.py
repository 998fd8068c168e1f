"""What each probe asks: liveness what a restart cures, readiness what paces a rollout, and nothing else.

A hold, an outage, lag or a rejected key *later on* makes nothing unready: all members would turn at once, no traffic
would be spared, and the disruption budget would then keep nodes from being drained.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from consumer.model.status import PipelineStatus


@dataclass(frozen=True, slots=True)
class Moment:
    """Now, on both clocks."""

    wall_ms: int
    monotonic_s: float

    @classmethod
    def now(cls) -> Moment:
        """Read the clocks."""
        return cls(time.time_ns() // 1_000_000, time.monotonic())


@dataclass(frozen=True, slots=True)
class HealthThresholds:
    """How long something may stand still before a probe says so, in seconds."""

    poll_s: float | None = None
    """Between turns of the poll thread; `None` = a minute, or half of max.poll.interval if that is longer."""
    loop_s: float = 60.0
    """Between turns of the loop while it holds work."""
    out_of_group_s: float = 300.0
    """Out of the group without having left."""


@dataclass(frozen=True, slots=True)
class Check:
    """One answer: `reason` says what was seen, `age_s` how old it is (`None` where it has no age)."""

    name: str
    pipeline: str
    ok: bool
    reason: str
    age_s: float | None = None


Probe = Callable[[Sequence[PipelineStatus], Moment, HealthThresholds], list[Check]]


def live(all_facts: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:
    """Return what a restart would cure: a poll thread or loop that stands still, a client that is dead."""
    return [check for facts in all_facts for check in _live(facts, moment, limits)]


def ready(all_facts: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:
    """Return what a rollout must wait for: joined, in the group, staying, keys not rejected from the start."""
    return _some(check for facts in all_facts for check in _ready(facts, moment, limits))


def startup(all_facts: Sequence[PipelineStatus], moment: Moment, limits: HealthThresholds) -> list[Check]:  # noqa: ARG001  a probe
    """Return whether both worlds have turned once. Brokers and registry may be down: a restart would not raise them."""
    return _some(check for facts in all_facts for check in _startup(facts, moment))


def _some(checks: Iterable[Check]) -> list[Check]:
    return list(checks) or [Check("pipeline_started", "", ok=False, reason="no pipeline has started yet")]


def _live(facts: PipelineStatus, moment: Moment, limits: HealthThresholds) -> Iterable[Check]:
    poll_s = limits.poll_s if limits.poll_s is not None else max(60.0, facts.max_poll_interval_s / 2)
    yield _ticking("poll_ticking", facts, facts.poll_ticked_at_s, moment, poll_s)
    if facts.records.open > 0:
        yield _ticking("loop_ticking", facts, facts.loop_ticked_at_s, moment, limits.loop_s)
    else:
        yield Check(
            "loop_ticking", facts.name, ok=True, reason="nothing is open", age_s=_age(facts.loop_ticked_at_s, moment)
        )
    if facts.fatal is None:
        yield Check("client_alive", facts.name, ok=True, reason="no fatal error")
    else:
        yield Check("client_alive", facts.name, ok=False, reason=f"the Kafka client is dead after {facts.fatal}")


def _ticking(name: str, facts: PipelineStatus, at_s: float | None, moment: Moment, limit_s: float) -> Check:
    age = _age(at_s, moment)
    if facts.shut_down:
        return Check(name, facts.name, ok=True, reason="the pipeline is shut down", age_s=age)
    if age is None:
        return Check(name, facts.name, ok=True, reason="has not begun")
    if age > limit_s:
        return Check(name, facts.name, ok=False, reason=f"no tick for more than {limit_s:g} s", age_s=age)
    return Check(name, facts.name, ok=True, reason="ticking", age_s=age)


def _ready(facts: PipelineStatus, moment: Moment, limits: HealthThresholds) -> Iterable[Check]:
    joined = "joined the group" if facts.joined else "has not joined its group yet"
    yield Check("joined", facts.name, ok=facts.joined, reason=joined)
    out_s = None if facts.lost_since_ms is None else max(0.0, (moment.wall_ms - facts.lost_since_ms) / 1000)
    if out_s is None:
        yield Check("in_group", facts.name, ok=True, reason="not put out of the group")
    else:
        over = out_s > limits.out_of_group_s
        reason = f"out of the group, allowed for {limits.out_of_group_s:g} s"
        yield Check("in_group", facts.name, ok=not over, reason=reason, age_s=out_s)
    rejected = [d.name for d in facts.destinations if d.credentials_valid is False and not d.credentials_proven]
    if rejected:
        reason = f"credentials not accepted since the start: {', '.join(rejected)}"
        yield Check("credentials_accepted", facts.name, ok=False, reason=reason)
    else:
        yield Check("credentials_accepted", facts.name, ok=True, reason="not rejected from the start")
    going = facts.shutting_down or facts.shut_down
    yield Check("staying", facts.name, ok=not going, reason="shutting down" if going else "not shutting down")


def _startup(facts: PipelineStatus, moment: Moment) -> Iterable[Check]:
    for name, at_s in (("poll_started", facts.poll_ticked_at_s), ("loop_started", facts.loop_ticked_at_s)):
        begun = at_s is not None
        reason = "has ticked" if begun else "has not ticked yet"
        yield Check(name, facts.name, ok=begun, reason=reason, age_s=_age(at_s, moment))


def _age(at_s: float | None, moment: Moment) -> float | None:
    return None if at_s is None else max(0.0, moment.monotonic_s - at_s)
