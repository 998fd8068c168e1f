"""Threads beside the loop: one for a blocking call, and one that runs for as long as the loop.

Both kinds are daemon threads, which end with the process. The loop's own executor threads are joined when the loop
closes and when the process exits. One of them in a system call that never returns would keep the process alive.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import threading
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")


def run_in_daemon_thread(function: Callable[[], Result], name: str) -> concurrent.futures.Future[Result]:
    """Start a daemon thread that calls `function`, and return the future of its result or exception.

    The future cannot be cancelled: the thread cannot be stopped, and may always set its result. A task awaits it by
    `asyncio.wrap_future`, and may cancel that wrapper.
    """
    future: concurrent.futures.Future[Result] = concurrent.futures.Future()
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            future.set_result(function())
        except BaseException as error:  # noqa: BLE001 - the waiting task raises it; without it that task would wait forever
            future.set_exception(error)

    threading.Thread(target=run, name=name, daemon=True).start()
    return future


class LoopThread:
    """A daemon thread that serves one event loop.

    Args:
        run: the thread's work, from start to end.
        loop: the event loop.
        name: the thread's name.

    Attributes:
        done: a future of the loop. It has a result once `run` has returned, and the exception that `run` raised.
    """

    def __init__(self, run: Callable[[], None], loop: asyncio.AbstractEventLoop, name: str) -> None:
        self.done: asyncio.Future[None] = loop.create_future()
        self._loop = loop
        self._run = run
        self._thread = threading.Thread(target=self._main, name=name, daemon=True)

    @property
    def started(self) -> bool:
        """Whether `start` was called."""
        return self._thread.ident is not None

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def call_in_loop(self, callback: Callable[..., object], *args: object) -> bool:
        """Schedule a call in the loop; return False if the loop is closed. The thread calls this."""
        try:
            self._loop.call_soon_threadsafe(callback, *args)
        except RuntimeError:
            return False
        return True

    def _main(self) -> None:
        failure: BaseException | None = None
        try:
            self._run()
        except BaseException as error:  # noqa: BLE001 - the owner of `done` raises it
            failure = error
        self.call_in_loop(self._end, failure)  # with a closed loop nothing waits for `done` any more

    def _end(self, failure: BaseException | None) -> None:
        if self.done.done():
            return
        if failure is None:
            self.done.set_result(None)
        else:
            self.done.set_exception(failure)
