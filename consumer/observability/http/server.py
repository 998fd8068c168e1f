"""The one port: metrics, probes, status and the page. Whatever is asked, nothing changes."""

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
from consumer.observability.http.status_json import status, verdict
from consumer.observability.http.status_page import page
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import StatusSources

_PROBES: Final[Mapping[str, Probe]] = {"/livez": live, "/readyz": ready, "/startupz": startup}
_SILENCE_S: Final = 5.0
"""A connection that says nothing for so long is closed."""
_AT_ONCE: Final = 32
"""Connections served at once; more wait in the listener's queue, so that nobody can fill the process with threads."""
_HEADERS: Final = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_JSON: Final = "application/json; charset=utf-8"
_TEXT: Final = "text/plain; charset=utf-8"

_Answer = tuple[HTTPStatus, str, bytes]
_Answering = Callable[[str, str | None], _Answer]


class StatusServer:
    """Serves from threads of its own, so that a loop that stands still is seen to stand still.

    Args:
        address: `host:port`, `[v6]:port` or a pair; port 0 takes a free one.
        metrics: what /metrics shows.
        sources: the pipelines the rest speaks of.
        limits: how long something may stand still before a probe says so.
    """

    def __init__(
        self,
        address: str | tuple[str, int],
        metrics: Metrics,
        sources: StatusSources,
        limits: HealthThresholds | None = None,
    ) -> None:
        self._address = _parsed(address) if isinstance(address, str) else address
        self._metrics = metrics
        self._sources = sources
        self._limits = limits or HealthThresholds()
        self._server: _Server | None = None
        self._thread: Thread | None = None

    def start(self) -> int:
        """Listen, and return the port. Raises `OSError` if the address cannot be had."""
        server = self._server = _Server(self._address, self._answer)
        self._thread = Thread(target=server.serve_forever, args=(0.2,), name="status", daemon=True)
        self._thread.start()
        return int(server.server_address[1])

    def close(self) -> None:
        """Stop listening; a second time does nothing."""
        server, self._server = self._server, None
        if server is not None and self._thread is not None:
            server.shutdown()
            server.server_close()
            self._thread.join()

    def _answer(self, target: str, accept: str | None) -> _Answer:
        path, _, query = target.partition("?")
        if path == "/metrics":
            body, content_type = self._metrics.page(accept)
            return HTTPStatus.OK, content_type, body
        answers, silent = self._sources.collect()
        moment = Moment.now()
        if path in _PROBES:
            checks = _PROBES[path](answers, moment, self._limits)
            code = HTTPStatus.OK if all(check.ok for check in checks) else HTTPStatus.SERVICE_UNAVAILABLE
            if "verbose" in parse_qs(query, keep_blank_values=True):
                return code, _JSON, _json(verdict(checks))
            wrong = [f"{check.pipeline} {check.name}: {check.reason}".strip() for check in checks if not check.ok]
            return code, _TEXT, ("\n".join(wrong or ["ok"]) + "\n").encode()
        if path == "/status":
            said = status(answers, silent, moment, self._sources.directives)
            said["probes"] = {name: verdict(probe(answers, moment, self._limits)) for name, probe in _PROBES.items()}
            return HTTPStatus.OK, _JSON, _json(said)
        if path == "/":
            checks = [check for probe in _PROBES.values() for check in probe(answers, moment, self._limits)]
            return (
                HTTPStatus.OK,
                "text/html; charset=utf-8",
                page(answers, silent, checks, moment, self._sources.directives).encode(),
            )
        known = ", ".join(("/", "/status", "/metrics", *_PROBES))
        return HTTPStatus.NOT_FOUND, _TEXT, f"Nothing here. There is: {known}\n".encode()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False  # a scraper that keeps its connection must not keep the process
    request_queue_size = 64

    def __init__(self, address: tuple[str, int], answer: _Answering) -> None:
        self.answer = answer
        self._room = BoundedSemaphore(_AT_ONCE)
        if ":" in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, _Handler)

    def server_bind(self) -> None:
        """Bind without asking the resolver for our own name, which can hang for long where DNS is slow."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = str(self.server_address[0]), int(self.server_address[1])

    def process_request(self, request: socket.socket | tuple[bytes, socket.socket], client_address: object) -> None:
        """Serve in a thread if there is room within a second, else hang up."""
        if self._room.acquire(timeout=1):
            super().process_request(request, client_address)
        else:
            self.shutdown_request(request)

    def process_request_thread(
        self, request: socket.socket | tuple[bytes, socket.socket], client_address: object
    ) -> None:
        """Serve, and make room."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: whoever hung up in the middle knows it, and no traceback belongs into the log."""


class _Handler(BaseHTTPRequestHandler):
    server_version = "cdp-consumer"
    sys_version = ""
    error_message_format = "%(code)d %(message)s\n"
    error_content_type = _TEXT
    timeout = _SILENCE_S

    def do_GET(self) -> None:
        """Answer with a body."""
        self._reply(*self._answered())

    def do_HEAD(self) -> None:
        """Answer without one."""
        self._reply(*self._answered(), bare=True)

    def __getattr__(self, name: str) -> object:
        """Refuse every other method, those nobody has thought of included."""
        if name.startswith("do_"):
            return self._refuse
        raise AttributeError(name)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  the library's name
        """Write no line for each scrape."""

    def _answered(self) -> _Answer:
        try:
            return cast("_Server", self.server).answer(self.path, self.headers.get("Accept"))
        except Exception as error:  # noqa: BLE001  one broken page must not take the probes with it
            return HTTPStatus.INTERNAL_SERVER_ERROR, _TEXT, f"This is a bug: {type(error).__name__}\n".encode()

    def _refuse(self) -> None:
        length = self.headers.get("Content-Length", "")
        if length.isascii() and length.isdigit():
            self.rfile.read(min(int(length), 65536))  # unread, it would reset the connection before the answer is read
        body = b"Only GET and HEAD: nothing can be changed here.\n"
        self._reply(HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, body, allow="GET, HEAD")

    def _reply(
        self, code: HTTPStatus, content_type: str, body: bytes, *, bare: bool = False, allow: str | None = None
    ) -> None:
        self.send_response(code)
        for name, value in {**_HEADERS, "Content-Type": content_type, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        if allow is not None:
            self.send_header("Allow", allow)
        self.end_headers()
        if not bare:
            self.wfile.write(body)


def _json(said: object) -> bytes:
    return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()


def _parsed(address: str) -> tuple[str, int]:
    host, colon, port = address.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()) or int(port) > 65535:  # noqa: PLR2004  the largest port there is
        raise ValueError(f"{address!r} is no host:port, like 0.0.0.0:9464")
    return host.strip("[]"), int(port)
