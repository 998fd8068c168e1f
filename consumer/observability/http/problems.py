"""What a person must look at: one sentence for each thing that is not as it should be."""

from __future__ import annotations

from collections.abc import Iterable

from consumer.model import SecretProblem
from consumer.model.status import FloodGuardStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import Moment
from consumer.observability.metrics.labels import NONE

_SCHEMA_TROUBLES = {
    "unreachable": ": the registry gives no usable answer",
    "refused": ": the registry refuses our credentials",
}

_SECRETS = {
    SecretProblem.UNREADABLE: "the disk with its secrets does not answer; requests use the secret that was read before",
    SecretProblem.REJECTED: "the secret in its files is rejected; requests use the last accepted secret",
}


def problems(
    answers: Iterable[PipelineStatus], silent: Iterable[str], moment: Moment, told: DirectivesObserver | None = None
) -> list[str]:
    """Return a sentence for everything that somebody must look at; the probes' checks have their own."""
    said = [sentence for facts in answers for sentence in problems_of(facts, moment)]
    said += [f"{name}: does not answer; please report" for name in silent]
    findings = told.findings if told is not None else ()
    meanwhile = (
        "nothing is sent before it is mended or removed"
        if told is not None and told.unread
        else "what it said before stays in force"
    )
    return [
        *said,
        *(f"the directives file is refused, {meanwhile}: {each}" for each in findings),
    ]


def problems_of(facts: PipelineStatus, moment: Moment) -> Iterable[str]:
    """Say what is wrong with a pipeline."""
    for sentences in (_kafka(facts, moment), _destinations(facts, moment), _books(facts)):
        yield from (f"{facts.name}: {sentence}" for sentence in sentences)


def _kafka(facts: PipelineStatus, moment: Moment) -> Iterable[str]:
    for partition, stop in sorted(facts.stopped.items()):
        where = f"{partition.topic}/{partition.index} stopped before offset {stop.offset}"
        yield f"{where}, for {age(stop.since_ms, moment)} now ({stop.code}); somebody must accept the gap"
    if facts.fenced:
        yield "no commit was accepted for half a session: calls wait for one"
    if facts.dead_letters.stalled_reason is not None:
        yield f"dead letters cannot be written ({facts.dead_letters.stalled_reason}); commits wait for them"
    for topic in facts.missing_topics:
        yield f"topic {topic} is missing"
    for key, since_ms in facts.schemas_pending.items():
        why = _SCHEMA_TROUBLES.get(facts.schema_problems.get(key, ""), "")
        yield f"records wait for schema {key}, for {age(since_ms, moment)} now{why}"
    yield from (_guarded(guard, moment) for guard in facts.guards)


def _destinations(facts: PipelineStatus, moment: Moment) -> Iterable[str]:
    for to in facts.destinations:
        for hold in to.holds:
            since = age(hold.since_ms, moment)
            yield f"{to.name} {hold.endpoint} is held, for {since} now ({hold.cause.value})"
        if to.secret_problem is not None:
            yield f"{to.name}: {_SECRETS[to.secret_problem]}"
        yield from (f"{to.name}, {_guarded(guard, moment)}" for guard in to.guards)


def _books(facts: PipelineStatus) -> Iterable[str]:
    for name, books in {**{to.name: to.accounting for to in facts.destinations}, **facts.other_accounts}.items():
        if books.mismatch:
            yield f"accounting mismatch of {books.mismatch} for {name or NONE}; please report"
    if facts.records.mismatch:
        yield f"accounting mismatch of {facts.records.mismatch} for records; please report"


def _guarded(guard: FloodGuardStatus, moment: Moment) -> str:
    of = f"{guard.kind}: {guard.refused} of {guard.of} refused ({guard.cause.value})"
    return f"{of}, so {guard.waiting} wait and are not dead-lettered, for {age(guard.since_ms, moment)} now"


def age(since_ms: int | None, moment: Moment) -> str:
    """Return how long ago an instant is, in epoch milliseconds."""
    return "–" if since_ms is None else duration(max(0.0, (moment.wall_ms - since_ms) / 1000))


def duration(seconds: float) -> str:
    """Return so many seconds in a unit that suits them."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
