"""The log: one line an event, fixed words, plain fields, and never the same thing over and over."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from threading import Lock
from typing import Final, TextIO, TypeAlias

from consumer.observability.log.format import as_json, as_text, shown

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}
EVERY_S: Final = 10.0
"""The same thing is said at once, and then no oftener than this."""

_KINDS_LIMIT: Final = 2_000

Field: TypeAlias = "str | int | float | bool | list[str] | dict[str, list[int]] | None"
Counted: TypeAlias = Callable[[str, int, int], None]
"""Told (level, lines written, lines held back)."""


def _uncounted(level: str, lines: int, suppressed: int) -> None:
    """Count nothing."""


class _Kind:
    """One kind of line that was said lately, and how often it was held back since."""

    __slots__ = ("event", "fields", "held_back", "level", "until_s")

    def __init__(self, level: str, event: str, until_s: float) -> None:
        self.level = level
        self.event = event
        self.until_s = until_s
        self.held_back = 0
        self.fields: dict[str, Field] = {}


class Log:
    """Writes lines to a stream. Safe from any thread; a stream that is gone costs the line, never the service.

    Args:
        stream: where to; it is flushed after each line.
        level: `debug`, `info`, `warning` or `error`: the least that is written.
        text: readable lines instead of JSON.
        counted: told how many lines were written and held back.
        clocks: the wall clock and the monotonic clock, both in seconds.
    """

    def __init__(
        self,
        stream: TextIO,
        level: str = "info",
        *,
        text: bool = False,
        counted: Counted = _uncounted,
        clocks: tuple[Callable[[], float], Callable[[], float]] = (time.time, time.monotonic),
    ) -> None:
        if level not in LEVELS:
            raise ValueError(f"log level {level!r} is none of {', '.join(LEVELS)}")
        self._stream = stream
        self._least = LEVELS[level]
        self._render = as_text if text else as_json
        self._counted = counted
        self._wall, self._monotonic = clocks
        self._lock = Lock()
        self._kinds: dict[tuple[str, ...], _Kind] = {}
        self._next_s = float("inf")
        """When the first summary falls due."""

    def enabled(self, level: str) -> bool:
        """Tell whether lines of this level are written: ask before preparing costly ones."""
        return LEVELS[level] >= self._least

    def write(self, level: str, event: str, **fields: Field) -> None:
        """Write a line now. `event` is one of a fixed set of words; no field holds anything personal or secret."""
        self.summaries()
        if self.enabled(level):
            self._put(level, event, fields)

    def repeat(self, level: str, event: str, kind: tuple[str, ...], **fields: Field) -> None:
        """Write a line that may come often: at once, then every 10 seconds with how many of its kind were held back."""
        if not self.enabled(level):
            return
        self.summaries()
        now_s = self._monotonic()
        key = (event, *kind)
        with self._lock:
            known = self._kinds.get(key)
            if known is None and len(self._kinds) >= _KINDS_LIMIT:
                key = (event,)  # whoever invents kinds without end gets one for all of them
                known = self._kinds.get(key)
            if known is not None:
                known.held_back += 1
                known.fields = fields
            else:
                self._kinds[key] = _Kind(level, event, now_s + EVERY_S)
                self._next_s = min(self._next_s, now_s + EVERY_S)
        if known is None:
            self._put(level, event, fields)
        else:
            self._counted(level, 0, 1)

    def summaries(self, *, all_now: bool = False) -> None:
        """Write the summaries that fell due: called with every line, and with every turn of a poll thread."""
        now_s = self._monotonic()
        if now_s < self._next_s and not all_now:
            return
        due: list[tuple[str, str, dict[str, Field]]] = []
        with self._lock:
            for key, kind in list(self._kinds.items()):
                if kind.until_s > now_s and not all_now:
                    continue
                if kind.held_back == 0:
                    del self._kinds[key]  # quiet for a whole period: the next one is news again
                    continue
                due.append((kind.level, kind.event, {**kind.fields, "suppressed": kind.held_back}))
                kind.held_back = 0
                kind.until_s = now_s + EVERY_S
            self._next_s = min((kind.until_s for kind in self._kinds.values()), default=float("inf"))
        for level, event, fields in due:
            self._put(level, event, fields)

    def capture(self) -> logging.Handler:
        """Have what libraries log at WARNING or above written here, without their words: those may hold anything."""
        handler = _Captured(self)
        root = logging.getLogger()
        root.addHandler(handler)
        root.setLevel(max(logging.WARNING, self._least))
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
            self._counted(level, 0, 1)  # the reader is gone, or the stream is closed
        else:
            self._counted(level, 1, 0)


class _Captured(logging.Handler):
    """Lines of libraries: who spoke and how loud, and the class of the exception, if there was one."""

    def __init__(self, log: Log) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line; `record.msg` stays unread."""
        level = "error" if record.levelno >= logging.ERROR else "warning"
        raised = record.exc_info[0].__name__ if record.exc_info and record.exc_info[0] else None
        self._log.repeat(
            level, "library message", (record.name, level, raised or ""), logger=record.name, exception=raised
        )
