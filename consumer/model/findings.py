"""Problems found in a user's files, each with its place, its meaning and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Severity: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem. Neither `message` nor `hint` ever contains a secret, or a value that could be one."""

    severity: Severity
    file: str
    line: int | None
    """1-based; `None` = the whole file, or no file at all."""
    column: int | None
    """1-based, in characters."""
    path: str
    """The place within the document: `destinations.copilot.url`; "" = the file itself."""
    message: str
    hint: str = ""
    """What to do: one imperative sentence, or ""."""

    def where(self) -> str:
        """Return `file:line:column`, as far as known. Editors and terminals turn it into a link."""
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part not in {None, ""})

    def text(self) -> str:
        """Return one readable line, and the hint on a second line."""
        head = ": ".join(part for part in (self.where(), self.severity, self.path, self.message) if part)
        return f"{head}\n    {self.hint}" if self.hint else head

    def as_json(self) -> dict[str, str | int | None]:
        """Return the finding as a JSON object with every field."""
        return {
            "severity": self.severity,
            "file": self.file,
            "line": self.line,
            "column": self.column,
            "path": self.path,
            "message": self.message,
            "hint": self.hint,
        }


def errors(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings that prevent a start."""
    return [finding for finding in findings if finding.severity == "error"]


def in_order(findings: Iterable[Finding]) -> list[Finding]:
    """Return the findings by file, line and column, without repeats."""
    return sorted(dict.fromkeys(findings), key=lambda each: (each.file, each.line or 0, each.column or 0))


def nearest(word: str, names: Iterable[str]) -> str | None:
    """Return the name most similar to `word`, or `None` if none is similar."""
    by_folded = {name.casefold(): name for name in names}
    close = difflib.get_close_matches(word.casefold(), by_folded, n=1, cutoff=0.6)
    return by_folded[close[0]] if close else None


def did_you_mean(word: str, names: Iterable[str], *, at_most: int | None = 15) -> str:
    """Return the hint for an unknown name: the nearest known one, else all of them, else "".

    More than `at_most` names are not listed; `None` lists any number.
    """
    known = sorted(names)
    name = nearest(word, known)
    if name is not None:
        return f"did you mean `{name}`?"
    listed = known if at_most is None or len(known) <= at_most else []
    return "known here: " + ", ".join(f"`{each}`" for each in listed) if listed else ""
