"""What the three servers have in common: a port, books, a fault plan, and the order in which these act."""

from __future__ import annotations

import asyncio
import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self, assert_never

from consumer.demo.fakes.fault_rules import (
    Action,
    Delay,
    FaultRules,
    Garbage,
    Hang,
    IncomingRequest,
    LoseResponse,
    MarkInvalid,
    Reset,
    Respond,
    Rule,
    Trickle,
    WaitForGate,
    contains,
)
from consumer.demo.fakes.http_server import FakeResponse, Server, SocketAction
from consumer.demo.fakes.parsing import RequestParseError
from consumer.demo.fakes.recorder import Item, ReceivedRequest, Recorder

_CLIENT_ERRORS = range(400, 500)


class Fake(Recorder, ABC):
    """One destination as a server on loopback that keeps its contract to the letter, until told to misbehave.

    Args:
        name: the destination's name.
        clock: epoch seconds, for what the contract says about time and for the answers' `Date`.
        port: 0 for any free one.
        can_mark: whether its answers can list invalid events.
    """

    prefix = ""
    """Path that belongs to the address in the configuration."""

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.time, port: int = 0, can_mark: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self.clock = clock
        self.faults = FaultRules(can_mark=can_mark)
        self._server = Server(self, port)
        self._count = 0

    # ── its port ──────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def port(self) -> int:
        """The port it listens on, or will come back on; 0 before the first start."""
        return self._server.port

    @property
    def url(self) -> str:
        """What the configuration says under `url` for this destination."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    async def start(self) -> None:
        """Listen; after a stop, on the same port."""
        await self._server.start()

    async def stop(self) -> None:
        """Refuse connections and cut the open ones; the books stay."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # ── ready-made misbehaviour ───────────────────────────────────────────────────────────────────────────────────

    def outage(self, status: int = 503) -> Rule:
        """Answer everything with this status until the returned rule is removed."""
        return self.faults.add(Respond(status), name="outage")

    def poison(self, marker: str, status: int = 400) -> Rule:
        """Refuse every request whose body contains `marker` (plain ASCII) without saying who is guilty."""
        sought = marker.encode()

        def guilty(item: Item) -> bool:
            return sought in item.raw

        return self.faults.add_rule(Rule(Respond(status), contains(marker), None, "poison", guilty))

    # ── what a vendor adds ────────────────────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def read(self, incoming: IncomingRequest) -> list[Item]:
        """Find the events of a request and set its `document`.

        Raises:
            UnreadableError: the body is not what any contract calls a body.
        """

    @abstractmethod
    def process(self, incoming: IncomingRequest) -> FakeResponse:
        """Hold one request against the contract: take, refuse or drop its events, and answer."""

    @abstractmethod
    def error(self, status: int, message: str) -> FakeResponse:
        """Return an error in the vendor's own form."""

    def refuse_whole(self, incoming: IncomingRequest, reason: str) -> None:
        """Write down a request that was refused without a look at its single events."""
        self.refuse(_whole(incoming), reason, incoming.number)

    def drop_whole(self, incoming: IncomingRequest, reason: str) -> None:
        """Write down every event of a request that was thrown away behind a 2xx, or the request if none can be read."""
        for item in incoming.items or (_whole(incoming),):
            self.drop(item, reason, incoming.number)

    # ── one request ───────────────────────────────────────────────────────────────────────────────────────────────

    def now_s(self) -> float:
        """Return what its clock says, epoch seconds."""
        return self.clock()

    def request_started(self) -> None:
        """Count a request that has begun to arrive."""
        self.in_flight += 1

    async def handle(self, incoming: IncomingRequest) -> SocketAction:
        """Number and read the request, then let the fault plan act, or the contract."""
        self._count += 1
        incoming.number = self._count
        try:
            incoming.items = self.read(incoming)
        except RequestParseError as error:
            incoming.problem = str(error)
        chosen = self.faults.choose(incoming)
        if chosen is None:
            return self.process(incoming)
        rule, action = chosen
        incoming.fault = rule.name
        self.notify()
        if isinstance(action, Respond) and action.status in _CLIENT_ERRORS and rule.refuses:
            for item in filter(rule.refuses, incoming.items):
                self.refuse(item, rule.name, incoming.number)
        return await self._act(incoming, action)

    def request_ended(self, incoming: IncomingRequest | None, status: int | None) -> None:
        """Write the request down; what never arrived whole is no request."""
        self.in_flight -= 1
        if incoming is None:
            self.notify()
            return
        ids = tuple(item.id or "" for item in incoming.items)
        self.record_request(
            ReceivedRequest(
                number=incoming.number,
                method=incoming.method,
                path=incoming.path,
                status=status,
                started=incoming.started,
                ended=time.monotonic(),
                events=len(ids),
                size=len(incoming.body),
                ids=ids,
                fault=incoming.fault,
                client_left=incoming.client_left,
            )
        )

    async def _act(self, incoming: IncomingRequest, action: Action) -> SocketAction:
        match action:
            case Respond(status, headers, body):
                shown = self.error(status, "a fault was asked for")
                return FakeResponse(status, {**shown.headers, **headers}, shown.body if body is None else body)
            case Reset() | Hang() | Garbage():
                return action
            case LoseResponse():
                self.process(incoming)
                return Reset()
            case Delay(seconds, processed_first):
                early = self.process(incoming) if processed_first else None
                await asyncio.sleep(seconds)
                return early or self.process(incoming)
            case WaitForGate(gate, processed_first):
                early = self.process(incoming) if processed_first else None
                await gate.wait()
                return early or self.process(incoming)
            case Trickle(seconds):
                return replace(self.process(incoming), trickle_s=seconds)
            case MarkInvalid():
                incoming.mark_invalid = action
                return self.process(incoming)
            case _:
                assert_never(action)


def _whole(incoming: IncomingRequest) -> Item:
    return Item(None, "request", None, None, incoming.document or {}, incoming.body)


def json_response(status: int, document: object, headers: Mapping[str, str] | None = None) -> FakeResponse:
    """Return an answer with a JSON body."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return FakeResponse(status, {"content-type": "application/json", **(headers or {})}, body)
