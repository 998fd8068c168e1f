"""The status as JSON: all that an operator may want to see at one instant, with units in the names."""

from __future__ import annotations

from collections.abc import Sequence

from consumer.model.directives import Directive
from consumer.model.status import DeliveryCounts, DestinationStatus, FloodGuardStatus, PartitionStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver, describe, reason
from consumer.observability.health import Check, Moment
from consumer.observability.http.problems import problems
from consumer.observability.log.format import timestamp
from consumer.observability.metrics.labels import NONE
from consumer.observability.status_sources import CollectedStatus


def status_document(
    collected: CollectedStatus, moment: Moment, directives: DirectivesObserver | None = None
) -> dict[str, object]:
    """Return the content of /status, without the probes."""
    return {
        "at": timestamp(moment.wall_ms / 1000),
        "pipelines": [_pipeline(each, moment) for each in collected.pipelines],
        "not_answering": collected.not_answering,
        "problems": problems(collected, moment, directives),
        "directives": None if directives is None else _directives(directives, moment),
    }


def _directives(directives: DirectivesObserver, moment: Moment) -> dict[str, object]:
    return {
        "active": [_directive(each) for each in directives.in_force(moment.wall_ms)],
        "rejected": list(directives.findings),
    }


def _directive(directive: Directive) -> dict[str, str]:
    """Return a directive's scope, end and reason. An ordering key appears only as `set`."""
    return {**describe(directive), "reason": reason(directive)}


def probe_document(checks: Sequence[Check]) -> dict[str, object]:
    """Return a probe's response to `?verbose`."""
    return {"ok": all(check.ok for check in checks), "checks": [_check(check) for check in checks]}


def _check(check: Check) -> dict[str, object]:
    age = None if check.age_s is None else round(check.age_s, 3)
    return {"name": check.name, "pipeline": check.pipeline, "ok": check.ok, "reason": check.reason, "age_s": age}


def _pipeline(status: PipelineStatus, moment: Moment) -> dict[str, object]:
    records = status.records
    return {
        "name": status.name,
        "group": status.group,
        "protocol": status.protocol,
        "joined": status.joined,
        "shutting_down": status.shutting_down,
        "shut_down": status.shut_down,
        "fenced": status.fenced,
        "out_of_group_since": _instant(status.lost_since_ms),
        "fatal": status.fatal,
        "poll_ticked_s_ago": _ago(status.poll_ticked_at_s, moment),
        "loop_ticked_s_ago": _ago(status.loop_ticked_at_s, moment),
        "lag_updated": _instant(status.lag_updated_ms),
        "limits": {
            "records": status.max_records,
            "bytes": status.max_bytes,
            "poll_interval_s": status.max_poll_interval_s,
        },
        "records": {
            "accepted": records.accepted,
            "settled": records.settled,
            "open": records.open,
            "released": records.released,
            "mismatch": records.mismatch,
        },
        "missing_topics": list(status.missing_topics),
        "stopped": [
            {
                "topic": partition.topic,
                "partition": partition.index,
                "offset": stop.offset,
                "code": stop.code,
                "since": _instant(stop.since_ms),
            }
            for partition, stop in sorted(status.stopped.items())
        ],
        "guards": [{"topic": guard.kind, **_guard(guard)} for guard in status.guards],
        "schemas_known": status.schemas_known,
        "schemas_pending": [
            {"schema": str(key), "since": _instant(ms), "problem": status.schema_problems.get(key)}
            for key, ms in status.schemas_pending.items()
        ],
        "dead_letters": {
            "topic": status.dead_letters.topic,
            "stalled_reason": status.dead_letters.stalled_reason,
            "in_flight": status.dead_letters.in_flight,
        },
        "destinations": [_destination(each) for each in status.destinations],
        "other_accounts": {name or NONE: _accounting(counts) for name, counts in status.other_accounts.items()},
        "partitions": [_partition(each) for each in status.partitions],
    }


def _accounting(counts: DeliveryCounts) -> dict[str, int]:
    return {
        "owed": counts.owed,
        "delivered": counts.delivered,
        "skipped": counts.skipped,
        "dead_lettered": counts.dead_lettered,
        "open": counts.open,
        "released": counts.released,
        "mismatch": counts.mismatch,
    }


def _destination(status: DestinationStatus) -> dict[str, object]:
    return {
        "name": status.name,
        "lanes": status.lanes,
        "requests": status.requests,
        "open_events": status.open_events,
        "open_bytes": status.open_bytes,
        "oldest_open": _instant(status.oldest_open_ms),
        "waiting_until": _instant(status.waiting_until_ms),
        "rate_per_s": status.rate,
        "credentials_valid": status.credentials_valid,
        "credentials_proven": status.credentials_proven,
        "secret_problem": None if status.secret_problem is None else status.secret_problem.value,
        "accounting": _accounting(status.accounting),
        "holds": [
            {
                "endpoint": hold.endpoint,
                "cause": hold.cause.value,
                "since": _instant(hold.since_ms),
                "next_probe": _instant(hold.next_probe_ms),
            }
            for hold in status.holds
        ],
        "guards": [{"event_type": guard.kind, **_guard(guard)} for guard in status.guards],
        "poison_candidates": status.poison_candidates,
        "paused": [_directive(pause) for pause in status.paused],
    }


def _guard(guard: FloodGuardStatus) -> dict[str, object]:
    return {
        "cause": guard.cause.value,
        "since": _instant(guard.since_ms),
        "refused": guard.refused,
        "of": guard.of,
        "waiting": guard.waiting,
    }


def _partition(status: PartitionStatus) -> dict[str, object]:
    return {
        "topic": status.partition.topic,
        "partition": status.partition.index,
        "epoch": status.epoch,
        "committable_offset": status.committable_offset,
        "accepted_to": status.accepted_to,
        "open_records": status.open_records,
        "retained_records": status.retained_records,
        "open_bytes": status.open_bytes,
        "head": _instant(status.head_ms),
        "paused": status.paused,
        "full": status.full,
        "log_end": status.log_end,
        "committed": status.committed,
        "lag": lag(status),
    }


def lag(status: PartitionStatus) -> int | None:
    """Return log end minus committed offset, `None` if either is not known."""
    if status.log_end is None or status.committed is None or min(status.log_end, status.committed) < 0:
        return None
    return max(0, status.log_end - status.committed)


def _instant(ms: int | None) -> str | None:
    if ms is None:
        return None
    try:
        return timestamp(ms / 1000)
    except (OverflowError, ValueError, OSError):
        return None  # a record's timestamp can be any 64-bit number


def _ago(at_s: float | None, moment: Moment) -> float | None:
    return None if at_s is None else round(max(0.0, moment.monotonic_s - at_s), 3)
