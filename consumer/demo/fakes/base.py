"""The base of the three servers: the port, the recorder, the fault rules, and the order in which they act."""

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
    """One destination as a server on loopback. It keeps strictly to its contract unless a fault rule acts.

    Args:
        name: the destination's name.
        clock: epoch seconds, for the contract's rules about time and for the header `Date`.
        port: 0 for any free one.
        can_mark: whether its responses can list invalid events.
    """

    prefix = ""
    """Path prefix of the address in the configuration."""

    def __init__(
        self, name: str, *, clock: Callable[[], float] = time.time, port: int = 0, can_mark: bool = False
    ) -> None:
        super().__init__()
        self.name = name
        self.clock = clock
        self.faults = FaultRules(can_mark=can_mark)
        self._server = Server(self, port)
        self._count = 0

    # ── the port ──────────────────────────────────────────────────────────────────────────────────────────────────────

    @property
    def port(self) -> int:
        """The port it listens on, also while stopped. 0 before the first start."""
        return self._server.port

    @property
    def url(self) -> str:
        """The value of `url` for this destination in the configuration."""
        return f"http://127.0.0.1:{self.port}{self.prefix}"

    async def start(self) -> None:
        """Listen. After a stop, listen on the same port."""
        await self._server.start()

    async def stop(self) -> None:
        """Refuse connections and close the open ones. The recorded data stay."""
        await self._server.stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    # ── ready-made faults ─────────────────────────────────────────────────────────────────────────────────────────────

    def outage(self, status: int = 503) -> Rule:
        """Respond to every request with this status until the returned rule is removed."""
        return self.faults.add(Respond(status), name="outage")

    def poison(self, marker: str, status: int = 400) -> Rule:
        """Refuse every request whose body contains `marker` (plain ASCII) without naming the event."""
        poison = marker.encode()

        def is_poison(item: Item) -> bool:
            return poison in item.raw

        return self.faults.add_rule(Rule(Respond(status), contains(marker), None, "poison", is_poison))

    # ── implemented by each vendor's server ───────────────────────────────────────────────────────────────────────────

    @abstractmethod
    def read(self, incoming: IncomingRequest) -> list[Item]:
        """Return the events of a request, and set its `document`.

        Raises:
            RequestParseError: the body is not one JSON object.
        """

    @abstractmethod
    def process(self, incoming: IncomingRequest) -> FakeResponse:
        """Apply the contract to one request: store, refuse or drop its events, and return the response."""

    @abstractmethod
    def error(self, status: int, message: str) -> FakeResponse:
        """Return an error response in the vendor's format."""

    def refuse_whole(self, incoming: IncomingRequest, reason: str) -> None:
        """Record a request that was refused before its events were checked."""
        self.refuse(_whole(incoming), reason, incoming.number)

    def drop_whole(self, incoming: IncomingRequest, reason: str) -> None:
        """Record each event of a request that was dropped behind a 2xx, or the request if no event is readable."""
        for item in incoming.items or (_whole(incoming),):
            self.drop(item, reason, incoming.number)

    # ── handling one request ──────────────────────────────────────────────────────────────────────────────────────────

    def now_s(self) -> float:
        """Return the time of its clock, epoch seconds."""
        return self.clock()

    def request_started(self) -> None:
        """Count a request whose head has arrived."""
        self.in_flight += 1

    async def handle(self, incoming: IncomingRequest) -> SocketAction:
        """Number and read the request, then apply the first matching fault rule, or else the contract."""
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
        """Record the request. One that never arrived complete is not recorded."""
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
                error = self.error(status, "an injected fault: the request failed")
                return FakeResponse(status, {**error.headers, **headers}, error.body if body is None else body)
            case Reset() | Hang() | Garbage():
                return action
            case LoseResponse():
                self.process(incoming)
                return Reset()
            case Delay(seconds, processed_first):
                response = self.process(incoming) if processed_first else None
                await asyncio.sleep(seconds)
                return response or self.process(incoming)
            case WaitForGate(gate, processed_first):
                response = self.process(incoming) if processed_first else None
                await gate.wait()
                return response or self.process(incoming)
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
    """Return a response with a JSON body."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return FakeResponse(status, {"content-type": "application/json", **(headers or {})}, body)
