"""Replace `${NAME}` and `${NAME:-default}` in the texts of the configuration, after YAML was parsed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from consumer.config.variable_text import trimmed

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\})?")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables replaced."""

    text: str
    """The result. A variable that is not set stays as it was written."""
    names: tuple[str, ...] = ()
    """The variables in it."""
    values: tuple[tuple[str, str], ...] = ()
    """The variables whose values were used, with these values."""
    unset: tuple[str, ...] = ()
    """Those variables that are not set and have no default."""
    malformed: bool = False
    """Whether a `${` is not a reference."""
    literal: bool = True
    """Whether any of the resulting text comes from the file: a default, or characters around a variable."""


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Replace every reference by the variable's value, without the white space around it.

    As in a shell, the default also replaces an empty value. `$${` is a literal `${`.
    """
    names: list[str] = []
    values: list[tuple[str, str]] = []
    unset: list[str] = []
    malformed = False
    from_file = bool(_REFERENCE.sub("", text))

    def replace(match: re.Match[str]) -> str:
        nonlocal malformed, from_file
        whole, name, default = match.group(0), match.group(1), match.group(3)
        if whole == "$${":
            from_file = True
            return "${"
        if name is None:
            malformed = True
            return whole
        names.append(name)
        value = trimmed(environ[name]) if name in environ else None
        if match.group(2) is not None and not value:
            from_file = from_file or bool(default)
            return str(default)
        if value is None:
            unset.append(name)
            return whole
        values.append((name, value))
        return value

    result = _REFERENCE.sub(replace, text)
    return Expanded(result, tuple(names), tuple(values), tuple(unset), malformed, from_file)
