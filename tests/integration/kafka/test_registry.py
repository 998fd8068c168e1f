"""The registry's answers, each from a small local server that speaks (or fails to speak) Confluent's API."""

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
    SchemaUnknown,
    registry_complaints,
)
from consumer.kafka.schema_registry.limits import CACHED_SCHEMAS

GUID = "0f8fad5b-d9cb-469f-a165-70867728950e"
ORDER = '{"type":"record","name":"Order","fields":[{"name":"by","type":"Customer"}]}'
CUSTOMER = '{"type":"record","name":"Customer","fields":[{"name":"at","type":"Address"}]}'
ADDRESS = '{"type":"record","name":"Address","fields":[]}'


def _refers(name: str, subject: str) -> dict[str, Any]:
    return {"name": name, "subject": subject, "version": 1}


ANSWERS: dict[str, tuple[int, Any]] = {
    "/schemas/ids/1": (200, {"schema": ADDRESS}),
    "/schemas/ids/2": (200, {"schema": ORDER, "references": [_refers("Customer", "customer-value")]}),
    "/subjects/customer-value/versions/1": (
        200,
        {
            "subject": "customer-value",
            "version": 1,
            "id": 8,
            "schema": CUSTOMER,
            "references": [_refers("Address", "addr/v")],
        },
    ),
    "/subjects/addr%2Fv/versions/1": (200, {"subject": "addr/v", "version": 1, "id": 9, "schema": ADDRESS}),
    f"/schemas/guids/{GUID}": (200, {"schema": ADDRESS, "guid": GUID}),
    "/schemas/ids/3": (200, {"schema": "syntax = 'proto3';", "schemaType": "PROTOBUF"}),
    "/schemas/ids/4": (200, {"schema": ORDER, "references": [_refers("Customer", "gone")]}),
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
    asked: list[tuple[str, str]]


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        self.server.asked.append((path, self.headers.get("Authorization", "")))
        status, said = ANSWERS[path]
        body = (said if isinstance(said, str) else json.dumps(said)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if isinstance(said, str) else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Stay silent."""


@contextmanager
def _serving() -> Iterator[_Server]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.daemon_threads = True
    server.asked = []
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


def ask(server: _Server, key: int | str, **more: object) -> object:
    properties = {"url": f"http://127.0.0.1:{server.server_port}", "retries.wait.ms": 1, **more}
    return asyncio.run(RegistryClient(properties, 5.0).fetch(key))


def test_a_schema_is_found_by_its_id_and_by_its_guid(server: _Server) -> None:
    assert ask(server, 1) == SchemaFound(ADDRESS)
    assert ask(server, GUID) == SchemaFound(ADDRESS)


def test_references_are_followed_and_come_before_what_refers_to_them(server: _Server) -> None:
    found = ask(server, 2)
    assert found == SchemaFound(ORDER, {"Address": ADDRESS, "Customer": CUSTOMER})
    assert isinstance(found, SchemaFound)
    assert list(found.references) == ["Address", "Customer"]


def test_the_client_forgets_the_texts_of_many_schemas_and_remembers_those_of_a_few(
    server: _Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = range(10_000, 10_000 + CACHED_SCHEMAS)
    for key in others:
        monkeypatch.setitem(ANSWERS, f"/schemas/ids/{key}", (200, {"schema": ADDRESS}))

    async def ask_of_one() -> tuple[int, int]:
        registry = RegistryClient({"url": f"http://127.0.0.1:{server.server_port}"}, 5.0)

        async def times_asked() -> int:
            assert await registry.fetch(2) == SchemaFound(ORDER, {"Address": ADDRESS, "Customer": CUSTOMER})
            return sum(path == "/subjects/addr%2Fv/versions/1" for path, _ in server.asked)

        await registry.fetch(1)
        assert await times_asked() == 1
        soon = await times_asked()
        for key in others:
            assert await registry.fetch(key) == SchemaFound(ADDRESS)
        return soon, await times_asked()

    assert asyncio.run(ask_of_one()) == (1, 2)


def test_a_schema_of_another_kind_is_handed_on_as_it_is(server: _Server) -> None:
    assert ask(server, 3) == SchemaFound("syntax = 'proto3';")


def test_only_the_registrys_own_word_makes_an_id_unknown(server: _Server) -> None:
    assert ask(server, 404) == SchemaUnknown()


@pytest.mark.parametrize("key", [405, 406, 500, 200, 201, 4])
def test_whatever_else_is_not_an_answer_is_unreachable_and_quotes_nothing(server: _Server, key: int) -> None:
    answer = ask(server, key)
    assert isinstance(answer, RegistryUnreachable)
    assert answer.detail
    assert "secret" not in answer.detail


@pytest.mark.parametrize("key", [401, 403])
def test_refused_credentials_are_told_apart(server: _Server, key: int) -> None:
    assert isinstance(ask(server, key), RegistryUnauthorized)


def test_a_passing_failure_is_retried_a_bounded_number_of_times(server: _Server) -> None:
    ask(server, 500)
    assert [path for path, _ in server.asked] == ["/schemas/ids/500"] * 2


def test_nobody_listening_is_unreachable() -> None:
    with _serving() as server:
        port = server.server_port
    properties = {"url": f"http://127.0.0.1:{port}", "retries.wait.ms": 1}
    assert isinstance(asyncio.run(RegistryClient(properties, 1.0).fetch(1)), RegistryUnreachable)


def test_a_registry_that_says_nothing_does_not_keep_the_process_from_ending() -> None:
    silent = socket.create_server(("127.0.0.1", 0))  # it takes calls, and never answers
    properties = {"url": f"http://127.0.0.1:{silent.getsockname()[1]}"}

    async def leave_in_the_middle() -> None:
        questions = [asyncio.create_task(RegistryClient(properties, 600.0).fetch(key)) for key in range(2)]
        call, _ = await asyncio.to_thread(silent.accept)
        for question in questions:
            question.cancel()
        await asyncio.gather(*questions, return_exceptions=True)
        call.close()

    began = time.monotonic()
    with silent:
        asyncio.run(leave_in_the_middle())
        assert time.monotonic() - began < 120


def test_what_goes_wrong_in_asking_is_raised_where_the_answer_is_awaited(monkeypatch: pytest.MonkeyPatch) -> None:
    registry = RegistryClient({"url": "http://127.0.0.1:1"}, 1.0)

    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("consumer.kafka.schema_registry.client._fetch", broken)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(registry.fetch(1))


def test_basic_credentials_are_sent(server: _Server) -> None:
    ask(server, 1, **{"basic.auth.user.info": "user:pass"})
    assert server.asked == [("/schemas/ids/1", "Basic dXNlcjpwYXNz")]


def test_properties_the_client_does_not_take_are_complained_of_without_connecting() -> None:
    assert registry_complaints({"url": "http://127.0.0.1:1", "timeout": "3"}) == []
    assert "no.such" in registry_complaints({"url": "http://127.0.0.1:1", "no.such": "1"})[0]
    assert "url" in registry_complaints({})[0]
    with pytest.raises(ValueError) as raised:
        RegistryClient({"url": "ftp://x"}, 1.0)
    assert "schema registry: " in str(raised.value)
