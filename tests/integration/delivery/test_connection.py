"""The connection between calls: kept while it only carries answers, and never the reason for a wrong one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from consumer.delivery.http.client import HttpConnection
from consumer.model import Endpoint, Fault, HttpRequest, HttpResponse, TransientCause
from tests.integration.delivery.hostile import says
from tests.integration.delivery.test_hostile_answers import listening, read_request

BATCH = Endpoint("batch", "POST", "/batch")
SMALL = HttpRequest(BATCH, b"{}")
LARGE = HttpRequest(BATCH, b"x" * 8_000_000)  # more than the sockets between hold
GOOD = says(b"{}")


async def calls(answers: Sequence[bytes], timeout_s: float = 30.0) -> tuple[list[HttpResponse | Fault], int]:
    """Make a call for each answer, by a server that keeps its connections; also return how many it saw."""
    connections = 0
    waiting = list(answers)

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        connections += 1
        while waiting:
            await read_request(reader)
            writer.write(waiting.pop(0))
            await writer.drain()
        await reader.read()

    async with listening(handle) as url:
        wire = HttpConnection(url, {}, timeout_s)
        try:
            return [await wire.exchange(SMALL, {}) for _ in answers], connections
        finally:
            await wire.close()


def bodies(replies: list[HttpResponse | Fault]) -> list[tuple[int, bytes]]:
    """Return what was answered."""
    return [(reply.status, reply.body) for reply in replies if isinstance(reply, HttpResponse)]


def test_a_connection_that_only_carried_answers_is_used_again() -> None:
    replies, connections = asyncio.run(calls([GOOD, says(b"[1]"), b"HTTP/1.1 204 No Content\r\n\r\n", GOOD]))
    assert bodies(replies) == [(200, b"{}"), (200, b"[1]"), (204, b""), (200, b"{}")]
    assert connections == 1


@pytest.mark.parametrize(
    ("answer", "read"),
    [
        (GOOD + says(b'{"stray":1}'), (200, b"{}")),
        (GOOD + b'{"stray":1}', (200, b"{}")),
        (b"HTTP/1.1 204 No Content\r\ncontent-length: 2\r\n\r\n{}", (204, b"")),
        (b"HTTP/1.1 304 Not Modified\r\n\r\n" + says(b"[]"), (304, b"")),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n" + says(b"[]"), (200, b"")),
    ],
    ids=["a second answer", "more than announced", "204 with a body", "304 with an answer", "chunks and an answer"],
)
def test_what_stands_beyond_an_answer_is_never_the_answer_to_the_next_call(
    answer: bytes, read: tuple[int, bytes]
) -> None:
    replies, connections = asyncio.run(calls([answer, says(b'{"second":2}')]))
    assert bodies(replies) == [read, (200, b'{"second":2}')]
    assert connections == 2


def test_an_answer_that_was_cut_takes_its_connection_with_it() -> None:
    replies, connections = asyncio.run(calls([says(b" " * 3_000_000), GOOD]))
    assert [isinstance(reply, HttpResponse) and reply.truncated for reply in replies] == [True, False]
    assert connections == 2


def test_no_compressed_answer_is_asked_for() -> None:
    asked = b""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        asked = await read_request(reader)
        writer.write(GOOD)
        await reader.read()

    async def run() -> None:
        async with listening(handle) as url:
            wire = HttpConnection(url, {}, 30.0)
            await wire.exchange(SMALL, {})
            await wire.close()

    asyncio.run(run())
    assert asked.lower().count(b"accept-encoding:") == 1
    assert b"accept-encoding: identity\r\n" in asked.lower()


def test_a_connection_closed_between_calls_is_replaced_before_the_next_one_starts() -> None:
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
            wire = HttpConnection(url, {}, 30.0)
            first = await wire.exchange(SMALL, {})
            await closed.wait()
            second = await wire.exchange(SMALL, {})
            await wire.close()
            return [first, second]

    assert bodies(asyncio.run(run())) == [(200, b"{}"), (200, b"{}")]
    assert connections == 2


def test_a_connection_that_closes_on_a_call_defers_it_because_it_may_have_been_taken() -> None:
    seen = 0

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        await read_request(reader)
        writer.write(GOOD)
        await read_request(reader)
        seen += 1

    async def run() -> list[HttpResponse | Fault]:
        async with listening(handle) as url:
            wire = HttpConnection(url, {}, 30.0)
            replies = [await wire.exchange(SMALL, {}) for _ in range(2)]
            await wire.close()
            return replies

    first, second = asyncio.run(run())
    assert bodies([first]) == [(200, b"{}")]
    assert isinstance(second, Fault)
    assert second.cause is TransientCause.UNREACHABLE
    assert seen == 1, "nothing is sent again behind the back of whoever called"


def test_an_answer_given_before_the_body_was_read_counts() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(says(b"", b"413 Content Too Large"))
        await reader.readexactly(len(LARGE.body))

    async def run() -> HttpResponse | Fault:
        async with listening(handle) as url:
            wire = HttpConnection(url, {}, 30.0)
            try:
                return await wire.exchange(LARGE, {})
            finally:
                await wire.close()

    reply = asyncio.run(run())
    assert isinstance(reply, HttpResponse)
    assert reply.status == 413


def test_a_server_that_answers_and_never_takes_the_body_holds_nobody_beyond_the_deadline() -> None:
    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(GOOD)
        await asyncio.Event().wait()

    async def run() -> HttpResponse | Fault:
        async with listening(handle) as url:
            wire = HttpConnection(url, {}, 0.5)
            try:
                async with asyncio.timeout(120):
                    return await wire.exchange(LARGE, {})
            finally:
                await wire.close()

    reply = asyncio.run(run())
    assert isinstance(reply, Fault)
    assert reply.cause is TransientCause.TIMED_OUT
