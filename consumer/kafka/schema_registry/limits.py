"""What a registry's answers may cost: bytes for one question with all it leads to, and time for each try of it.

The client's own timeout is for each part of an answer, so that a trickle lasts for ever, and it reads what comes,
unfolded, to its end. So every wait at a socket is given what is left of the try's time, at the most, and the thread
that asks ends by itself. Nobody may close a connection under it: the number of a closed socket is soon another one's,
and OpenSSL goes on reading and writing by the number.

How many tries there are, at how many addresses, is the client's affair: what one of them may take is not the next one's
loss. Nor is there a bound for the time of a question as a whole: a registry that is slow and well would never get to
the end of a schema with many references. The bytes bound their number.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LARGEST_BYTES = 4 * 1024 * 1024
"""For a schema and all it refers to. Four times what may be read of them: JSON in JSON has its quotes escaped."""

_LEAST_BYTES = 512
"""What each piece of an answer counts at least: chunks of two bytes would take minutes to the limit."""

CACHED_SCHEMAS = 20
"""Schemas the client remembers at the most, with their texts and those they refer to: then it forgets all of them.

It remembers at all because what many schemas refer to is not to be asked for each time."""


class ResponseTooLargeError(Exception):
    """An answer is larger than any schema, longer on its way than it may be, or compressed though it was not to be."""


@dataclass(slots=True)
class Lookup:
    """One question under way: what it may still read, and until when (monotonic seconds) its try must end.

    Attributes:
        authorization: what its last request said in the header of this name.
        status: how that was answered; 0 if it was not.
    """

    remaining_bytes: int
    deadline_s: float
    authorization: str = ""
    status: int = 0


class ResponseLimits:
    """The bounds of each question under way: every question has a thread of its own."""

    def __init__(self, answer_s: float) -> None:
        """Let each try of getting an answer take `answer_s` seconds until that has ended."""
        self.response_s = answer_s
        self._mine = threading.local()

    def lookup(self) -> Lookup:
        """Return a question whose time begins now."""
        return Lookup(LARGEST_BYTES, time.monotonic() + self.response_s)

    def begin(self, question: Lookup) -> None:
        """Ask this question in this thread."""
        self._mine.question = question

    def apply_to(self, client: Any) -> None:  # noqa: ANN401 - a registry client, imported late
        """Keep every answer this client gets within the bounds."""
        rest = client._rest_client  # noqa: SLF001 - it shows no other way to its connections
        self._hold(rest.session)
        token = getattr(rest.bearer_field_provider, "client", None)
        if token is not None:
            token.timeout = rest.session.timeout
            self._hold(token)

    def _hold(self, http: Any) -> None:  # noqa: ANN401 - of the client's HTTP library, which is its own affair
        http.headers["accept-encoding"] = "identity"
        http.event_hooks = {"request": [self._try], "response": [self._read]}
        # Beside its own way it has one for each proxy that the environment names.
        for transport in (http._transport, *http._mounts.values()):  # noqa: SLF001 - as above
            if transport is not None:
                pool = transport._pool  # noqa: SLF001 - as above
                pool._network_backend = _Network(pool._network_backend, self)  # noqa: SLF001 - as above

    @contextmanager
    def wait(self, timeout_s: float | None) -> Iterator[float]:
        """Give the seconds that this thread may wait for one thing: so many, but no longer than the try may take.

        Raises:
            EndlessAnswerError: the try's time is over, at the beginning or at the end. Of all that may be raised at a
                socket this alone is not tried again at the same address.
        """
        question: Lookup = self._mine.question
        left_s = question.deadline_s - time.monotonic()
        if left_s <= 0:
            raise ResponseTooLargeError
        try:
            yield left_s if timeout_s is None else min(timeout_s, left_s)
        except Exception as error:
            if time.monotonic() >= question.deadline_s:
                raise ResponseTooLargeError from error
            raise

    def _try(self, request: Any) -> None:  # noqa: ANN401 - as above
        question: Lookup = self._mine.question
        question.deadline_s = time.monotonic() + self.response_s
        question.authorization = request.headers.get("authorization", "")
        question.status = 0

    def _read(self, response: Any) -> None:  # noqa: ANN401 - as above
        """Read an answer before the client does.

        Raises:
            EndlessAnswerError: it goes beyond the bounds.
        """
        question: Lookup = self._mine.question
        question.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ResponseTooLargeError  # it could unfold to any size
        content, left_bytes = bytearray(), question.remaining_bytes
        for part in response.iter_raw():
            content += part
            left_bytes -= max(len(part), _LEAST_BYTES)
            if left_bytes < 0 or time.monotonic() > question.deadline_s:
                raise ResponseTooLargeError
        question.remaining_bytes = (
            left_bytes  # what was not read to its end is not kept, and the next address's to read
        )
        response._content = bytes(content)  # noqa: SLF001 - where the library keeps what it has read


class _Network:
    """What a client connects by, within the bounds."""

    def __init__(self, network: Any, bounds: ResponseLimits) -> None:  # noqa: ANN401 - as above
        self._network = network
        self._bounds = bounds

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: object) -> _Stream:
        with self._bounds.wait(timeout) as allowed_s:
            return _Stream(self._network.connect_tcp(host, port, timeout=allowed_s, **more), self._bounds)


class _Stream:
    """A connection whose every wait is within the bounds of the question that goes by it then."""

    def __init__(self, stream: Any, bounds: ResponseLimits) -> None:  # noqa: ANN401 - as above
        self._stream = stream
        self._bounds = bounds

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:  # noqa: ANN401 - as above
        with self._bounds.wait(timeout) as allowed_s:
            return self._stream.read(max_bytes, allowed_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._bounds.wait(timeout) as allowed_s:
            self._stream.write(buffer, allowed_s)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> _Stream:  # noqa: ANN401 - as above
        try:
            with self._bounds.wait(timeout) as allowed_s:
                return _Stream(self._stream.start_tls(ssl_context, server_hostname, allowed_s), self._bounds)
        except BaseException:
            self.close()  # a connection that is not secured is nobody's: none else would close it
            raise

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as above
        return self._stream.get_extra_info(info)
