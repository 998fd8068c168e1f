"""Read a file that another process may be writing: changed content is accepted once two reads agree."""

from __future__ import annotations

import asyncio
import enum
from collections.abc import Awaitable, Callable
from typing import Final, Literal, TypeAlias

from consumer.config.bounded_read import UNANSWERED, BoundedRead, Found


class FileState(enum.Enum):
    """Why a read returned no new content."""

    UNANSWERED = "unanswered"
    """The disk did not respond in time."""
    UNCHANGED = "unchanged"
    UNSTABLE = "unstable"
    """The two reads differed, or the disk did not respond to the second one: the file is being written."""


FILE_UNANSWERED: Final = FileState.UNANSWERED
FILE_UNCHANGED: Final = FileState.UNCHANGED
FILE_UNSTABLE: Final = FileState.UNSTABLE
NoNewContent: TypeAlias = Literal[FileState.UNANSWERED, FileState.UNCHANGED, FileState.UNSTABLE]


class StableFile(BoundedRead[Found]):
    """One file, read twice when its content has changed.

    The second read rejects most half-written files. One that does not change for `settle_s` passes for complete.

    Args:
        read: reads the file, and may block.
        timeout_s: seconds that one read may take.
        settle_s: seconds between the two reads.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        read: Callable[[], Found],
        timeout_s: float,
        settle_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        super().__init__(read, timeout_s)
        self._settle_s = settle_s
        self._sleep = sleep

    async def read_new(self, *known: object) -> Found | NoNewContent:
        """Return the file's content if it equals none of `known`, else the reason why there is no new content.

        Raises:
            Exception: whatever `read` raises.
        """
        content = await self()
        if content is UNANSWERED:
            return FILE_UNANSWERED
        if content in known:
            return FILE_UNCHANGED
        await self._sleep(self._settle_s)
        return content if await self() == content else FILE_UNSTABLE
