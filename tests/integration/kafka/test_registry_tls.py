"""Connections over TLS or through a proxy: a lookup's thread ends by itself and touches no other connection."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from consumer.kafka.schema_registry.client import LookupResult, RegistryUnreachable, SchemaFound
from tests.integration.delivery.hostile import trickling
from tests.integration.delivery.test_hostile_responses import listening
from tests.integration.kafka.test_registry_hostile import (
    GOOD,
    SLOW,
    Serve,
    assert_no_thread_left,
    fetch_until_reachable,
    registry_at,
)

TRICKLE = SLOW["a head that trickles"]
BEFORE_TLS: dict[str, Serve] = {
    "nothing at all": SLOW["nothing at all"],
    "a handshake that trickles": trickling(b"\x16\x03\x03\x20\x00", b"\x02"),
}
ENDLESS_S = 600.0
"""No part of a response takes this long, so only the limit of the complete response can end a lookup."""

STRANGERS_BYTES = b"\x17\x03\x03\x00\x40" + b"A" * 64


class Secure:
    """A registry behind TLS, with a certificate from its own authority."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        self.authorities = str(folder / "ca.pem")
        authority.cert_pem.write_to_path(self.authorities)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert("127.0.0.1").configure_cert(self.context)
        self.callers: list[int] = []
        """The client port of each connection."""

    @asynccontextmanager
    async def serving(self, serve: Serve, path: str = "/schemas/ids/1") -> AsyncIterator[str]:
        """Serve this path like this and all others well; return the address."""

        async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self.callers.append(writer.get_extra_info("peername")[1])
            while True:
                request = await reader.readuntil(b"\r\n\r\n")
                if f"{path} ".encode() in request:
                    await serve(reader, writer)
                writer.write(GOOD)
                await writer.drain()

        async with listening(handle, self.context) as url:
            yield url


@pytest.fixture
def secure(tmp_path: Path) -> Secure:
    return Secure(tmp_path)


def descriptor_bound_to(port: int) -> int:
    """Return the file descriptor of this process's connection from a port."""
    for entry in Path("/dev/fd").iterdir():
        with contextlib.suppress(OSError), socket.socket(fileno=os.dup(int(entry.name))) as other:
            if other.family == socket.AF_INET and other.getsockname()[1] == port:
                return int(entry.name)
    raise AssertionError(port)


async def closed(number: int) -> None:
    """Wait until a file descriptor is closed."""
    with contextlib.suppress(OSError):
        while True:
            os.fstat(number)
            await asyncio.sleep(0.005)


def strangers(number: int) -> list[tuple[socket.socket, socket.socket]]:
    """Return pairs of sockets, one with this file descriptor, with data to read at each end."""
    pairs = []
    for _ in range(100):
        pairs.append(socket.socketpair())
        if number in {end.fileno() for pair in pairs for end in pair}:
            break
    for one, other in pairs:
        for end in (one, other):
            end.setblocking(False)
            end.send(STRANGERS_BYTES)
    return pairs


def waiting(end: socket.socket) -> bytes:
    """Return the data that can be read without waiting."""
    try:
        return end.recv(1000)
    except BlockingIOError:
        return b""


def test_late_trickle_ends_in_its_thread_and_spares_other_sockets(
    secure: Secure,
) -> None:
    async def run() -> tuple[LookupResult, LookupResult, list[bytes]]:
        async with (
            secure.serving(TRICKLE) as url,
            registry_at(url, 5.0, **{"ssl.ca.location": secure.authorities}) as registry,
        ):
            assert await fetch_until_reachable(registry, 2) == SchemaFound(
                '"int"'
            )  # so that there is a connection whose descriptor is known
            registry.limits.response_s = 2.0
            (caller,) = secure.callers
            number = descriptor_bound_to(caller)
            first = await registry.fetch(1)
            async with asyncio.timeout(60):
                await closed(number)
            pairs = strangers(number)
            await asyncio.to_thread(assert_no_thread_left)
            read = [waiting(end) for pair in pairs for end in pair]
            for pair in pairs:
                for end in pair:
                    end.close()
            return first, await fetch_until_reachable(registry, 2), read

    first, second, read = asyncio.run(run())
    assert isinstance(first, RegistryUnreachable)
    assert second == SchemaFound('"int"')
    assert set(read) == {STRANGERS_BYTES}


@pytest.mark.parametrize("name", SLOW)
def test_endless_tls_response_is_unreachable_and_leaves_no_thread(secure: Secure, name: str) -> None:
    async def run() -> LookupResult:
        async with (
            secure.serving(SLOW[name]) as url,
            registry_at(url, ENDLESS_S, **{"ssl.ca.location": secure.authorities}) as registry,
        ):
            registry.limits.response_s = 0.5
            result = await registry.fetch(1)
            await asyncio.to_thread(assert_no_thread_left)
            return result

    assert isinstance(asyncio.run(run()), RegistryUnreachable)


@pytest.mark.parametrize("name", BEFORE_TLS)
def test_endless_handshake_is_unreachable_and_leaves_no_thread(secure: Secure, name: str) -> None:
    async def run() -> LookupResult:
        more = {"ssl.ca.location": secure.authorities}
        async with (
            listening(BEFORE_TLS[name]) as url,
            registry_at(url.replace("http", "https"), ENDLESS_S, **more) as registry,
        ):
            registry.limits.response_s = 0.5
            result = await registry.fetch(1)
            await asyncio.to_thread(assert_no_thread_left)
            return result

    assert isinstance(asyncio.run(run()), RegistryUnreachable)


@pytest.mark.parametrize("by", ["the property", "the environment"])
def test_endless_proxy_response_is_bounded(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    requests = list[bytes]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await reader.readuntil(b"\r\n\r\n"))
        await TRICKLE(reader, writer)

    async def run() -> LookupResult:
        async with listening(handle) as proxy:
            if by == "the environment":
                for name in ("NO_PROXY", "no_proxy"):
                    monkeypatch.delenv(name, raising=False)
                monkeypatch.setenv("http_proxy", proxy)
            more = {"proxy": proxy} if by == "the property" else {}
            async with registry_at("http://registry.invalid", ENDLESS_S, **more) as registry:
                registry.limits.response_s = 0.5
                result = await registry.fetch(1)
                await asyncio.to_thread(assert_no_thread_left)
                return result

    assert isinstance(asyncio.run(run()), RegistryUnreachable)
    assert len(requests) == 1


def test_lookup_past_all_limits_is_given_up_from_outside(monkeypatch: pytest.MonkeyPatch) -> None:
    resolved = threading.Event()

    def hang(*_: object) -> LookupResult:
        resolved.wait()
        return SchemaFound("late")

    async def run() -> LookupResult:
        monkeypatch.setattr("consumer.kafka.schema_registry.client._fetch", hang)
        async with registry_at("http://127.0.0.1:1", ENDLESS_S) as registry:
            registry.limits.response_s, registry.limits.grace_s = 0.05, 0.05
            result = await registry.fetch(1)
            resolved.set()
            await asyncio.to_thread(assert_no_thread_left)
            return result

    assert asyncio.run(run()) == RegistryUnreachable("no complete response within 0.05 s")
