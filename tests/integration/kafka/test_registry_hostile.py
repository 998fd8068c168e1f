"""A hostile registry: whatever it responds, the lookup ends in bounded time and memory, and the next one works."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import tracemalloc
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from consumer.kafka.schema_registry.client import (
    LookupResult,
    RegistryClient,
    RegistryUnreachable,
    SchemaFound,
    SchemaUnknown,
)
from consumer.model import Fault
from consumer.translation.avro.decoder import read_schema
from tests.integration.delivery.hostile import chunked, endless, head, mute, respond, trickling
from tests.integration.delivery.test_hostile_responses import listening

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = respond(b'{"schema":"\\"int\\""}')
LONG_S = 20.0
SHORT_S = 0.2
MAX_BYTES = 60_000_000
"""A response at its limit, a few times over: read, decoded and parsed."""


@asynccontextmanager
async def registry_at(url: str, timeout_s: float, **more: object) -> AsyncIterator[RegistryClient]:
    """Return a client for this address, and close its connections at the end. A service closes them when it ends."""
    registry = RegistryClient({"url": url, "retries.wait.ms": 1, "retries.max.wait.ms": 1, **more}, timeout_s)
    try:
        async with asyncio.timeout(240):
            yield registry
    finally:
        token = getattr(registry._client._rest_client.bearer_field_provider, "client", None)
        if token is not None:
            token.close()
        registry._client.__exit__(None, None, None)  # type: ignore[no-untyped-call]


async def fetch_bad_then_good(serve: bytes | Serve, timeout_s: float) -> tuple[LookupResult, LookupResult]:
    """Fetch schema 1 with this response, then schema 2 with a good one."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"/schemas/ids/2" in request:
                writer.write(GOOD)
            elif isinstance(serve, bytes):
                writer.write(serve)
            else:
                await serve(reader, writer)
            await writer.drain()

    async with listening(handle) as url, registry_at(url, timeout_s) as registry:
        return await registry.fetch(1), await fetch_until_reachable(registry, 2)


async def fetch_until_reachable(registry: RegistryClient, number: int) -> LookupResult:
    """Fetch until there is a response: a short timeout may be too short for a slow machine."""
    while isinstance(result := await registry.fetch(number), RegistryUnreachable):
        pass
    return result


def json_response(document: object) -> bytes:
    """Return a well-formed response."""
    return respond(json.dumps(document).encode())


def reference(name: object, subject: object) -> dict[str, object]:
    """Return a reference."""
    return {"name": name, "subject": subject, "version": 1}


HOSTILE: dict[str, bytes | Serve] = {
    "HTML": respond(b"<html>secret</html>"),
    "nothing": respond(b""),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": respond(b"", b"302 Found", b"location: http://127.0.0.1:1/secret"),
    "truncated JSON": respond(b'{"schema":"secret'),
    "a hundred thousand levels": respond(b"[" * 100_000),
    "a list": json_response([1]),
    "a number": json_response(5),
    "a schema that is a number": json_response({"schema": 5}),
    "a schema that is an object": json_response({"schema": {"type": "secret"}}),
    "a schema that is empty": json_response({"schema": ""}),
    "a schema that is null": json_response({"schema": None}),
    "references that are text": json_response({"schema": '"A"', "references": "secret"}),
    "references that are numbers": json_response({"schema": '"A"', "references": [1, 2]}),
    "references in a circle": json_response(
        {"subject": "a", "version": 1, "id": 1, "schema": '"A"', "references": [reference("a", "a")]}
    ),
    "a reference of no text": json_response({"schema": '"A"', "references": [reference(["a"], "a")]}),
    "100 MB": endless(head(b"content-length: 100000000"), b" " * 65_536),
    "no end": endless(head(), b" " * 65_536),
    "chunks without an end": endless(chunked(b""), b"2\r\n  \r\n" * 10_000),
    "headers without an end": endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000),
    "a gzip bomb": respond(gzip.compress(b" " * 50_000_000), b"200 OK", b"content-encoding: gzip"),
    "a failure without an end": endless(b"HTTP/1.1 404 Not Found\r\n\r\n", b" " * 65_536),
}

SLOW = {
    "nothing at all": mute(b""),
    "a head that trickles": trickling(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "a body that trickles": trickling(head(b"content-length: 100000"), b" "),
    "100 Continue without an end": trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_response_is_unreachable_in_bounded_memory(name: str) -> None:
    """Nothing of it is quoted."""
    tracemalloc.start()
    try:
        first, second = asyncio.run(fetch_bad_then_good(HOSTILE[name], LONG_S))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(first, RegistryUnreachable), first
    assert "secret" not in first.detail
    assert second == SchemaFound('"int"')
    assert peak < MAX_BYTES


@pytest.mark.parametrize("name", SLOW)
def test_endless_response_is_unreachable_and_leaves_no_thread(name: str) -> None:
    async def run() -> None:
        first, second = await fetch_bad_then_good(SLOW[name], SHORT_S)
        assert isinstance(first, RegistryUnreachable), first
        assert second == SchemaFound('"int"')

    asyncio.run(run())
    assert_no_thread_left()


def assert_no_thread_left() -> None:
    """Wait for lookup threads to end by themselves."""
    for thread in threading.enumerate():
        if thread.name.startswith("schema"):
            thread.join(120)
            assert not thread.is_alive()


def test_eight_unanswered_lookups_free_their_slots() -> None:
    async def run() -> list[LookupResult]:
        trickle = SLOW["a head that trickles"]

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            request = await reader.readuntil(b"\r\n\r\n")
            if b"/schemas/ids/99" in request:
                writer.write(GOOD)
                await writer.drain()
            else:
                await trickle(reader, writer)

        async with listening(handle) as url, registry_at(url, SHORT_S) as registry:
            return await asyncio.gather(
                *(registry.fetch(number) for number in range(8)), fetch_until_reachable(registry, 99)
            )

    *bad, good = asyncio.run(run())
    assert all(isinstance(each, RegistryUnreachable) for each in bad)
    assert good == SchemaFound('"int"')


def test_ten_megabytes_are_unreachable_and_two_are_a_fault() -> None:
    large, _ = asyncio.run(fetch_bad_then_good(json_response({"schema": '"' + "x" * 10_000_000 + '"'}), LONG_S))
    assert isinstance(large, RegistryUnreachable)
    less, _ = asyncio.run(fetch_bad_then_good(json_response({"schema": '"' + "x" * 2_000_000 + '"'}), LONG_S))
    assert isinstance(less, SchemaFound)
    fault = read_schema(less.schema_text, less.references)
    assert isinstance(fault, Fault)
    assert "longer than" in fault.detail


def test_unknown_schema_stays_unknown_in_a_hostile_registry() -> None:
    body = json.dumps({"error_code": 40403, "message": "x" * 1_000_000}).encode()
    first, _ = asyncio.run(fetch_bad_then_good(respond(body, b"404 Not Found"), LONG_S))
    assert first == SchemaUnknown()
