"""The books on paper: a table, and either one word or everything that differs."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from consumer.demo.reconciliation import Page
from consumer.model.status import DeliveryCounts

_MOST_WRONG = 20


def print_books(console: Console, pages: Sequence[Page]) -> None:
    """Print every page: what the service counts, what is really there, and what differs."""
    console.print(_counted(pages))
    console.print(_identified(pages))
    for page in pages:
        console.print(_answers(page))
    console.print()
    wrong = [f"{page.pipeline}: {one}" for page in pages for one in page.wrong]
    if not wrong:
        good = "The books balance, by identity: nothing is lost, nothing is anywhere it was not owed."
        console.print(Text(good, "bold green"))
        if released := sum(page.said.deliveries.released for page in pages):
            early = f"Made to leave early, it released {released}: not committed, they would be read again."
            console.print(early, highlight=False)
        return
    console.print(
        Text(f"The books do not balance: {len(wrong)} difference{'' if len(wrong) == 1 else 's'}.", "bold red")
    )
    for one in wrong[:_MOST_WRONG]:
        console.print(Text(f"  {one}", overflow="fold"))
    if len(wrong) > _MOST_WRONG:
        console.print(f"  … and {len(wrong) - _MOST_WRONG} more", highlight=False)


def _counted(pages: Sequence[Page]) -> Table:
    names = ("owed", "delivered", "skipped", "dead-lettered", "open", "released")
    table = _table("what the service says", "pipeline")
    for name, sign in zip(names, "=++++ ", strict=True):
        table.add_column(name, justify="right")
        if sign.strip():
            table.add_column(sign, style="dim", justify="center")
    table.add_column("")
    for page in pages:
        table.add_row(page.pipeline, *_cells(page.said.deliveries))
        if page.said.whole.owed:
            table.add_row(Text("  not to be decoded", "dim"), *_cells(page.said.whole))
    return table


def _cells(books: DeliveryCounts) -> list[str | Text]:
    numbers = (books.owed, books.delivered, books.skipped, books.dead_lettered, books.open, books.released)
    cells = [cell for number, sign in zip(numbers, "=++++ ", strict=True) for cell in (f"{number}", sign)][:-1]
    return [*cells, _mark(not books.mismatch)]


def _identified(pages: Sequence[Page]) -> Table:
    table = _table("what is really there, id by id", "destination")
    for name in ("held of owed", "letters of owed", "repeats", "partitions committed to the end"):
        table.add_column(name, justify="right")
    table.add_column("")
    for page in pages:
        expected, found = page.expected, page.found
        held = len(found.held & expected.arrivals.keys())
        letters = len({one.letter for one in found.letters} & expected.letters.keys())
        ends = sum(found.committed.get(partition) == end for partition, end in expected.records.items())
        table.add_row(
            page.destination,
            f"{held} of {len(expected.arrivals)}",
            f"{letters} of {len(expected.letters)}",
            f"{found.taken - len(found.held)}",
            f"{ends} of {len(expected.records)}",
            _mark(not page.wrong),
        )
    return table


def _answers(page: Page) -> Text:
    counted = sorted(page.found.answers.items(), key=lambda one: one[0] or 0)
    said = "  ".join(f"{status or 'none'} ×{count}" for status, count in counted)
    return Text.assemble((f" {page.destination:<11}", "bold"), "  answered  ", (said or "nothing", "dim"))


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


def _mark(good: bool) -> Text:  # noqa: FBT001 - it is all there is to say
    return Text("agrees", "green") if good else Text("DIFFERS", "bold red")
