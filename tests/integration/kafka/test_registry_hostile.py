"""A registry that lies: whatever it answers, the question ends in bounded time and memory, and others can be asked."""

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
from tests.integration.delivery.hostile import chunked, endless, head, mute, says, trickling
from tests.integration.delivery.test_hostile_answers import listening

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
GOOD = says(b'{"schema":"\\"int\\""}')
PATIENT_S = 20.0
HASTY_S = 0.2
MOST_BYTES = 60_000_000
"""An answer at its limit, a few times: read, decoded, and its JSON made into values."""


@asynccontextmanager
async def asked(url: str, timeout_s: float, **more: object) -> AsyncIterator[RegistryClient]:
    """Ask at this address; at the end close what is connected, which a service leaves to its end."""
    registry = RegistryClient({"url": url, "retries.wait.ms": 1, "retries.max.wait.ms": 1, **more}, timeout_s)
    try:
        async with asyncio.timeout(240):
            yield registry
    finally:
        token = getattr(registry._client._rest_client.bearer_field_provider, "client", None)
        if token is not None:
            token.close()
        registry._client.__exit__(None, None, None)  # type: ignore[no-untyped-call]


async def ask(serve: bytes | Serve, timeout_s: float) -> tuple[LookupResult, LookupResult]:
    """Ask for schema 1, which is answered like this, then for schema 2, which is answered well."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            asked = await reader.readuntil(b"\r\n\r\n")
            if b"/schemas/ids/2" in asked:
                writer.write(GOOD)
            elif isinstance(serve, bytes):
                writer.write(serve)
            else:
                await serve(reader, writer)
            await writer.drain()

    async with listening(handle) as url, asked(url, timeout_s) as registry:
        return await registry.fetch(1), await found(registry, 2)


async def found(registry: RegistryClient, number: int) -> LookupResult:
    """Ask until there is an answer: a hasty question may be too hasty for a slow machine."""
    while isinstance(answer := await registry.fetch(number), RegistryUnreachable):
        pass
    return answer


def answer(document: object) -> bytes:
    """Return a well-formed answer."""
    return says(json.dumps(document).encode())


def refers(name: object, subject: object) -> dict[str, object]:
    """Return a reference."""
    return {"name": name, "subject": subject, "version": 1}


HOSTILE: dict[str, bytes | Serve] = {
    "HTML": says(b"<html>secret</html>"),
    "nothing": says(b""),
    "204": b"HTTP/1.1 204 No Content\r\n\r\n",
    "a redirect": says(b"", b"302 Found", b"location: http://127.0.0.1:1/secret"),
    "truncated JSON": says(b'{"schema":"secret'),
    "a hundred thousand levels": says(b"[" * 100_000),
    "a list": answer([1]),
    "a number": answer(5),
    "a schema that is a number": answer({"schema": 5}),
    "a schema that is an object": answer({"schema": {"type": "secret"}}),
    "a schema that is empty": answer({"schema": ""}),
    "a schema that is null": answer({"schema": None}),
    "references that are text": answer({"schema": '"A"', "references": "secret"}),
    "references that are numbers": answer({"schema": '"A"', "references": [1, 2]}),
    "references in a circle": answer(
        {"subject": "a", "version": 1, "id": 1, "schema": '"A"', "references": [refers("a", "a")]}
    ),
    "a reference of no text": answer({"schema": '"A"', "references": [refers(["a"], "a")]}),
    "100 MB": endless(head(b"content-length: 100000000"), b" " * 65_536),
    "no end": endless(head(), b" " * 65_536),
    "chunks without an end": endless(chunked(b""), b"2\r\n  \r\n" * 10_000),
    "headers without an end": endless(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n" * 1000),
    "a gzip bomb": says(gzip.compress(b" " * 50_000_000), b"200 OK", b"content-encoding: gzip"),
    "a failure without an end": endless(b"HTTP/1.1 404 Not Found\r\n\r\n", b" " * 65_536),
}

SLOW = {
    "nothing at all": mute(b""),
    "a head that trickles": trickling(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n"),
    "a body that trickles": trickling(head(b"content-length: 100000"), b" "),
    "100 Continue without an end": trickling(b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_an_answer_that_is_none_is_unreachable_in_bounded_memory_and_quotes_nothing(name: str) -> None:
    tracemalloc.start()
    try:
        first, second = asyncio.run(ask(HOSTILE[name], PATIENT_S))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert isinstance(first, RegistryUnreachable), first
    assert "secret" not in first.detail
    assert second == SchemaFound('"int"')
    assert peak < MOST_BYTES


@pytest.mark.parametrize("name", SLOW)
def test_an_answer_that_never_ends_is_unreachable_and_leaves_no_thread_behind(name: str) -> None:
    async def run() -> None:
        first, second = await ask(SLOW[name], HASTY_S)
        assert isinstance(first, RegistryUnreachable), first
        assert second == SchemaFound('"int"')

    asyncio.run(run())
    assert_no_thread_is_left()


def assert_no_thread_is_left() -> None:
    """Wait for what ends by itself."""
    for thread in threading.enumerate():
        if thread.name.startswith("schema"):
            thread.join(120)
            assert not thread.is_alive()


def test_eight_questions_that_are_never_answered_keep_no_place_for_ever() -> None:
    async def run() -> list[LookupResult]:
        trickle = SLOW["a head that trickles"]

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            asked = await reader.readuntil(b"\r\n\r\n")
            if b"/schemas/ids/99" in asked:
                writer.write(GOOD)
                await writer.drain()
            else:
                await trickle(reader, writer)

        async with listening(handle) as url, asked(url, HASTY_S) as registry:
            return await asyncio.gather(*(registry.fetch(number) for number in range(8)), found(registry, 99))

    *bad, good = asyncio.run(run())
    assert all(isinstance(each, RegistryUnreachable) for each in bad)
    assert good == SchemaFound('"int"')


def test_a_schema_of_ten_megabytes_is_not_taken_and_one_that_cannot_be_read_is_a_fault() -> None:
    large, _ = asyncio.run(ask(answer({"schema": '"' + "x" * 10_000_000 + '"'}), PATIENT_S))
    assert isinstance(large, RegistryUnreachable)
    less, _ = asyncio.run(ask(answer({"schema": '"' + "x" * 2_000_000 + '"'}), PATIENT_S))
    assert isinstance(less, SchemaFound)
    fault = read_schema(less.schema_text, less.references)
    assert isinstance(fault, Fault)
    assert "longer than" in fault.detail


def test_an_unknown_schema_is_still_unknown_among_lies() -> None:
    said = json.dumps({"error_code": 40403, "message": "x" * 1_000_000}).encode()
    first, _ = asyncio.run(ask(says(said, b"404 Not Found"), PATIENT_S))
    assert first == SchemaUnknown()
