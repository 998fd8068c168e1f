"""What an operator has said, as this process heard it: written to the log, and kept for whoever looks."""

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
    """The observer of the directives file. One a process; it belongs to no pipeline.

    Of a directive its scope is written and shown (never an ordering key); its reason is shown, not written.
    """

    def __init__(self, log: Log) -> None:
        self._log = log
        self._directives = NONE
        self.file_read = False
        """Whether a directives file was ever read or refused."""
        self.findings: tuple[str, ...] = ()
        """Why the file, as it is now, was refused, each in a sentence; empty = it was not."""
        self.unread = False
        """Whether everything is held because no file was read since the start, though one is there."""

    def in_force(self, now_ms: int) -> Directives:
        """Return what is in force at this instant (epoch milliseconds), whoever has yet to notice an end."""
        return self._directives.in_force(now_ms)

    def directives_read(self, directives: Directives) -> None:
        """Keep what the file says now, and write each directive that is in force."""
        self.file_read, self.unread, self.findings, self._directives = True, False, (), directives
        in_force = self.in_force(now_ms())
        self._log.write("info", "directives read", count=len(directives), active=len(in_force))
        for directive in in_force:
            self._log.write("info", "directive active", **describe(directive))

    def directives_rejected(self, findings: Sequence[Finding]) -> None:
        """Keep why the file was refused, and write it."""
        self._refused(findings, "the file is refused whole and what was read before stays in force: mend it")

    def directives_unreadable(self, directives: Directives, findings: Sequence[Finding]) -> None:
        """Keep what holds everything, and why; and write it."""
        self.unread, self._directives = True, directives
        self._refused(findings, "nothing is sent before the file is mended or removed: a pause may stand in it")

    def _refused(self, findings: Sequence[Finding], hint: str) -> None:
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
        """Write that a directive reached its end."""
        self._log.write("info", "directive ended", **describe(directive))

    def directive_active_again(self, directive: Directive) -> None:
        """Write that a directive that had ended is in force again."""
        self._log.write(
            "warning", "directive active again", **describe(directive), hint="see whether the clock is right"
        )


def describe(directive: Directive) -> dict[str, str]:
    """Return what a directive says, as it may be shown to anybody, without the operator's reason."""
    return {"directive": directive.kind, **directive.scope(), "until": until(directive)}


def reason(directive: Directive) -> str:
    """Return why, in the operator's words, without what looks like somebody's address."""
    return masked(directive.reason)


def _sentence(finding: Finding) -> str:
    where = ": ".join(part for part in (finding.where(), finding.path) if part)
    return f"{where}: {masked(finding.message)}" if where else masked(finding.message)


def about(directive: Directive) -> str:
    """Return what a directive speaks of, as it may be shown to anybody."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in directive.scope().items())


def until(directive: Directive) -> str:
    """Return a directive's end, as RFC 3339 says it."""
    try:
        return timestamp(directive.until_ms / 1000)
    except (OverflowError, ValueError, OSError):
        return "for ever"  # beyond the year 9999
