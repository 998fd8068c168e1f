"""The log writer: one line per event, with a fixed event name and plain fields; repeated events are summarized."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, TextIO, TypeAlias

from consumer.observability.log.format import as_json, as_text, shown

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
EVERY_S: Final = 10.0
"""A repeated event is written at once, and then at most once in this time."""

_KINDS_LIMIT: Final = 2_000

Field: TypeAlias = "str | int | float | bool | list[str] | dict[str, list[int]] | None"
Counted: TypeAlias = Callable[[str, int, int], None]
"""Receives (level, lines written, lines held back)."""


def _ignore_counts(level: str, lines: int, suppressed: int) -> None:
    pass


class _Kind:
    """A kind of line written recently, and the number of lines held back since."""

    __slots__ = ("event", "fields", "held_back", "level", "until_s")

    def __init__(self, level: str, event: str, until_s: float) -> None:
        self.level = level
        self.event = event
        self.until_s = until_s
        self.held_back = 0
        self.fields: dict[str, Field] = {}


class Log:
    """Writes lines to a stream. Safe to use from any thread. If the stream is closed, lines are lost, nothing else.

    Args:
        stream: the output; it is flushed after each line.
        level: the lowest level that is written: `debug`, `info`, `warning` or `error`.
        text: readable lines instead of JSON.
        counted: receives the number of lines written and held back.
        clocks: the wall clock and the monotonic clock, both in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        level: str = "info",
        *,
        text: bool = False,
        counted: Counted = _ignore_counts,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.time, time.monotonic),
    ) -> None:
        if level not in LEVELS:
            raise ValueError(f"log level: unknown value {level!r}; expected one of {', '.join(LEVELS)}")
        self._stream = stream
        self._lowest = LEVELS[level]
        self._render = as_text if text else as_json
        self._counted = counted
        self._wall, self._monotonic = clocks
        self._lock = Lock()
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._next_s = float("inf")
        """When the first summary is due."""

    def enabled(self, level: str) -> bool:
        """Return True if lines of this level are written. Ask before preparing costly ones."""
        return LEVELS[level] >= self._lowest

    def write(self, level: str, event: str, **fields: Field) -> None:
        """Write a line now. `event` is one of a fixed set of names; no field may hold anything personal or secret."""
        self.summaries()
        if self.enabled(level):
            self._put(level, event, fields)

    def repeat(self, level: str, event: str, kind: tuple[str, ...], **fields: Field) -> None:
        """Write a line that may be frequent: at once, then at most every 10 seconds per event and `kind`.

        The later lines are summaries: the latest fields, and the number of lines held back as `suppressed`.
        """
        if not self.enabled(level):
            return
        self.summaries()
        now_s = self._monotonic()
        key = (event, *kind)
        with self._lock:
            recent = self._kinds.get(key)
            if recent is None and len(self._kinds) >= _KINDS_LIMIT:
                key = (event,)  # an unbounded number of kinds shares one
                recent = self._kinds.get(key)
            if recent is not None:
                recent.held_back += 1
                recent.fields = fields
            else:
                self._kinds[key] = _Kind(level, event, now_s + EVERY_S)
                self._next_s = min(self._next_s, now_s + EVERY_S)
        if recent is None:
            self._put(level, event, fields)
        else:
            self._counted(level, 0, 1)

    def summaries(self, *, all_now: bool = False) -> None:
        """Write the summaries that are due. Called with every line and with every tick of a poll thread."""
        now_s = self._monotonic()
        if now_s < self._next_s and not all_now:
            return
        due: list[tuple[str, str, dict[str, Field]]] = []
        with self._lock:
            for key, kind in list(self._kinds.items()):
                if kind.until_s > now_s and not all_now:
                    continue
                if kind.held_back == 0:
                    del self._kinds[key]  # none for a whole period: the next one is written at once
                    continue
                due.append((kind.level, kind.event, {**kind.fields, "suppressed": kind.held_back}))
                kind.held_back = 0
                kind.until_s = now_s + EVERY_S
            self._next_s = min((kind.until_s for kind in self._kinds.values()), default=float("inf"))
        for level, event, fields in due:
            self._put(level, event, fields)

    def capture(self) -> logging.Handler:
        """Write here what libraries log at WARNING or above, without their text: it may contain anything."""
        handler = _Captured(self)
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(max(logging.WARNING, self._lowest))
        return handler

    def close(self) -> None:
        """Write the last summaries."""
        self.summaries(all_now=True)

    def _put(self, level: str, event: str, fields: Mapping[str, Field]) -> None:
        line = self._render(self._wall(), level, event, {name: shown(value) for name, value in fields.items()})
        try:
            with self._lock:
                self._stream.write(line + "\n")
                self._stream.flush()
        except (OSError, ValueError):
            self._counted(level, 0, 1)  # the reading end is closed, or the stream is
        else:
            self._counted(level, 1, 0)


class _Captured(logging.Handler):
    """Logs the logger's name, the level and the exception's class of each library message."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line. `record.msg` is never read."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        exception = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        self._log.repeat(
            level, "library message", (record.name, level, exception or ""), logger=record.name, exception=exception
        )
