"""What a YAML file says: a tree of scalars, lists and tables, each of which knows where its author wrote it.

Scalars mean what the core schema of YAML 1.2 gives them and nothing else: `yes`, `no`, `on`, `off` and dates are text,
fractions are exact decimals.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeAlias

Constant: TypeAlias = "bool | int | Decimal | float | str | None"
"""What a scalar means; a float is only ever an infinity or not-a-number."""

_LONGEST_NUMBER = 1000  # characters: Python refuses to read longer whole numbers than 4300 digits
_CONSTANTS = {"": None, "~": None, "null": None, "Null": None, "NULL": None, "true": True, "True": True, "TRUE": True}
_CONSTANTS |= {"false": False, "False": False, "FALSE": False}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FRACTION = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]{1,4})?")
_UNBOUNDED = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")


@dataclass(frozen=True, slots=True)
class Scalar:
    """One value: what it means, and how it stood there."""

    value: Constant
    text: str
    """The characters, before the core schema gave them a meaning."""
    plain: bool
    """Neither quoted nor a block: YAML itself may have cut it."""
    line: int
    column: int
    after: str = ""
    """What follows on the same line, trimmed: a comment, or the rest of a flow mapping."""


@dataclass(frozen=True, slots=True)
class Items:
    """A list."""

    items: tuple[Node, ...]
    line: int
    column: int
    flow: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """A mapping, in the order of the file."""

    entries: tuple[tuple[Scalar, Node], ...]
    line: int
    column: int
    flow: bool = False

    def get(self, name: str) -> Node | None:
        """Return the value under the key written `name`."""
        return next((node for key, node in self.entries if key.text == name), None)

    def key(self, name: str) -> Scalar | None:
        """Return the key written `name`, for its place."""
        return next((key for key, _ in self.entries if key.text == name), None)

    def names(self) -> list[str]:
        """Return the keys as they were written."""
        return [key.text for key, _ in self.entries]


Node: TypeAlias = Scalar | Items | Table


def meaning(text: str) -> Constant:
    """Return what a plain scalar of these characters means under the core schema."""
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if len(text) > _LONGEST_NUMBER:
        return text
    if _INTEGER.fullmatch(text):
        return int(text, 0) if text.startswith(("0o", "0x")) else int(text)
    if _FRACTION.fullmatch(text):
        return Decimal(text)
    return float(text.replace(".", "", 1)) if _UNBOUNDED.fullmatch(text) else text
