"""Read a file whose disk may not answer: in a daemon thread, and with a timeout."""

from __future__ import annotations

import asyncio
import concurrent.futures
import enum
import time
from collections.abc import Callable
from typing import Final, Generic, Literal, TypeAlias, TypeVar

from consumer.threads import run_in_daemon_thread

Found = TypeVar("Found")


class Unanswered(enum.Enum):
    """The result of a read while the disk does not answer: the content is unknown."""

    UNANSWERED = "unanswered"


UNANSWERED: Final = Unanswered.UNANSWERED
NotRead: TypeAlias = Literal[Unanswered.UNANSWERED]


class BoundedRead(Generic[Found]):
    """Reads one file at each call.

    When an event loop closes, it waits for all of its own threads. One that hangs in a disk would block the process
    forever. So each read has its own daemon thread, which ends with the process. At most one read is in progress;
    concurrent callers share its result. A result after the timeout is discarded: it may be outdated at the next call.

    Args:
        read: reads the file, and may block.
        timeout_s: maximum seconds of a read. While a read takes longer, calls return `UNANSWERED` at once.
    """

    def __init__(self, read: Callable[[], Found], timeout_s: float) -> None:
        self._read = read
        self.timeout_s = timeout_s
        self._in_progress: concurrent.futures.Future[Found] | None = None
        self._deadline = 0.0

    def hangs(self) -> bool:
        """Return whether a read has timed out and is still in progress."""
        return self._in_progress is not None and not self._in_progress.done() and time.monotonic() >= self._deadline

    async def __call__(self) -> Found | NotRead:
        """Return what `read` returns, or raise what it raises; `UNANSWERED` after the timeout."""
        if self.hangs():
            return UNANSWERED
        if self._in_progress is None or self._in_progress.done():
            self._in_progress = run_in_daemon_thread(self._read, "disk")
            self._deadline = time.monotonic() + self.timeout_s
        try:
            async with asyncio.timeout(max(0.0, self._deadline - time.monotonic())):
                return await asyncio.wrap_future(self._in_progress)
        except TimeoutError:
            return UNANSWERED
