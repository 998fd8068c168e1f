"""The HTTP port: metrics, probes, status and the status page. No request changes anything."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import BoundedSemaphore, Thread
from typing import Final, cast
from urllib.parse import parse_qs

from consumer.observability.health import HealthThresholds, Moment, Probe, live, ready, startup
from consumer.observability.http.status_json import probe_document, status_document
from consumer.observability.http.status_page import page
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

_PROBES: Final[Mapping[str, Probe]] = {"/livez": live, "/readyz": ready, "/startupz": startup}
IDLE_TIMEOUT_S: Final = 5.0
"""A connection that sends nothing for this long is closed."""
_MAX_CONNECTIONS: Final = 32
"""Connections served at once. More wait in the listener's queue, so that clients cannot exhaust threads."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_JSON: Final = "application/json; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"
_HTML: Final = "text/html; charset=utf-8"

_Response = tuple[HTTPStatus, str, bytes]
"""Status, content type, body."""
_Respond = Callable[[str, str | None], _Response]
"""(request target, Accept header) → response."""


class StatusServer:
    """Serves from its own threads, so that probes can report a loop that hangs.

    Args:
        address: `host:port`, `[v6]:port` or a pair; port 0 selects a free one.
        metrics: the content of /metrics.
        sources: the pipelines that the other paths report.
        limits: the thresholds of the probes.
        idle_timeout_s: a connection that sends nothing for this long is closed.
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        metrics: Metrics,
        sources: StatusSources,
        limits: HealthThresholds | None = None,
        *,
        idle_timeout_s: float = IDLE_TIMEOUT_S,
    ) -> None:
        self._address = _parsed(address) if isinstance(address, str) else address
        self._metrics = metrics
        self._sources = sources
        self._limits = limits or HealthThresholds()
        self._idle_timeout_s = idle_timeout_s
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> int:
        """Listen, and return the port. Raises `OSError` if the address is in use or not ours."""
        server = self._server = _Server(self._address, self._respond, self._idle_timeout_s)
        self._thread = Thread(target=server.serve_forever, args=(0.2,), name="status", daemon=True)
        self._thread.start()
        return int(server.server_address[1])

    def close(self) -> None:
        """Stop listening. A second call does nothing."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    def _respond(self, target: str, accept: str | None) -> _Response:
        path, _, query = target.partition("?")
        if path == "/metrics":
            body, content_type = self._metrics.page(accept)
            return HTTPStatus.OK, content_type, body
        collected, directives = self._sources.collect(), self._sources.directives
        pipelines = collected.pipelines
        moment = Moment.now()
        if path in _PROBES:
            checks = _PROBES[path](pipelines, moment, self._limits)
            code = HTTPStatus.OK if all(check.ok for check in checks) else HTTPStatus.SERVICE_UNAVAILABLE
            if "verbose" in parse_qs(query, keep_blank_values=True):
                return code, _JSON, _json(probe_document(checks))
            failed = [f"{check.pipeline} {check.name}: {check.reason}".strip() for check in checks if not check.ok]
            return code, _TEXT, ("\n".join(failed or ["ok"]) + "\n").encode()
        if path == "/status":
            document = status_document(collected, moment, directives)
            document["probes"] = {
                name: probe_document(probe(pipelines, moment, self._limits)) for name, probe in _PROBES.items()
            }
            return HTTPStatus.OK, _JSON, _json(document)
        if path == "/":
            checks = [check for probe in _PROBES.values() for check in probe(pipelines, moment, self._limits)]
            return HTTPStatus.OK, _HTML, page(collected, checks, moment, directives).encode()
        known = ", ".join(("/", "/status", "/metrics", *_PROBES))
        return HTTPStatus.NOT_FOUND, _TEXT, f"Not found. Known paths: {known}\n".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a scraper that keeps its connection open must not delay the process's end
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], respond: _Respond, idle_timeout_s: float) -> None:
        self.respond = respond
        self.idle_timeout_s = idle_timeout_s
        self._slots = BoundedSemaphore(_MAX_CONNECTIONS)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without a DNS lookup of our own name, which can hang for long where DNS is slow."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Serve in a thread if a slot is free within a second, else close the connection."""
        if self._slots.acquire(timeout=1):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve, and free the slot."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._slots.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Write nothing: a client that disconnects is no error, and the library would print a traceback."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "cdp-consumer"
    sys_version = ""
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = _TEXT

    def setup(self) -> None:
        """Prepare the connection, with the server's idle timeout."""
        super().setup()
        self.connection.settimeout(cast("_Server", self.server).idle_timeout_s)

    def do_GET(self) -> None:
        """Respond with a body."""
        self._send(*self._response())

    def do_HEAD(self) -> None:
        """Respond without a body."""
        self._send(*self._response(), headers_only=True)

    def __getattr__(self, name: str) -> object:
        """Reject every other method, unknown ones included."""
        if name.startswith("do_"):
            return self._reject
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Write no log line for each request."""

    def _response(self) -> _Response:
        try:
            return cast("_Server", self.server).respond(self.path, self.headers.get("Accept"))
        except Exception as error:  # noqa: BLE001  a bug in one path must not end the server, and the probes with it
            return (
                HTTPStatus.INTERNAL_SERVER_ERROR,
                _TEXT,
                f"Internal error: {type(error).__name__}. This is a bug; please report it.\n".encode(),
            )

    def _reject(self) -> None:
        length = self.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit():
            self.rfile.read(
                min(int(length), 65536)
            )  # an unread body resets the connection before the client reads the response
        body = b"Method not allowed. Use GET or HEAD; this port is read-only.\n"
        self._send(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, body, allow="GET, HEAD")

    def _send(
        self, code: HTTPStatus, content_type: str, body: bytes, *, headers_only: bool = False, allow: str | None = None
    ) -> None:
        self.send_response(code)
        for name, value in {**_HEADERS, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if allow is not None:
            self.send_header("Allow", allow)
        self.end_headers()
        if not headers_only:
            self.wfile.write(body)


def _json(document: object) -> bytes:
    return (json.dumps(document, ensure_ascii=False, indent=1) + "\n").encode()


def _parsed(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004  the largest port number
        raise ValueError(f"http.address: invalid address {address!r}; expected host:port, e.g. 0.0.0.0:9464")
    return host.strip("[]"), int(port)
