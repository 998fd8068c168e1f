"""The text of a variable or a secret file: trimmed where that is harmless, refused where it cannot be meant.

Shells and editors leave line breaks at the end, PowerShell a byte order mark in front. Env files and manifests keep
quotes that a shell would remove.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_QUOTES: Final = ("''", '""', "``", "\u201c\u201d", "\u2018\u2019")
_LINE_BREAK: Final = re.compile(r"[\r\n\x0b\x0c\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_LINE_CONTROL: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_HALF_CHARACTER: Final = re.compile(r"[\ud800-\udfff]")
_NOT_IN_HEADERS: Final = re.compile(r"[^\x21-\x7e]")


@dataclass(frozen=True, slots=True)
class TextFlaw:
    """Why a text cannot be used. Contains nothing of the text."""

    message: str
    """What is wrong, as the rest of a sentence about the variable or the secret."""
    hint: str


EMPTY: Final = TextFlaw("is empty", "set it to the secret")
UNREADABLE: Final = TextFlaw("cannot be read", "check that the file exists and that this process may read it")
TOO_LONG: Final = TextFlaw("is longer than 64 KiB", "write nothing but the secret")
NOT_UTF8: Final = TextFlaw("is not UTF-8 text", "write it in UTF-8")
QUOTED: Final = TextFlaw("is in quotes", "remove the quotes: they would be part of the value")
SEVERAL_LINES: Final = TextFlaw("contains a line break", "write a single line")
CONTROL_CHARACTER: Final = TextFlaw("contains a control character", "write it again, without invisible characters")
NOT_FOR_HEADERS: Final = TextFlaw("has a character that no HTTP header can have", "write it in ASCII, without blanks")


def trimmed(text: str) -> str:
    """Return the text without the white space and the byte order mark around it."""
    return text.strip().strip("\ufeff").strip()


def flaw_in(text: str, *, several_lines: bool = False, for_header: bool = False) -> TextFlaw | None:
    """Return why a trimmed text cannot be used; `None` if it can. An empty text has no flaw.

    Args:
        text: the value of a variable, or a secret.
        several_lines: whether it may have several lines, as a PEM text has.
        for_header: whether it becomes the value of an HTTP header unchanged.
    """
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        return QUOTED
    if _HALF_CHARACTER.search(text):
        return NOT_UTF8
    if not several_lines and _LINE_BREAK.search(text):
        return SEVERAL_LINES
    if (_LINE_CONTROL if several_lines else _CONTROL).search(text):
        return CONTROL_CHARACTER
    return NOT_FOR_HEADERS if for_header and _NOT_IN_HEADERS.search(text) else None
