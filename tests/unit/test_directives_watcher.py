"""What the directives file says is in force while the service runs, and ends by itself; a bad file changes nothing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine
from pathlib import Path

import pytest

from consumer.model.directives import NONE, Directives
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.log.writer import Log
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, EVENING_MS, NOON, NOON_MS, Steered, pause
from tests.unit.hung_mount import HungMount


@pytest.fixture
def steered(tmp_path: Path) -> Steered:
    return Steered(tmp_path)


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(scenario)


def test_what_the_file_says_at_the_start_is_in_force_before_anything_else(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == ["read 2"]

    run(scenario())


def test_a_changed_file_is_acted_on_once_and_whole(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        await steered.steering.refresh()
        await steered.write("directives:\n" + pause("copilot", NOON))
        await steered.steering.refresh()
        assert steered.acted[1:] == [Directives((COPILOT,))]
        assert steered.story.said == ["read 2", "read 1"]

    run(scenario())


def test_a_change_that_means_the_same_is_read_and_nobody_acts(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        await steered.write(f"# looked at again\n{BOTH}")
        assert len(steered.acted) == 1
        assert steered.story.said == ["read 2", "read 2"]

    run(scenario())


def test_a_swapped_link_counts_by_its_content(tmp_path: Path, steered: Steered) -> None:
    async def scenario() -> None:
        (tmp_path / "one").write_text(BOTH)
        (tmp_path / "two").write_text("directives:\n" + pause("copilot", NOON))
        steered.path.symlink_to(tmp_path / "one")
        await steered.steering.start([steered.acted.append], steered.leave)
        steered.path.unlink()
        steered.path.symlink_to(tmp_path / "two")
        await steered.steering.refresh()
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO)), Directives((COPILOT,))]

    run(scenario())


BAD = BOTH.replace("customerio", "customerol")
REFUSED = "refused: `customerol` is no destination"


def test_a_bad_file_is_refused_whole_once_and_the_old_one_stays(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        await steered.write(BAD)
        await steered.steering.refresh()
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert len(steered.acted) == 1
        assert steered.story.said == ["read 2", REFUSED]
        await steered.write(BOTH)
        assert len(steered.acted) == 1
        assert steered.story.said == ["read 2", REFUSED, "read 2"]

    run(scenario())


def test_what_the_old_file_said_ends_in_time_though_a_bad_one_stands_there(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        await steered.write(BAD)
        steered.now_ms = NOON_MS
        await steered.steering.refresh()
        assert steered.steering.in_force == Directives((CUSTOMERIO,))
        assert steered.story.said[2:] == ["ended: pause {'destination': 'copilot'}"]

    run(scenario())


HANGS = "refused: is not read yet"
UNREAD = "unread, 2 hold: `customerol` is no destination"


def test_a_bad_file_at_the_start_holds_everything_until_it_is_mended(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BAD)
        assert steered.everything_waits()
        assert steered.acted == [steered.steering.in_force]
        await steered.write(BAD.replace("customerol", "nobody"))
        assert steered.everything_waits()
        await steered.write(BOTH)
        assert steered.acted[1:] == [Directives((COPILOT, CUSTOMERIO))]
        await steered.write(BAD)
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert steered.story.said == [UNREAD, "unread, 2 hold: `nobody` is no destination", "read 2", REFUSED]

    run(scenario())


def test_what_a_bad_file_at_the_start_holds_goes_on_when_the_file_is_removed_and_never_by_itself(
    steered: Steered,
) -> None:
    async def scenario() -> None:
        await steered.begin(BAD)
        steered.now_ms = EVENING_MS + 100 * 365 * 86_400_000
        await steered.steering.refresh()
        assert steered.everything_waits()
        steered.path.unlink()
        await steered.steering.refresh()
        assert steered.acted[1:] == [NONE]
        await steered.write(BAD)
        assert steered.acted[2:] == []
        assert steered.story.said == [UNREAD, "missing", "read 0", REFUSED]

    run(scenario())


def test_a_file_that_cannot_be_read_is_refused_and_the_old_one_stays(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.unlink()
        steered.path.mkdir()
        await steered.steering.refresh()
        await steered.steering.refresh()
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert steered.story.said == ["read 2", "refused: cannot be read: is a directory"]

    run(scenario())


def test_a_file_that_goes_takes_its_directives_with_it_and_is_said_to_be_missing_once(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.unlink()
        await steered.steering.refresh()
        await steered.steering.refresh()
        assert steered.acted[1:] == [NONE]
        await steered.write(BOTH)
        assert steered.acted[2:] == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == ["read 2", "missing", "read 0", "read 2"]

    run(scenario())


def test_no_file_at_the_start_is_said_once_and_nobody_acts(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.steering.start([steered.acted.append], steered.leave)
        await steered.steering.refresh()
        assert steered.acted == []
        assert steered.story.said == ["missing", "read 0"]

    run(scenario())


def test_each_directive_ends_by_itself(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.now_ms = NOON_MS - 1
        await steered.steering.refresh()
        assert len(steered.acted) == 1
        steered.now_ms = NOON_MS
        await steered.steering.refresh()
        await steered.steering.refresh()
        assert steered.acted[1:] == [Directives((CUSTOMERIO,))]
        steered.now_ms = EVENING_MS
        await steered.steering.refresh()
        assert steered.acted[2:] == [NONE]
        assert steered.story.said == [
            "read 2",
            "ended: pause {'destination': 'copilot'}",
            "ended: pause {'destination': 'customerio'}",
        ]

    run(scenario())


def test_a_clock_that_was_ahead_and_is_put_right_gives_back_what_it_ended(tmp_path: Path) -> None:
    shown = DirectivesObserver(Log(io.StringIO()))
    steered = Steered(tmp_path, also=shown)

    async def scenario() -> None:
        await steered.begin(BOTH)
        right_ms = steered.now_ms
        for now_ms, in_force in ((NOON_MS, (CUSTOMERIO,)), (EVENING_MS, ()), (right_ms, (COPILOT, CUSTOMERIO))):
            steered.now_ms = now_ms
            await steered.steering.refresh()
            assert steered.steering.in_force == in_force
            assert shown.in_force(now_ms) == in_force, "what is shown is what is acted on"
        assert steered.acted == [(COPILOT, CUSTOMERIO), (CUSTOMERIO,), (), (COPILOT, CUSTOMERIO)]
        assert steered.story.said[-2:] == [
            "back: pause {'destination': 'copilot'}",
            "back: pause {'destination': 'customerio'}",
        ]

    run(scenario())


def test_what_is_over_when_it_is_read_never_comes_into_force(steered: Steered) -> None:
    async def scenario() -> None:
        steered.now_ms = NOON_MS
        await steered.begin(BOTH)
        assert steered.acted == [Directives((CUSTOMERIO,))]
        assert steered.story.said == ["read 2"]

    run(scenario())


def test_while_it_runs_it_looks_again_and_again(tmp_path: Path) -> None:
    steered = Steered(tmp_path, every_s=0.01)

    async def scenario() -> None:
        changed = asyncio.Event()
        steered.path.write_text("directives:\n" + pause("copilot", NOON))
        await steered.steering.start([steered.acted.append, lambda _: changed.set()], steered.leave)
        changed.clear()
        running = asyncio.create_task(steered.steering.run())
        (tmp_path / "next").write_text(BOTH)
        (tmp_path / "next").replace(steered.path)
        await asyncio.wait_for(changed.wait(), 120)
        changed.clear()
        steered.now_ms = NOON_MS
        await asyncio.wait_for(changed.wait(), 120)
        running.cancel()
        assert steered.acted == [
            Directives((COPILOT,)),
            Directives((COPILOT, CUSTOMERIO)),
            Directives((CUSTOMERIO,)),
        ]

    run(scenario())


def test_an_end_is_kept_to_the_moment_while_the_files_disk_hangs(tmp_path: Path) -> None:
    steered = Steered(tmp_path, every_s=0.01)

    async def scenario() -> None:
        await steered.begin(BOTH)
        ended = asyncio.Event()
        steered.steering._act = [steered.acted.append, lambda _: ended.set()]
        with HungMount(steered.path) as mount:
            running = asyncio.create_task(steered.steering.run())
            await mount.asked()
            steered.now_ms = NOON_MS
            await asyncio.wait_for(ended.wait(), 120)
            running.cancel()
        assert steered.acted[1:] == [Directives((CUSTOMERIO,))]
        assert steered.story.said == ["read 2", "ended: pause {'destination': 'copilot'}"]

    run(scenario())


def test_a_disk_that_hangs_while_it_runs_is_said_once_and_the_file_is_read_anew_when_it_answers(
    tmp_path: Path,
) -> None:
    steered = Steered(tmp_path, within_s=30)

    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.steering._file.timeout_s = 0.05
        with HungMount(steered.path) as mount:
            await steered.steering.refresh()
            await steered.steering.refresh()
            assert steered.story.said == ["read 2", HANGS]
            assert len(steered.acted) == 1, "what was read before stays in force"
            mount.answer()
        steered.steering._file.timeout_s = 30
        await steered.steering.refresh()
        await steered.steering.refresh()
        assert steered.story.said == ["read 2", HANGS, "read 2"]
        with HungMount(steered.path):
            steered.steering._file.timeout_s = 0.05
            await steered.steering.refresh()
        assert steered.story.said == ["read 2", HANGS, "read 2", HANGS]
        assert len(steered.acted) == 1

    run(scenario())


def test_what_falls_while_it_runs_is_told_to_whoever_waits_for_it(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        monkeypatch.setattr(steered.story, "directive_ended", None)
        steered.now_ms = NOON_MS
        with pytest.RaisesGroup(TypeError):
            await asyncio.wait_for(steered.steering.run(), 120)

    run(scenario())


@pytest.mark.parametrize(("now_ms", "wait_s"), [(NOON_MS - 5000, 1.0), (NOON_MS - 250, 0.25), (NOON_MS + 5000, 0.0)])
def test_an_end_that_is_near_is_not_slept_over(steered: Steered, now_ms: int, wait_s: float) -> None:
    async def scenario() -> None:
        assert steered.steering._wait_s() == 1.0
        await steered.begin(BOTH)
        steered.now_ms = now_ms
        assert steered.steering._wait_s() == wait_s

    run(scenario())
