"""Limits of a registry's responses: bytes for one lookup with all its references, and time for each attempt.

The client's own timeout applies to each part of a response, so a slow trickle never ends. And the client reads a
response, decompressed, to its end. So every wait at a socket is limited to the rest of the attempt's time, and the
lookup's thread ends by itself. No other thread may close its connection: another connection soon gets the number of the
closed socket, and OpenSSL goes on reading and writing by that number.

The client decides how many attempts there are and at how many addresses. Time that one attempt uses is not taken from
the next one. A lookup as a whole has no time limit: a slow but healthy registry would never finish a schema with many
references. The byte limit bounds the number of references.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

LARGEST_BYTES = 4 * 1024 * 1024
"""For a schema and all its references: four times the largest readable schema, because JSON in JSON escapes quotes."""

_MIN_CHUNK_BYTES = 512
"""The minimum that each chunk of a response counts. Chunks of two bytes would take minutes to reach the limit."""

CACHED_SCHEMAS = 20
"""The maximum number of schemas in the client's cache, with their texts and references. Then the cache is cleared.

There is a cache because many schemas refer to the same ones, which are not to be requested each time."""


class ResponseTooLargeError(Exception):
    """A response is larger than any schema, takes longer than its attempt may, or is compressed against the request."""


@dataclass(slots=True)
class Lookup:
    """One lookup in flight.

    Attributes:
        remaining_bytes: the bytes that it may still read.
        deadline_s: when its current attempt must end, in monotonic seconds.
        authorization: the `Authorization` header of its last request.
        status: the status of the last response; 0 if there was none.
    """

    remaining_bytes: int
    deadline_s: float
    authorization: str = ""
    status: int = 0


class ResponseLimits:
    """The limits of each lookup in flight. Every lookup has a thread of its own.

    Args:
        response_s: seconds that each attempt may take until its response is complete.
        grace_s: seconds after the attempt's deadline until the lookup is given up from outside its thread.
    """

    def __init__(self, response_s: float, grace_s: float = 0.0) -> None:
        self.response_s = response_s
        self.grace_s = grace_s
        self._local = threading.local()

    def lookup(self) -> Lookup:
        """Return a lookup whose time begins now."""
        return Lookup(LARGEST_BYTES, time.monotonic() + self.response_s)

    def begin(self, lookup: Lookup) -> None:
        """Make this the lookup of the current thread."""
        self._local.lookup = lookup

    def apply_to(self, client: Any) -> None:  # noqa: ANN401 - a registry client, imported late
        """Apply the limits to every response of a client."""
        rest = client._rest_client  # noqa: SLF001 - there is no public access to its connections
        self._apply_to_http(rest.session)
        token = getattr(rest.bearer_field_provider, "client", None)
        if token is not None:
            token.timeout = rest.session.timeout
            self._apply_to_http(token)

    def _apply_to_http(self, http: Any) -> None:  # noqa: ANN401 - the type of the client's HTTP library
        http.headers["accept-encoding"] = "identity"
        http.event_hooks = {"request": [self._on_request], "response": [self._read]}
        # Besides its default transport it has one for each proxy in the environment.
        for transport in (http._transport, *http._mounts.values()):  # noqa: SLF001 - as above
            if transport is not None:
                pool = transport._pool  # noqa: SLF001 - as above
                pool._network_backend = _Network(pool._network_backend, self)  # noqa: SLF001 - as above

    @contextmanager
    def wait(self, timeout_s: float | None) -> Iterator[float]:
        """Yield the seconds that this thread may wait for one thing: `timeout_s`, or the rest of the attempt's time.

        Raises:
            ResponseTooLargeError: the attempt's time is over, at the beginning or at the end. Of all errors at a socket
                this is the only one that is not retried at the same address.
        """
        lookup: Lookup = self._local.lookup
        remaining_s = lookup.deadline_s - time.monotonic()
        if remaining_s <= 0:
            raise ResponseTooLargeError
        try:
            yield remaining_s if timeout_s is None else min(timeout_s, remaining_s)
        except Exception as error:
            if time.monotonic() >= lookup.deadline_s:
                raise ResponseTooLargeError from error
            raise

    def _on_request(self, request: Any) -> None:  # noqa: ANN401 - as above
        lookup: Lookup = self._local.lookup
        lookup.deadline_s = time.monotonic() + self.response_s
        lookup.authorization = request.headers.get("authorization", "")
        lookup.status = 0

    def _read(self, response: Any) -> None:  # noqa: ANN401 - as above
        """Read a response before the client does.

        Raises:
            ResponseTooLargeError: the response exceeds the limits.
        """
        lookup: Lookup = self._local.lookup
        lookup.status = response.status_code
        if response.headers.get("content-encoding", "identity") != "identity":
            raise ResponseTooLargeError  # it could decompress to any size
        content, remaining_bytes = bytearray(), lookup.remaining_bytes
        for chunk in response.iter_raw():
            content += chunk
            remaining_bytes -= max(len(chunk), _MIN_CHUNK_BYTES)
            if remaining_bytes < 0 or time.monotonic() > lookup.deadline_s:
                raise ResponseTooLargeError
        # Only a complete response counts: an incomplete one is dropped, and the next address may use its bytes.
        lookup.remaining_bytes = remaining_bytes
        response._content = bytes(content)  # noqa: SLF001 - where the library keeps a body that it has read


class _Network:
    """A client's network backend, within the limits."""

    def __init__(self, network: Any, limits: ResponseLimits) -> None:  # noqa: ANN401 - as above
        self._network = network
        self._limits = limits

    def connect_tcp(self, host: str, port: int, timeout: float | None = None, **more: object) -> _Stream:
        with self._limits.wait(timeout) as allowed_s:
            return _Stream(self._network.connect_tcp(host, port, timeout=allowed_s, **more), self._limits)


class _Stream:
    """A connection. Each wait at it is within the limits of the lookup that uses it at that time."""

    def __init__(self, stream: Any, limits: ResponseLimits) -> None:  # noqa: ANN401 - as above
        self._stream = stream
        self._limits = limits

    def read(self, max_bytes: int, timeout: float | None = None) -> Any:  # noqa: ANN401 - as above
        with self._limits.wait(timeout) as allowed_s:
            return self._stream.read(max_bytes, allowed_s)

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        with self._limits.wait(timeout) as allowed_s:
            self._stream.write(buffer, allowed_s)

    def start_tls(self, ssl_context: Any, server_hostname: Any = None, timeout: float | None = None) -> _Stream:  # noqa: ANN401 - as above
        try:
            with self._limits.wait(timeout) as allowed_s:
                return _Stream(self._stream.start_tls(ssl_context, server_hostname, allowed_s), self._limits)
        except BaseException:
            self.close()  # the client does not close a connection whose TLS handshake failed
            raise

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:  # noqa: ANN401 - as above
        return self._stream.get_extra_info(info)
