"""Canaries: words that must never be read where people look, and the search for them in every place where they do.

Plant them wherever something personal or secret can stand: in events, record keys and headers, in credentials, in
addresses, in what vendors answer, in directives. At the end of a scenario hand over what was said, by channel:

    said = Said()
    said.pages(member)                 # while it is there: /metrics, /status, /, and the probes at length
    said.files(world.folder)           # every member's log and standard error
    said.letters(read_letters(...))    # our own headers of each dead letter; the original's bytes are meant to be there
    said.check(world.config)           # what `check` prints
    assert said.leaks(CANARIES) == []

Each of them may be called again and again: whatever was said stays said.
"""

from __future__ import annotations

import base64
import contextlib
import html
import json
import os
import subprocess
import sys
import urllib.parse
from collections import defaultdict
from collections.abc import Iterable, Iterator
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple, Protocol

from tests.e2e.kafka_io import DeadLetter
from tests.e2e.world import CANARY

OF_THE_SHOP = (CANARY, "customer-0", "subject-", "poison-")
"""Personal data of the test shop's events and secrets of the configuration. None may appear in any output."""

PAGES = ("/metrics", "/status", "/", "/livez?verbose", "/readyz?verbose", "/startupz?verbose")
_OURS = ("cdp-", "__connect.errors.")
_AROUND = 40


class Leak(NamedTuple):
    """A canary that was found: channel, canary, encoding, and the text around it."""

    channel: str
    canary: str
    form: str
    around: str


class Serves(Protocol):
    """A process that serves pages."""

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""


class SearchedOutput:
    """All output, by channel."""

    def __init__(self) -> None:
        self._said: dict[str, set[bytes]] = defaultdict(set)

    def add(self, channel: str, text: bytes | str) -> None:
        """Add output of one channel."""
        self._said[channel].add(text.encode(errors="surrogateescape") if isinstance(text, str) else text)

    @property
    def channels(self) -> set[str]:
        """Channels with any output. A channel that was not searched proves nothing."""
        return {channel for channel, texts in self._said.items() if any(texts)}

    def pages(self, server: Serves) -> None:
        """Add the present text of every page. A server that shuts down meanwhile is skipped."""
        with contextlib.suppress(OSError, HTTPException):
            for path in PAGES:
                self.add(path, server.page(path)[1])

    def files(self, folder: Path) -> None:
        """Add the log and standard error of every member in a folder."""
        for path in (*folder.glob("*.log"), *folder.glob("*.err")):
            self.add("log" if path.suffix == ".log" else "stderr", path.read_bytes())

    def letters(self, letters: Iterable[DeadLetter]) -> None:
        """Add our own headers of dead letters. Key, value and other headers are the original's, unchanged."""
        for letter in letters:
            for name, value in letter.headers:
                if name.startswith(_OURS):
                    self.add(f"letter {name}", value or b"")

    def check(self, config: Path) -> int:
        """Add the output of `check`, as text and as JSON; return its exit code."""
        codes = set()
        for options in ((), ("--format", "json")):
            ended = subprocess.run(
                [sys.executable, "-m", "consumer", "check", "--config", str(config), *options],
                cwd=Path(__file__).parents[2],
                env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
                capture_output=True,
                check=False,
                timeout=60,
            )
            self.add("check", ended.stdout + ended.stderr)
            codes.add(ended.returncode)
        (code,) = codes
        return code

    def leaks(self, canaries: Iterable[str]) -> list[Leak]:
        """Return every canary in any channel, in any encoding that can be decoded."""
        sought = [(canary, form, word) for canary in canaries for form, word in forms(canary)]
        found = []
        for channel, texts in sorted(self._said.items()):
            for text in sorted(texts):
                folded = text.lower()
                for canary, form, word in sought:
                    at = text.find(word) if form.startswith("base64") else folded.find(word.lower())
                    if at >= 0:
                        around = text[max(0, at - _AROUND) : at + len(word) + _AROUND]
                        found.append(Leak(channel, canary, form, around.decode(errors="replace")))
        return found


def forms(canary: str) -> Iterator[tuple[str, bytes]]:
    """Return the encodings of a canary, without those equal to the plain text."""
    plain = canary.encode()
    yield "plain", plain
    for form, word in (
        ("in a URL", urllib.parse.quote(canary, safe="").encode()),
        ("in JSON", json.dumps(canary)[1:-1].encode()),
        ("in HTML", html.escape(canary).encode()),
        ("in hex", plain.hex().encode()),
        ("reversed", plain[::-1]),
        ("in UTF-16", canary.encode("utf-16-le")),
    ):
        if word != plain:
            yield form, word
    for shift in range(3):  # its base64 text depends on the number of bytes before it
        whole = base64.b64encode(b"\0" * shift + plain)
        inner = whole[(0, 2, 3)[shift] : len(whole) - 4]
        if len(inner) >= 8:
            yield f"base64 at {shift}", inner
