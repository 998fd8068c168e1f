"""The directives file as this process has read it: written to the log, and kept for /status and the status page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from consumer.model.clock import now_ms
from consumer.model.directives import NONE, Directive, Directives
from consumer.model.findings import Finding
from consumer.model.observer import Observer
from consumer.observability.log.format import masked, timestamp

if TYPE_CHECKING:
    from consumer.observability.log.writer import Log


class DirectivesObserver(Observer):
    """The observer of the directives file. There is one per process; it belongs to no pipeline.

    A directive's scope is logged and shown, never an ordering key. Its reason is shown, not logged.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._directives = NONE
        self.file_read = False
        """Whether a directives file was ever read or rejected."""
        self.findings: tuple[str, ...] = ()
        """Why the current file is rejected, one sentence each; empty = it is not."""
        self.unreadable = False
        """Whether everything is paused: the file is there, but could not be read since the start."""

    def in_force(self, now_ms: int) -> Directives:
        """Return the directives active at this instant (epoch milliseconds)."""
        return self._directives.in_force(now_ms)

    def directives_read(self, directives: Directives) -> None:
        """Keep the directives of the file, and log each active one."""
        self.file_read, self.unreadable, self.findings, self._directives = True, False, (), directives
        active = self.in_force(now_ms())
        self._log.write("info", "directives read", count=len(directives), active=len(active))
        for directive in active:
            self._log.write("info", "directive active", **describe(directive))

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        """Keep and log why the file is rejected."""
        self._rejected(findings, "Fix the file: it is rejected as a whole, and the directives read before stay active.")

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        """Keep the pauses that hold everything, and keep and log why."""
        self.unreadable, self._directives = True, directives
        self._rejected(findings, "Fix or remove the file: nothing is sent until then, because it may contain a pause.")

    def _rejected(self, findings: Sequence[Finding], hint: str) -> None:
        self.file_read, self.findings = True, tuple(_sentence(finding) for finding in findings)
        self._log.write(
            "error",
            "directives file rejected",
            count=len(findings),
            active=len(self.in_force(now_ms())),
            hint=hint,
        )
        for finding in findings:
            self._log.write(
                "error",
                "directives file invalid",
                at=finding.where(),
                about=finding.path or None,
                message=finding.message,
                hint=finding.hint or None,
            )

    def directive_ended(self, directive: Directive) -> None:
        """Log that a directive reached its end."""
        self._log.write("info", "directive ended", **describe(directive))

    def directive_active_again(self, directive: Directive) -> None:
        """Log that a directive that had ended is active again."""
        hint = "Check the clock of this machine: it was ahead, or is now behind."
        self._log.write("warning", "directive active again", **describe(directive), hint=hint)


def describe(directive: Directive) -> dict[str, str]:
    """Return a directive's kind, public scope and end, without the operator's reason."""
    return {"directive": directive.kind, **directive.scope(), "until": until(directive)}


def reason(directive: Directive) -> str:
    """Return the operator's reason, with e-mail addresses and the like masked."""
    return masked(directive.reason)


def _sentence(finding: Finding) -> str:
    where = ": ".join(part for part in (finding.where(), finding.path) if part)
    return f"{where}: {masked(finding.message)}" if where else masked(finding.message)


def scope_text(directive: Directive) -> str:
    """Return a directive's public scope as text."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in directive.scope().items())


def until(directive: Directive) -> str:
    """Return a directive's end in RFC 3339."""
    try:
        return timestamp(directive.until_ms / 1000)
    except (OverflowError, ValueError, OSError):
        return "forever"  # beyond the year 9999
