"""Records what a server received, stored, refused and dropped. Oracles compare with these records."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from consumer.demo.fakes.parsing import Document

_RECHECK_S = 0.05


@dataclass(slots=True)
class Item:
    """One event of a request, parsed leniently: it need not be valid."""

    id: str | None
    kind: str
    name: str | None
    person: str | None
    document: Document
    raw: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """One accepted event. `at` is in monotonic seconds, `request` is the number of the request that carried it."""

    id: str
    kind: str
    name: str | None
    person: str | None
    document: Document
    at: float
    request: int
    raw: bytes
    """The event's bytes as received, for numbers that a float cannot represent."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event that was not accepted, or one unreadable request (`id` is `None`), with the reason."""

    id: str | None
    kind: str
    reason: str
    document: Document
    at: float
    request: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ContractWarning:
    """Part of a valid request that has less effect than it seems to have."""

    id: str | None
    reason: str
    request: int


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One finished request.

    `ended` (monotonic seconds) is read just before the last bytes of the response are sent. So a client that waits for
    its response always starts its next request later than that. `status` is `None` if there was no response.
    """

    number: int
    method: str
    path: str
    status: int | None
    started: float
    ended: float
    events: int
    size: int
    """Bytes of the body."""
    ids: tuple[str, ...]
    """The events' ids in the order of the body."""
    fault: str | None
    """Name of the rule that acted, if one did."""
    client_left: float | None = None
    """When the client closed the connection before the end (monotonic seconds).

    It is read before anything that the client did afterwards.
    """


class Recorder:
    """The records of one server: written by its loop, read from any thread. Every returned list is a copy."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._version = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._to_lose = 0
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Discard all records. The fault rules stay."""
        with self._condition:
            self._received: list[Arrival] = []
            self._stored: dict[str, Arrival] = {}
            self._refused: list[Rejection] = []
            self._dropped: list[Rejection] = []
            self._lost: list[Arrival] = []
            self._warnings: list[ContractWarning] = []
            self._requests: list[ReceivedRequest] = []

    # ── written by the server ─────────────────────────────────────────────────────────────────────────────────────────

    def store(self, items: Iterable[Item], request: int) -> None:
        """Store these events. A repeated id replaces the document, and both arrivals stay recorded."""
        at = time.monotonic()
        accepted = [
            Arrival(item.id or "", item.kind, item.name, item.person, item.document, at, request, item.raw)
            for item in items
        ]
        with self._condition:
            while self._to_lose and accepted:
                self._to_lose -= 1
                self._lost.append(accepted.pop(0))
            self._received.extend(accepted)
            self._stored.update({arrival.id: arrival for arrival in accepted})

    def refuse(self, item: Item, reason: str, request: int) -> None:
        """Record an event that was refused with an error response."""
        self._refused.append(_rejection(item, reason, request))

    def drop(self, item: Item, reason: str, request: int) -> None:
        """Record an event that was dropped behind a 2xx."""
        self._dropped.append(_rejection(item, reason, request))

    def warn(self, item: Item | None, reason: str, request: int) -> None:
        """Record a warning."""
        self._warnings.append(ContractWarning(item.id if item else None, reason, request))

    def record_request(self, request: ReceivedRequest) -> None:
        """Record a finished request."""
        self._requests.append(request)
        self.notify()

    def lose_next_event(self) -> None:
        """Lose the next accepted event and respond as if it were stored."""
        with self._condition:
            self._to_lose += 1

    def notify(self) -> None:
        """Wake every waiter, because the records have changed."""
        with self._condition:
            self._version += 1
            self._condition.notify_all()
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            future.get_loop().call_soon_threadsafe(_wake, future)

    # ── read from any thread ──────────────────────────────────────────────────────────────────────────────────────────

    @property
    def received(self) -> list[Arrival]:
        """All accepted events, repeats included, in order of processing."""
        with self._condition:
            return list(self._received)

    @property
    def refused(self) -> list[Rejection]:
        """Events refused with an error response."""
        return list(self._refused)

    @property
    def dropped(self) -> list[Rejection]:
        """Events dropped behind a 2xx, as the contract says."""
        return list(self._dropped)

    @property
    def lost(self) -> list[Arrival]:
        """Events that `lose_next_event` lost."""
        return list(self._lost)

    @property
    def warnings(self) -> list[ContractWarning]:
        """Warnings about valid requests."""
        return list(self._warnings)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Finished requests, in order of their ends."""
        return list(self._requests)

    def stored_ids(self) -> set[str]:
        """Return the ids of the stored events."""
        with self._condition:
            return set(self._stored)

    def documents(self) -> dict[str, Document]:
        """Return the last stored document of each id."""
        with self._condition:
            return {name: arrival.document for name, arrival in self._stored.items()}

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float = 120.0) -> None:
        """Block until `predicate()` is true. It is called at every change here, and regularly for changes elsewhere.

        Raises:
            TimeoutError: it was not true within `timeout_s` seconds.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            version = self._version
            if predicate():
                return
            left = deadline - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"the condition was not met within {timeout_s:g} s")
            with self._condition:
                if version == self._version:
                    self._condition.wait(min(left, _RECHECK_S))

    async def wait_until_async(self, predicate: Callable[[], bool], timeout_s: float = 120.0) -> None:
        """Wait like `wait_until`, without blocking the loop.

        Raises:
            TimeoutError: it was not true within `timeout_s` seconds.
        """
        async with asyncio.timeout(timeout_s):
            while True:
                change: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                with self._condition:
                    self._waiting.add(change)
                try:
                    if predicate():
                        return
                    await asyncio.wait((change,), timeout=_RECHECK_S)
                finally:
                    # A future left in the set would be woken on a closed loop, and the server would crash.
                    with self._condition:
                        self._waiting.discard(change)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _rejection(item: Item, reason: str, request: int) -> Rejection:
    return Rejection(item.id, item.kind, reason, item.document, time.monotonic(), request, item.raw)
