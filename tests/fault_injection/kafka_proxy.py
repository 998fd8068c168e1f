"""A TCP proxy in front of a broker: it delays Produce requests, refuses connections, or blocks all traffic."""

from __future__ import annotations

import asyncio
import struct
import threading
from types import TracebackType
from typing import Self

_PRODUCE = 0
"""The key of Kafka's Produce request."""
_HEAD = struct.Struct(">ih")


class KafkaProxy:
    """Forwards connections to one listener of a broker while the `with` block lasts.

    Every request begins with its length and its API key, so the proxy can recognise Produce requests. Responses are
    forwarded unread.

    Args:
        port: the port of the proxy, which the broker advertises for the listener.
        listener_port: the port that the listener is bound to.

    Attributes:
        delay_s: seconds to delay each Produce request; 0 = no delay.
        delayed: number of delayed requests.
    """

    def __init__(self, port: int, listener_port: int) -> None:
        self.delay_s = 0.0
        self.delayed = 0
        self._refusing = False
        self._port, self._listener_port = port, listener_port
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._closing.set)
        self._thread.join()

    def refuse_connections(self) -> None:
        """Close every connection, and close new ones at once."""

        def end() -> None:
            for task in tuple(self._tasks):
                task.cancel()

        self._refusing = True
        self._loop.call_soon_threadsafe(end)

    def accept_connections(self) -> None:
        """Accept connections again."""
        self._refusing = False

    def block(self) -> None:
        """Forward nothing in either direction and close no connection, as when a cable is pulled.

        Returns when traffic is blocked.
        """
        blocked = threading.Event()

        def stop() -> None:
            self._unblocked.clear()
            blocked.set()

        self._loop.call_soon_threadsafe(stop)
        assert blocked.wait(60)

    def unblock(self) -> None:
        """Forward traffic again, the blocked bytes first."""
        self._loop.call_soon_threadsafe(self._unblocked.set)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._closing, self._unblocked = asyncio.Event(), asyncio.Event()
        self._unblocked.set()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._handle_connection, "127.0.0.1", self._port)
        self._ready.set()
        await self._closing.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _handle_connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        responses = None
        try:
            if self._refusing:
                return
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._listener_port)
            responses = asyncio.create_task(self._forward(to_reader, writer))
            while True:
                head = await reader.readexactly(_HEAD.size)
                length, key = _HEAD.unpack(head)
                rest = await reader.readexactly(length + 4 - _HEAD.size)
                if key == _PRODUCE and self.delay_s:
                    self.delayed += 1
                    await asyncio.sleep(self.delay_s)
                await self._unblocked.wait()
                to_writer.write(head + rest)
                await to_writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            if responses is not None:
                responses.cancel()
                to_writer.close()
            writer.close()
            self._tasks.discard(task)

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(65536):
                await self._unblocked.wait()
                writer.write(part)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()  # the broker closed the connection: its client must see that
