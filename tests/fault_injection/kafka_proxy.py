"""A TCP proxy before a broker: it delays produce requests, refuses connections, or blocks all traffic."""

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
    """Stands before a broker's port for as long as the `with` block lasts.

    Every request begins with its length and its key, so that the slow ones can be told; answers pass as they come.

    Args:
        port: where it listens: what the broker advertises for the listener behind it.
        behind: the listener's own port.

    Attributes:
        delay_s: how long each Produce request is kept back now.
        delayed: how many were.
    """

    def __init__(self, port: int, behind: int) -> None:
        self.delay_s = 0.0
        self.delayed = 0
        self._shut = False
        self._port, self._behind = port, behind
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._ready.wait(120)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def shut(self) -> None:
        """Close every connection, and every new one at once."""

        def end() -> None:
            for task in tuple(self._tasks):
                task.cancel()

        self._shut = True
        self._loop.call_soon_threadsafe(end)

    def open(self) -> None:
        """Accept connections again."""
        self._shut = False

    def jam(self) -> None:
        """Forward nothing in either direction and close no connection, as when a cable is pulled.

        It is so when this returns.
        """
        jammed = threading.Event()

        def stop() -> None:
            self._flows.clear()
            jammed.set()

        self._loop.call_soon_threadsafe(stop)
        assert jammed.wait(60)

    def clear(self) -> None:
        """Forward traffic again, the blocked bytes first."""
        self._loop.call_soon_threadsafe(self._flows.set)

    def _run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._over, self._flows = asyncio.Event(), asyncio.Event()
        self._flows.set()
        self._tasks: set[asyncio.Task[None]] = set()
        server = await asyncio.start_server(self._met, "127.0.0.1", self._port)
        self._ready.set()
        await self._over.wait()
        server.close()
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _met(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        answers = None
        try:
            if self._shut:
                return
            to_reader, to_writer = await asyncio.open_connection("127.0.0.1", self._behind)
            answers = asyncio.create_task(self._pass_on(to_reader, writer))
            while True:
                head = await reader.readexactly(_HEAD.size)
                length, key = _HEAD.unpack(head)
                rest = await reader.readexactly(length + 4 - _HEAD.size)
                if key == _PRODUCE and self.delay_s:
                    self.delayed += 1
                    await asyncio.sleep(self.delay_s)
                await self._flows.wait()
                to_writer.write(head + rest)
                await to_writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            if answers is not None:
                answers.cancel()
                to_writer.close()
            writer.close()
            self._tasks.discard(task)

    async def _pass_on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while part := await reader.read(65536):
                await self._flows.wait()
                writer.write(part)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()  # the broker closed the connection: its client must see that
