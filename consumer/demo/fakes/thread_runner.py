"""Servers in a thread of their own, for callers that have no loop or do not want to share it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from consumer.demo.fakes.base import Fake

_WITHIN_S = 60.0


class ThreadRunner:
    """Servers that live in one daemon thread while the `with` block, or the time from `open` to `close`, lasts."""

    def __init__(self, *fakes: Fake) -> None:
        self._fakes = fakes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fakes", daemon=True)

    def open(self) -> Self:
        """Start the thread and every server; afterwards their ports are known.

        Raises:
            OSError: a port that was asked for is taken.
        """
        self._thread.start()
        try:
            for fake in self._fakes:
                self.start(fake)
        except BaseException:
            self.close()
            raise
        return self

    def close(self) -> None:
        """Stop every server, end the thread."""
        if not self.is_running:
            return
        for fake in self._fakes:
            self.stop(fake)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_WITHIN_S)

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def start(self, fake: Fake) -> None:
        """Let one server listen, after a stop on its old port."""
        self._wait_for(fake.start())

    def stop(self, fake: Fake) -> None:
        """Let one server refuse connections and cut the open ones; its books stay."""
        self._wait_for(fake.stop())

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        try:
            self._loop.run_forever()
        finally:
            self._loop.run_until_complete(self._loop.shutdown_asyncgens())
            self._loop.close()

    def _wait_for(self, doing: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(doing, self._loop).result(_WITHIN_S)
