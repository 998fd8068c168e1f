"""The problems that a person must look at, each in one or two sentences: what is wrong, since when, what to do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from consumer.model import SecretProblem
from consumer.model.status import CLOCK, FloodGuardStatus, HoldStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import Moment
from consumer.observability.log.hints import HELD, SECRETS, flood_guard_hint
from consumer.observability.status_sources import CollectedStatus

_SCHEMA_PROBLEMS: Final = {
    "unreachable": ": the schema registry gives no usable response. Check that it can be reached.",
    "refused": ": the schema registry rejects our credentials. Fix them.",
    "schema_needs_decryption": ": a rule of the schema encrypts or transforms its records, and this service cannot "
    "read those. Map another topic, or quarantine each record.",
}

_SECRET_PROBLEMS: Final = {
    SecretProblem.UNREADABLE: "the secret file cannot be read; requests use the secret read before",
    SecretProblem.REJECTED: "the content of the secret file is rejected; requests use the last accepted secret",
    SecretProblem.INVALID: "the secret file contains no secret; requests use the secret read before",
}


def problems(collected: CollectedStatus, moment: Moment, directives: DirectivesObserver | None = None) -> list[str]:
    """Return one text for each problem. Failed checks of the probes are not among them."""
    texts = [text for pipeline in collected.pipelines for text in pipeline_problems(pipeline, moment)]
    texts += [
        f"{name}: its status cannot be read. This is a bug; please report it." for name in collected.not_answering
    ]
    if directives is not None:
        effect = (
            "nothing is sent until it is fixed or removed"
            if directives.unreadable
            else "the directives read before stay active"
        )
        texts += [f"the directives file is rejected; {effect}: {finding}" for finding in directives.findings]
    return texts


def pipeline_problems(status: PipelineStatus, moment: Moment) -> Iterable[str]:
    """Return the problems of one pipeline, each with its name in front."""
    for texts in (_kafka(status, moment), _destinations(status, moment), _accounting(status)):
        yield from (f"{status.name}: {text}" for text in texts)


def _kafka(status: PipelineStatus, moment: Moment) -> Iterable[str]:
    for partition, stop in sorted(status.stopped.items()):
        name, since = f"{partition.topic}/{partition.index}", age(stop.since_ms, moment)
        yield (
            f"partition {name} has been stopped before offset {stop.offset} for {since} ({stop.code}). "
            "Accept the gap with a directive."
        )
    if status.fenced:
        yield (
            "requests are paused: no commit was accepted for half the session timeout. "
            "Check the brokers if this lasts; requests resume with the next accepted commit."
        )
    if status.dead_letters.stalled_reason is not None:
        yield (
            f"dead letters cannot be written ({status.dead_letters.stalled_reason}). "
            "Commits wait for them; check the dead-letter topic."
        )
    for topic in status.missing_topics:
        yield f"topic {topic} does not exist. Create it, or correct its name."
    for key, since_ms in status.schemas_pending.items():
        problem = _SCHEMA_PROBLEMS.get(status.schema_problems.get(key, ""), "")
        yield f"records have been waiting for schema {key} for {age(since_ms, moment)}{problem or '.'}"
    for guard in status.guards:
        yield f"topic {guard.kind}: {_flood_guard(guard, 'dead letters', moment)}"


def _destinations(status: PipelineStatus, moment: Moment) -> Iterable[str]:
    for destination in status.destinations:
        name = destination.name
        for hold in destination.holds:
            yield f"{name}: {_hold(hold, moment)}"
        if (problem := destination.secret_problem) is not None:
            yield f"{name}: {_SECRET_PROBLEMS[problem]}. {SECRETS[problem]}"
        for guard in destination.guards:
            yield f"{name}, {guard.kind}: {_flood_guard(guard, 'deliveries', moment)}"


def _hold(hold: HoldStatus, moment: Moment) -> str:
    held = "deliveries have" if hold.endpoint == CLOCK else f"endpoint {hold.endpoint} has"
    text = f"{held} been held for {age(hold.since_ms, moment)} ({hold.cause.value})."
    hint = HELD.get(hold.cause)
    return text if hint is None else f"{text} {hint}"


def _flood_guard(guard: FloodGuardStatus, waiting: str, moment: Moment) -> str:
    return (
        f"flood guard tripped {age(guard.since_ms, moment)} ago, {guard.refused} of {guard.of} failed "
        f"({guard.cause.value}); {guard.waiting} {waiting} wait. {flood_guard_hint(guard.cause)}"
    )


def _accounting(status: PipelineStatus) -> Iterable[str]:
    accounts = {each.name: each.accounting for each in status.destinations} | dict(status.other_accounts)
    for name, counts in accounts.items():
        if counts.mismatch:
            yield _mismatch(counts.mismatch, name or "undecodable records")
    if status.records.mismatch:
        yield _mismatch(status.records.mismatch, "records")


def _mismatch(count: int, account: str) -> str:
    return f"accounting mismatch of {count} for {account}. This is a bug; please report it."


def age(since_ms: int | None, moment: Moment) -> str:
    """Return the time since an instant (epoch milliseconds) as text; "–" if there is none."""
    return "–" if since_ms is None else duration(max(0.0, (moment.wall_ms - since_ms) / 1000))


def duration(seconds: float) -> str:
    """Return a duration as text, in the unit that fits its size."""
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
