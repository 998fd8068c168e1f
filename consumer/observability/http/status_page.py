"""The status page, as one HTML document that fetches nothing: problems first, then the numbers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from consumer.model.directives import Directive
from consumer.model.status import DeliveryCounts, DestinationStatus, PartitionStatus, PipelineStatus
from consumer.observability.directives_observer import DirectivesObserver, reason, scope_text, until
from consumer.observability.health import Check, Moment
from consumer.observability.http.problems import age, duration, problems
from consumer.observability.http.status_json import lag
from consumer.observability.log.format import timestamp
from consumer.observability.metrics.labels import NONE
from consumer.observability.status_sources import CollectedStatus

_PARTITIONS_LIMIT = 200
_BAD = ("held: ", "flood guard: ", "stopped")
"""Cells that start with one of these are highlighted."""


def page(
    collected: CollectedStatus,
    checks: Sequence[Check],
    moment: Moment,
    directives: DirectivesObserver | None = None,
) -> str:
    """Return the page. Failed checks are listed with the problems."""
    texts = problems(collected, moment, directives)
    texts += [f"{check.pipeline} {check.name}: {check.reason}".strip() for check in checks if not check.ok]
    state = "bad" if texts else "good"
    headline = f"{len(texts)} problem{'s' if len(texts) > 1 else ''}" if texts else "No problems"
    listed = "".join(f"<li>{escape(text)}</li>" for text in texts)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="5">'
        f"<title>{escape(headline)} · cdp-consumer</title><style>{_STYLE}</style></head><body>"
        f'<header><h1>cdp-consumer</h1><p class="{state}">{escape(headline)}</p>'
        f"<p class=quiet>{timestamp(moment.wall_ms / 1000)}, refreshes every 5 s</p></header>"
        f"{f'<ul class=problems>{listed}</ul>' if texts else ''}"
        f"{'' if directives is None else _directives(directives, moment)}"
        f"<main>{''.join(_pipeline(each, moment) for each in collected.pipelines)}</main>"
        f"<footer>{_links()}</footer></body></html>\n"
    )


_DIRECTIVE = ("directive", "scope", "until", "reason")


def _directives(directives: DirectivesObserver, moment: Moment) -> str:
    """Return the section of the active directives, or "" if there are none."""
    active = directives.in_force(moment.wall_ms)
    rows = (
        (each.kind, scope_text(each), f"{until(each)} ({_time_left(each, moment)})", reason(each)) for each in active
    )
    return f"<section>{_table('Active directives', _DIRECTIVE, rows, 'words')}</section>" if active else ""


def _time_left(directive: Directive, moment: Moment) -> str:
    return f"{duration((directive.until_ms - moment.wall_ms) / 1000)} left"


def _links() -> str:
    paths = ("/status", "/metrics", "/livez?verbose", "/readyz?verbose", "/startupz?verbose")
    return " · ".join(f'<a href="{path}">{path}</a>' for path in paths)


def _pipeline(status: PipelineStatus, moment: Moment) -> str:
    lags = [known for each in status.partitions if (known := lag(each)) is not None]
    records = status.records
    tiles = (
        ("state", _state(status)),
        ("lag", _number(sum(lags)) if lags else "not known yet"),
        ("partitions", f"{len(status.partitions)}, {sum(each.paused for each in status.partitions)} paused"),
        ("records open", _number(records.open)),
        (
            "records retained",
            f"{_number(sum(each.retained_records for each in status.partitions))} of {_number(status.max_records)}",
        ),
        ("bytes open", f"{_size(sum(each.open_bytes for each in status.partitions))} of {_size(status.max_bytes)}"),
        ("records settled", f"{_number(records.settled)} of {_number(records.accepted)}"),
        ("dead letters in flight", _number(status.dead_letters.in_flight)),
    )
    group = f"group {escape(status.group)}, {escape(status.protocol)}"
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles)
    return (
        f"<section><h2>{escape(status.name)} <small>{group}</small></h2>"
        f"<dl>{listed}</dl>"
        f"{_table('Destinations', _DESTINATION, _destinations(status, moment), 'states')}"
        f"{_partitions(status, moment)}</section>"
    )


def _state(status: PipelineStatus) -> str:
    if status.shut_down:
        return "stopped"
    if status.shutting_down:
        return "shutting down"
    if status.fenced:
        return "fenced"
    return "in its group" if status.joined and status.lost_since_ms is None else "joining"


_DESTINATION = (
    "destination",
    "state",
    "owed",
    "delivered",
    "skipped",
    "dead-lettered",
    "released",
    "open",
    "mismatch",
    "requests",
    "oldest open",
)


def _destinations(status: PipelineStatus, moment: Moment) -> Iterable[Sequence[str]]:
    for each in status.destinations:
        requests = f"{each.requests} of {each.lanes}"
        oldest = age(each.oldest_open_ms, moment)
        yield (each.name, _destination_state(each, moment), *_accounting(each.accounting), requests, oldest)
    for name, counts in status.other_accounts.items():
        yield (name or NONE, "disabled" if name else "undecodable", *_accounting(counts), "–", "–")


def _accounting(counts: DeliveryCounts) -> Iterable[str]:
    ended = (counts.delivered, counts.skipped, counts.dead_lettered, counts.released)
    return (_number(count) for count in (counts.owed, *ended, counts.open, counts.mismatch))


def _destination_state(status: DestinationStatus, moment: Moment) -> str:
    """Return everything that withholds deliveries; if nothing does, the current activity."""
    held = ", ".join(f"{hold.endpoint} ({hold.cause.value})" for hold in status.holds)
    guarded = ", ".join(f"{guard.kind} ({guard.cause.value})" for guard in status.guards)
    paused = ", ".join(sorted({pause.event_type or "all" for pause in status.paused}))
    withheld = {"held": held, "flood guard": guarded, "paused": paused}
    states = [f"{name}: {scope}" for name, scope in withheld.items() if scope] or [_activity(status, moment)]
    if status.poison_candidates:
        states.append(f"{_number(status.poison_candidates)} poison candidates")
    return "; ".join(states)


def _activity(status: DestinationStatus, moment: Moment) -> str:
    if status.waiting_until_ms is not None and status.waiting_until_ms > moment.wall_ms:
        return f"rate limited by server for {duration((status.waiting_until_ms - moment.wall_ms) / 1000)}"
    return "delivering" if status.open_events or status.requests else "idle"


_PARTITION = ("partition", "committed", "committable offset", "accepted to", "log end", "lag", "open", "head age", "")


def _partitions(status: PipelineStatus, moment: Moment) -> str:
    stopped = status.stopped
    worst_first = sorted(
        status.partitions, key=lambda each: (each.partition not in stopped, -(lag(each) or 0), each.partition)
    )
    title = "Partitions"
    if len(worst_first) > _PARTITIONS_LIMIT:
        title += f", the {_PARTITIONS_LIMIT} with most lag of {len(worst_first)}"
    shown = worst_first[:_PARTITIONS_LIMIT]
    rows = (_partition(each, moment, stopped=each.partition in stopped) for each in shown)
    return _table(title, _PARTITION, rows)


def _partition(status: PartitionStatus, moment: Moment, *, stopped: bool) -> tuple[str, ...]:
    marks = [mark for mark, on in (("stopped", stopped), ("paused", status.paused), ("full", status.full)) if on]
    numbers = (
        status.committed,
        status.committable_offset,
        status.accepted_to,
        status.log_end,
        lag(status),
        status.open_records,
    )
    name = f"{status.partition.topic}/{status.partition.index}"
    return (name, *(_number(number) for number in numbers), age(status.head_ms, moment), ", ".join(marks))


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "numbers") -> str:
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    none = f"<tr><td colspan={len(heads)} class=quiet>none</td></tr>"
    return (
        f"<h3>{escape(title)}</h3><div class=wide><table class={kind}><thead><tr>{head}</tr></thead>"
        f"<tbody>{body or none}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f'<td class="bad">{escape(text)}</td>' if text.startswith(_BAD) else f"<td>{escape(text)}</td>"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def _size(count: int) -> str:
    return f"{count / 1048576:.1f} MiB"


_STYLE: Final = """
:root{--ink:#1c2330;--quiet:#667085;--paper:#f6f7f9;--card:#fff;--line:#e3e6eb;--good:#0f7b4a;--bad:#b42318;--warn:#fff1ee}
@media(prefers-color-scheme:dark){:root{--ink:#e6e9ef;--quiet:#98a2b3;--paper:#11151c;--card:#191f29;--line:#2a323f;
--good:#4cc38a;--bad:#ff8a7a;--warn:#35201d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:76rem;padding:1.5rem;font:15px/1.45 system-ui,sans-serif;color:var(--ink);
background:var(--paper)}
header{display:flex;flex-wrap:wrap;gap:.25rem 1rem;align-items:baseline}
header p{margin:0}h1{font-size:1.25rem;margin:0}h2{font-size:1.1rem;margin:0 0 .75rem}
h3{font-size:.85rem;margin:1.25rem 0 .35rem;color:var(--quiet);font-weight:600}
small,.quiet,footer{color:var(--quiet);font-weight:400}small{font-size:.85rem}
.good{color:var(--good);font-weight:600}.bad{color:var(--bad);font-weight:600}
.problems{margin:1rem 0 0;padding:.75rem 1rem .75rem 2rem;background:var(--warn);border-left:4px solid var(--bad);
border-radius:4px}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:1.1rem 1.25rem;margin:1.25rem 0}
dl{display:grid;grid-template-columns:repeat(auto-fit,minmax(7.5rem,1fr));gap:.75rem;margin:0}
dt{font-size:.78rem;color:var(--quiet)}dd{margin:0;font-size:1.05rem;font-variant-numeric:tabular-nums}
.wide{overflow-x:auto}table{border-collapse:collapse;width:100%;font-size:.87rem;font-variant-numeric:tabular-nums}
th,td{padding:.35rem .6rem;text-align:right;border-bottom:1px solid var(--line);white-space:nowrap}
th:first-child,td:first-child{text-align:left;padding-left:0}th{font-weight:600;color:var(--quiet)}
.words th,.words td,.states th:nth-child(2),.states td:nth-child(2){text-align:left;white-space:normal}
.words td:first-child{white-space:nowrap}.states td:nth-child(2){min-width:11rem;overflow-wrap:anywhere}
h3:first-child{margin-top:0}
tr:last-child td{border-bottom:0}a{color:inherit}
"""
