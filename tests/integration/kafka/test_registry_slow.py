"""A slow registry, and one that fails in part: the good responses are used, however long they take."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from consumer.kafka.schema_registry.client import LookupResult, RegistryUnreachable, SchemaFound
from tests.integration.delivery.hostile import endless, head, trickling
from tests.integration.delivery.test_hostile_responses import listening
from tests.integration.kafka.test_registry_hostile import (
    GOOD,
    LONG_S,
    SHORT_S,
    SLOW,
    Serve,
    assert_no_thread_left,
    fetch_until_reachable,
    json_response,
    reference,
    registry_at,
)

MANY = 30
TRICKLE = trickling(b"HTTP/1.1 200 OK\r\n", b"x: y\r\n")


def version(number: int) -> bytes:
    """Return the response for a referenced schema."""
    return json_response({"subject": f"s{number}", "version": 1, "id": 100 + number, "schema": '"int"'})


def test_many_slow_references_are_all_fetched() -> None:
    async def run() -> LookupResult:
        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                await asyncio.sleep(0.1)
                if b"/schemas/ids/1 " in request:
                    references = [reference(f"n{number}", f"s{number}") for number in range(MANY)]
                    writer.write(json_response({"schema": '"int"', "references": references}))
                else:
                    writer.write(version(int(request.split(b"/subjects/s")[1].split(b"/")[0])))
                await writer.drain()

        async with listening(handle) as url, registry_at(url, LONG_S) as registry:
            registry.limits.response_s = MANY * 0.1 - 0.5  # longer than each response takes, shorter than all together
            async with asyncio.timeout(60):
                return await fetch_until_reachable(registry, 1)

    assert asyncio.run(run()) == SchemaFound('"int"', {f"n{number}": '"int"' for number in range(MANY)})


def test_abandoned_lookup_does_not_affect_others_in_flight() -> None:
    async def run() -> tuple[LookupResult, LookupResult, LookupResult]:
        trickles, waits, given_up = asyncio.Event(), asyncio.Event(), asyncio.Event()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if b"/schemas/ids/1 " in request:
                    trickles.set()
                    await TRICKLE(reader, writer)
                elif b"/schemas/ids/2 " in request:
                    writer.write(json_response({"schema": '"int"', "references": [reference("n7", "s7")]}))
                elif b"/schemas/ids/3 " in request:
                    writer.write(GOOD)
                else:
                    waits.set()
                    await given_up.wait()
                    writer.write(version(7))
                await writer.drain()

        async with listening(handle) as url, registry_at(url, LONG_S) as registry:
            registry.limits.response_s = 2.0
            bad = asyncio.create_task(registry.fetch(1))
            await trickles.wait()
            registry.limits.response_s = 60.0
            good = asyncio.create_task(registry.fetch(2))
            await waits.wait()
            first = await bad
            third = await registry.fetch(3)
            given_up.set()
            return first, await good, third

    first, second, third = asyncio.run(run())
    assert isinstance(first, RegistryUnreachable)
    assert second == SchemaFound('"int"', {"n7": '"int"'})
    assert third == SchemaFound('"int"')
    assert_no_thread_left()


ILL: dict[str, tuple[Serve, int, Mapping[str, object]]] = {
    "four never respond": (SLOW["nothing at all"], 4, {}),
    "one never responds to any retry": (SLOW["nothing at all"], 1, {"max.retries": "9"}),
    "two trickle": (SLOW["a body that trickles"], 2, {}),
    "two never end": (endless(head(), b" " * 65_536), 2, {}),
}


@pytest.mark.parametrize("name", ILL)
def test_last_address_is_reached_whatever_the_others_do(name: str) -> None:
    serve, addresses, more = ILL[name]

    async def ill(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        await serve(reader, writer)

    async def well(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(GOOD)
            await writer.drain()

    async def run() -> LookupResult:
        async with (
            listening(ill) as first,
            listening(well) as last,
            registry_at(",".join([*[first] * addresses, last]), SHORT_S, **more) as registry,
            asyncio.timeout(120),
        ):
            registry.limits.response_s = 3 * SHORT_S
            return await fetch_until_reachable(registry, 1)

    assert asyncio.run(run()) == SchemaFound('"int"')


def test_retried_lookups_leave_slots_for_new_schemas() -> None:
    async def run() -> tuple[LookupResult, list[LookupResult]]:
        retried, at_last = asyncio.Event(), asyncio.Event()
        paths = list[bytes]()

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1].split(b"?")[0]
                paths.append(path)
                if path.endswith(b"/99") or at_last.is_set():
                    writer.write(GOOD)
                elif paths.count(path) == 1:
                    writer.write(json_response({}))
                else:
                    retried.set()
                    await at_last.wait()
                    writer.write(GOOD)
                await writer.drain()

        async with listening(handle) as url, registry_at(url, 100.0) as registry:
            missed = await asyncio.gather(*(registry.fetch(number) for number in range(12)))
            assert all(isinstance(each, RegistryUnreachable) for each in missed)
            again = [asyncio.create_task(registry.fetch(number)) for number in range(12)]
            await retried.wait()
            other = await registry.fetch(99)
            assert not any(each.done() for each in again)
            at_last.set()
            last = await asyncio.gather(*again)
            assert not registry._failed_keys
            return other, last

    other, last = asyncio.run(run())
    assert other == SchemaFound('"int"')
    assert last == [SchemaFound('"int"')] * 12
