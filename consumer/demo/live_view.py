"""The live view: a table that is redrawn on a terminal, one plain line every two seconds elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from threading import Event, Thread
from typing import Self

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from consumer.demo.progress import DestinationProgress, ProgressReader, Snapshot
from consumer.model import DeadLetterCause

_REDRAW_S = 0.25
_LINE_S = 2.0
_MESSAGES = 4
_STATE_WIDTH = 24
"""Characters reserved for a destination's state. Otherwise the table would change its width."""


class LiveView:
    """Shows the progress while its `with` block lasts, from a thread of its own.

    Args:
        console: where it prints.
        reader: takes the snapshots.
        until_s: seconds until production ends; `None` if unknown.
    """

    def __init__(self, console: Console, reader: ProgressReader, until_s: float | None) -> None:
        self._console = console
        self._reader = reader
        self._until_s = until_s
        self._stop = Event()
        self._live = console.is_terminal and not console.is_dumb_terminal
        self._thread = Thread(target=self._redraw if self._live else self._print, name="screen", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _redraw(self) -> None:
        with Live(console=self._console, auto_refresh=False, transient=True) as live:
            while not self._stop.wait(_REDRAW_S):
                live.update(render(self._reader.read(), self._until_s), refresh=True)

    def _print(self) -> None:
        printed = 0
        while not self._stop.wait(_LINE_S):
            snapshot = self._reader.read()
            for seconds, text in snapshot.messages[printed:]:
                self._console.out(f"{seconds:5.1f}s  {text}", highlight=False)
            printed = len(snapshot.messages)
            self._console.out(format_line(snapshot), highlight=False)


def format_line(snapshot: Snapshot) -> str:
    """Return a snapshot as one line of text."""
    parts = []
    for one in snapshot.destinations:
        dead_letters = f", {one.dead_letters.total()} dead letters" if one.dead_letters else ""
        state = f", {one.state}" if one.is_blocked else ""
        parts.append(f"{one.name} {one.delivered} ({one.rate_per_s:.0f}/s, lag {one.lag}{dead_letters}{state})")
    return f"{snapshot.seconds:5.1f}s  {snapshot.produced} events, delivered: {' | '.join(parts)}"


def render(snapshot: Snapshot, until_s: float | None) -> RenderableType:
    """Return a snapshot as tables for a terminal."""
    head = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(_clock(snapshot.seconds), "bold")]
    if until_s is not None:
        cells += [ProgressBar(until_s, min(snapshot.seconds, until_s), width=24), Text(_clock(until_s), "dim")]
    events = Text.assemble((f"{snapshot.produced:,}".replace(",", " "), "bold cyan"), " events")
    head.add_row(*cells, events, Text(snapshot.phase, "dim", no_wrap=True, overflow="ellipsis"))
    parts: list[RenderableType] = [Text(), head, _destination_table(snapshot)]
    causes = _cause_table(snapshot.destinations)
    if causes is not None:
        parts.append(causes)
    latest = snapshot.messages[-_MESSAGES:]
    parts += [Text.assemble((f" {_clock(at)}  ", "dim"), (text, "yellow")) for at, text in latest]
    return Group(*parts)


def _destination_table(snapshot: Snapshot) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("destination", style="bold", min_width=11)
    for name, width in (("delivered", 9), ("per s", 5), ("requests", 8), ("open", 5), ("lag", 5), ("skipped", 7)):
        table.add_column(name, justify="right", min_width=width)
    table.add_column("dead letters", justify="right", min_width=12)
    table.add_column("", min_width=_STATE_WIDTH, no_wrap=True)
    for one in snapshot.destinations:
        dead_letters = one.dead_letters.total()
        table.add_row(
            one.name,
            Text(f"{one.delivered}", "green"),
            f"{one.rate_per_s:.0f}",
            f"{one.requests}",
            f"{one.open}",
            Text(f"{one.lag}", "yellow" if one.lag > 2000 else ""),  # noqa: PLR2004 - many seconds of the default rate
            f"{one.skipped}",
            Text(f"{dead_letters}", "magenta" if dead_letters else ""),
            Text(one.state, "bold red" if one.is_blocked else "dim"),
        )
    return table


def _cause_table(destinations: Sequence[DestinationProgress]) -> Table | None:
    """Return the dead letters by cause; `None` while there are none."""
    total: Counter[DeadLetterCause] = Counter()
    for one in destinations:
        total += one.dead_letters
    if not total:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("dead letters by cause", style="magenta", min_width=22)
    for one in destinations:
        table.add_column(one.name, justify="right", min_width=10)
    for cause in sorted(total):
        table.add_row(str(cause), *(f"{one.dead_letters[cause] or '·'}" for one in destinations))
    return table


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
