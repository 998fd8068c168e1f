"""What a server saw, took, refused and threw away: the truth that oracles compare with."""

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
    """One event of a request, read leniently: what it seems to be, whether or not it is valid."""

    id: str | None
    kind: str
    name: str | None
    person: str | None
    document: Document
    raw: bytes


@dataclass(frozen=True, slots=True)
class Arrival:
    """One event that was taken. `at` is monotonic seconds, `request` the number of the request that brought it."""

    id: str
    kind: str
    name: str | None
    person: str | None
    document: Document
    at: float
    request: int
    raw: bytes
    """The event's bytes as they were on the wire, for numbers that a float cannot hold."""


@dataclass(frozen=True, slots=True)
class Rejection:
    """One event, or one whole unreadable request (`id` is `None`), that was not taken, and why."""

    id: str | None
    kind: str
    reason: str
    document: Document
    at: float
    request: int
    raw: bytes


@dataclass(frozen=True, slots=True)
class ContractWarning:
    """Something legal that is worth less than its sender thinks."""

    id: str | None
    reason: str
    request: int


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """One ended request.

    `ended` (monotonic seconds) is taken just before the last bytes of the answer leave, so a sender that waits for its
    answer always starts its next request later than that. `status` is `None` where there was no answer.
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
    """When its sender left before it ended (monotonic seconds): seen before anything that the sender did afterwards."""


class Recorder:
    """The log of one server: written by its loop, read from anywhere; every list that is given out is a copy."""

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._version = 0
        self._waiting: set[asyncio.Future[None]] = set()
        self._to_lose = 0
        self.in_flight = 0
        self.clear()

    def clear(self) -> None:
        """Forget everything seen so far."""
        with self._condition:
            self._received: list[Arrival] = []
            self._stored: dict[str, Arrival] = {}
            self._refused: list[Rejection] = []
            self._dropped: list[Rejection] = []
            self._lost: list[Arrival] = []
            self._warnings: list[ContractWarning] = []
            self._requests: list[ReceivedRequest] = []

    # ── written by the server ─────────────────────────────────────────────────────────────────────────────────────

    def store(self, items: Iterable[Item], request: int) -> None:
        """Keep these events; the same id again replaces the document and stays in the log twice."""
        at = time.monotonic()
        taken = [
            Arrival(item.id or "", item.kind, item.name, item.person, item.document, at, request, item.raw)
            for item in items
        ]
        with self._condition:
            while self._to_lose and taken:
                self._to_lose -= 1
                self._lost.append(taken.pop(0))
            self._received.extend(taken)
            self._stored.update({arrival.id: arrival for arrival in taken})

    def refuse(self, item: Item, reason: str, request: int) -> None:
        """Write down an event that was refused aloud."""
        self._refused.append(_rejection(item, reason, request))

    def drop(self, item: Item, reason: str, request: int) -> None:
        """Write down an event that was thrown away behind a 2xx."""
        self._dropped.append(_rejection(item, reason, request))

    def warn(self, item: Item | None, reason: str, request: int) -> None:
        """Write down something legal but doubtful."""
        self._warnings.append(ContractWarning(item.id if item else None, reason, request))

    def record_request(self, request: ReceivedRequest) -> None:
        """Write down an ended request."""
        self._requests.append(request)
        self.notify()

    def lose_next_event(self) -> None:
        """Lose the next event that is taken, silently."""
        with self._condition:
            self._to_lose += 1

    def notify(self) -> None:
        """Wake everyone who waits for something to happen."""
        with self._condition:
            self._version += 1
            self._condition.notify_all()
            waiting, self._waiting = self._waiting, set()
        for future in waiting:
            future.get_loop().call_soon_threadsafe(_wake, future)

    # ── read by anyone ────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def received(self) -> list[Arrival]:
        """Everything taken, repeats included, in order of processing."""
        with self._condition:
            return list(self._received)

    @property
    def refused(self) -> list[Rejection]:
        """Events refused aloud."""
        return list(self._refused)

    @property
    def dropped(self) -> list[Rejection]:
        """Events thrown away behind a 2xx, as the contract says."""
        return list(self._dropped)

    @property
    def lost(self) -> list[Arrival]:
        """Events this server lied about."""
        return list(self._lost)

    @property
    def warnings(self) -> list[ContractWarning]:
        """What was legal but doubtful."""
        return list(self._warnings)

    @property
    def requests(self) -> list[ReceivedRequest]:
        """Ended requests, in order of their ends."""
        return list(self._requests)

    def stored_ids(self) -> set[str]:
        """Return the ids it really holds."""
        with self._condition:
            return set(self._stored)

    def documents(self) -> dict[str, Document]:
        """Return the final document of each id."""
        with self._condition:
            return {name: arrival.document for name, arrival in self._stored.items()}

    def wait_until(self, predicate: Callable[[], bool], timeout_s: float = 120.0) -> None:
        """Block until `predicate()` is true: asked at every change here, and now and then for changes elsewhere.

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
                raise TimeoutError(f"what was awaited did not happen within {timeout_s:g} s")
            with self._condition:
                if version == self._version:
                    self._condition.wait(min(left, _RECHECK_S))

    async def wait_until_async(self, predicate: Callable[[], bool], timeout_s: float = 120.0) -> None:
        """Do what `wait_until` does, without blocking the loop.

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
                    # A future left behind would be woken on a loop that is closed by then, and break the server.
                    with self._condition:
                        self._waiting.discard(change)


def _wake(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


def _rejection(item: Item, reason: str, request: int) -> Rejection:
    return Rejection(item.id, item.kind, reason, item.document, time.monotonic(), request, item.raw)
