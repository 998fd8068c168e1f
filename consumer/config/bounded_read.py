"""Looks at a file whose disk may not answer: in a thread that nobody has to wait for, and for so long only."""

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
    """What a look comes to while the disk does not answer: what stands there is not known now."""

    UNANSWERED = "unanswered"


UNANSWERED: Final = Unanswered.UNANSWERED
NotKnown: TypeAlias = Literal[Unanswered.UNANSWERED]


class BoundedRead(Generic[Found]):
    """Looks at one file, whenever it is asked to.

    The loop's own threads are all waited for when it closes, so that one of them in a disk that hangs would keep the
    process for ever: here each look has a thread of its own, which ends with the process. There is one at most; who
    asks meanwhile shares its answer. An answer that comes when nobody waits any more is not kept, it may be old by the
    time somebody asks again.

    Args:
        read: reads the file, and may block.
        timeout_s: seconds that a look takes at most. While it is still under way after that, nobody waits for it.
    """

    def __init__(self, read: Callable[[], Found], timeout_s: float) -> None:
        self._read = read
        self.timeout_s = timeout_s
        self._under_way: concurrent.futures.Future[Found] | None = None
        self._until = 0.0

    def hangs(self) -> bool:
        """Tell whether a look is under way that was given up."""
        return self._under_way is not None and not self._under_way.done() and time.monotonic() >= self._until

    async def __call__(self) -> Found | NotKnown:
        """Return what `read` returns, or raise what it raises; `UNANSWERED` if it is not known in time."""
        if self.hangs():
            return UNANSWERED
        if self._under_way is None or self._under_way.done():
            self._under_way = run_in_daemon_thread(self._read, "disk")
            self._until = time.monotonic() + self.timeout_s
        try:
            async with asyncio.timeout(max(0.0, self._until - time.monotonic())):
                return await asyncio.wrap_future(self._under_way)
        except TimeoutError:
            return UNANSWERED
