"""Watch the directives file while the service runs, and apply the active directives whenever they change."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from consumer.config.stable_file import FILE_UNANSWERED, FILE_UNCHANGED, FILE_UNSTABLE, StableFile
from consumer.directives.parser import Content, ParsedDirectives, content_of, read_content
from consumer.model.directives import NONE, Directives, DirectiveTargets, Pause
from consumer.model.findings import Finding
from consumer.model.observer import DirectiveEvents

ApplyDirectives: TypeAlias = Callable[[Directives], None]
"""Called in the event loop with all active directives, whenever they have changed."""

_SETTLE_S = 0.1
_FIRST_READ_ATTEMPTS = 10
_TIMEOUT_S = 10.0
_NEVER_MS = 253_402_300_800_000  # the year 10000: only another file ends it


class DirectivesWatcher:
    """Keeps the active directives equal to the file and the clock.

    The parsed file is kept, and each check computes the active directives from it and the clock. So a clock that jumps
    ahead and is corrected ends no directive for good.

    A file with an error is rejected as a whole: the previous directives stay active until they expire. At a start there
    are no previous directives. Then everything is paused until the file is corrected or removed: it may contain a
    pause, which a restart must not lift. The same applies while the disk does not answer at a start. A file that does
    not exist contains no directives.

    Args:
        path: the file.
        targets: the names that directives may refer to.
        observer: is notified of directives that were read, rejected or have ended. It must not raise.
        missing: called when there is no file; again only after there was one.
        clock_ms: the wall clock, epoch milliseconds.
        every_s: seconds between two checks.
        settle_s: seconds between the two reads of a changed file, so that a half-written file is not accepted.
        timeout_s: seconds that a start waits for the file, and that each read may take before it is reported.
        sleep: waits for so many seconds, between the two reads of a changed file.
        read: reads the file, in a thread of its own.
        parse: parses the content, in a thread of its own.
    """

    def __init__(
        self,
        path: Path,
        targets: DirectiveTargets,
        observer: DirectiveEvents,
        *,
        missing: Callable[[], None],
        clock_ms: Callable[[], int],
        every_s: float = 1.0,
        settle_s: float = _SETTLE_S,
        timeout_s: float = _TIMEOUT_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        read: Callable[[Path], Content] = content_of,
        parse: Callable[[Content, Path, DirectiveTargets], ParsedDirectives] = read_content,
    ) -> None:
        self.in_force = NONE
        """The active directives."""
        self.file: StableFile[Content] = StableFile(lambda: read(path), timeout_s, settle_s, sleep)
        self._path = path
        self._targets = targets
        self._observer = observer
        self._missing = missing
        self._clock_ms = clock_ms
        self._every_s = every_s
        self._timeout_s = timeout_s
        self._parse = parse
        self._timeout_reported = False
        self._apply: Sequence[ApplyDirectives] = ()
        self._content: Content | _Unread = _UNREAD
        self._parsed = NONE  # the directives of the last good file, expired ones included; or a pause of everything
        self._was_read = False  # since the start; a missing file counts as read

    async def start(self, apply: Sequence[ApplyDirectives], shutdown: asyncio.Event) -> None:
        """Read the file for the first time. Await this before the first request: the file may pause it.

        It returns when the file was read, when that took too long, or when `shutdown` is set. In the last two cases
        everything is paused until a later check has read the file.
        """
        self._apply = apply
        first = asyncio.create_task(self._read_first(), name="directives-first")
        stopped = asyncio.create_task(shutdown.wait(), name="directives-shutdown")
        try:
            # A disk that hangs must not block the start of the service, nor its shutdown.
            await asyncio.wait([first, stopped], timeout=self._timeout_s, return_when=asyncio.FIRST_COMPLETED)
            if first.done():
                first.result()
            elif shutdown.is_set():
                self._replace(self._pause_everything())
            else:
                self._report_timeout()
        finally:
            first.cancel()
            stopped.cancel()

    async def run(self) -> None:
        """Apply expirations and changes of the file, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._expire_regularly(), name="directives-ends")
            both.create_task(self._read_regularly(), name="directives-file")

    async def refresh(self) -> None:
        """Apply expirations, and read the file if it has changed."""
        self._apply_clock()
        await self._read_if_changed()

    async def _expire_regularly(self) -> None:
        # In a task of its own: the disk may hang, and a directive must end on time nevertheless.
        while True:
            await asyncio.sleep(self.seconds_to_next_check())
            self._apply_clock()

    async def _read_regularly(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._read_if_changed()

    async def _read_first(self) -> None:
        for _ in range(_FIRST_READ_ATTEMPTS):
            if await self._read_if_changed():
                return
        self._reject([self._error("keeps changing", "replace it in one step: write another file, then rename it")])

    async def _read_if_changed(self) -> bool:
        """Read the file if it has changed. Return False if it is being written: read it again."""
        content = await self.file.read_new(self._content)
        if content is FILE_UNANSWERED:
            self._report_timeout()
            return True
        if content is FILE_UNCHANGED:
            return True
        if content is FILE_UNSTABLE:
            return False
        # In a thread, because parsing a long file would delay requests and probes.
        parsed = await asyncio.to_thread(self._parse, content, self._path, self._targets)
        self._timeout_reported = False
        # Set it only now: a first read may be cancelled while it parses, and the next one must not skip the content.
        self._content = content
        if parsed.directives is None:
            self._reject(parsed.findings)
            return True
        self._was_read = True
        if content is None:
            self._missing()
        self._observer.directives_read(parsed.directives)
        self._replace(parsed.directives)
        return True

    def _report_timeout(self) -> None:
        """Report once that the disk does not answer. The file is read again as soon as it does."""
        if not self._timeout_reported:
            self._timeout_reported = True
            self._content = _UNREAD
            self._reject([self._error("could not be read in time", "check the disk or the mount that contains it")])

    def _reject(self, findings: Sequence[Finding]) -> None:
        if self._was_read:
            self._observer.directives_rejected(findings)
            return
        pauses = self._pause_everything()
        self._observer.directives_unreadable(pauses, findings)
        self._replace(pauses)

    def _pause_everything(self) -> Directives:
        reason = "the directives file could not be read at the start"
        return Directives(Pause(_NEVER_MS, reason, destination) for destination in self._targets.destinations)

    def _error(self, message: str, hint: str) -> Finding:
        return Finding("error", str(self._path), None, None, "", message, hint)

    def _replace(self, directives: Directives) -> None:
        self._parsed = directives
        self._activate(directives.in_force(self._clock_ms()))

    def _apply_clock(self) -> None:
        """Report and apply what has expired, and what is active again because the clock was corrected."""
        before, now = self.in_force, self._parsed.in_force(self._clock_ms())
        for directive in before:
            if directive not in now:
                self._observer.directive_ended(directive)
        for directive in now:
            if directive not in before:
                self._observer.directive_active_again(directive)
        self._activate(now)

    def _activate(self, directives: Directives) -> None:
        if directives == self.in_force:
            return
        self.in_force = directives
        for apply in self._apply:
            apply(directives)

    def seconds_to_next_check(self) -> float:
        """Return the seconds to the next check: less than the interval if a directive expires sooner."""
        ends_ms = min((directive.until_ms for directive in self.in_force), default=None)
        if ends_ms is None:
            return self._every_s
        return max(0.0, min(self._every_s, (ends_ms - self._clock_ms()) / 1000))


class _Unread:
    """A value that equals no content."""


_UNREAD = _Unread()
