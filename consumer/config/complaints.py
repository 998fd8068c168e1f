"""One pass over the file: its variables replaced, and its complaints collected, each with its place."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from consumer.config.env_substitution import Expanded, expand
from consumer.yaml_document import ReadContext, Scalar

_SHOWN = 40  # characters of a value worth repeating


@dataclass(slots=True)
class ConfigReadContext(ReadContext):
    """What reading a file needs and what it finds out."""

    folder: Path
    """Relative paths start here."""
    environ: Mapping[str, str]
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

    def expand(self, node: Scalar, path: str) -> Expanded | None:
        """Return the scalar's text with its variables replaced; `None` if that cannot be done, which is said."""
        if not self.variables:
            return Expanded(node.text)
        expanded = expand(node.text, self.environ)
        if expanded.malformed:
            hint = "write `${NAME}` or `${NAME:-default}`; `$${` stands for the two characters"
            self.error(node, path, "holds a `${` that names no variable", hint)
            return None
        if expanded.unset:
            if self.used and not self.offline:
                names = ", ".join(expanded.unset)
                be, it = ("is", "it") if len(expanded.unset) == 1 else ("are", "them")
                self.error(node, path, f"{names} {be} not set in the environment", f"set {it}, or give a default")
            return None
        return expanded


def shown(node: Scalar) -> str:
    """Return the value for a message: as it stands in the file, never with its variables replaced."""
    text = " ".join(node.text.split())
    return f"`{text}`" if len(text) <= _SHOWN else f"`{text[:_SHOWN]}…`"
