"""Prints the reconciliation: two tables, then one sentence or every difference."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.demo.reconciliation import Reconciliation
from consumer.model.status import DeliveryCounts

_MAX_DIFFERENCES = 20


def print_report(console: Console, results: Sequence[Reconciliation]) -> None:
    """Print the service's counters, the observed state, and the differences."""
    console.print(_counts_table(results))
    console.print(_identity_table(results))
    for result in results:
        console.print(_statuses(result))
    console.print()
    differences = [f"{result.pipeline}: {one}" for result in results for one in result.differences]
    if not differences:
        good = "The accounting balances: every owed delivery was found by its id, and nothing that was not owed."
        console.print(Text(good, "bold green"))
        if released := sum(result.counted.deliveries.released for result in results):
            early = f"The drain was cut short: {released} deliveries were released, uncommitted, to be read again."
            console.print(early, highlight=False)
        return
    count = f"{len(differences)} difference{'' if len(differences) == 1 else 's'}"
    console.print(Text(f"The accounting does not balance: {count}.", "bold red"))
    for one in differences[:_MAX_DIFFERENCES]:
        console.print(Text(f"  {one}", overflow="fold"))
    if len(differences) > _MAX_DIFFERENCES:
        console.print(f"  … and {len(differences) - _MAX_DIFFERENCES} more", highlight=False)


def _counts_table(results: Sequence[Reconciliation]) -> Table:
    names = ("owed", "delivered", "skipped", "dead-lettered", "open", "released")
    table = _table("The service's accounting", "pipeline")
    for name, sign in zip(names, "=++++ ", strict=True):
        table.add_column(name, justify="right")
        if sign.strip():
            table.add_column(sign, style="dim", justify="center")
    table.add_column("")
    for result in results:
        table.add_row(result.pipeline, *_cells(result.counted.deliveries))
        if result.counted.undecodable.owed:
            table.add_row(Text("  undecodable", "dim"), *_cells(result.counted.undecodable))
    return table


def _cells(counts: DeliveryCounts) -> list[str | Text]:
    numbers = (counts.owed, counts.delivered, counts.skipped, counts.dead_lettered, counts.open, counts.released)
    cells = [cell for number, sign in zip(numbers, "=++++ ", strict=True) for cell in (f"{number}", sign)][:-1]
    return [*cells, _mark("balances", good=not counts.mismatch)]


def _identity_table(results: Sequence[Reconciliation]) -> Table:
    table = _table("Found at the destinations and in Kafka, compared id by id", "destination")
    for name in ("delivered of owed", "dead letters of owed", "repeats", "partitions committed to the end"):
        table.add_column(name, justify="right")
    table.add_column("")
    for result in results:
        expected, observed = result.expected, result.observed
        delivered = len(observed.stored_ids & expected.stored.keys())
        dead_letters = len({one.key for one in observed.dead_letters} & expected.dead_letters.keys())
        ends = sum(observed.committed.get(partition) == end for partition, end in expected.log_ends.items())
        table.add_row(
            result.destination,
            f"{delivered} of {len(expected.stored)}",
            f"{dead_letters} of {len(expected.dead_letters)}",
            f"{observed.received - len(observed.stored_ids)}",
            f"{ends} of {len(expected.log_ends)}",
            _mark("agrees", good=not result.differences),
        )
    return table


def _statuses(result: Reconciliation) -> Text:
    counts = sorted(result.observed.statuses.items(), key=lambda one: one[0] or 0)
    text = "  ".join(f"{status or 'no response'} ×{count}" for status, count in counts)
    return Text.assemble((f" {result.destination:<11}", "bold"), "  responses  ", (text or "none", "dim"))


def _table(title: str, first: str) -> Table:
    table = Table(
        title=Text(title, "bold"),
        title_justify="left",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        padding=(0, 1),
        collapse_padding=True,
    )
    table.add_column(first, style="bold")
    return table


def _mark(text: str, *, good: bool) -> Text:
    return Text(text, "green") if good else Text("DIFFERS", "bold red")
