"""Canaries: words that must appear in no output, and a search for them in every output.

Plant canaries in all places for personal data or secrets: events, record keys and headers, credentials, URLs, responses
and directives. At the end of a scenario, add the output by channel and search it:

    output = SearchedOutput()
    output.pages(member)                          # while it runs: /metrics, /status, / and the verbose probes
    output.files(world.folder)                    # the log and standard error of every member
    output.dead_letters(read_dead_letters(...))   # only our own headers: the original's bytes must be unchanged
    output.check(world.config)                    # the output of `check`
    assert output.leaks(CANARIES) == []

Each method may be called several times: output is only added, never removed.
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

SHOP_CANARIES = (CANARY, "customer-0", "subject-", "poison-")
"""Personal data of the test shop's events and secrets of the configuration. None may appear in any output."""

PAGES = ("/metrics", "/status", "/", "/livez?verbose", "/readyz?verbose", "/startupz?verbose")
_OUR_HEADERS = ("cdp-", "__connect.errors.")
_CONTEXT = 40


class Leak(NamedTuple):
    """A canary that was found: channel, canary, encoding, and the text around it."""

    channel: str
    canary: str
    encoding: str
    context: str


class PageServer(Protocol):
    """A process that serves pages."""

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of a page."""


class SearchedOutput:
    """All output, by channel."""

    def __init__(self) -> None:
        self._output: dict[str, set[bytes]] = defaultdict(set)

    def add(self, channel: str, text: bytes | str) -> None:
        """Add output of one channel."""
        self._output[channel].add(text.encode(errors="surrogateescape") if isinstance(text, str) else text)

    @property
    def channels(self) -> set[str]:
        """Channels with any output. A channel that was not searched proves nothing."""
        return {channel for channel, texts in self._output.items() if any(texts)}

    def pages(self, server: PageServer) -> None:
        """Add the present text of every page. A server that shuts down meanwhile is skipped."""
        with contextlib.suppress(OSError, HTTPException):
            for path in PAGES:
                self.add(path, server.page(path)[1])

    def files(self, folder: Path) -> None:
        """Add the log and standard error of every member in a folder."""
        for path in (*folder.glob("*.log"), *folder.glob("*.err")):
            self.add("log" if path.suffix == ".log" else "stderr", path.read_bytes())

    def dead_letters(self, dead_letters: Iterable[DeadLetter]) -> None:
        """Add our own headers of dead letters. Key, value and other headers are the original's, unchanged."""
        for dead_letter in dead_letters:
            for name, value in dead_letter.headers:
                if name.startswith(_OUR_HEADERS):
                    self.add(f"dead letter {name}", value or b"")

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
        patterns = [(canary, encoding, pattern) for canary in canaries for encoding, pattern in encodings(canary)]
        found = []
        for channel, texts in sorted(self._output.items()):
            for text in sorted(texts):
                folded = text.lower()
                for canary, encoding, pattern in patterns:
                    at = text.find(pattern) if encoding.startswith("base64") else folded.find(pattern.lower())
                    if at >= 0:
                        context = text[max(0, at - _CONTEXT) : at + len(pattern) + _CONTEXT]
                        found.append(Leak(channel, canary, encoding, context.decode(errors="replace")))
        return found


def encodings(canary: str) -> Iterator[tuple[str, bytes]]:
    """Return the encodings of a canary, without those equal to its plain text."""
    raw = canary.encode()
    yield "plain", raw
    for encoding, pattern in (
        ("in a URL", urllib.parse.quote(canary, safe="").encode()),
        ("in JSON", json.dumps(canary)[1:-1].encode()),
        ("in HTML", html.escape(canary).encode()),
        ("in hex", raw.hex().encode()),
        ("reversed", raw[::-1]),
        ("in UTF-16", canary.encode("utf-16-le")),
    ):
        if pattern != raw:
            yield encoding, pattern
    for shift in range(3):  # the base64 text depends on the number of bytes before the canary
        whole = base64.b64encode(b"\0" * shift + raw)
        inner = whole[(0, 2, 3)[shift] : len(whole) - 4]
        if len(inner) >= 8:
            yield f"base64 at {shift}", inner
