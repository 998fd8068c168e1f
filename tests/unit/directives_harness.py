"""A `DirectivesWatcher` whose file, clock and callbacks the test controls."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

from consumer.directives.parser import Content, ParsedDirectives, content_of, read_content
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
    """Records the notifications, in order."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def directives_read(self, directives: Directives) -> None:
        self.events.append(f"read {len(directives)}")

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        self.events.append(f"rejected: {findings[0].message}")

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        self.events.append(f"unreadable, {len(directives)} pauses: {findings[0].message}")

    def directive_ended(self, directive: Directive) -> None:
        self.events.append(f"ended: {directive.kind} {dict(directive.scope())}")

    def directive_active_again(self, directive: Directive) -> None:
        self.events.append(f"active again: {directive.kind} {dict(directive.scope())}")

    def missing(self) -> None:
        self.events.append("missing")


class WatcherHarness:
    """A `DirectivesWatcher` whose file, clock and callbacks the test controls."""

    def __init__(
        self,
        folder: Path,
        *,
        every_s: float = 1.0,
        timeout_s: float = 60.0,
        also: Observer | None = None,
        read: Callable[[Path], Content] = content_of,
        parse: Callable[[Content, Path, DirectiveTargets], ParsedDirectives] = read_content,
    ) -> None:
        self.path = folder / "directives.yaml"
        self.observer = RecordingObserver()
        self.now_ms = NOON_MS - 1000
        self.applied: list[Directives] = []
        self.shutdown, self.changed = asyncio.Event(), asyncio.Event()
        self.between_reads: Callable[[float], Awaitable[None]] = asyncio.sleep
        self.watcher = DirectivesWatcher(
            self.path,
            KNOWN,
            self.observer if also is None else FanOutObserver(self.observer, also),
            missing=self.observer.missing,
            clock_ms=lambda: self.now_ms,
            every_s=every_s,
            settle_s=0.0,
            timeout_s=timeout_s,
            sleep=self._sleep,
            read=read,
            parse=parse,
        )

    async def _sleep(self, seconds: float) -> None:
        await self.between_reads(seconds)

    async def start(self, text: str) -> None:
        self.path.write_text(text)
        await self.watcher.start([self.applied.append, lambda _: self.changed.set()], self.shutdown)

    async def write(self, text: str) -> None:
        self.path.write_text(text)
        await self.watcher.refresh()

    def everything_is_paused(self) -> bool:
        pauses = self.watcher.in_force.pauses
        return {(each.destination, each.event_type) for each in pauses} == {(name, None) for name in KNOWN.destinations}
