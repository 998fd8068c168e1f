"""Texts that cannot identify a person, a thing or an event.

A null that became text on its way (`null`, `None`, …) would make one person of all that have no id, and so would a
blank text. Control characters are bytes that were read as text: a number, or an encoded id with its prefix.
"""

from __future__ import annotations

import re

_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_MISSING = frozenset({"null", "undefined", "none", "nan", "[object object]"})
_POSSIBLE_STARTS = frozenset({"", " ", "n", "N", "u", "U", "["})
"""How a printable text begins that is blank, or one of those."""


def has_control_characters(text: str) -> bool:
    """Return True if a text has a control character: U+0000 to U+001F or U+007F to U+009F."""
    return not text.isprintable() and _CONTROL.search(text) is not None


def id_problem(text: str) -> str | None:
    """Return why a text cannot be an id, without the text; `None` if it can."""
    if text[:1] not in _POSSIBLE_STARTS and text.isprintable():  # nearly every id, and a fifth of the time
        return None
    plain = text.strip().lower()
    if not plain:
        return "must not be blank"
    if plain in _MISSING:
        return "must be an id, not the text null, undefined, None, NaN or [object Object]"
    return "must not contain control characters" if has_control_characters(text) else None
