"""A start waits for the directives file, and neither for ever nor when it is asked to leave."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from consumer.directives.parser import content_of, read_content
from consumer.model.directives import Directives
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, Steered


class Hung:
    """Something that is asked in a thread, and answers no sooner than it may."""

    def __init__(self, does: Callable[..., Any]) -> None:
        self.asked, self.may = threading.Event(), threading.Event()
        self._does = does

    def __call__(self, *asked: object) -> object:
        self.asked.set()
        self.may.wait()
        return self._does(*asked)


UNTOLD = "unread, 2 hold: is not read yet"


@pytest.mark.parametrize(("name", "does"), [("content_of", content_of), ("read_content", read_content)])
def test_a_file_not_read_in_time_at_the_start_holds_everything_until_it_is(
    name: str, does: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steered = Steered(tmp_path, every_s=0.01, within_s=0.05)
    hung = Hung(does)
    monkeypatch.setattr(f"consumer.directives.watcher.{name}", hung)

    async def scenario() -> None:
        try:
            await asyncio.wait_for(steered.begin(BOTH), 120)
            assert steered.everything_waits()
            assert steered.acted == [steered.steering.in_force]
            assert steered.story.said == [UNTOLD]
        finally:
            hung.may.set()
        while len(steered.acted) < 2:
            await steered.steering.refresh()
            await asyncio.sleep(0.005)
        assert steered.acted[1:] == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == [UNTOLD, "read 2"]

    asyncio.run(scenario())


def test_whoever_is_asked_to_leave_before_the_file_was_read_waits_for_no_disk_and_acts_on_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steered, hung = Steered(tmp_path), Hung(content_of)
    monkeypatch.setattr("consumer.directives.watcher.content_of", hung)

    async def scenario() -> None:
        beginning = asyncio.create_task(steered.begin(BOTH))
        assert await asyncio.to_thread(hung.asked.wait, 30)
        assert not beginning.done()
        steered.leave.set()
        await asyncio.wait_for(beginning, 120)
        assert steered.everything_waits()
        assert steered.story.said == []

    asyncio.run(scenario())  # the loop closes while the disk still hangs
    hung.may.set()


def test_what_falls_while_the_file_is_read_is_told_to_whoever_waits_for_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fall(_: Path) -> None:
        raise ValueError("a bug")

    steered = Steered(tmp_path)
    monkeypatch.setattr("consumer.directives.watcher.content_of", fall)
    with pytest.raises(ValueError, match="a bug"):
        asyncio.run(steered.begin(BOTH))
