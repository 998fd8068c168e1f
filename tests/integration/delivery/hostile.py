"""Hostile responses as data: a server's behaviour after it has read a request, and the expected outcome."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

DELIVERED = "delivered"
UNREACHABLE = "deferred: unreachable"
TIMED_OUT = "deferred: timed_out"
LATER = "deferred: server_error"
UNINTELLIGIBLE = "blocked: unintelligible"
UNEXPECTED = "blocked: unexpected"
BATCH_REFUSED = "batchrefused"


@dataclass(frozen=True)
class Hostile:
    """One row.

    Args:
        name: a description of the response.
        serve: writes the response, after the whole request was read; bytes are written as they are. Then it closes.
        outcome: the outcome of a batch, at every destination.
        but: destination → the outcome there, if it differs.
    """

    name: str
    serve: Serve | bytes
    outcome: str
    but: Mapping[str, str] = field(default_factory=dict)

    @property
    def timeout_s(self) -> float:
        """The request's timeout: short in the tests of the timeout, otherwise long enough for a slow machine."""
        return 0.5 if self.outcome == TIMED_OUT else 30.0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Write the response until the client closes the connection."""
        with contextlib.suppress(ConnectionError):
            if isinstance(self.serve, bytes):
                writer.write(self.serve)
                await writer.drain()
            else:
                await self.serve(reader, writer)


def respond(body: bytes, status: bytes = b"200 OK", *headers: bytes) -> bytes:
    """Return a well-formed response."""
    lines = (b"HTTP/1.1 " + status, b"content-type: application/json", b"content-length: %d" % len(body), *headers)
    return b"\r\n".join(lines) + b"\r\n\r\n" + body


def head(*lines: bytes) -> bytes:
    """Return the head of a 200 with exactly these header lines."""
    return b"\r\n".join((b"HTTP/1.1 200 OK", *lines, b"", b""))


def chunked(body: bytes, *headers: bytes) -> bytes:
    """Return a 200 with chunked encoding, followed by these bytes."""
    return head(b"transfer-encoding: chunked", *headers) + body


def endless(first: bytes, data: bytes, pause_s: float = 0.0) -> Serve:
    """Write `first`, then `data` repeatedly: as fast as the client reads, or with a pause after each."""

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        while True:
            writer.write(data)
            await writer.drain()
            await asyncio.sleep(pause_s)

    return serve


def trickling(first: bytes, data: bytes) -> Serve:
    """Write `first`, then `data` now and then, forever: no phase is slow, only the whole."""
    return endless(first, data, pause_s=0.02)


def mute(first: bytes) -> Serve:
    """Write `first`, then nothing more until the client closes the connection."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(first)
        await reader.read()

    return serve


async def _reset(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()


_BOMB = gzip.compress(b" " * 50_000_000)  # 49 kB
_GOOD = b'{"success":true}'
_WAIT = b"503 Service Unavailable"

RESPONSES = (
    # ── bodies ──
    Hostile("200 with HTML", respond(b"<html><body>Please log in</body></html>"), UNINTELLIGIBLE),
    Hostile("200 with truncated JSON", respond(b'{"success":tr'), UNINTELLIGIBLE),
    Hostile("200 with invalid JSON", respond(b"{'success': True}"), UNINTELLIGIBLE),
    Hostile("200 with JSON of another kind", respond(b"[]"), UNINTELLIGIBLE, {"yotpo": DELIVERED}),
    Hostile("200 with half a character", respond(b'{"a":"\xc3"}'), UNINTELLIGIBLE),
    Hostile("200 with JSON of a hundred thousand levels", respond(b"[" * 100_000), UNINTELLIGIBLE),
    Hostile("200 without the required body", respond(b""), UNINTELLIGIBLE, {"yotpo": DELIVERED}),
    Hostile("204 where a body is required", b"HTTP/1.1 204 No Content\r\n\r\n", UNINTELLIGIBLE, {"yotpo": DELIVERED}),
    Hostile("206, a part of a response", respond(_GOOD, b"206 Partial Content"), UNINTELLIGIBLE),
    Hostile(
        "an entry that names no event of the batch",
        respond(b'{"invalid_events":[{"event_id":"nobody","index":0,"error":"no"}]}'),
        DELIVERED,
        {"copilot": BATCH_REFUSED},
    ),
    Hostile(
        "an entry that names an event twice",
        respond(b'{"invalid_events":[{"event_id":"id-0"},{"event_id":"id-0"}]}'),
        DELIVERED,
        {"copilot": BATCH_REFUSED},
    ),
    Hostile("100 MB of body", endless(head(b"content-length: 100000000"), b"x" * 65_536), UNINTELLIGIBLE),
    Hostile("a body without an end", endless(head(), b"x" * 65_536), UNINTELLIGIBLE),
    Hostile("chunks without an end", endless(chunked(b""), b"2\r\nab\r\n" * 10_000), UNINTELLIGIBLE),
    # ── compression that was not requested ──
    Hostile("a gzip bomb", respond(_BOMB, b"200 OK", b"content-encoding: gzip"), UNINTELLIGIBLE),
    Hostile(
        "good JSON, compressed", respond(gzip.compress(_GOOD), b"200 OK", b"content-encoding: gzip"), UNINTELLIGIBLE
    ),
    Hostile("good JSON declared as deflate", respond(_GOOD, b"200 OK", b"content-encoding: deflate"), DELIVERED),
    # ── redirects, and statuses that do not exist ──
    Hostile("a redirect", respond(b"", b"307 Temporary Redirect", b"location: http://127.0.0.1:1/"), UNEXPECTED),
    Hostile("a redirect to itself", respond(b"", b"302 Found", b"location: /"), UNEXPECTED),
    Hostile("304 with a body", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\nhello", UNEXPECTED),
    Hostile(
        "101 to a protocol that was not requested", b"HTTP/1.1 101 Switching\r\nupgrade: x\r\n\r\nabc", UNREACHABLE
    ),
    Hostile("status 600", respond(_GOOD, b"600 Beyond"), UNEXPECTED),
    Hostile("status 999999", b"HTTP/1.1 999999 OK\r\n\r\n", UNREACHABLE),
    Hostile("status -200", b"HTTP/1.1 -200 OK\r\n\r\n", UNREACHABLE),
    # ── lengths ──
    Hostile("less body than announced", head(b"content-length: 100") + _GOOD, UNREACHABLE),
    Hostile("more body than announced", head(b"content-length: 2") + b"{}" + _GOOD, DELIVERED),
    Hostile("two lengths that differ", head(b"content-length: 16", b"content-length: 2") + _GOOD, UNREACHABLE),
    Hostile("the same length twice", head(b"content-length: 16", b"content-length: 16") + _GOOD, DELIVERED),
    Hostile("a negative length", head(b"content-length: -16") + _GOOD, UNREACHABLE),
    Hostile("a length of nonsense", head(b"content-length: 0x10") + _GOOD, UNREACHABLE),
    Hostile("a length of thirty digits", head(b"content-length: " + b"9" * 30) + _GOOD, UNREACHABLE),
    Hostile("a chunk of nonsense", chunked(b"ZZ\r\nab\r\n0\r\n\r\n"), UNREACHABLE),
    Hostile("a chunk of negative size", chunked(b"-2\r\n{}\r\n0\r\n\r\n"), UNREACHABLE),
    Hostile("a chunk of 2^80 bytes", chunked(b"FFFFFFFFFFFFFFFFFFFF\r\n{}"), UNREACHABLE),
    Hostile("a last chunk that never comes", chunked(b"2\r\n{}\r\n"), UNREACHABLE),
    Hostile("a chunk's extension without an end", endless(chunked(b"2;x="), b"y" * 10_000), UNREACHABLE),
    Hostile("trailers without an end", endless(chunked(b"2\r\n{}\r\n0\r\n"), b"x: y\r\n" * 1000), UNREACHABLE),
    Hostile("a transfer encoding that is not chunks", head(b"transfer-encoding: gzip") + _GOOD, UNREACHABLE),
    # ── headers ──
    Hostile("headers without an end", endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000), UNREACHABLE),
    Hostile("a header line without an end", endless(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 10_000), UNREACHABLE),
    Hostile("a reason without an end", endless(b"HTTP/1.1 200 ", b"y" * 10_000), UNREACHABLE),
    Hostile("twelve thousand headers", head(*(b"%x:" % n for n in range(12_000))) + _GOOD, DELIVERED),
    Hostile("100 Continue without an end", endless(b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000), TIMED_OUT),
    Hostile("empty lines without an end", endless(b"", b"\r\n" * 1000), UNREACHABLE),
    Hostile("a header value that is not UTF-8", respond(_GOOD, b"200 OK", b"x: \xff\xfe\xc3"), DELIVERED),
    Hostile("a NUL in a header", respond(_GOOD, b"200 OK", b"x: a\x00b"), UNREACHABLE),
    Hostile("a header name that is not ASCII", respond(_GOOD, b"200 OK", b"\xff\xfe: a"), UNREACHABLE),
    Hostile("HTTP/0.9", _GOOD, UNREACHABLE),
    Hostile("no HTTP", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", UNREACHABLE),
    # ── time ──
    Hostile("a head that trickles", trickling(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"), TIMED_OUT),
    Hostile("a body that trickles", trickling(head(b"content-length: 100000"), b" "), TIMED_OUT),
    Hostile("chunks that trickle", trickling(chunked(b""), b"1\r\n \r\n"), TIMED_OUT),
    Hostile("nothing at all", mute(b""), TIMED_OUT),
    Hostile("a head and no body", mute(head(b"content-length: 16")), TIMED_OUT),
    Hostile("a close without a response", b"", UNREACHABLE),
    Hostile("a reset without a response", _reset, UNREACHABLE),
    # ── impossible waits and dates ──
    Hostile("a wait of less than nothing", respond(b"", _WAIT, b"retry-after: -1"), LATER),
    Hostile("a wait of 1e308", respond(b"", _WAIT, b"retry-after: 1e308"), LATER),
    Hostile("a wait that is not a number", respond(b"", _WAIT, b"retry-after: NaN"), LATER),
    Hostile("a wait that is not even text", respond(b"", _WAIT, b"retry-after: \xff\xff"), LATER),
    Hostile("a wait until the year 99999", respond(b"", _WAIT, b"retry-after: Fri, 31 Dec 99999 23:59:59 GMT"), LATER),
    Hostile("a date of garbage", respond(_GOOD, b"200 OK", b"date: Thu, 99 Foo 0000 77:88:99 XYZ"), DELIVERED),
    Hostile("a date of thousands of digits", respond(_GOOD, b"200 OK", b"date: " + b"9" * 50_000), DELIVERED),
)
"""Every hostile response with its outcome: none of them loses an event, blocks forever or exhausts memory.

A *deferred* batch is sent again after the back-off, *batchrefused* splits it, and *blocked* holds the endpoint until a
good response comes. *Delivered*: the response, as far as it goes, is what the contract respond.
"""

OBEYED = (
    Hostile("a wait of a year", respond(b"", _WAIT, b"retry-after: 31536000"), LATER),
    Hostile("a wait until the year 9999", respond(b"", _WAIT, b"retry-after: Fri, 31 Dec 9999 23:59:59 GMT"), LATER),
    Hostile("a wait of many digits", respond(b"", _WAIT, b"retry-after: " + b"9" * 50_000), LATER),
)
"""Waits that are obeyed, for a day at most."""
