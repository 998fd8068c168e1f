"""One pass over the file: its variables replaced, and its complaints collected, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from consumer.config.env_substitution import Expanded, expand
from consumer.model.findings import Finding, Severity
from consumer.yaml_document import Node, Scalar

_SHOWN = 40  # characters of a value worth repeating


@dataclass(slots=True)
class Reading:
    """What reading a file needs and what it finds out."""

    file: str
    """The file's name in findings."""
    folder: Path
    """Relative paths start here."""
    environ: Mapping[str, str]
    findings: list[Finding] = field(default_factory=list)
    offline: bool = False
    """Whether this run talks to nobody: then no variable and no secret need be there, and defaults stand in."""
    variables: bool = True
    """Whether `${NAME}` means a variable in this file."""
    used: bool = True
    """Whether this run uses the part being read: an unset variable elsewhere is nobody's loss."""

    @contextmanager
    def part(self, *, used: bool) -> Iterator[None]:
        """Read one part that this run uses, or does not."""
        before, self.used = self.used, self.used and used
        yield
        self.used = before

    def complain(self, node: Node | None, path: str, message: str, hint: str = "") -> None:
        """Add an error at the node's place."""
        self._add("error", node, path, message, hint)

    def warn(self, node: Node | None, path: str, message: str, hint: str = "") -> None:
        """Add a warning at the node's place."""
        self._add("warning", node, path, message, hint)

    def _add(self, severity: Severity, node: Node | None, path: str, message: str, hint: str) -> None:
        line, column = (node.line, node.column) if node is not None else (None, None)
        self.findings.append(Finding(severity, self.file, line, column, path, message, hint))

    def expand(self, node: Scalar, path: str) -> Expanded | None:
        """Return the scalar's text with its variables replaced; `None` if that cannot be done, which is said."""
        if not self.variables:
            return Expanded(node.text)
        expanded = expand(node.text, self.environ)
        if expanded.malformed:
            hint = "write `${NAME}` or `${NAME:-default}`; `$${` stands for the two characters"
            self.complain(node, path, "holds a `${` that names no variable", hint)
            return None
        if expanded.unset:
            if self.used and not self.offline:
                names = ", ".join(expanded.unset)
                be, it = ("is", "it") if len(expanded.unset) == 1 else ("are", "them")
                self.complain(node, path, f"{names} {be} not set in the environment", f"set {it}, or give a default")
            return None
        return expanded


def shown(node: Scalar) -> str:
    """Return the value for a message: as it stands in the file, never with its variables replaced."""
    text = " ".join(node.text.split())
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[:_SHOWN]}…`"


def below(path: str, name: str) -> str:
    """Return the path of a key inside `path`."""
    return f"{path}.{name}" if path else name
