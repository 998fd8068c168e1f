"""A small schema registry: what a client of Confluent's API asks for to read, from a thread on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from types import TracebackType
from typing import Any, Self, cast
from urllib.parse import unquote, urlsplit

from consumer.demo.schemas import Registered

_CONTENT_TYPE = "application/vnd.schemaregistry.v1+json"
_SCHEMA_NOT_FOUND, _SUBJECT_NOT_FOUND, _NOT_FOUND = 40403, 40401, 404


class SchemaRegistry:
    """Serves schemas while its `with` block lasts; every subject has one version.

    Sources: Confluent Schema Registry API reference, "Schemas" and "Subjects".
    """

    def __init__(self, registered: Mapping[str, Registered]) -> None:
        """Serve these, by subject."""
        self._server = _Server(registered)
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="registry", daemon=True)

    @property
    def url(self) -> str:
        """What the configuration says under `schemas.registry.url`."""
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a client that keeps its connection must not keep the process

    def __init__(self, registered: Mapping[str, Registered]) -> None:
        self.registered = registered
        self.by_id = {each.id: each for each in registered.values()}
        super().__init__(("127.0.0.1", 0), _Handler)

    def server_bind(self) -> None:
        """Bind without asking the resolver for our own name, which can hang for long where DNS is slow."""
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing of clients that hang up."""


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Answer what there is."""
        server = cast("_Server", self.server)
        match [unquote(part) for part in urlsplit(self.path).path.strip("/").split("/")]:
            case ["schemas", "ids", number]:
                found = server.by_id.get(int(number)) if number.isdecimal() else None
                self._say(found and _schema(found), _SCHEMA_NOT_FOUND, "Schema not found")
            case ["subjects"]:
                self._say(sorted(server.registered), _NOT_FOUND, "")
            case ["subjects", subject, "versions"]:
                self._say([1] if subject in server.registered else None, _SUBJECT_NOT_FOUND, "Subject not found")
            case ["subjects", subject, "versions", "1" | "latest"]:
                one = server.registered.get(subject)
                more = one and {"subject": subject, "version": 1, "id": one.id, **_schema(one)}
                self._say(more, _SUBJECT_NOT_FOUND, "Subject not found")
            case _:
                self._say(None, _NOT_FOUND, "HTTP 404 Not Found")

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the library's name
        """Write no line for each request."""

    def _say(self, document: object, error_code: int, message: str) -> None:
        if document is None:
            body = json.dumps({"error_code": error_code, "message": message}).encode()
        else:
            body = json.dumps(document).encode()
        self.send_response(_NOT_FOUND if document is None else 200)
        self.send_header("Content-Type", _CONTENT_TYPE)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def _schema(one: Registered) -> dict[str, Any]:
    said: dict[str, Any] = {"schema": one.text, "schemaType": "AVRO"}
    if one.references:
        said["references"] = [{"name": name, "subject": name, "version": 1} for name in one.references]
    return said
