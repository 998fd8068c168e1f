"""What the local servers are made to do: refuse some events for ever, and, if asked for, fail for a while."""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.demo.bad_records import POISON, UNLISTED
from consumer.demo.config_file import DemoConfig, Servers, expire
from consumer.demo.fakes.fault_rules import Action, IncomingRequest, MarkInvalid, Respond, contains
from consumer.demo.fakes.recorder import Item

_OUTAGE = 503


@dataclass(frozen=True, slots=True)
class FaultSchedule:
    """The faults asked for."""

    outage: str | None = None
    """A destination that answers 503 for the middle third of the time."""
    expire_credentials: bool = False
    lie: str | None = None
    """A destination whose server loses an event and says it has it."""


@dataclass(slots=True)
class Faults:
    """Plays the faults as time goes by; `turn` is called now and then."""

    servers: Servers
    setting: DemoConfig
    asked: FaultSchedule
    length_s: float
    """How long business lasts: a third of it is when faults begin."""
    news: list[tuple[float, str]] = field(default_factory=list)
    """What was done, with the second it was done at: for the screen."""
    _down: bool = False
    _step: int = 0

    def prepare(self) -> None:
        """Put the rules in; call it before anything arrives."""
        if self.asked.outage is not None:
            # First of all rules: in an outage nobody answers anything else.
            self.servers.by_name(self.asked.outage).faults.add(self._outage, name="outage")
        for fake in (self.servers.copilot, self.servers.customerio):
            fake.poison(POISON)
        self.servers.copilot.faults.add(
            MarkInvalid("this model is not listed", _is_unlisted), when=contains(UNLISTED), name="unlisted"
        )
        if self.asked.lie is not None:
            self.servers.by_name(self.asked.lie).lose_next_event()

    def turn(self, seconds: float) -> None:
        """Do what is due `seconds` after business began."""
        third = self.length_s / 3
        if self.asked.outage is not None:
            down = third <= seconds < 2 * third
            if down != self._down:
                self._down = down
                says = "answers 503 to everything" if down else "is back"
                self.news.append((seconds, f"{self.asked.outage} {says}"))
        if self.asked.expire_credentials:
            if self._step == 0 and seconds >= third:
                expire(self.servers)
                self._step = 1
                self.news.append((seconds, "secrets and tokens have expired at all three servers"))
            elif self._step == 1 and seconds >= third + min(4.0, third / 2):
                self.setting.rotate()
                self._step = 2
                self.news.append((seconds, "new secrets are in their files"))

    def mend(self, seconds: float) -> None:
        """End whatever still goes on: business is over."""
        if self._down:
            self.turn(max(seconds, self.length_s))
        if self._step == 1:
            self.turn(max(seconds, self.length_s))

    def _outage(self, _: IncomingRequest) -> Action | None:
        return Respond(_OUTAGE) if self._down else None


def _is_unlisted(item: Item) -> bool:
    return UNLISTED.encode() in item.raw
