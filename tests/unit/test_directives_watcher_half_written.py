"""A half-written directives file, or one that keeps changing, is never accepted."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from consumer.model.directives import Directives
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, NOON, WatcherHarness, pause


@pytest.fixture
def harness(tmp_path: Path) -> WatcherHarness:
    return WatcherHarness(tmp_path)


def test_half_written_file_changes_nothing(harness: WatcherHarness) -> None:
    half = "directives:\n" + pause("copilot", NOON)

    async def scenario() -> None:
        await harness.start(BOTH)
        harness.path.write_text(half)

        async def write_more(_: float) -> None:
            harness.path.write_text(f"{BOTH}\n")

        harness.between_reads = write_more
        await harness.watcher.refresh()
        assert harness.watcher.in_force == Directives((COPILOT, CUSTOMERIO))
        assert harness.observer.events == ["read 2"]
        await harness.watcher.refresh()
        assert len(harness.applied) == 1
        assert harness.observer.events == ["read 2", "read 2"]

    asyncio.run(scenario())


def test_start_waits_for_a_file_being_written(harness: WatcherHarness) -> None:
    writing = iter([BOTH[:40], BOTH[:80], BOTH])

    async def write_more(_: float) -> None:
        harness.path.write_text(next(writing, BOTH))

    async def scenario() -> None:
        harness.between_reads = write_more
        await harness.start("")
        assert harness.applied == [Directives((COPILOT, CUSTOMERIO))]
        assert harness.observer.events == ["read 2"]

    asyncio.run(scenario())


def test_constantly_changing_file_at_start_pauses_everything(
    harness: WatcherHarness,
) -> None:
    """The start does not wait forever; the pause ends once the file stays the same."""

    async def write_more(_: float) -> None:
        harness.path.write_text(f"{harness.path.read_text()}#\n")

    async def scenario() -> None:
        harness.between_reads = write_more
        await harness.start(BOTH)
        await harness.watcher.refresh()
        harness.between_reads = asyncio.sleep
        assert [each.destination for each in harness.watcher.in_force.pauses] == ["copilot", "customerio"]
        assert harness.observer.events == ["unreadable, 2 pauses: keeps changing"]
        await harness.watcher.refresh()
        assert harness.applied[1:] == [Directives((COPILOT, CUSTOMERIO))]
        assert harness.observer.events[1:] == ["read 2"]

    asyncio.run(scenario())
