"""Registry tokens: a lookup ends however the token endpoint behaves, and a rejected token is renewed."""

from __future__ import annotations

import asyncio
import time
import tracemalloc
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from types import SimpleNamespace

import pytest

from consumer.kafka.schema_registry.client import (
    TOKEN_RENEWAL_INTERVAL_S,
    LookupResult,
    RegistryClient,
    RegistryToken,
    RegistryUnauthorized,
    RegistryUnreachable,
    SchemaFound,
)
from tests.integration.delivery.hostile import endless, head, respond
from tests.integration.delivery.test_hostile_responses import listening
from tests.integration.kafka.test_registry_hostile import (
    GOOD,
    LONG_S,
    MAX_BYTES,
    SHORT_S,
    SLOW,
    Serve,
    assert_no_thread_left,
    fetch_until_reachable,
    json_response,
    registry_at,
)
from tests.integration.kafka.test_registry_tls import ENDLESS_S, Secure

REJECTED = respond(b'{"error_code":401,"message":"secret"}', b"401 Unauthorized")


class World:
    """A registry that accepts only some tokens, and an endpoint that issues numbered ones.

    Attributes:
        accepts: whether the registry accepts an `Authorization` header.
        endpoint: how the endpoint behaves; `None` = it issues a token.
        tokens: how many tokens were requested.
        authorizations: the `Authorization` headers that the registry received.
    """

    def __init__(self) -> None:
        self.accepts: Callable[[str], bool] = lambda header: header.startswith("Bearer t")
        self.endpoint: bytes | Serve | None = None
        self.tokens = 0
        self.authorizations: list[str] = []

    async def registry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
            header = next(line.split(": ", 1)[1] for line in lines if line.lower().startswith("authorization: "))
            self.authorizations.append(header)
            writer.write(GOOD if self.accepts(header) else REJECTED)
            await writer.drain()

    async def issuer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.tokens += 1
        if self.endpoint is None:
            writer.write(json_response({"access_token": f"t{self.tokens}", "token_type": "bearer", "expires_in": 3600}))
        elif isinstance(self.endpoint, bytes):
            writer.write(self.endpoint)
        else:
            await self.endpoint(reader, writer)
        await writer.drain()

    @asynccontextmanager
    async def registry_at(self, timeout_s: float) -> AsyncIterator[RegistryClient]:
        async with (
            listening(self.registry) as url,
            listening(self.issuer) as issuer,
            registry_at(url, timeout_s, **oauth(issuer)) as registry,
        ):
            yield registry

    def fetch_once(self) -> LookupResult:
        async def run() -> LookupResult:
            async with self.registry_at(LONG_S) as registry:
                return await registry.fetch(1)

        return asyncio.run(run())


def oauth(issuer: str) -> dict[str, object]:
    """Return the properties of a client that fetches its tokens there."""
    return {
        "bearer.auth.credentials.source": "OAUTHBEARER",
        "bearer.auth.issuer.endpoint.url": f"{issuer}/token",
        "bearer.auth.client.id": "id",
        "bearer.auth.client.secret": "secret",
        "bearer.auth.scope": "scope",
        "bearer.auth.logical.cluster": "lsrc-1",
        "bearer.auth.identity.pool.id": "pool-1",
    }


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def traced() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("name", SLOW)
def test_endless_token_response_leaves_no_thread_and_is_retried(world: World, name: str) -> None:
    async def run() -> tuple[LookupResult, LookupResult]:
        world.endpoint = SLOW[name]
        async with world.registry_at(SHORT_S) as registry:
            registry.limits.response_s = 0.3
            first = await registry.fetch(1)
            await asyncio.to_thread(assert_no_thread_left)
            world.endpoint, registry.limits.response_s = None, LONG_S
            return first, await fetch_until_reachable(registry, 1)

    first, second = asyncio.run(run())
    assert isinstance(first, RegistryUnreachable)
    assert second == SchemaFound('"int"')


def test_token_trickling_over_tls_leaves_no_thread(
    world: World, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    secure = Secure(tmp_path_factory.mktemp("authority"))
    monkeypatch.setenv("SSL_CERT_FILE", secure.authorities)  # the client has no such property for its token endpoint

    async def run() -> LookupResult:
        async with (
            listening(world.registry) as url,
            secure.serving(SLOW["a body that trickles"], "/token") as issuer,
            registry_at(url, ENDLESS_S, **oauth(issuer)) as registry,
        ):
            registry.limits.response_s = 0.5
            result = await registry.fetch(1)
            await asyncio.to_thread(assert_no_thread_left)
            return result

    assert asyncio.run(run()) == RegistryUnreachable("the token endpoint returned no token")
    assert secure.callers


@pytest.mark.usefixtures("traced")
@pytest.mark.parametrize("first", [head(), b"HTTP/1.1 401 Unauthorized\r\n\r\n"])
def test_endless_token_takes_bounded_memory(world: World, first: bytes) -> None:
    world.endpoint = endless(first, b" " * 65_536)
    assert not isinstance(world.fetch_once(), SchemaFound)
    assert world.tokens == 2
    assert tracemalloc.get_traced_memory()[1] < MAX_BYTES


@pytest.mark.parametrize("status", ["400 Bad Request", "401 Unauthorized", "403 Forbidden"])
@pytest.mark.parametrize("body", [b'{"error":"invalid_client","error_description":"secret"}', b"{}", b"<html>secret"])
def test_rejected_client_credentials_are_unauthorized(world: World, status: str, body: bytes) -> None:
    world.endpoint = respond(body, status.encode())
    assert world.fetch_once() == RegistryUnauthorized(f"the token endpoint responded with HTTP {status[:3]}")
    assert world.authorizations == []


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "429 Too Many Requests", "503 Service Unavailable"])
def test_endpoint_without_a_token_is_unreachable(world: World, status: str) -> None:
    world.endpoint = respond(b"<html>secret", status.encode())
    assert world.fetch_once() == RegistryUnreachable("the token endpoint returned no token")


def test_endpoint_gone_after_a_rejection_is_unreachable(world: World) -> None:
    async def run() -> tuple[LookupResult, LookupResult]:
        world.endpoint = respond(b"{}", b"401 Unauthorized")
        async with world.registry_at(LONG_S) as registry:
            first = await registry.fetch(1)
            world.endpoint = b""  # it closes without a response
            return first, await registry.fetch(1)

    first, second = asyncio.run(run())
    assert isinstance(first, RegistryUnauthorized)
    assert isinstance(second, RegistryUnreachable)


def test_rejected_token_is_renewed_before_it_expires(world: World) -> None:
    async def run() -> tuple[LookupResult, LookupResult]:
        async with world.registry_at(LONG_S) as registry:
            first = await registry.fetch(1)
            world.accepts = lambda header: header != "Bearer t1"
            return first, await registry.fetch(2)

    assert asyncio.run(run()) == (SchemaFound('"int"'), SchemaFound('"int"'))
    assert world.authorizations == ["Bearer t1", "Bearer t1", "Bearer t2"]
    assert world.tokens == 2


def test_registry_rejecting_every_token_gets_one_renewed_token(world: World) -> None:
    world.accepts = lambda _: False
    assert world.fetch_once() == RegistryUnauthorized("HTTP 401, code 401")
    assert world.authorizations == ["Bearer t1", "Bearer t2"]
    assert world.tokens == 2


def test_failed_renewal_is_reported_for_the_token_endpoint(world: World) -> None:
    def refuse(_: str) -> bool:
        world.endpoint = respond(b"{}", b"400 Bad Request")
        return False

    world.accepts = refuse
    assert world.fetch_once() == RegistryUnauthorized("the token endpoint responded with HTTP 400")
    assert world.authorizations == ["Bearer t1"]


def test_static_token_is_tried_once(world: World) -> None:
    world.accepts = lambda _: False
    fixed = {
        "bearer.auth.credentials.source": "STATIC_TOKEN",
        "bearer.auth.token": "fixed",
        "bearer.auth.logical.cluster": "lsrc-1",
    }

    async def run() -> LookupResult:
        async with listening(world.registry) as url, registry_at(url, LONG_S, **fixed) as registry:
            return await registry.fetch(1)

    assert asyncio.run(run()) == RegistryUnauthorized("HTTP 401, code 401")
    assert world.authorizations == ["Bearer fixed"]


class Provider:
    """Issues tokens, as an endpoint would."""

    def __init__(self) -> None:
        self.token = "t1"
        self.gives = ["t2", "t3"]

    def generate_access_token(self) -> None:
        self.token = self.gives.pop(0)


def token_of(provider: object, clock: Callable[[], float]) -> RegistryToken:
    return RegistryToken(SimpleNamespace(_rest_client=SimpleNamespace(bearer_field_provider=provider)), clock)


def test_token_renewed_by_another_lookup_is_not_renewed_again() -> None:
    provider = Provider()
    token = token_of(provider, lambda: 0.0)
    assert token.renew("Bearer t1")
    assert token.renew("Bearer t1")
    assert provider.token == "t2"


def test_concurrent_lookups_renew_a_rejected_token_once() -> None:
    provider = Provider()
    fetch = provider.generate_access_token

    def slowly() -> None:
        time.sleep(0.05)  # a slow endpoint: the other lookups arrive meanwhile
        fetch()

    provider.generate_access_token = slowly  # type: ignore[method-assign]
    token = token_of(provider, lambda: 0.0)
    with ThreadPoolExecutor(8) as many:
        assert all(many.map(token.renew, ["Bearer t1"] * 8))
    assert provider.token == "t2"


def test_renewals_keep_their_minimum_interval() -> None:
    now = [0.0]
    provider = Provider()
    token = token_of(provider, lambda: now[0])
    assert token.renew("Bearer t1")
    assert not token.renew("Bearer t2")
    now[0] = TOKEN_RENEWAL_INTERVAL_S - 1
    assert not token.renew("Bearer t2")
    now[0] = TOKEN_RENEWAL_INTERVAL_S
    assert token.renew("Bearer t2")
    assert provider.token == "t3"


def test_failed_renewal_is_repeated_by_the_next_lookup() -> None:
    provider = Provider()
    provider.gives = []
    token = token_of(provider, lambda: 0.0)
    with pytest.raises(IndexError):
        token.renew("Bearer t1")
    provider.gives = ["t2"]
    assert token.renew("Bearer t1")


def test_other_authorization_is_not_renewed() -> None:
    assert not token_of(Provider(), lambda: 0.0).renew("Basic eA==")
    assert not token_of(None, lambda: 0.0).renew("Bearer fixed")
