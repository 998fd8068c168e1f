"""A mount that does not answer: whoever opens the file waits, as on a network disk whose server is gone."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self


class HungMount:
    """While the block lasts a named pipe without a writer stands in the file's place, so that opening it blocks."""

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
        """Return the threads of this process that look at a disk and were not there before."""
        return [each for each in threading.enumerate() if each.name == "disk" and each not in self._before]

    async def asked(self) -> None:
        """Wait until somebody of this process reads."""
        while not self.waiting():  # noqa: ASYNC110 - whoever blocks in opening a file can tell nobody
            await asyncio.sleep(0.005)

    def answer(self, content: bytes | None = None) -> None:
        """Be well again, with other content if some is given; who waits is told the old one, and has ended after."""
        self._answered = True
        old = self._kept.read_bytes()
        mended = self._path.with_name(f"{self._path.name}.mended")
        mended.write_bytes(old if content is None else content)
        mended.replace(self._path)
        while self.waiting():
            try:
                writer = os.open(self._pipe, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:  # it has found the pipe and does not wait there yet, or not any more
                time.sleep(0.005)
                continue
            os.write(writer, old)
            os.close(writer)
            time.sleep(0.005)
