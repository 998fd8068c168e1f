"""Runs servers in a thread of their own, for callers without an event loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Coroutine
from typing import Any, Self

from consumer.demo.fakes.base import Fake

_TIMEOUT_S = 60.0


class ThreadRunner:
    """Runs servers in one daemon thread, within a `with` block or from `open` to `close`."""

    def __init__(self, *fakes: Fake) -> None:
        self._fakes = fakes
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="fakes", daemon=True)

    def open(self) -> Self:
        """Start the thread and every server. Afterwards their ports are known.

        Raises:
            OSError: a given port is in use.
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
        """Stop every server and end the thread. A second call does nothing."""
        if not self.is_running:
            return
        for fake in self._fakes:
            self.stop(fake)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_TIMEOUT_S)

    @property
    def is_running(self) -> bool:
        """Whether the thread is alive."""
        return self._thread.is_alive()

    def start(self, fake: Fake) -> None:
        """Start one server, after a stop on its old port."""
        self._wait_for(fake.start())

    def stop(self, fake: Fake) -> None:
        """Stop one server: refuse connections and close the open ones. Its records stay."""
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

    def _wait_for(self, coroutine: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(_TIMEOUT_S)
