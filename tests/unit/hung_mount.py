"""A mount that does not respond: opening the file blocks, as on a network disk whose server is down."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class HungMount:
    """Replaces the file by a named pipe without a writer for the duration of a `with` block: opening it blocks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._kept, self._pipe = path.with_name(f"{path.name}.kept"), path.with_name(f"{path.name}.pipe")
        self._answered = False
        self._before = set(threading.enumerate())

    def __enter__(self) -> Self:
        os.link(self._path, self._kept)
        os.mkfifo(self._pipe)
        again = self._path.with_name(f"{self._path.name}.again")
        os.link(self._pipe, again)
        again.replace(self._path)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self._answered:
            self.answer()
        self._pipe.unlink()
        self._kept.unlink()

    def waiting(self) -> list[threading.Thread]:
        """Return the threads of this process that read a disk and did not exist before."""
        return [each for each in threading.enumerate() if each.name == "disk" and each not in self._before]

    async def asked(self) -> None:
        """Wait until a thread of this process reads the file."""
        while not self.waiting():  # noqa: ASYNC110 - a thread that blocks in opening a file cannot notify
            await asyncio.sleep(0.005)

    def answer(self, content: bytes | None = None) -> None:
        """Respond again, with new content if it is given. Threads that wait get the old content, and end."""
        self._answered = True
        old = self._kept.read_bytes()
        restored = self._path.with_name(f"{self._path.name}.restored")
        restored.write_bytes(old if content is None else content)
        restored.replace(self._path)
        while self.waiting():
            try:
                writer = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # the thread does not wait at the pipe yet, or no longer
                time.sleep(0.005)
                continue
            os.write(writer, old)
            os.close(writer)
            time.sleep(0.005)
