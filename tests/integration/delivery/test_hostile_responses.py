"""Hostile responses over real sockets: each has its listed outcome, in bounded time and memory, and loses no event."""

from __future__ import annotations

import asyncio
import ssl
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from consumer.delivery.http.client import HttpConnection
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.destinations import Destination
from consumer.destinations.copilot import CopilotOptions
from consumer.destinations.customerio.destination import CustomerioOptions
from consumer.destinations.kinds import KINDS
from consumer.destinations.status_verdicts import LONGEST_WAIT_S
from consumer.destinations.yotpo import YotpoOptions
from consumer.model import BatchEnvelope, Blocked, Deferred, Endpoint, Fault, HttpRequest, HttpResponse, Verdict
from tests.integration.delivery.dispatcher_harness import dispatcher_harness
from tests.integration.delivery.hostile import DELIVERED, OBEYED, RESPONSES, Hostile

URL = "http://127.0.0.1:1"
DESTINATIONS: dict[str, Destination] = {
    "copilot": KINDS["copilot"].construct(CopilotOptions(url=URL)),
    "customerio": KINDS["customerio"].construct(CustomerioOptions(url=URL)),
    "yotpo": KINDS["yotpo"].construct(YotpoOptions(url=URL, store_id="store")),
}
REQUEST = HttpRequest(Endpoint("batch", "POST", "/batch"), b'{"events":[]}')
IDS = ("id-0", "id-1")
MAX_BYTES = 12_000_000
"""Peak memory of one response: the limit of a body twice (collected, then passed on), and read buffers."""

by_name = pytest.mark.parametrize("row", RESPONSES, ids=lambda row: row.name)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """Read one whole request and return it."""
    first = await reader.readuntil(b"\r\n\r\n")
    length = next(line for line in first.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return first + await reader.readexactly(int(length.split(b":")[1]))


Handle = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def listening(handle: Handle, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Serve each connection with `handle`, over TLS if `tls` is given. Yield the address; close all at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def run(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await handle(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    # A task of its own: the stream library reports a cancelled callback as an error.
    server = await asyncio.start_server(
        lambda *ends: tasks.add(asyncio.create_task(run(*ends))), "127.0.0.1", 0, ssl=tls
    )
    try:
        yield f"{'https' if tls else 'http'}://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def response_of(row: Hostile) -> HttpResponse | Fault:
    """Send one request to a server that responds as the row respond."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await row(reader, writer)

    async with listening(handle) as url:
        connection = HttpConnection(url, {}, row.timeout_s)
        try:
            async with asyncio.timeout(40):
                return await connection.exchange(REQUEST, {})
        finally:
            await connection.close()


def outcome(result: HttpResponse | Fault, destination: Destination) -> str:
    """Return the outcome of a batch of two, in the table's words."""
    if isinstance(result, Fault):
        return f"deferred: {result.cause}"
    envelope = BatchEnvelope(destination.endpoints[0], b"", b"", 100, 500_000)
    verdict: Verdict = destination.judge(envelope, IDS, result)
    if isinstance(verdict, Deferred | Blocked):
        return f"{type(verdict).__name__.lower()}: {verdict.fault.cause}"
    return type(verdict).__name__.lower()


@by_name
def test_hostile_response_has_its_outcome_in_bounded_memory(row: Hostile) -> None:
    tracemalloc.start()
    try:
        result = asyncio.run(response_of(row))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    outcomes = {name: outcome(result, destination) for name, destination in DESTINATIONS.items()}
    assert outcomes == {name: row.but.get(name, row.outcome) for name in DESTINATIONS}
    assert peak < MAX_BYTES


@pytest.mark.parametrize("row", OBEYED, ids=lambda row: row.name)
def test_excessive_wait_is_limited_to_a_day(row: Hostile) -> None:
    result = asyncio.run(response_of(row))
    assert isinstance(result, HttpResponse)
    for destination in DESTINATIONS.values():
        verdict = destination.judge(BatchEnvelope(destination.endpoints[0], b"", b"", 100, 500_000), IDS, result)
        assert isinstance(verdict, Deferred)
        assert (verdict.wait_s, verdict.whole_destination) == (LONGEST_WAIT_S, True)


@asynccontextmanager
async def hostile_proxy(fake: FakeCopilot, row: Hostile, requests: list[bytes]) -> AsyncIterator[str]:
    """Respond to the first request as the row respond, and forward every later connection to the fake."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not requests:
            requests.append(b"")
            requests[0] = await read_request(reader)
            await row(reader, writer)
            return
        to_reader, to_writer = await asyncio.open_connection("127.0.0.1", fake.port)
        try:
            await asyncio.gather(_pass_on(reader, to_writer), _pass_on(to_reader, writer))
        finally:
            to_writer.close()

    async with listening(handle) as url:
        yield url


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.write_eof()


@pytest.mark.parametrize(
    "row", [row for row in RESPONSES if row.but.get("copilot", row.outcome) != DELIVERED], ids=lambda row: row.name
)
def test_batch_is_sent_again_with_same_ids_after_hostile_response(row: Hostile) -> None:
    async def run() -> None:
        requests: list[bytes] = []
        async with (
            FakeCopilot(client_id="id", client_secret="secret") as fake,
            hostile_proxy(fake, row, requests) as url,
            dispatcher_harness(fake, url=url, lanes=1, timeout_s=row.timeout_s, probe_s=0.05) as harness,
        ):
            ids = harness.owe(["a", "b", "c"], [1, 2, 1], "custom_event")
            await harness.all_ended()
            assert all(each.encode() in requests[0] for each in ids)
            assert fake.stored_ids() == set(ids)
            assert [arrival.id for arrival in fake.received] == ids, "each once, in order"
            assert not harness.dead_letter_topic.dead_letters

    asyncio.run(run())
