"""What a registry's answers may cost: bytes for one question with all it leads to, and time for each of its answers.

The client's own timeout is for each part of an answer, so that a trickle lasts for ever, and it reads what comes,
unfolded, to its end. There is no bound for the time of a question as a whole: a registry that is slow and well would
never get to the end of a schema with many references. The bytes bound their number.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from typing import Any

LARGEST_BYTES = 4 * 1024 * 1024
"""For a schema and all it refers to. Four times what may be read of them: JSON in JSON has its quotes escaped."""

_LEAST_BYTES = 512
"""What each piece of an answer counts at least: chunks of two bytes would take minutes to the limit."""

ANSWERS_KEPT = 20
"""Schemas the client remembers at the most, with their texts and those they refer to: then it forgets all of them.

It remembers at all because what many schemas refer to is not to be asked for each time."""


class EndlessAnswerError(Exception):
    """An answer is larger than any schema, longer on its way than it may be, or compressed though it was not to be."""


@dataclass(slots=True)
class Question:
    """One question under way: what it may still read, and until when (monotonic seconds) its next answer must end."""

    left_bytes: int
    until: float


class Bounds:
    """The bounds of each question under way: every question has a thread of its own."""

    def __init__(self, answer_s: float) -> None:
        """Let each answer take `answer_s` seconds from the end of the one before, with all that is tried to get it."""
        self.answer_s = answer_s
        self._mine = threading.local()

    def question(self) -> Question:
        """Return a question whose time begins now."""
        return Question(LARGEST_BYTES, time.monotonic() + self.answer_s)

    def begin(self, question: Question) -> None:
        """Ask this question in this thread."""
        self._mine.question = question

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
        question: Question = self._mine.question
        content = bytearray()
        for part in response.iter_raw():
            content += part
            question.left_bytes -= max(len(part), _LEAST_BYTES)
            if question.left_bytes < 0 or time.monotonic() > question.until:
                raise EndlessAnswerError
        question.until = time.monotonic() + self.answer_s
        response._content = bytes(content)  # noqa: SLF001 - where the library keeps what it has read
