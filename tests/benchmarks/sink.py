"""The three APIs and the schema registry of the benchmark in one process.

It counts requests and events, checks the limits of each API, and reads the CPU time of the measured process.
`python -m tests.benchmarks.sink` prints its port and serves until its standard input ends. It is measured to accept far
more than any row sends. It keeps every identity, so that exactly-once arrival is checked, not assumed.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from dataclasses import dataclass, field
from typing import Any, cast

import httptools
import uvloop

from tests.benchmarks.measure import cpu_s, resident_bytes
from tests.benchmarks.workload import SCHEMA, SCHEMA_ID

_JSON = b"content-type: application/json\r\n"
_OK = {
    "customerio": b'{"success":true}',
    "copilot": b'{"invalid_events":[]}',
    "yotpo": b"{}",
    "token": b'{"access_token":"bench"}',
    "schema": json.dumps({"schema": json.dumps(SCHEMA), "id": SCHEMA_ID}).encode(),
}
_IDENTITIES = {
    "customerio": re.compile(rb'"messageId":"([^"]+)"'),
    "copilot": re.compile(rb'"event_id":"([^"]+)","timestamp"'),
    "yotpo": re.compile(rb'"id":"([^"]+)"'),
}
MAX_EVENTS = {"customerio": 1 << 30, "copilot": 100, "yotpo": 1}
MAX_BYTES = {"customerio": 500_000, "copilot": 500_000, "yotpo": 100_000}


@dataclass(slots=True)
class RowCounts:
    """Counts of one row. The process `pid` is measured from event number `begin` to event number `end`."""

    pid: int = 0
    begin: int = 0
    end: int = 1 << 60
    delay_s: float = 0.0
    status: int = 200
    requests: int = 0
    events: int = 0
    size: int = 0
    over_limits: int = 0
    identities: set[bytes] = field(default_factory=set)
    began: tuple[float, float, int] | None = None
    ended: tuple[float, float, int] | None = None

    def count(self, kind: str, body: bytes) -> None:
        """Count one request."""
        identities = _IDENTITIES[kind].findall(body)
        self.requests += 1
        self.size += len(body)
        self.over_limits += len(identities) > MAX_EVENTS[kind] or len(body) > MAX_BYTES[kind] or not identities
        if self.status == 200:
            self.events += len(identities)
            self.identities.update(identities)
        if self.began is None and self.events >= self.begin:
            self.began = self._now()
        if self.ended is None and self.events >= self.end:
            self.ended = self._now()

    def _now(self) -> tuple[float, float, int]:
        return time.monotonic(), cpu_s(self.pid) if self.pid else 0.0, self.events

    def report(self) -> dict[str, Any]:
        """Return the counts. `window` has the seconds and events between `begin` and `end`, or `None` before `end`."""
        report: dict[str, Any] = {
            "requests": self.requests,
            "events": self.events,
            "distinct": len(self.identities),
            "bytes": self.size,
            "over_limits": self.over_limits,
            "window": None,
            "resident": resident_bytes(self.pid) if self.pid else (0, 0),
        }
        if self.began is not None and self.ended is not None:
            (wall, cpu, first), (wall_end, cpu_end, last) = self.began, self.ended
            report["window"] = {"wall_s": wall_end - wall, "cpu_s": cpu_end - cpu, "events": last - first}
        return report


class _Connection(asyncio.Protocol):
    """One connection of a client."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._transport: asyncio.Transport | None = None
        self._parser = httptools.HttpRequestParser(self)
        self._url = b""
        self._parts: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's transport does not derive from asyncio's

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - the reason does not matter
        self._transport = None

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_message_begin(self) -> None:
        self._url, self._parts = b"", []

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_body(self, body: bytes) -> None:
        self._parts.append(body)

    def on_message_complete(self) -> None:
        status, body, delay_s = self._sink.respond(self._url.decode(), b"".join(self._parts))
        response = b"HTTP/1.1 %d -\r\n%bcontent-length: %d\r\n\r\n%b" % (status, _JSON, len(body), body)
        if delay_s:
            asyncio.get_running_loop().call_later(delay_s, self._write, response)
        else:
            self._write(response)

    def _write(self, response: bytes) -> None:
        if self._transport is not None:
            self._transport.write(response)


class Sink:
    """State shared by all connections."""

    def __init__(self) -> None:
        self.row = RowCounts()

    def connection(self) -> _Connection:
        """Return the protocol of a new connection."""
        return _Connection(self)

    def respond(self, url: str, body: bytes) -> tuple[int, bytes, float]:
        """Return status, body and delay in seconds of the response."""
        path = url.partition("?")[0]
        if path == "/bench/row":
            self.row = RowCounts(**json.loads(body))
            return 200, b"{}", 0
        if path == "/bench/report":
            return 200, json.dumps(self.row.report()).encode(), 0
        if path == f"/schemas/ids/{SCHEMA_ID}":
            return 200, _OK["schema"], 0
        if path.endswith("/access_tokens"):
            return 200, _OK["token"], 0
        kind = "customerio" if path.endswith("/batch") else "copilot" if path.endswith("/collect") else "yotpo"
        self.row.count(kind, body)
        if self.row.status != 200:
            return self.row.status, b"{}", self.row.delay_s
        return 200, _OK[kind], self.row.delay_s


async def _serve() -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Sink().connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await loop.run_in_executor(None, sys.stdin.read)
    server.close()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve())
