"""Half of a directives file, or of a file that is always being written, is never taken for a whole one."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from consumer.model.directives import Directives
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, NOON, Steered, pause


@pytest.fixture
def steered(tmp_path: Path) -> Steered:
    return Steered(tmp_path)


def test_half_a_file_that_is_being_written_changes_nothing(steered: Steered) -> None:
    half = "directives:\n" + pause("copilot", NOON)

    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.write_text(half)

        async def the_writer_goes_on(_: float) -> None:
            steered.path.write_text(f"{BOTH}\n")

        steered.between_reads = the_writer_goes_on
        await steered.steering.refresh()
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert steered.story.said == ["read 2"]
        await steered.steering.refresh()
        assert len(steered.acted) == 1
        assert steered.story.said == ["read 2", "read 2"]

    asyncio.run(scenario())


def test_a_start_waits_for_a_file_that_is_being_written(steered: Steered) -> None:
    writing = iter([BOTH[:40], BOTH[:80], BOTH])

    async def the_writer_goes_on(_: float) -> None:
        steered.path.write_text(next(writing, BOTH))

    async def scenario() -> None:
        steered.between_reads = the_writer_goes_on
        await steered.begin("")
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == ["read 2"]

    asyncio.run(scenario())


def test_a_file_that_never_stands_still_keeps_nobody_from_starting_and_holds_everything_until_it_does(
    steered: Steered,
) -> None:
    async def the_writer_goes_on(_: float) -> None:
        steered.path.write_text(f"{steered.path.read_text()}#\n")

    async def scenario() -> None:
        steered.between_reads = the_writer_goes_on
        await steered.begin(BOTH)
        await steered.steering.refresh()
        steered.between_reads = asyncio.sleep
        assert [each.destination for each in steered.steering.in_force.pauses] == ["copilot", "customerio"]
        assert steered.story.said == ["unread, 2 hold: never stands still"]
        await steered.steering.refresh()
        assert steered.acted[1:] == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said[1:] == ["read 2"]

    asyncio.run(scenario())
