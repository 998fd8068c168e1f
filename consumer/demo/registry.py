"""A small schema registry on loopback: the read-only part of Confluent's API, served by a thread."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from consumer.demo.schemas import Registered

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_NOT_FOUND, _UNAVAILABLE = 404, 503
_SUBJECT_NOT_FOUND, _SCHEMA_NOT_FOUND, _STORE_FAILED = 40401, 40403, 50301


class SchemaRegistry:
    """Serves schemas while its `with` block lasts. Every subject has one version.

    Sources: Confluent Schema Registry API reference, "Schemas" and "Subjects".

    Args:
        registered: the schemas by subject.

    Attributes:
        down: while true, every request is answered 503.
        unavailable_responses: the number of requests answered 503 so far.
    """

    def __init__(self, registered: Mapping[str, Registered]) -> None:
        self.down = False
        self.unavailable_responses = 0
        self._server = _Server(self, registered)
        self._thread = Thread(target=self._server.serve_forever, args=(0.05,), name="registry", daemon=True)

    @property
    def url(self) -> str:
        """The value of `schemas.registry.url` in the configuration."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def close(self) -> None:
        """Stop serving and free the port; a registry that was never entered is closed as well."""
        if self._thread.is_alive():  # a shutdown waits forever for a loop that never ran
            self._server.shutdown()
            self._thread.join()
        self._server.server_close()

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection open must not keep the process alive

    def __init__(self, registry: SchemaRegistry, registered: Mapping[str, Registered]) -> None:
        self.registry = registry
        self.registered = registered
        self.by_id = {each.id: each for each in registered.values()}
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without a reverse look-up of the host name, which can hang where DNS is slow."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Print nothing for a client that closed its connection or was killed."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server = cast("_Server", self.server)
        if server.registry.down:
            server.registry.unavailable_responses += 1
            self._send_error(_UNAVAILABLE, _STORE_FAILED, "Down")
            return
        match [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]:
            case ["schemas", "ids", number]:
                found = server.by_id.get(int(number)) if number.isdecimal() else None
                self._send_found(found and _schema(found), _SCHEMA_NOT_FOUND, "Schema not found")
            case ["subjects"]:
                self._send(200, sorted(server.registered))
            case ["subjects", subject, "versions"]:
                versions = [1] if subject in server.registered else None
                self._send_found(versions, _SUBJECT_NOT_FOUND, "Subject not found")
            case ["subjects", subject, "versions", "1" | "latest"]:
                one = server.registered.get(subject)
                version = one and {"subject": subject, "version": 1, "id": one.id, **_schema(one)}
                self._send_found(version, _SUBJECT_NOT_FOUND, "Subject not found")
            case _:
                self._send_error(_NOT_FOUND, _NOT_FOUND, "HTTP 404 Not Found")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Write no line for each request."""

    def _send_found(self, document: object, error_code: int, message: str) -> None:
        if document is None:
            self._send_error(_NOT_FOUND, error_code, message)
        else:
            self._send(200, document)

    def _send_error(self, status: int, error_code: int, message: str) -> None:
        self._send(status, {"error_code": error_code, "message": message})

    def _send(self, status: int, document: object) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _schema(one: Registered) -> dict[str, Any]:
    document: dict[str, Any] = {"schema": one.text, "schemaType": "AVRO"}
    if one.references:
        document["references"] = [{"name": name, "subject": name, "version": 1} for name in one.references]
    return document
