"""Faults of the destinations: bad, late and missing responses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, TypeAlias

from consumer.demo.fakes.fault_rules import (
    Action,
    Delay,
    Garbage,
    Hang,
    LoseResponse,
    Predicate,
    Reset,
    Respond,
    Trickle,
    always,
    chance,
)
from tests.e2e.world import TIMEOUT_S
from tests.fault_injection.fault import ActiveFault, Fault

if TYPE_CHECKING:
    from tests.fault_injection.storm import Storm

SERVERS = ("copilot", "customerio", "yotpo")

_Make: TypeAlias = Callable[[str, Random], Action]
_HTML = b"<html><body>Welcome to the hotel's network</body></html>"
_TRUNCATED = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{"


def _wait_requested(place: str, random: Random) -> Action:
    status = random.choice((429, 503))
    if place == "yotpo":
        return Respond(429, {"ratelimit-reset": "1"})
    return Respond(status, {"retry-after": "1"})


_ACTIONS: Mapping[str, _Make] = {
    "5xx": lambda _, random: Respond(random.choice((500, 502, 503, 504))),
    "408 or 425": lambda _, random: Respond(random.choice((408, 425))),
    "wait requested": _wait_requested,
    "401": lambda _, __: Respond(401),
    "403": lambda _, __: Respond(403),
    "404 or 410": lambda _, random: Respond(random.choice((404, 410))),
    "redirect": lambda _, random: Respond(random.choice((301, 302, 307)), {"location": "http://127.0.0.1:9/"}),
    "unintelligible 200": lambda _, __: Respond(200, {"content-type": "text/html"}, _HTML),
    "truncated response": lambda _, __: Garbage(_TRUNCATED),
    "hang": lambda _, __: Hang(60),
    "late": lambda _, __: Delay(TIMEOUT_S * 1.6),
    "slow": lambda _, random: Delay(random.uniform(0.2, TIMEOUT_S / 4)),
    "trickle": lambda _, __: Trickle(TIMEOUT_S * 3),
    "reset": lambda _, __: Reset(),
    "lost response": lambda _, __: LoseResponse(),
}


def _responding(kind: str, make: _Make) -> Fault:
    def strike(storm: Storm, place: str, random: Random) -> ActiveFault:
        server = storm.world.servers[place]
        # Some of the requests, or all: an outage and an occasional failure are different cases.
        when: Predicate = always if random.random() < 0.5 else chance(0.4, Random(random.random()))
        rule = server.faults.add(make(place, random), when=when, name=kind)
        return ActiveFault(lambda: rule.hits, lambda: server.faults.remove(rule))

    return Fault(kind, SERVERS, (0.5, 3.0), strike, weight=2)


def _refuse_connections(storm: Storm, place: str, _: Random) -> ActiveFault:
    server = storm.world.servers[place]
    before = storm.deferrals(place, "unreachable")
    storm.world.server_thread.stop(server)
    return ActiveFault(
        lambda: storm.deferrals(place, "unreachable") - before, lambda: storm.world.server_thread.start(server)
    )


FAULTS = (
    *(_responding(kind, make) for kind, make in _ACTIONS.items()),
    Fault("connections refused", SERVERS, (0.5, 2.0), _refuse_connections, weight=2),
)
