"""The directives file while the service runs: looked at every second, acted on when what is in force has changed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeAlias

from consumer.config.stable_file import FILE_UNANSWERED, FILE_UNCHANGED, FILE_UNSTABLE, StableFile
from consumer.directives.parser import Content, content_of, read_content
from consumer.model.directives import NONE, Directives, DirectiveTargets, Pause
from consumer.model.findings import Finding
from consumer.model.observer import Observer

Acts: TypeAlias = Callable[[Directives], None]
"""Told what is in force, whole, whenever that has changed; in the loop."""

_STEADY_S = 0.1
_TRIES = 10
_WITHIN_S = 10.0
_NEVER_MS = 253_402_300_800_000  # the year 10000: only another file ends it


class DirectivesWatcher:
    """Keeps what is in force as the file says it.

    What the file said is kept as it was read, and what is in force is found anew from it and the clock at each look: a
    clock that jumps ahead and is put right takes nothing away for good.

    A file that is refused is refused whole: what was read before stays in force, until its own ends. Where nothing was
    read before, at a start, everything is paused until the file is mended or gone: a pause may stand in it, and a
    restart must not lift that. The same while it cannot be told at a start whether anything stands there, because its
    disk does not answer. A file that is not there directs nothing.

    Args:
        path: the file.
        known: what it may speak of.
        observer: told what was read, refused or has ended. It must not raise.
        missing: called when there is no file, once until there was one.
        clock_ms: the wall clock, epoch milliseconds.
        every_s: between two looks.
        steady_s: between the two looks at a changed file: half of one that is being written must not pass for it.
        within_s: how long a start waits for the file, and a look for its disk before that is said.
        sleep: waits for so many seconds, between the two looks at a changed file.
    """

    def __init__(
        self,
        path: Path,
        known: DirectiveTargets,
        observer: Observer,
        *,
        missing: Callable[[], None],
        clock_ms: Callable[[], int],
        every_s: float = 1.0,
        steady_s: float = _STEADY_S,
        within_s: float = _WITHIN_S,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.in_force = NONE
        self._path = path
        self._known = known
        self._observer = observer
        self._missing = missing
        self._clock_ms = clock_ms
        self._every_s = every_s
        self._within_s = within_s
        self._file = StableFile(lambda: content_of(path), within_s, steady_s, sleep)
        self._unanswered = False  # and that was said
        self._act: Sequence[Acts] = ()
        self._read: Content | _Unread = _UNREAD
        self._said = NONE  # what was read last, or holds everything: those that are over included
        self._ever = False  # whether it was read since the start, or not there

    async def start(self, act: Sequence[Acts], leave: asyncio.Event) -> None:
        """Read the file for the first time: nobody may have made a call before.

        It returns when the file was read, or has not been for too long, or `leave` is set; in the last two cases
        everything is paused until a later look has read it.
        """
        self._act = act
        first = asyncio.create_task(self._first(), name="directives-first")
        asked = asyncio.create_task(leave.wait(), name="directives-leave")
        try:
            # A disk that hangs must keep neither the service from starting nor a platform from ending it.
            await asyncio.wait([first, asked], timeout=self._within_s, return_when=asyncio.FIRST_COMPLETED)
            if first.done():
                first.result()
            elif leave.is_set():
                self._say(self._everything())
            else:
                self._not_read()
        finally:
            first.cancel()
            asked.cancel()

    async def run(self) -> None:
        """Keep ends, and look at the file, until cancelled."""
        async with asyncio.TaskGroup() as both:
            both.create_task(self._keep_ends(), name="directives-ends")
            both.create_task(self._keep_reading(), name="directives-file")

    async def refresh(self) -> None:
        """End what is over, and read the file if it has changed."""
        self._see()
        await self._look()

    async def _keep_ends(self) -> None:
        # Never behind the look at the file: its disk may hang, and an end is promised all the same.
        while True:
            await asyncio.sleep(self._wait_s())
            self._see()

    async def _keep_reading(self) -> None:
        while True:
            await asyncio.sleep(self._every_s)
            await self._look()

    async def _first(self) -> None:
        for _ in range(_TRIES):
            if await self._look():
                return
        self._refused([self._finding("never stands still", "write it once, and leave it")])

    async def _look(self) -> bool:
        """Read the file if it has changed; return whether it stood still."""
        content = await self._file.read_new(self._read)
        if content is FILE_UNANSWERED:
            self._not_read()
            return True
        if content is FILE_UNCHANGED:
            return True
        if content is FILE_UNSTABLE:
            return False
        # A long file takes a while to parse: calls and probes do not wait for it.
        read = await asyncio.to_thread(read_content, content, self._path, self._known)
        self._unanswered = False
        self._read = content  # not before: a first look that was given up would pass for one that was acted on
        if read.directives is None:
            self._refused(read.findings)
            return True
        self._ever = True
        if content is None:
            self._missing()
        self._observer.directives_read(read.directives)
        self._say(read.directives)
        return True

    def _not_read(self) -> None:
        """Say that the disk does not answer, once; what stands there is read anew as soon as it does."""
        if not self._unanswered:
            self._unanswered = True
            self._read = _UNREAD
            self._refused([self._finding("is not read yet", "see whether its disk answers")])

    def _refused(self, findings: Sequence[Finding]) -> None:
        if self._ever:
            self._observer.directives_rejected(findings)
            return
        hold = self._everything()
        self._observer.directives_unreadable(hold, findings)
        self._say(hold)

    def _everything(self) -> Directives:
        why = "the directives file could not be read at the start"
        return Directives(Pause(_NEVER_MS, why, destination) for destination in self._known.destinations)

    def _finding(self, message: str, advice: str) -> Finding:
        return Finding("error", str(self._path), None, None, "", message, advice)

    def _say(self, directives: Directives) -> None:
        self._said = directives
        self._direct(directives.in_force(self._clock_ms()))

    def _see(self) -> None:
        """Find what is in force now; tell what has ended, and what is back since the clock was put right."""
        before, now = self.in_force, self._said.in_force(self._clock_ms())
        for directive in before:
            if directive not in now:
                self._observer.directive_ended(directive)
        for directive in now:
            if directive not in before:
                self._observer.directive_active_again(directive)
        self._direct(now)

    def _direct(self, directives: Directives) -> None:
        if directives == self.in_force:
            return
        self.in_force = directives
        for act in self._act:
            act(directives)

    def _wait_s(self) -> float:
        """Return the seconds to the next look: an end is kept to the moment, as far as the clock goes on evenly."""
        ends_ms = min((directive.until_ms for directive in self.in_force), default=None)
        if ends_ms is None:
            return self._every_s
        return max(0.0, min(self._every_s, (ends_ms - self._clock_ms()) / 1000))


class _Unread:
    """What nothing that can be read is equal to."""


_UNREAD = _Unread()
