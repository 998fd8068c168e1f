"""What a registry's answers may cost: bytes and time for one question with all it leads to, however they are dealt out.

The client's own timeout is for each part of an answer, so that a trickle lasts for ever, and it reads what comes,
unfolded, to its end.
"""

from __future__ import annotations

import threading
import time
from typing import Any

LARGEST_BYTES = 4 * 1024 * 1024
"""For a schema and all it refers to. Four times what may be read of them: JSON in JSON has its quotes escaped."""

_LEAST_BYTES = 512
"""What each piece of an answer counts at least: chunks of two bytes would take minutes to the limit."""

ANSWERS_KEPT = 20
"""Schemas the client remembers, and with them their texts: what many schemas refer to is not asked for each time."""


class EndlessAnswerError(Exception):
    """An answer is larger than any schema, longer on its way than it may be, or compressed though it was not to be."""


class Bounds:
    """The bounds of each question under way: every question has a thread of its own."""

    def __init__(self, whole_s: float) -> None:
        """Let one question take `whole_s` seconds."""
        self.whole_s = whole_s
        self._mine = threading.local()

    def begin(self) -> None:
        """Begin a question in this thread."""
        self._mine.left = LARGEST_BYTES
        self._mine.until = time.monotonic() + self.whole_s

    def hold(self, client: Any) -> None:  # noqa: ANN401 - a registry client, imported late
        """Keep every answer this client gets within the bounds."""
        session = client._rest_client.session  # noqa: SLF001 - it shows no other way to its connections
        session.headers["accept-encoding"] = "identity"
        session.event_hooks = {"response": [self._read]}

    def _read(self, response: Any) -> None:  # noqa: ANN401 - of the client's HTTP library, which is its own affair
        """Read an answer before the client does.

        Raises:
            EndlessAnswerError: it goes beyond the bounds.
        """
        if response.headers.get("content-encoding", "identity") != "identity":
            raise EndlessAnswerError  # it could unfold to any size
        content = bytearray()
        for part in response.iter_raw():
            content += part
            self._mine.left -= max(len(part), _LEAST_BYTES)
            if self._mine.left < 0 or time.monotonic() > self._mine.until:
                raise EndlessAnswerError
        response._content = bytes(content)  # noqa: SLF001 - where the library keeps what it has read
