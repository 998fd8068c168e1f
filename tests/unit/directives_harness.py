"""A steering whose file, clock and listeners a test holds in its hands."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from consumer.directives.watcher import DirectivesWatcher
from consumer.model.directives import Directive, Directives, DirectiveTargets, Pause
from consumer.model.findings import Finding
from consumer.model.observer import Observer
from consumer.observability.fan_out_observer import FanOutObserver

KNOWN = DirectiveTargets(("copilot", "customerio"), (), ("orders",))
NOON, EVENING = "2026-11-01T12:00:00Z", "2026-11-01T20:00:00Z"
NOON_MS, EVENING_MS = 1_793_534_400_000, 1_793_563_200_000
COPILOT = Pause(NOON_MS, "", "copilot")
CUSTOMERIO = Pause(EVENING_MS, "", "customerio")


def pause(destination: str, until: str) -> str:
    return f"  - pause: {{destination: {destination}}}\n    until: {until}\n"


BOTH = "directives:\n" + pause("copilot", NOON) + pause("customerio", EVENING)


class RecordingObserver(Observer):
    """Keeps what it is told, in order."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def directives_read(self, directives: Directives) -> None:
        self.said.append(f"read {len(directives)}")

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        self.said.append(f"refused: {findings[0].message}")

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        self.said.append(f"unread, {len(directives)} hold: {findings[0].message}")

    def directive_ended(self, directive: Directive) -> None:
        self.said.append(f"ended: {directive.kind} {dict(directive.scope())}")

    def directive_active_again(self, directive: Directive) -> None:
        self.said.append(f"back: {directive.kind} {dict(directive.scope())}")

    def missing(self) -> None:
        self.said.append("missing")


class Steered:
    """A steering whose clock, file and listeners a test holds in its hands."""

    def __init__(
        self, folder: Path, *, every_s: float = 1.0, within_s: float = 60.0, also: Observer | None = None
    ) -> None:
        self.path = folder / "directives.yaml"
        self.story = RecordingObserver()
        self.now_ms = NOON_MS - 1000
        self.acted: list[Directives] = []
        self.leave = asyncio.Event()
        self.between_reads: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.steering = DirectivesWatcher(
            self.path,
            KNOWN,
            self.story if also is None else FanOutObserver(self.story, also),
            missing=self.story.missing,
            clock_ms=lambda: self.now_ms,
            every_s=every_s,
            steady_s=0.0,
            within_s=within_s,
            sleep=self._sleep,
        )

    async def _sleep(self, seconds: float) -> None:
        await self.between_reads(seconds)

    async def begin(self, text: str) -> None:
        self.path.write_text(text)
        await self.steering.start([self.acted.append], self.leave)

    async def write(self, text: str) -> None:
        self.path.write_text(text)
        await self.steering.refresh()

    def everything_waits(self) -> bool:
        pauses = self.steering.in_force.pauses
        return {(each.destination, each.event_type) for each in pauses} == {(name, None) for name in KNOWN.destinations}
