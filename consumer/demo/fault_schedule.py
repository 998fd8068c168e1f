"""The faults of the local servers: events they always refuse, and optional failures for a limited time."""

from __future__ import annotations

from dataclasses import dataclass, field

from consumer.demo.bad_records import INVALID_MODEL, POISON_MARKER
from consumer.demo.config_file import DemoConfig, Servers, expire_credentials
from consumer.demo.fakes.fault_rules import Action, IncomingRequest, MarkInvalid, Respond, contains
from consumer.demo.fakes.recorder import Item

_OUTAGE = 503


@dataclass(frozen=True, slots=True)
class FaultOptions:
    """The faults that the command line asks for."""

    outage: str | None = None
    """A destination that responds 503 during the middle third of the run."""
    expire_credentials: bool = False
    losing_server: str | None = None
    """A destination whose server loses one event and responds with success."""


@dataclass(slots=True)
class FaultSchedule:
    """Starts and ends the faults on time. Call `apply_due` regularly."""

    servers: Servers
    config: DemoConfig
    options: FaultOptions
    length_s: float
    """Duration of the run. Faults begin after a third of it."""
    messages: list[tuple[float, str]] = field(default_factory=list)
    """Messages for the screen, each with its time in seconds since the start."""
    _outage_active: bool = False
    _credential_step: int = 0

    def add_rules(self) -> None:
        """Add the rules to the servers. Call it before the first request."""
        if self.options.outage is not None:
            # The first rule wins: during an outage no other rule may respond.
            self.servers.by_name(self.options.outage).faults.add(self._outage, name="outage")
        for server in (self.servers.copilot, self.servers.customerio):
            server.poison(POISON_MARKER)
        self.servers.copilot.faults.add(
            MarkInvalid("this model is not listed", _has_invalid_model),
            when=contains(INVALID_MODEL),
            name="invalid model",
        )
        if self.options.losing_server is not None:
            self.servers.by_name(self.options.losing_server).lose_next_event()

    def apply_due(self, seconds: float) -> None:
        """Start and end the faults that are due `seconds` after the start."""
        third = self.length_s / 3
        if self.options.outage is not None:
            active = third <= seconds < 2 * third
            if active != self._outage_active:
                self._outage_active = active
                change = "responds 503 to every request" if active else "responds normally again"
                self.messages.append((seconds, f"{self.options.outage} {change}"))
        if self.options.expire_credentials:
            if self._credential_step == 0 and seconds >= third:
                expire_credentials(self.servers)
                self._credential_step = 1
                self.messages.append((seconds, "secrets and tokens have expired at all three servers"))
            elif self._credential_step == 1 and seconds >= third + min(4.0, third / 2):
                self.config.rotate_secrets()
                self._credential_step = 2
                self.messages.append((seconds, "new secrets are written to the secret files"))

    def end_all(self, seconds: float) -> None:
        """End every fault that is still active, because production is over."""
        if self._outage_active or self._credential_step == 1:
            self.apply_due(max(seconds, self.length_s))

    def _outage(self, _: IncomingRequest) -> Action | None:
        return Respond(_OUTAGE) if self._outage_active else None


def _has_invalid_model(item: Item) -> bool:
    return INVALID_MODEL.encode() in item.raw
