"""Responses of a registry, from a local server that speaks Confluent's API well or badly."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from consumer.kafka.schema_registry.client import (
    RegistryClient,
    RegistryUnauthorized,
    RegistryUnreachable,
    SchemaFound,
    SchemaNeedsDecryption,
    SchemaUnknown,
    registry_complaints,
)
from consumer.kafka.schema_registry.limits import CACHED_SCHEMAS

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
ORDER = '{"type":"record","name":"Order","fields":[{"name":"by","type":"Customer"}]}'
CUSTOMER = '{"type":"record","name":"Customer","fields":[{"name":"at","type":"Address"}]}'
ADDRESS = '{"type":"record","name":"Address","fields":[]}'


def _reference(name: str, subject: str) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": 1}


RESPONSES: dict[str, tuple[int, Any]] = {
    "/schemas/ids/1": (200, {"schema": ADDRESS}),
    "/schemas/ids/2": (200, {"schema": ORDER, "references": [_reference("Customer", "customer-value")]}),
    "/subjects/customer-value/versions/1": (
        200,
        {
            "subject": "customer-value",
            "version": 1,
            "id": 8,
            "schema": CUSTOMER,
            "references": [_reference("Address", "addr/v")],
        },
    ),
    "/subjects/addr%2Fv/versions/1": (200, {"subject": "addr/v", "version": 1, "id": 9, "schema": ADDRESS}),
    f"/schemas/guids/{GUID}": (200, {"schema": ADDRESS, "guid": GUID}),
    "/schemas/ids/3": (200, {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"}),
    "/schemas/ids/4": (200, {"schema": ORDER, "references": [_reference("Customer", "gone")]}),
    "/subjects/gone/versions/1": (404, {"error_code": 40401, "message": "Subject 'gone' not found."}),
    "/schemas/ids/404": (404, {"error_code": 40403, "message": "Schema 404 not found"}),
    "/schemas/ids/405": (404, "<html>secret proxy page</html>"),
    "/schemas/ids/406": (404, {"error_code": 404, "message": "HTTP 404 Not Found"}),
    "/schemas/ids/401": (401, {"error_code": 401, "message": "Unauthorized"}),
    "/schemas/ids/403": (403, {"error_code": 40301, "message": "denied"}),
    "/schemas/ids/500": (500, {"error_code": 50001, "message": "backend"}),
    "/schemas/ids/200": (200, "<html>secret captive portal</html>"),
    "/schemas/ids/201": (200, {"nothing": "of a schema"}),
}


class _Server(ThreadingHTTPServer):
    requests: list[tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.requests.append((path, self.headers.get("Authorization", "")))
        status, content = RESPONSES[path]
        body = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(content, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Log nothing."""


@contextmanager
def _serving() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.requests = []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def server() -> Iterator[_Server]:
    with _serving() as server:
        yield server


def fetch(server: _Server, key: int | str, **more: object) -> object:
    properties = {"url": f"http://127.0.0.1:{server.server_port}", "retries.wait.ms": 1, **more}
    return asyncio.run(RegistryClient(properties, 5.0).fetch(key))


def test_schema_is_found_by_id_and_by_guid(server: _Server) -> None:
    assert fetch(server, 1) == SchemaFound(ADDRESS)
    assert fetch(server, GUID) == SchemaFound(ADDRESS)


def test_references_come_before_the_schemas_that_refer_to_them(server: _Server) -> None:
    found = fetch(server, 2)
    assert found == SchemaFound(ORDER, {"Address": ADDRESS, "Customer": CUSTOMER})
    assert isinstance(found, SchemaFound)
    assert list(found.references) == ["Address", "Customer"]


def test_references_of_a_schema_that_is_not_used_are_not_fetched(server: _Server) -> None:
    """A reference that was deleted for good must not keep the records of an unmapped type waiting."""
    url = f"http://127.0.0.1:{server.server_port}"
    unused = RegistryClient({"url": url}, 5.0, lambda text: text != ORDER)
    assert asyncio.run(unused.fetch(2)) == SchemaFound(ORDER)
    assert [path for path, _ in server.requests] == ["/schemas/ids/2"]


def _rule(**more: object) -> dict[str, object]:
    return {"name": "r", "kind": "TRANSFORM", "mode": "WRITEREAD", "type": "ENCRYPT", "tags": ["CREW"], **more}


@pytest.mark.parametrize(
    ("rules", "needed"),
    [
        ({"domainRules": [_rule()]}, True),
        ({"domainRules": [_rule(mode="READ", type="ENCRYPT_PAYLOAD")]}, True),
        ({"domainRules": [_rule(kind="CONDITION"), _rule(type="JSONATA", disabled=False)]}, True),
        ({"encodingRules": [_rule(mode="WRITE", type="ENCRYPT_PAYLOAD")]}, True),
        ({"domainRules": [_rule(disabled=True)], "encodingRules": [_rule(disabled=True)]}, False),
        ({"domainRules": [_rule(kind="CONDITION", type="CEL"), _rule(mode="WRITE")]}, False),
        ({"migrationRules": [_rule(mode="UPGRADE", type="JSONATA"), _rule(mode="UPDOWN")]}, False),
        ({"domainRules": [], "migrationRules": None}, False),
        (None, False),
    ],
)
def test_schema_with_a_rule_for_reading_needs_decryption(
    server: _Server, monkeypatch: pytest.MonkeyPatch, rules: object, *, needed: bool
) -> None:
    """Also by GUID. Nothing of it is needed if no entry uses the schema."""
    for path in ("/schemas/ids/77", f"/schemas/guids/{GUID}"):
        monkeypatch.setitem(RESPONSES, path, (200, {"schema": ADDRESS, "ruleSet": rules}))
    expected = SchemaNeedsDecryption() if needed else SchemaFound(ADDRESS)
    assert fetch(server, 77) == fetch(server, GUID) == expected
    url = f"http://127.0.0.1:{server.server_port}"
    assert asyncio.run(RegistryClient({"url": url}, 5.0, lambda _: False).fetch(77)) == SchemaFound(ADDRESS)


def test_cache_is_cleared_after_many_schemas_and_not_after_few(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = range(10_000, 10_000 + CACHED_SCHEMAS)
    for key in others:
        monkeypatch.setitem(RESPONSES, f"/schemas/ids/{key}", (200, {"schema": ADDRESS}))

    async def fetch_with_one_client() -> tuple[int, int]:
        registry = RegistryClient({"url": f"http://127.0.0.1:{server.server_port}"}, 5.0)

        async def requests_of_reference() -> int:
            assert await registry.fetch(2) == SchemaFound(ORDER, {"Address": ADDRESS, "Customer": CUSTOMER})
            return sum(path == "/subjects/addr%2Fv/versions/1" for path, _ in server.requests)

        await registry.fetch(1)
        assert await requests_of_reference() == 1
        cached = await requests_of_reference()
        for key in others:
            assert await registry.fetch(key) == SchemaFound(ADDRESS)
        return cached, await requests_of_reference()

    assert asyncio.run(fetch_with_one_client()) == (1, 2)


def test_schema_of_another_type_is_returned_unchanged(server: _Server) -> None:
    assert fetch(server, 3) == SchemaFound("syntax = 'proto3';")


def test_schema_not_found_code_makes_an_id_unknown(server: _Server) -> None:
    assert fetch(server, 404) == SchemaUnknown()


@pytest.mark.parametrize("key", [405, 406, 500, 200, 201, 4])
def test_any_other_response_is_unreachable_and_is_not_quoted(server: _Server, key: int) -> None:
    result = fetch(server, key)
    assert isinstance(result, RegistryUnreachable)
    assert result.detail
    assert "secret" not in result.detail


@pytest.mark.parametrize("key", [401, 403])
def test_rejected_credentials_are_unauthorized(server: _Server, key: int) -> None:
    assert isinstance(fetch(server, key), RegistryUnauthorized)


def test_server_error_is_retried_once(server: _Server) -> None:
    fetch(server, 500)
    assert [path for path, _ in server.requests] == ["/schemas/ids/500"] * 2


def test_closed_port_is_unreachable() -> None:
    with _serving() as server:
        port = server.server_port
    properties = {"url": f"http://127.0.0.1:{port}", "retries.wait.ms": 1}
    assert isinstance(asyncio.run(RegistryClient(properties, 1.0).fetch(1)), RegistryUnreachable)


def test_mute_registry_does_not_delay_the_end_of_the_loop() -> None:
    mute_server = socket.create_server(("127.0.0.1", 0))  # it accepts connections and never responds
    properties = {"url": f"http://127.0.0.1:{mute_server.getsockname()[1]}"}

    async def cancel_lookups() -> None:
        lookups = [asyncio.create_task(RegistryClient(properties, 600.0).fetch(key)) for key in range(2)]
        connection, _ = await asyncio.to_thread(mute_server.accept)
        for lookup in lookups:
            lookup.cancel()
        await asyncio.gather(*lookups, return_exceptions=True)
        connection.close()

    began = time.monotonic()
    with mute_server:
        asyncio.run(cancel_lookups())
        assert time.monotonic() - began < 120


def test_exception_in_the_lookup_thread_is_raised_by_fetch(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = RegistryClient({"url": "http://127.0.0.1:1"}, 1.0)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("consumer.kafka.schema_registry.client._fetch", broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(registry.fetch(1))


def test_basic_credentials_are_sent(server: _Server) -> None:
    fetch(server, 1, **{"basic.auth.user.info": "user:pass"})
    assert server.requests == [("/schemas/ids/1", "Basic dXNlcjpwYXNz")]


def test_unusable_properties_are_reported_without_connecting() -> None:
    assert registry_complaints({"url": "http://127.0.0.1:1", "timeout": "3"}) == []
    assert "no.such" in registry_complaints({"url": "http://127.0.0.1:1", "no.such": "1"})[0]
    assert "url" in registry_complaints({})[0]
    with pytest.raises(ValueError) as raised:
        RegistryClient({"url": "ftp://x"}, 1.0)
    assert "schema registry: " in str(raised.value)
