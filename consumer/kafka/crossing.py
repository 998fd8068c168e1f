"""How the poll thread reaches the loop: in order, and never waiting without a deadline."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from typing import Any, TypeVar

T = TypeVar("T")


class Crossing:
    """The thread's way into the loop.

    Everything becomes a task of its own, plain calls too: their first steps then run in the order in which the thread
    asked.

    Args:
        loop: the loop to reach.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._told: list[Future[None]] = []

    def ask(self, question: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine in the loop.

        Raises:
            RuntimeError: the loop is closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:
            question.close()  # else Python warns of a coroutine that nobody awaited, and hides the real cause
            raise

    def tell(self, news: Callable[[], None]) -> None:
        """Call something in the loop, without waiting; a failure is raised by `check`."""
        self._told.append(self.ask(_call(news)))

    def check(self) -> None:
        """Raise what a call made by `tell` has raised in the loop: it is a bug, and must not be lost."""
        while self._told and self._told[0].done():
            self._told.pop(0).result()

    def wait(self, answer: Future[Any], within_s: float) -> bool:
        """Wait for an answer; return whether it came."""
        wait_for([answer], within_s)
        return answer.done()


async def _call(news: Callable[[], None]) -> None:
    news()
