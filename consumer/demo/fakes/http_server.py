"""A small HTTP/1.1 server with fault injection down to the socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import formatdate
from typing import Protocol, TypeAlias

import h11

from consumer.demo.fakes.fault_rules import Garbage, Hang, IncomingRequest, Reset

_READ_BYTES = 1 << 18
_MAX_BODY_BYTES = 64 << 20
_PIECES = 20
_NO_CONTENT = 204


@dataclass(frozen=True, slots=True)
class FakeResponse:
    """A response. `trickle_s` spreads its bytes over that many seconds."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    trickle_s: float = 0.0


SocketAction: TypeAlias = FakeResponse | Reset | Hang | Garbage
"""A response, or an action at the socket instead of one."""


class Application(Protocol):
    """The interface of the application that a server calls."""

    def now_s(self) -> float:
        """Return epoch seconds, for the header `Date`."""

    def request_started(self) -> None:
        """Note that the head of a request has arrived."""

    async def handle(self, incoming: IncomingRequest) -> SocketAction:
        """Process one request and return the response or socket action."""

    def request_ended(self, incoming: IncomingRequest | None, status: int | None) -> None:
        """Note the end of a request, just before the last bytes of its response are sent.

        `incoming` is `None` if the request never arrived complete.
        """


class Server:
    """One listening port on loopback, 0 for any free one. After a stop it listens on the same port again."""

    def __init__(self, application: Application, port: int) -> None:
        self._application = application
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = port

    async def start(self) -> None:
        """Listen. A second call does nothing."""
        if self._server is None:
            loop = asyncio.get_running_loop()
            self._server = await loop.create_server(self._protocol, "127.0.0.1", self.port, backlog=512)
            self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Refuse new connections and close the open ones. A second call does nothing."""
        if self._server is None:
            return
        server, self._server = self._server, None
        server.close()
        connections = tuple(self._connections)
        for connection in connections:
            connection.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()

    def _protocol(self) -> asyncio.StreamReaderProtocol:
        return asyncio.StreamReaderProtocol(_Reader(_READ_BYTES), self._connected)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._server is None:
            writer.transport.abort()  # accepted before the stop, scheduled after it
            return
        # asyncio's streams report a cancelled callback as an error, so each connection gets a task of its own.
        connection = asyncio.create_task(_Connection(self._application, reader, writer).serve())
        self._connections.add(connection)
        connection.add_done_callback(self._connections.discard)


class _Reader(asyncio.StreamReader):
    """Notes when the client closed the connection, even while nothing reads from it."""

    client_left: float | None = None

    def feed_eof(self) -> None:
        self._note_end()
        super().feed_eof()

    def set_exception(self, exc: Exception) -> None:
        self._note_end()
        super().set_exception(exc)

    def _note_end(self) -> None:
        if self.client_left is None:
            self.client_left = time.monotonic()


class _Connection:
    """One client's connection: serves requests until one side closes it."""

    def __init__(self, application: Application, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._application = application
        self._reader = reader
        self._writer = writer
        self._http = h11.Connection(h11.SERVER)
        self._open = False

    async def serve(self) -> None:
        """Serve until one side closes the connection."""
        try:
            while await self._serve_request():
                self._http.start_next_cycle()
        except h11.RemoteProtocolError as error:
            await self._send_protocol_error(error)
        except ConnectionError:
            self._writer.transport.abort()
        except asyncio.CancelledError:
            # A plain close waits for a client that does not read, and `stop` would wait with it.
            self._writer.transport.abort()
            raise
        finally:
            self._writer.close()

    async def _serve_request(self) -> bool:
        head = await self._event()
        if not isinstance(head, h11.Request):
            return False
        started = time.monotonic()
        incoming: IncomingRequest | None = None
        self._open = True
        self._application.request_started()
        try:
            incoming = await self._read_request(head, started)
            return await self._send(incoming, await self._application.handle(incoming))
        finally:
            self._end(incoming, None)

    def _end(self, incoming: IncomingRequest | None, status: int | None) -> None:
        if self._open:
            self._open = False
            if incoming is not None and isinstance(self._reader, _Reader):
                incoming.client_left = self._reader.client_left
            self._application.request_ended(incoming, status)

    async def _event(self) -> object:
        while (event := self._http.next_event()) is h11.NEED_DATA:
            if self._http.they_are_waiting_for_100_continue:
                proceed = self._http.send(h11.InformationalResponse(status_code=100, headers=[]))
                self._writer.write(proceed or b"")
            self._http.receive_data(await self._reader.read(_READ_BYTES))
        return event

    async def _read_request(self, head: h11.Request, started: float) -> IncomingRequest:
        chunks: list[bytes] = []
        size = 0
        while isinstance(event := await self._event(), h11.Data):
            chunks.append(bytes(event.data))
            size += len(chunks[-1])
            if size > _MAX_BODY_BYTES:
                raise h11.RemoteProtocolError("the body is longer than any contract allows")
        if not isinstance(event, h11.EndOfMessage):
            raise ConnectionResetError("the client closed the connection within its request")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in head.headers}
        return IncomingRequest(
            head.method.decode("ascii"), head.target.decode("latin-1"), headers, b"".join(chunks), started
        )

    async def _send(self, incoming: IncomingRequest, sending: SocketAction) -> bool:
        match sending:
            case FakeResponse():
                await self._send_response(incoming, sending)
                return self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
            case Garbage(data):
                self._end(incoming, None)
                self._writer.write(data)
                await self._writer.drain()
            case Hang(seconds):
                await self._wait_until_closed(seconds)
                self._end(incoming, None)
                self._reset()
            case Reset():
                self._end(incoming, None)
                self._reset()
        return False

    async def _send_response(self, incoming: IncomingRequest, response: FakeResponse) -> None:
        empty = incoming.method == "HEAD" or response.status == _NO_CONTENT
        headers = {"date": formatdate(self._application.now_s(), usegmt=True), **_lower(response.headers)}
        body = b"" if empty else response.body
        if response.status != _NO_CONTENT:
            headers["content-length"] = str(len(body))
        data = self._http.send(h11.Response(status_code=response.status, headers=list(headers.items()))) or b""
        if body:
            data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        if response.trickle_s:
            piece = -(-len(data) // _PIECES)
            while len(data) > piece:
                self._writer.write(data[:piece])
                await self._writer.drain()
                data = data[piece:]
                await asyncio.sleep(response.trickle_s / _PIECES)
        self._end(incoming, response.status)
        self._writer.write(data)
        await self._writer.drain()

    async def _wait_until_closed(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(seconds):
                while await self._reader.read(_READ_BYTES):
                    pass

    def _reset(self) -> None:
        sock: socket.socket | None = self._writer.get_extra_info("socket")
        if sock is not None:
            # Without a zero linger the socket closes with a FIN, which a client can take for a normal end.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self._writer.transport.abort()

    async def _send_protocol_error(self, error: h11.RemoteProtocolError) -> None:
        with contextlib.suppress(ConnectionError, h11.LocalProtocolError):
            if self._http.our_state in {h11.IDLE, h11.SEND_RESPONSE}:
                head = h11.Response(
                    status_code=error.error_status_hint, headers=[("content-length", "0"), ("connection", "close")]
                )
                self._writer.write((self._http.send(head) or b"") + (self._http.send(h11.EndOfMessage()) or b""))
                await self._writer.drain()


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}
