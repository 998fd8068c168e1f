"""The connection between requests: kept while it only carries responses, and never the cause of a wrong one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consumer.delivery.http.client import HttpConnection
from consumer.model import Endpoint, Fault, HttpRequest, HttpResponse, TransientCause
from tests.integration.delivery.hostile import respond
from tests.integration.delivery.test_hostile_responses import listening, read_request

BATCH = Endpoint("batch", "POST", "/batch")
SMALL = HttpRequest(BATCH, b"{}")
LARGE = HttpRequest(BATCH, b"x" * 8_000_000)  # more than the socket buffers hold
GOOD = respond(b"{}")


async def exchange(responses: Sequence[bytes], timeout_s: float = 30.0) -> tuple[list[HttpResponse | Fault], int]:
    """Send one request per response to a server that keeps connections. Also return how many connections it saw."""
    connections = 0
    waiting = list(responses)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while waiting:
            await read_request(reader)
            writer.write(waiting.pop(0))
            await writer.drain()
        await reader.read()

    async with listening(handle) as url:
        connection = HttpConnection(url, {}, timeout_s)
        try:
            return [await connection.exchange(SMALL, {}) for _ in responses], connections
        finally:
            await connection.close()


def bodies(received: list[HttpResponse | Fault]) -> list[tuple[int, bytes]]:
    """Return status and body of each response."""
    return [(response.status, response.body) for response in received if isinstance(response, HttpResponse)]


def test_connection_with_clean_responses_is_used_again() -> None:
    received, connections = asyncio.run(exchange([GOOD, respond(b"[1]"), b"HTTP/1.1 204 No Content\r\n\r\n", GOOD]))
    assert bodies(received) == [(200, b"{}"), (200, b"[1]"), (204, b""), (200, b"{}")]
    assert connections == 1


@pytest.mark.parametrize(
    ("data", "read"),
    [
        (GOOD + respond(b'{"stray":1}'), (200, b"{}")),
        (GOOD + b'{"stray":1}', (200, b"{}")),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{}", (204, b"")),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n" + respond(b"[]"), (304, b"")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + respond(b"[]"), (200, b"")),
    ],
    ids=["a second response", "more than announced", "204 with a body", "304 with a response", "chunks and a response"],
)
def test_bytes_after_a_response_are_never_the_next_response(data: bytes, read: tuple[int, bytes]) -> None:
    received, connections = asyncio.run(exchange([data, respond(b'{"second":2}')]))
    assert bodies(received) == [read, (200, b'{"second":2}')]
    assert connections == 2


def test_truncated_response_closes_its_connection() -> None:
    received, connections = asyncio.run(exchange([respond(b" " * 3_000_000), GOOD]))
    assert [isinstance(response, HttpResponse) and response.truncated for response in received] == [True, False]
    assert connections == 2


def test_request_accepts_no_compression() -> None:
    request = b""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal request
        request = await read_request(reader)
        writer.write(GOOD)
        await reader.read()

    async def run() -> None:
        async with listening(handle) as url:
            connection = HttpConnection(url, {}, 30.0)
            await connection.exchange(SMALL, {})
            await connection.close()

    asyncio.run(run())
    assert request.lower().count(b"accept-encoding:") == 1
    assert b"accept-encoding: identity\r\n" in request.lower()


def test_connection_closed_between_requests_is_replaced() -> None:
    connections = 0
    closed = asyncio.Event()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        await read_request(reader)
        writer.write(GOOD)
        writer.close()
        await writer.wait_closed()
        closed.set()

    async def run() -> list[HttpResponse | Fault]:
        async with listening(handle) as url:
            connection = HttpConnection(url, {}, 30.0)
            first = await connection.exchange(SMALL, {})
            await closed.wait()
            second = await connection.exchange(SMALL, {})
            await connection.close()
            return [first, second]

    assert bodies(asyncio.run(run())) == [(200, b"{}"), (200, b"{}")]
    assert connections == 2


def test_connection_closed_during_a_request_is_a_fault_without_resend() -> None:
    """The server may have accepted the request."""
    seen = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await read_request(reader)
        writer.write(GOOD)
        await read_request(reader)
        seen += 1

    async def run() -> list[HttpResponse | Fault]:
        async with listening(handle) as url:
            connection = HttpConnection(url, {}, 30.0)
            received = [await connection.exchange(SMALL, {}) for _ in range(2)]
            await connection.close()
            return received

    first, second = asyncio.run(run())
    assert bodies([first]) == [(200, b"{}")]
    assert isinstance(second, Fault)
    assert second.cause is TransientCause.UNREACHABLE
    assert seen == 1, "the client does not send the request again by itself"


def test_response_before_the_body_was_read_counts() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(respond(b"", b"413 Content Too Large"))
        await reader.readexactly(len(LARGE.body))

    async def run() -> HttpResponse | Fault:
        async with listening(handle) as url:
            connection = HttpConnection(url, {}, 30.0)
            try:
                return await connection.exchange(LARGE, {})
            finally:
                await connection.close()

    response = asyncio.run(run())
    assert isinstance(response, HttpResponse)
    assert response.status == 413


def test_server_that_never_reads_the_body_times_out() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GOOD)
        await asyncio.Event().wait()

    async def run() -> HttpResponse | Fault:
        async with listening(handle) as url:
            connection = HttpConnection(url, {}, 0.5)
            try:
                async with asyncio.timeout(120):
                    return await connection.exchange(LARGE, {})
            finally:
                await connection.close()

    response = asyncio.run(run())
    assert isinstance(response, Fault)
    assert response.cause is TransientCause.TIMED_OUT
