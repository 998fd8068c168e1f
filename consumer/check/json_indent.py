"""Indent JSON for people without changing a value: numbers keep every digit."""

from __future__ import annotations

import re

_PIECE = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+')


def indented(text: str, width: int = 2) -> str:
    """Return JSON text with one value per line. Empty objects and lists stay on one line."""
    written: list[str] = []
    depth = 0
    before = ""
    for piece in _PIECE.findall(text):
        if piece in {"}", "]"}:
            depth -= 1
            if before not in {"{", "["}:
                written.append("\n" + " " * (width * depth))
        elif before in {"{", "[", ","}:
            written.append("\n" + " " * (width * depth))
        written.append(piece + (" " if piece == ":" else ""))
        depth += piece in {"{", "["}
        before = piece
    return "".join(written)
