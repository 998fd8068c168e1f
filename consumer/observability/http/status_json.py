"""The facts as JSON: everything an operator may want to see at one instant, with units in the names."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.model.directives import Directive
from consumer.model.status import DeliveryCounts, DestinationStatus, FloodGuardStatus, PartitionStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver, describe, reason
from consumer.observability.health import Check, Moment
from consumer.observability.http.problems import problems
from consumer.observability.log.format import timestamp
from consumer.observability.metrics.labels import NONE


def status(
    answers: Sequence[PipelineStatus], silent: Sequence[str], moment: Moment, told: DirectivesObserver | None = None
) -> dict[str, object]:
    """Return what /status says."""
    return {
        "at": timestamp(moment.wall_ms / 1000),
        "pipelines": [_pipeline(facts, moment) for facts in answers],
        "not_answering": list(silent),
        "problems": problems(answers, silent, moment, told),
        "directives": None if told is None else _directives(told, moment),
    }


def _directives(told: DirectivesObserver, moment: Moment) -> dict[str, object]:
    return {
        "active": [_directive(each) for each in told.in_force(moment.wall_ms)],
        "rejected": list(told.findings),
    }


def _directive(directive: Directive) -> dict[str, str]:
    """Its scope, end and reason; of an ordering key only that there is one."""
    return {**describe(directive), "reason": reason(directive)}


def verdict(checks: Sequence[Check]) -> dict[str, object]:
    """Return what a probe says with `?verbose`."""
    return {"ok": all(check.ok for check in checks), "checks": [_check(check) for check in checks]}


def _check(check: Check) -> dict[str, object]:
    age = None if check.age_s is None else round(check.age_s, 3)
    return {"name": check.name, "pipeline": check.pipeline, "ok": check.ok, "reason": check.reason, "age_s": age}


def _pipeline(facts: PipelineStatus, moment: Moment) -> dict[str, object]:
    books = facts.records
    return {
        "name": facts.name,
        "group": facts.group,
        "protocol": facts.protocol,
        "joined": facts.joined,
        "shutting_down": facts.shutting_down,
        "shut_down": facts.shut_down,
        "fenced": facts.fenced,
        "out_of_group_since": _instant(facts.lost_since_ms),
        "fatal": facts.fatal,
        "poll_ticked_s_ago": _ago(facts.poll_ticked_at_s, moment),
        "loop_ticked_s_ago": _ago(facts.loop_ticked_at_s, moment),
        "lag_updated": _instant(facts.lag_updated_ms),
        "limits": {
            "records": facts.max_records,
            "bytes": facts.max_bytes,
            "poll_interval_s": facts.max_poll_interval_s,
        },
        "records": {
            "accepted": books.accepted,
            "settled": books.settled,
            "open": books.open,
            "released": books.released,
            "mismatch": books.mismatch,
        },
        "missing_topics": list(facts.missing_topics),
        "stopped": [
            {
                "topic": partition.topic,
                "partition": partition.index,
                "offset": stop.offset,
                "code": stop.code,
                "since": _instant(stop.since_ms),
            }
            for partition, stop in sorted(facts.stopped.items())
        ],
        "guards": [{"topic": guard.kind, **_guard(guard)} for guard in facts.guards],
        "schemas_known": facts.schemas_known,
        "schemas_pending": [
            {"schema": str(key), "since": _instant(ms), "problem": facts.schema_problems.get(key)}
            for key, ms in facts.schemas_pending.items()
        ],
        "dead_letters": {
            "topic": facts.dead_letters.topic,
            "stalled_reason": facts.dead_letters.stalled_reason,
            "in_flight": facts.dead_letters.in_flight,
        },
        "destinations": [_destination(each) for each in facts.destinations],
        "other_accounts": {name or NONE: _books(books) for name, books in facts.other_accounts.items()},
        "partitions": [_partition(each) for each in facts.partitions],
    }


def _books(books: DeliveryCounts) -> dict[str, int]:
    return {
        "owed": books.owed,
        "delivered": books.delivered,
        "skipped": books.skipped,
        "dead_lettered": books.dead_lettered,
        "open": books.open,
        "released": books.released,
        "mismatch": books.mismatch,
    }


def _destination(facts: DestinationStatus) -> dict[str, object]:
    return {
        "name": facts.name,
        "lanes": facts.lanes,
        "requests": facts.requests,
        "open_events": facts.open_events,
        "open_bytes": facts.open_bytes,
        "oldest_open": _instant(facts.oldest_open_ms),
        "waiting_until": _instant(facts.waiting_until_ms),
        "rate_per_s": facts.rate,
        "credentials_valid": facts.credentials_valid,
        "credentials_proven": facts.credentials_proven,
        "secret_problem": None if facts.secret_problem is None else facts.secret_problem.value,
        "accounting": _books(facts.accounting),
        "holds": [
            {
                "endpoint": hold.endpoint,
                "cause": hold.cause.value,
                "since": _instant(hold.since_ms),
                "next_probe": _instant(hold.next_probe_ms),
            }
            for hold in facts.holds
        ],
        "guards": [{"event_type": guard.kind, **_guard(guard)} for guard in facts.guards],
        "poison_candidates": facts.poison_candidates,
        "paused": [_directive(pause) for pause in facts.paused],
    }


def _guard(guard: FloodGuardStatus) -> dict[str, object]:
    return {
        "cause": guard.cause.value,
        "since": _instant(guard.since_ms),
        "refused": guard.refused,
        "of": guard.of,
        "waiting": guard.waiting,
    }


def _partition(facts: PartitionStatus) -> dict[str, object]:
    return {
        "topic": facts.partition.topic,
        "partition": facts.partition.index,
        "epoch": facts.epoch,
        "committable_offset": facts.committable_offset,
        "accepted_to": facts.accepted_to,
        "open_records": facts.open_records,
        "retained_records": facts.retained_records,
        "open_bytes": facts.open_bytes,
        "head": _instant(facts.head_ms),
        "paused": facts.paused,
        "full": facts.full,
        "log_end": facts.log_end,
        "committed": facts.committed,
        "lag": lag(facts),
    }


def lag(facts: PartitionStatus) -> int | None:
    """Return log end less committed offset, `None` where either is not known."""
    if facts.log_end is None or facts.committed is None or min(facts.log_end, facts.committed) < 0:
        return None
    return max(0, facts.log_end - facts.committed)


def _instant(ms: int | None) -> str | None:
    if ms is None:
        return None
    try:
        return timestamp(ms / 1000)
    except (OverflowError, ValueError, OSError):
        return None  # a record's timestamp can be any 64 bits


def _ago(at_s: float | None, moment: Moment) -> float | None:
    return None if at_s is None else round(max(0.0, moment.monotonic_s - at_s), 3)
