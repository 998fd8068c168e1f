"""A start waits for the directives file, but not forever, and not during a shutdown."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.directives.parser import Content, content_of, read_content
from consumer.model.directives import Directives
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, WatcherHarness


class Blocked:
    """A function that blocks its thread until `release` is set."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.called, self.release = threading.Event(), threading.Event()
        self._function = function

    def __call__(self, *arguments: object) -> Any:  # noqa: ANN401 - whatever the function returns
        self.called.set()
        self.release.wait()
        return self._function(*arguments)


TIMED_OUT = "unreadable, 2 pauses: could not be read in time"


@pytest.mark.parametrize(("option", "function"), [("read", content_of), ("parse", read_content)])
def test_slow_read_at_start_pauses_everything_until_it_ends(
    option: str, function: Callable[..., Any], tmp_path: Path
) -> None:
    blocked = Blocked(function)
    options: dict[str, Any] = {option: blocked}
    harness = WatcherHarness(tmp_path, every_s=0.01, timeout_s=0.05, **options)

    async def scenario() -> None:
        try:
            await asyncio.wait_for(harness.start(BOTH), 120)
            assert harness.everything_is_paused()
            assert harness.applied == [harness.watcher.in_force]
            assert harness.observer.events == [TIMED_OUT]
        finally:
            blocked.release.set()
        while len(harness.applied) < 2:
            await harness.watcher.refresh()
            await asyncio.sleep(0.005)
        assert harness.applied[1:] == [Directives((COPILOT, CUSTOMERIO))]
        assert harness.observer.events == [TIMED_OUT, "read 2"]

    asyncio.run(scenario())


def test_shutdown_during_start_does_not_wait_for_the_disk(tmp_path: Path) -> None:
    """Nothing of the file takes effect then."""
    blocked = Blocked(content_of)
    harness = WatcherHarness(tmp_path, read=blocked)

    async def scenario() -> None:
        starting = asyncio.create_task(harness.start(BOTH))
        assert await asyncio.to_thread(blocked.called.wait, 30)
        assert not starting.done()
        harness.shutdown.set()
        await asyncio.wait_for(starting, 120)
        assert harness.everything_is_paused()
        assert harness.observer.events == []

    asyncio.run(scenario())  # the loop closes while the disk still hangs
    blocked.release.set()


def test_exception_while_reading_is_raised_by_start(tmp_path: Path) -> None:
    def fail(_: Path) -> Content:
        raise ValueError("a bug")

    harness = WatcherHarness(tmp_path, read=fail)
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(harness.start(BOTH))
