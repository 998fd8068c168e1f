"""The page a person reads at three in the morning: what is wrong first, then the numbers, nothing fetched."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from consumer.facts import DeliveryBooks, DestinationFacts, PartitionFacts, PipelineFacts
from consumer.watch.checks import Check, Moment
from consumer.watch.labels import NONE
from consumer.watch.lines import timestamp
from consumer.watch.page_style import STYLE
from consumer.watch.status import lag

_PARTITIONS_LIMIT = 200

_SCHEMA_TROUBLES = {
    "unreachable": ": the registry gives no usable answer",
    "refused": ": the registry refuses our credentials",
}


def page(answers: Sequence[PipelineFacts], silent: Sequence[str], checks: Sequence[Check], moment: Moment) -> str:
    """Return the page."""
    troubles = [trouble for facts in answers for trouble in _troubles(facts, moment)]
    troubles += [f"{name}: does not say how it is; this is a bug" for name in silent]
    troubles += [f"{check.pipeline} {check.name}: {check.reason}".strip() for check in checks if not check.ok]
    state = "bad" if troubles else "good"
    headline = f"{len(troubles)} to look at" if troubles else "All is well"
    said = "".join(f"<li>{escape(trouble)}</li>" for trouble in troubles)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        '<meta name="color-scheme" content="light dark"><meta http-equiv="refresh" content="5">'
        f"<title>{escape(headline)} · cdp-consumer</title><style>{STYLE}</style></head><body>"
        f'<header><h1>cdp-consumer</h1><p class="{state}">{escape(headline)}</p>'
        f"<p class=quiet>{timestamp(moment.wall_ms / 1000)}, every 5 s</p></header>"
        f"{f'<ul class=troubles>{said}</ul>' if troubles else ''}"
        f"<main>{''.join(_pipeline(facts, moment) for facts in answers)}</main>"
        f"<footer>{_links()}</footer></body></html>\n"
    )


def _links() -> str:
    paths = ("/status", "/metrics", "/livez?verbose", "/readyz?verbose", "/startupz?verbose")
    return " · ".join(f'<a href="{path}">{path}</a>' for path in paths)


def _troubles(facts: PipelineFacts, moment: Moment) -> Iterable[str]:
    for to in facts.destinations:
        for hold in to.holds:
            age = _age(hold.since_ms, moment)
            yield f"{facts.name}: {to.name} {hold.endpoint} is held, for {age} now ({hold.cause.value})"
    for name, books in {**{to.name: to.books for to in facts.destinations}, **facts.other_books}.items():
        if books.difference:
            yield f"{facts.name}: the books of {name or NONE} are off by {books.difference}; this is a bug"
    if facts.records.difference:
        yield f"{facts.name}: the books of records are off by {facts.records.difference}; this is a bug"
    if facts.fenced:
        yield f"{facts.name}: the poll thread stood still; calls wait for an accepted commit"
    if facts.dead_letters.stuck is not None:
        yield f"{facts.name}: dead letters cannot be written ({facts.dead_letters.stuck}); commits wait for them"
    for topic in facts.missing_topics:
        yield f"{facts.name}: topic {topic} is missing"
    for key, since_ms in facts.schema_waits.items():
        why = _SCHEMA_TROUBLES.get(facts.schema_troubles.get(key, ""), "")
        yield f"{facts.name}: records wait for schema {key}, for {_age(since_ms, moment)} now{why}"


def _pipeline(facts: PipelineFacts, moment: Moment) -> str:
    lags = [known for each in facts.partitions if (known := lag(each)) is not None]
    books = facts.records
    tiles = (
        ("state", _state(facts)),
        ("lag", _number(sum(lags)) if lags else "not known yet"),
        ("partitions", f"{len(facts.partitions)}, {sum(each.paused for each in facts.partitions)} paused"),
        ("records open", _number(books.open)),
        (
            "records kept",
            f"{_number(sum(each.kept_records for each in facts.partitions))} of {_number(facts.max_records)}",
        ),
        ("bytes open", f"{_size(sum(each.open_bytes for each in facts.partitions))} of {_size(facts.max_bytes)}"),
        ("records settled", f"{_number(books.settled)} of {_number(books.taken)}"),
        ("letters in flight", _number(facts.dead_letters.in_flight)),
    )
    listed = "".join(f"<div><dt>{name}</dt><dd>{escape(value)}</dd></div>" for name, value in tiles)
    return (
        f"<section><h2>{escape(facts.name)} <small>group {escape(facts.group)}, {escape(facts.protocol)}</small></h2>"
        f"<dl>{listed}</dl>"
        f"{_table('Destinations', _DESTINATION, _destinations(facts, moment))}"
        f"{_partitions(facts.partitions, moment)}</section>"
    )


def _state(facts: PipelineFacts) -> str:
    if facts.left:
        return "left"
    if facts.leaving:
        return "leaving"
    if facts.fenced:
        return "fenced"
    return "in its group" if facts.joined and facts.lost_since_ms is None else "joining"


_DESTINATION = (
    "destination",
    "state",
    "owed",
    "delivered",
    "skipped",
    "dead-lettered",
    "released",
    "open",
    "difference",
    "calls",
    "oldest open",
)


def _destinations(facts: PipelineFacts, moment: Moment) -> Iterable[Sequence[str]]:
    for to in facts.destinations:
        calls = f"{to.calls} of {to.lanes}"
        yield (to.name, _destination_state(to, moment), *_books(to.books), calls, _age(to.oldest_open_ms, moment))
    for name, books in facts.other_books.items():
        yield (name or NONE, "disabled" if name else "could not be decoded", *_books(books), "–", "–")


def _books(books: DeliveryBooks) -> Iterable[str]:
    counts = (books.owed, books.delivered, books.skipped, books.dead_lettered, books.released, books.open)
    return (_number(count) for count in (*counts, books.difference))


def _destination_state(facts: DestinationFacts, moment: Moment) -> str:
    if facts.holds:
        return "held: " + ", ".join(f"{hold.endpoint} ({hold.cause.value})" for hold in facts.holds)
    if facts.waiting_until_ms is not None and facts.waiting_until_ms > moment.wall_ms:
        return f"told to wait {_span((facts.waiting_until_ms - moment.wall_ms) / 1000)}"
    return "delivering" if facts.open_events or facts.calls else "idle"


_PARTITION = ("partition", "committed", "frontier", "taken to", "log end", "lag", "open", "head age", "")


def _partitions(partitions: Sequence[PartitionFacts], moment: Moment) -> str:
    worst_first = sorted(partitions, key=lambda each: (-(lag(each) or 0), each.partition))
    title = "Partitions"
    if len(worst_first) > _PARTITIONS_LIMIT:
        title += f", the {_PARTITIONS_LIMIT} with most lag of {len(worst_first)}"
    return _table(title, _PARTITION, (_partition(each, moment) for each in worst_first[:_PARTITIONS_LIMIT]))


def _partition(facts: PartitionFacts, moment: Moment) -> tuple[str, ...]:
    marks = [word for word, said in (("paused", facts.paused), ("full", facts.full)) if said]
    numbers = (facts.committed, facts.frontier, facts.taken_to, facts.log_end, lag(facts), facts.open_records)
    name = f"{facts.partition.topic}/{facts.partition.index}"
    return (name, *(_number(number) for number in numbers), _age(facts.head_ms, moment), ", ".join(marks))


def _table(title: str, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(f"<th scope=col>{escape(text)}</th>" for text in heads)
    body = "".join(f"<tr>{''.join(_cell(text) for text in row)}</tr>" for row in rows)
    none = f"<tr><td colspan={len(heads)} class=quiet>none</td></tr>"
    return (
        f"<h3>{escape(title)}</h3><div class=wide><table><thead><tr>{head}</tr></thead>"
        f"<tbody>{body or none}</tbody></table></div>"
    )


def _cell(text: str) -> str:
    return f'<td class="bad">{escape(text)}</td>' if text.startswith("held: ") else f"<td>{escape(text)}</td>"


def _number(value: int | None) -> str:
    return "–" if value is None else f"{value:,}".replace(",", "\u202f")


def _size(count: int) -> str:
    return f"{count / 1048576:.1f} MiB"


def _age(since_ms: int | None, moment: Moment) -> str:
    return "–" if since_ms is None else _span(max(0.0, (moment.wall_ms - since_ms) / 1000))


def _span(seconds: float) -> str:
    for limit, size, unit in ((120, 1, "s"), (7200, 60, "min"), (172_800, 3600, "h")):
        if seconds < limit:
            return f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
