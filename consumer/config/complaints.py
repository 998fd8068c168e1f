"""The context in which the configuration is read: replaces variables, and collects findings with their positions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.config.env_substitution import Expanded, expand
from consumer.config.variable_text import flaw_in
from consumer.yaml_document import ReadContext, Scalar

_MAX_SHOWN = 40  # characters of a value that a finding repeats


@dataclass(slots=True)
class ConfigReadContext(ReadContext):
    """A configuration file that is being read."""

    folder: Path
    """The base of relative paths."""
    environ: Mapping[str, str]
    offline: bool = False
    """Whether this run contacts no other system. Then unset variables and missing secrets are replaced by defaults."""
    variables: bool = True
    """Whether `${NAME}` is a variable in this file."""
    used: bool = True
    """Whether this run uses the part that is being read. An unset variable elsewhere is no error."""

    @contextmanager
    def part(self, *, used: bool) -> Iterator[None]:
        """Read one part of the file; `used` says whether this run uses it."""
        before, self.used = self.used, self.used and used
        yield
        self.used = before

    def expand(self, node: Scalar, path: str, *, several_lines: bool = False) -> Expanded | None:
        """Return the scalar's text with its variables replaced; `None` if that fails. Errors are added.

        Args:
            node: the scalar.
            path: its path in the file.
            several_lines: whether the value of a variable may have several lines.
        """
        if not self.variables:
            return Expanded(node.text)
        expanded = expand(node.text, self.environ)
        if expanded.malformed:
            hint = "write `${NAME}` or `${NAME:-default}`, or `$${` for a literal `${`"
            self.error(node, path, "contains a `${` without a variable name", hint)
            return None
        if expanded.unset:
            if self.used and not self.offline:
                names = ", ".join(expanded.unset)
                be, it = ("is", "it") if len(expanded.unset) == 1 else ("are", "them")
                self.error(node, path, f"{names} {be} not set in the environment", f"set {it}, or give a default")
            return None
        flaws = [(name, flaw_in(value, several_lines=several_lines)) for name, value in expanded.values]
        wrong = [(name, flaw) for name, flaw in flaws if flaw is not None]
        if self.used:
            for name, flaw in wrong:
                self.error(node, path, f"{name} {flaw.message}", flaw.hint)
        return None if wrong else expanded


def shown(node: Scalar) -> str:
    """Return the value for a finding: as it is written in the file, never with its variables replaced."""
    text = " ".join(node.text.split())
    return f"`{text}`" if len(text) <= _MAX_SHOWN else f"`{text[:_MAX_SHOWN]}…`"
