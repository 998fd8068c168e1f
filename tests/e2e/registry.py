"""A schema registry for tests: Confluent's one question `GET /schemas/ids/N`, answered over a socket."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Self

_PATH = re.compile(r"/schemas/ids/([0-9]+)(?:\?.*)?")


class _Server(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: who asked was killed meanwhile."""


class SchemaRegistry:
    """Serves schemas by their number while the `with` block lasts.

    Args:
        schemas: JSON-able schemas by number.

    Attributes:
        down: whether it answers 503 to everything now.
        turned_away: how many questions it has answered so.
    """

    def __init__(self, schemas: Mapping[int, object]) -> None:
        self.down = False
        self.turned_away = 0
        registry = self
        texts = {number: json.dumps(schema) for number, schema in schemas.items()}

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                asked = _PATH.fullmatch(self.path)
                text = texts.get(int(asked[1])) if asked else None
                status = 404 if text is None else 200
                said = {"error_code": 40403, "message": "Schema not found"} if text is None else {"schema": text}
                if registry.down:
                    registry.turned_away += 1
                    status, said = 503, {"error_code": 50301, "message": "Down"}
                body = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("content-type", "application/vnd.schemaregistry.v1+json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the base class's
                pass

        self._server = _Server(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def url(self) -> str:
        """Its address."""
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
