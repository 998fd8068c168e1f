"""`${NAME}` and `${NAME:-default}` in a text of the configuration: replaced after parsing, never read as YAML again."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

_REFERENCE = re.compile(r"\$\$\{|\$\{(?:([A-Za-z_][A-Za-z0-9_]*)(:-([^}]*))?\})?")


@dataclass(frozen=True, slots=True)
class Expanded:
    """A text with its variables replaced."""

    text: str
    """As it is meant; a variable that is not set stands as it was written."""
    names: tuple[str, ...] = ()
    """Variables it refers to."""
    unset: tuple[str, ...] = ()
    """Those of them that are neither set nor have a default."""
    malformed: bool = False
    """Whether a `${` is no reference."""
    literal: bool = True
    """Whether any of the resulting text stands in the file itself: a default, or characters around a variable."""


def expand(text: str, environ: Mapping[str, str]) -> Expanded:
    """Replace every reference. As in a shell, a default also stands in for an empty value; `$${` is `${` itself."""
    names: list[str] = []
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
        value = environ.get(name)
        if match.group(2) is not None and not value:
            from_file = from_file or bool(default)
            return str(default)
        if value is None:
            unset.append(name)
            return whole
        return value

    result = _REFERENCE.sub(replace, text)
    return Expanded(result, tuple(names), tuple(unset), malformed, from_file)
