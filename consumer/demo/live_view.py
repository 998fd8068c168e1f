"""The screen: a table that redraws itself on a terminal, a plain line now and then elsewhere."""

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

from consumer.demo.progress import Line, ProgressReader, Snapshot
from consumer.model import DeadLetterCause

_REDRAW_S = 0.25
_LINE_S = 2.0
_NEWS = 4
_STATE = 24
"""Characters for what a destination waits for: without room of its own the table would jump."""


class LiveView:
    """Shows how everything stands while its `with` block lasts, from a thread of its own."""

    def __init__(self, console: Console, looking: ProgressReader, until_s: float | None) -> None:
        """`until_s` is when business is over, if that is known."""
        self._console = console
        self._looking = looking
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
                live.update(drawn(self._looking.look(), self._until_s), refresh=True)

    def _print(self) -> None:
        told = 0
        while not self._stop.wait(_LINE_S):
            snapshot = self._looking.look()
            for seconds, text in snapshot.news[told:]:
                self._console.out(f"{seconds:5.1f}s  {text}", highlight=False)
            told = len(snapshot.news)
            self._console.out(said(snapshot), highlight=False)


def said(snapshot: Snapshot) -> str:
    """Return one moment as one line."""
    parts = [f"{snapshot.seconds:5.1f}s  {snapshot.made} events"]
    for line in snapshot.lines:
        letters = f", {line.letters.total()} dead letters" if line.letters else ""
        state = f", {line.state}" if line.held else ""
        parts.append(f"{line.name} {line.delivered} (+{line.rate_per_s:.0f}/s, lag {line.lag}{letters}{state})")
    return " | ".join(parts)


def drawn(snapshot: Snapshot, until_s: float | None) -> RenderableType:
    """Return one moment as what a terminal shows."""
    head = Table.grid(padding=(0, 2))
    cells: list[RenderableType] = [Text(_clock(snapshot.seconds), "bold")]
    if until_s is not None:
        cells += [ProgressBar(until_s, min(snapshot.seconds, until_s), width=24), Text(_clock(until_s), "dim")]
    events = Text.assemble((f"{snapshot.made:,}".replace(",", " "), "bold cyan"), " events")
    head.add_row(*cells, events, Text(snapshot.phase, "dim", no_wrap=True, overflow="ellipsis"))
    parts: list[RenderableType] = [Text(), head, _now(snapshot)]
    causes = _causes(snapshot.lines)
    if causes is not None:
        parts.append(causes)
    parts += [Text.assemble((f" {_clock(at)}  ", "dim"), (text, "yellow")) for at, text in snapshot.news[-_NEWS:]]
    return Group(*parts)


def _now(snapshot: Snapshot) -> Table:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("destination", style="bold", min_width=11)
    for name, width in (("delivered", 9), ("per s", 5), ("calls", 5), ("open", 5), ("lag", 5), ("skipped", 7)):
        table.add_column(name, justify="right", min_width=width)
    table.add_column("dead letters", justify="right", min_width=12)
    table.add_column("", min_width=_STATE, no_wrap=True)
    for line in snapshot.lines:
        letters = line.letters.total()
        table.add_row(
            line.name,
            Text(f"{line.delivered}", "green"),
            f"{line.rate_per_s:.0f}",
            f"{line.in_flight}",
            f"{line.open}",
            Text(f"{line.lag}", "yellow" if line.lag > 2000 else ""),  # noqa: PLR2004 - worth a look
            f"{line.skipped}",
            Text(f"{letters}", "magenta" if letters else ""),
            Text(line.state, "bold red" if line.held else "dim"),
        )
    return table


def _causes(lines: Sequence[Line]) -> Table | None:
    """Return the dead letters by cause; `None` while there are none."""
    total: Counter[DeadLetterCause] = Counter()
    for line in lines:
        total += line.letters
    if not total:
        return None
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1), collapse_padding=True)
    table.add_column("dead letters by cause", style="magenta", min_width=22)
    for line in lines:
        table.add_column(line.name, justify="right", min_width=10)
    for cause in sorted(total):
        table.add_row(str(cause), *(f"{line.letters[cause] or '·'}" for line in lines))
    return table


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"
