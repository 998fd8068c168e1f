"""Directives of the file are active while the service runs, and expire; a bad file changes nothing."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Coroutine
from pathlib import Path

import pytest

from consumer.model.directives import NONE, Directives
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.log.writer import Log
from tests.unit.directives_harness import BOTH, COPILOT, CUSTOMERIO, EVENING_MS, NOON, NOON_MS, WatcherHarness, pause
from tests.unit.hung_mount import HungMount


@pytest.fixture
def harness(tmp_path: Path) -> WatcherHarness:
    return WatcherHarness(tmp_path)


def run(scenario: Coroutine[None, None, None]) -> None:
    asyncio.run(scenario)


def test_directives_of_the_file_are_active_after_start(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        assert harness.applied == [Directives((COPILOT, CUSTOMERIO))]
        assert harness.observer.events == ["read 2"]

    run(scenario())


def test_changed_file_is_applied_once(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        await harness.watcher.refresh()
        await harness.write("directives:\n" + pause("copilot", NOON))
        await harness.watcher.refresh()
        assert harness.applied[1:] == [Directives((COPILOT,))]
        assert harness.observer.events == ["read 2", "read 1"]

    run(scenario())


def test_change_of_a_comment_is_read_but_not_applied(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        await harness.write(f"# a comment\n{BOTH}")
        assert len(harness.applied) == 1
        assert harness.observer.events == ["read 2", "read 2"]

    run(scenario())


def test_swapped_symlink_is_read_by_content(tmp_path: Path, harness: WatcherHarness) -> None:
    async def scenario() -> None:
        (tmp_path / "one").write_text(BOTH)
        (tmp_path / "two").write_text("directives:\n" + pause("copilot", NOON))
        harness.path.symlink_to(tmp_path / "one")
        await harness.watcher.start([harness.applied.append], harness.shutdown)
        harness.path.unlink()
        harness.path.symlink_to(tmp_path / "two")
        await harness.watcher.refresh()
        assert harness.applied == [Directives((COPILOT, CUSTOMERIO)), Directives((COPILOT,))]

    run(scenario())


BAD = BOTH.replace("customerio", "customerol")
REJECTED = "rejected: `customerol` is not a destination"


def test_bad_file_is_rejected_once_and_old_directives_stay(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        await harness.write(BAD)
        await harness.watcher.refresh()
        assert harness.watcher.in_force == Directives((COPILOT, CUSTOMERIO))
        assert len(harness.applied) == 1
        assert harness.observer.events == ["read 2", REJECTED]
        await harness.write(BOTH)
        assert len(harness.applied) == 1
        assert harness.observer.events == ["read 2", REJECTED, "read 2"]

    run(scenario())


def test_old_directives_expire_while_the_file_is_bad(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        await harness.write(BAD)
        harness.now_ms = NOON_MS
        await harness.watcher.refresh()
        assert harness.watcher.in_force == Directives((CUSTOMERIO,))
        assert harness.observer.events[2:] == ["ended: pause {'destination': 'copilot'}"]

    run(scenario())


HANGS = "rejected: could not be read in time"
UNREADABLE = "unreadable, 2 pauses: `customerol` is not a destination"


def test_bad_file_at_start_pauses_everything_until_corrected(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BAD)
        assert harness.everything_is_paused()
        assert harness.applied == [harness.watcher.in_force]
        await harness.write(BAD.replace("customerol", "unknown"))
        assert harness.everything_is_paused()
        await harness.write(BOTH)
        assert harness.applied[1:] == [Directives((COPILOT, CUSTOMERIO))]
        await harness.write(BAD)
        assert harness.watcher.in_force == Directives((COPILOT, CUSTOMERIO))
        assert harness.observer.events == [
            UNREADABLE,
            "unreadable, 2 pauses: `unknown` is not a destination",
            "read 2",
            REJECTED,
        ]

    run(scenario())


def test_pause_of_a_bad_file_at_start_ends_with_its_removal_only(
    harness: WatcherHarness,
) -> None:
    """The pause never expires by itself; without the file, deliveries continue."""

    async def scenario() -> None:
        await harness.start(BAD)
        harness.now_ms = EVENING_MS + 100 * 365 * 86_400_000
        await harness.watcher.refresh()
        assert harness.everything_is_paused()
        harness.path.unlink()
        await harness.watcher.refresh()
        assert harness.applied[1:] == [NONE]
        await harness.write(BAD)
        assert harness.applied[2:] == []
        assert harness.observer.events == [UNREADABLE, "missing", "read 0", REJECTED]

    run(scenario())


def test_unreadable_file_is_rejected_and_old_directives_stay(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        harness.path.unlink()
        harness.path.mkdir()
        await harness.watcher.refresh()
        await harness.watcher.refresh()
        assert harness.watcher.in_force == Directives((COPILOT, CUSTOMERIO))
        assert harness.observer.events == ["read 2", "rejected: cannot be read: is a directory"]

    run(scenario())


def test_removed_file_ends_its_directives_and_is_reported_once(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        harness.path.unlink()
        await harness.watcher.refresh()
        await harness.watcher.refresh()
        assert harness.applied[1:] == [NONE]
        await harness.write(BOTH)
        assert harness.applied[2:] == [Directives((COPILOT, CUSTOMERIO))]
        assert harness.observer.events == ["read 2", "missing", "read 0", "read 2"]

    run(scenario())


def test_missing_file_at_start_is_reported_once(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.watcher.start([harness.applied.append], harness.shutdown)
        await harness.watcher.refresh()
        assert harness.applied == []
        assert harness.observer.events == ["missing", "read 0"]

    run(scenario())


def test_each_directive_expires_by_itself(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        harness.now_ms = NOON_MS - 1
        await harness.watcher.refresh()
        assert len(harness.applied) == 1
        harness.now_ms = NOON_MS
        await harness.watcher.refresh()
        await harness.watcher.refresh()
        assert harness.applied[1:] == [Directives((CUSTOMERIO,))]
        harness.now_ms = EVENING_MS
        await harness.watcher.refresh()
        assert harness.applied[2:] == [NONE]
        assert harness.observer.events == [
            "read 2",
            "ended: pause {'destination': 'copilot'}",
            "ended: pause {'destination': 'customerio'}",
        ]

    run(scenario())


def test_corrected_clock_reactivates_expired_directives(tmp_path: Path) -> None:
    shown = DirectivesObserver(Log(io.StringIO()))
    harness = WatcherHarness(tmp_path, also=shown)

    async def scenario() -> None:
        await harness.start(BOTH)
        right_ms = harness.now_ms
        for now_ms, in_force in ((NOON_MS, (CUSTOMERIO,)), (EVENING_MS, ()), (right_ms, (COPILOT, CUSTOMERIO))):
            harness.now_ms = now_ms
            await harness.watcher.refresh()
            assert harness.watcher.in_force == in_force
            assert shown.in_force(now_ms) == in_force, "the observer shows what is applied"
        assert harness.applied == [(COPILOT, CUSTOMERIO), (CUSTOMERIO,), (), (COPILOT, CUSTOMERIO)]
        assert harness.observer.events[-2:] == [
            "active again: pause {'destination': 'copilot'}",
            "active again: pause {'destination': 'customerio'}",
        ]

    run(scenario())


def test_directive_expired_when_read_is_never_active(harness: WatcherHarness) -> None:
    async def scenario() -> None:
        harness.now_ms = NOON_MS
        await harness.start(BOTH)
        assert harness.applied == [Directives((CUSTOMERIO,))]
        assert harness.observer.events == ["read 2"]

    run(scenario())


def test_run_applies_changes_and_expirations(tmp_path: Path) -> None:
    harness = WatcherHarness(tmp_path, every_s=0.01)

    async def scenario() -> None:
        await harness.start("directives:\n" + pause("copilot", NOON))
        harness.changed.clear()
        running = asyncio.create_task(harness.watcher.run())
        (tmp_path / "next").write_text(BOTH)
        (tmp_path / "next").replace(harness.path)
        await asyncio.wait_for(harness.changed.wait(), 120)
        harness.changed.clear()
        harness.now_ms = NOON_MS
        await asyncio.wait_for(harness.changed.wait(), 120)
        running.cancel()
        assert harness.applied == [
            Directives((COPILOT,)),
            Directives((COPILOT, CUSTOMERIO)),
            Directives((CUSTOMERIO,)),
        ]

    run(scenario())


def test_directive_expires_on_time_while_the_disk_hangs(tmp_path: Path) -> None:
    harness = WatcherHarness(tmp_path, every_s=0.01)

    async def scenario() -> None:
        await harness.start(BOTH)
        harness.changed.clear()
        with HungMount(harness.path) as mount:
            running = asyncio.create_task(harness.watcher.run())
            await mount.asked()
            harness.now_ms = NOON_MS
            await asyncio.wait_for(harness.changed.wait(), 120)
            running.cancel()
        assert harness.applied[1:] == [Directives((CUSTOMERIO,))]
        assert harness.observer.events == ["read 2", "ended: pause {'destination': 'copilot'}"]

    run(scenario())


def test_hanging_disk_is_reported_once_and_file_is_read_afterwards(
    tmp_path: Path,
) -> None:
    harness = WatcherHarness(tmp_path, timeout_s=30)

    async def scenario() -> None:
        await harness.start(BOTH)
        harness.watcher.file.timeout_s = 0.05
        with HungMount(harness.path) as mount:
            await harness.watcher.refresh()
            await harness.watcher.refresh()
            assert harness.observer.events == ["read 2", HANGS]
            assert len(harness.applied) == 1, "the previous directives stay active"
            mount.answer()
        harness.watcher.file.timeout_s = 30
        await harness.watcher.refresh()
        await harness.watcher.refresh()
        assert harness.observer.events == ["read 2", HANGS, "read 2"]
        with HungMount(harness.path):
            harness.watcher.file.timeout_s = 0.05
            await harness.watcher.refresh()
        assert harness.observer.events == ["read 2", HANGS, "read 2", HANGS]
        assert len(harness.applied) == 1

    run(scenario())


def test_exception_of_an_observer_ends_run(harness: WatcherHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario() -> None:
        await harness.start(BOTH)
        monkeypatch.setattr(harness.observer, "directive_ended", None)
        harness.now_ms = NOON_MS
        with pytest.RaisesGroup(TypeError):
            await asyncio.wait_for(harness.watcher.run(), 120)

    run(scenario())


@pytest.mark.parametrize(("now_ms", "wait_s"), [(NOON_MS - 5000, 1.0), (NOON_MS - 250, 0.25), (NOON_MS + 5000, 0.0)])
def test_next_check_is_no_later_than_the_next_expiration(harness: WatcherHarness, now_ms: int, wait_s: float) -> None:
    async def scenario() -> None:
        assert harness.watcher.seconds_to_next_check() == 1.0
        await harness.start(BOTH)
        harness.now_ms = now_ms
        assert harness.watcher.seconds_to_next_check() == wait_s

    run(scenario())
