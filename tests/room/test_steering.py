"""What the directives file says is in force while the service runs, and ends by itself; a bad file changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Sequence
from pathlib import Path

import pytest

from consumer.config.directive_table import Known
from consumer.directive import NONE, Directive, Directives, Pause
from consumer.findings import Finding
from consumer.observe import Observer
from consumer.steering import Steering

KNOWN = Known(("copilot", "customerio"), (), ("orders",))
NOON, EVENING = "2026-11-01T12:00:00Z", "2026-11-01T20:00:00Z"
NOON_MS, EVENING_MS = 1_793_534_400_000, 1_793_563_200_000
COPILOT = Pause(NOON_MS, "", "copilot")
CUSTOMERIO = Pause(EVENING_MS, "", "customerio")


def pause(destination: str, until: str) -> str:
    return f"  - pause: {{destination: {destination}}}\n    until: {until}\n"


BOTH = "directives:\n" + pause("copilot", NOON) + pause("customerio", EVENING)


class Story(Observer):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def directives_read(self, directives: Directives) -> None:
        self.said.append(f"read {len(directives)}")

    def directives_refused(self, findings: Sequence[Finding]) -> None:
        self.said.append(f"refused: {findings[0].message}")

    def directive_ended(self, directive: Directive) -> None:
        self.said.append(f"ended: {directive.kind} {dict(directive.scope())}")

    def missing(self) -> None:
        self.said.append("missing")


class Steered:
    """A steering whose clock, file and listeners a test holds in its hands."""

    def __init__(self, folder: Path, *, every_s: float = 1.0, steady_s: float = 0.0) -> None:
        self.path = folder / "directives.yaml"
        self.story = Story()
        self.now_ms = NOON_MS - 1000
        self.acted: list[Directives] = []
        self.steering = Steering(
            self.path,
            KNOWN,
            self.story,
            missing=self.story.missing,
            clock_ms=lambda: self.now_ms,
            every_s=every_s,
            steady_s=steady_s,
        )

    async def begin(self, text: str) -> None:
        self.path.write_text(text)
        await self.steering.begin([self.acted.append])

    async def write(self, text: str) -> None:
        self.path.write_text(text)
        await self.steering.look()


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
        await steered.steering.look()
        await steered.write("directives:\n" + pause("copilot", NOON))
        await steered.steering.look()
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
        await steered.steering.begin([steered.acted.append])
        steered.path.unlink()
        steered.path.symlink_to(tmp_path / "two")
        await steered.steering.look()
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO)), Directives((COPILOT,))]

    run(scenario())


BAD = BOTH.replace("customerio", "customerol")
REFUSED = "refused: `customerol` is no destination"


def test_a_bad_file_is_refused_whole_once_and_the_old_one_stays(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        await steered.write(BAD)
        await steered.steering.look()
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
        await steered.steering.look()
        assert steered.steering.in_force == Directives((CUSTOMERIO,))
        assert steered.story.said[2:] == ["ended: pause {'destination': 'copilot'}"]

    run(scenario())


def test_a_bad_file_at_the_start_directs_nothing_until_it_is_mended(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BAD)
        assert steered.acted == []
        await steered.write(BOTH)
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == [REFUSED, "read 2"]

    run(scenario())


def test_a_file_that_cannot_be_read_is_refused_and_the_old_one_stays(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.unlink()
        steered.path.mkdir()
        await steered.steering.look()
        await steered.steering.look()
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert steered.story.said == ["read 2", "refused: cannot be read: is a directory"]

    run(scenario())


def test_half_a_file_that_is_being_written_changes_nothing(steered: Steered, monkeypatch: pytest.MonkeyPatch) -> None:
    half = "directives:\n" + pause("copilot", NOON)

    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.write_text(half)

        async def the_writer_goes_on(_: float) -> None:
            steered.path.write_text(f"{BOTH}\n")

        monkeypatch.setattr(asyncio, "sleep", the_writer_goes_on)
        await steered.steering.look()
        assert steered.steering.in_force == Directives((COPILOT, CUSTOMERIO))
        assert steered.story.said == ["read 2"]
        await steered.steering.look()
        assert len(steered.acted) == 1
        assert steered.story.said == ["read 2", "read 2"]

    run(scenario())


def test_a_start_waits_for_a_file_that_is_being_written(steered: Steered, monkeypatch: pytest.MonkeyPatch) -> None:
    writing = iter([BOTH[:40], BOTH[:80], BOTH])

    async def the_writer_goes_on(_: float) -> None:
        steered.path.write_text(next(writing, BOTH))

    async def scenario() -> None:
        monkeypatch.setattr(asyncio, "sleep", the_writer_goes_on)
        await steered.begin("")
        assert steered.acted == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == ["read 2"]

    run(scenario())


def test_a_file_that_never_stands_still_keeps_nobody_from_starting(
    steered: Steered, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def the_writer_goes_on(_: float) -> None:
        steered.path.write_text(f"{steered.path.read_text()}#\n")

    async def scenario() -> None:
        monkeypatch.setattr(asyncio, "sleep", the_writer_goes_on)
        await steered.begin(BOTH)
        assert (steered.acted, steered.story.said) == ([], [])

    run(scenario())


def test_a_file_that_goes_takes_its_directives_with_it_and_is_said_to_be_missing_once(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.path.unlink()
        await steered.steering.look()
        await steered.steering.look()
        assert steered.acted[1:] == [NONE]
        await steered.write(BOTH)
        assert steered.acted[2:] == [Directives((COPILOT, CUSTOMERIO))]
        assert steered.story.said == ["read 2", "missing", "read 0", "read 2"]

    run(scenario())


def test_no_file_at_the_start_is_said_once_and_nobody_acts(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.steering.begin([steered.acted.append])
        await steered.steering.look()
        assert steered.acted == []
        assert steered.story.said == ["missing", "read 0"]

    run(scenario())


def test_each_directive_ends_by_itself_and_comes_not_back_when_the_clock_is_set_back(steered: Steered) -> None:
    async def scenario() -> None:
        await steered.begin(BOTH)
        steered.now_ms = NOON_MS - 1
        await steered.steering.look()
        assert len(steered.acted) == 1
        steered.now_ms = NOON_MS
        await steered.steering.look()
        steered.now_ms = NOON_MS - 5000
        await steered.steering.look()
        assert steered.acted[1:] == [Directives((CUSTOMERIO,))]
        steered.now_ms = EVENING_MS
        await steered.steering.look()
        assert steered.acted[2:] == [NONE]
        assert steered.story.said == [
            "read 2",
            "ended: pause {'destination': 'copilot'}",
            "ended: pause {'destination': 'customerio'}",
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
        await steered.steering.begin([steered.acted.append, lambda _: changed.set()])
        changed.clear()
        running = asyncio.create_task(steered.steering.run())
        (tmp_path / "next").write_text(BOTH)
        (tmp_path / "next").replace(steered.path)
        await asyncio.wait_for(changed.wait(), 30)
        changed.clear()
        steered.now_ms = NOON_MS
        await asyncio.wait_for(changed.wait(), 30)
        running.cancel()
        assert steered.acted == [
            Directives((COPILOT,)),
            Directives((COPILOT, CUSTOMERIO)),
            Directives((CUSTOMERIO,)),
        ]

    run(scenario())


@pytest.mark.parametrize(("now_ms", "wait_s"), [(NOON_MS - 5000, 1.0), (NOON_MS - 250, 0.25), (NOON_MS + 5000, 0.0)])
def test_an_end_that_is_near_is_not_slept_over(steered: Steered, now_ms: int, wait_s: float) -> None:
    async def scenario() -> None:
        assert steered.steering._wait_s() == 1.0
        await steered.begin(BOTH)
        steered.now_ms = now_ms
        assert steered.steering._wait_s() == wait_s

    run(scenario())
