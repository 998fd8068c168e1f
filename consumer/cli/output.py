"""Output of the commands: with colours on a terminal, plain elsewhere."""

from __future__ import annotations

import codecs
import io
import os
import sys
from collections.abc import Iterable, Sequence
from typing import IO

from consumer.model.findings import Finding, errors

_RED, _YELLOW, _DIM, _BOLD, _PLAIN = "\x1b[31m", "\x1b[33m", "\x1b[2m", "\x1b[1m", "\x1b[0m"


_ESCAPED = "cdp-consumer.json-escape"


def print_every_character() -> None:
    r"""Print characters that an output's encoding does not have as escapes, such as `\u00fc`. They are valid in JSON.

    Otherwise a name with an accent ends a command if the environment asks for ASCII (`PYTHONIOENCODING`), and so does
    the half of a surrogate pair in any encoding. The log would lose the line.
    """
    codecs.register_error(_ESCAPED, _escape)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors=_ESCAPED)


def _escape(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    units = error.object[error.start : error.end].encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)), error.end


class Ink:
    """Colours, if the stream is a terminal and `NO_COLOR` is not set."""

    def __init__(self, stream: IO[str]) -> None:
        """Decide by the stream and the environment."""
        self._on = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"

    def bold(self, text: str) -> str:
        """Return the text in bold."""
        return self._in(_BOLD, text)

    def dim(self, text: str) -> str:
        """Return the text dimmed."""
        return self._in(_DIM, text)

    def red(self, text: str) -> str:
        """Return the text in the colour of errors."""
        return self._in(_RED, text)

    def yellow(self, text: str) -> str:
        """Return the text in the colour of warnings."""
        return self._in(_YELLOW, text)

    def _in(self, colour: str, text: str) -> str:
        return f"{colour}{text}{_PLAIN}" if self._on and text else text


def print_findings(findings: Iterable[Finding], stream: IO[str]) -> None:
    """Print each finding: its position, what is wrong, and on the next line what to do."""
    ink = Ink(stream)
    for finding in findings:
        severity = ink.red("error") if finding.severity == "error" else ink.yellow("warning")
        place = ink.bold(printable(finding.where()))
        parts = (place, severity, printable(finding.path), printable(finding.message))
        print(": ".join(part for part in parts if part), file=stream)
        if finding.hint:
            print(f"    {ink.dim(printable(finding.hint))}", file=stream)


def summary(findings: Sequence[Finding]) -> str:
    """Return a line such as `2 errors, 1 warning`."""
    error_count = len(errors(findings))
    counts = [_counted(error_count, "error"), _counted(len(findings) - error_count, "warning")]
    return ", ".join(each for each in counts if each) or "no problems found"


def printable(text: str) -> str:
    """Return the text without control characters: the content of a file must not control the terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in text)


def _counted(count: int, noun: str) -> str:
    return "" if not count else f"1 {noun}" if count == 1 else f"{count} {noun}s"
