"""Answers that lie, end to end: a real member meets each of them once at every server, and nothing is lost by it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import (
    Action,
    Garbage,
    IncomingRequest,
    LoseResponse,
    Predicate,
    Respond,
    Rule,
    Trickle,
    all_of,
    always,
    every,
)
from tests.e2e import oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.shop import ISOLATED
from tests.e2e.world import TIMEOUT_S, World
from tests.fault_injection.canary_search import OF_THE_SHOP, SearchedOutput
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.integration.delivery.hostile import chunked, head, respond
from tests.kafka_clusters import RealBroker

_PAGE = "page-canary-41d7"
_MOST_MORE_BYTES = 80_000_000
"""What a member may grow by while it is sent a hundred megabytes; its own work is well below."""


@dataclass(frozen=True)
class MisleadingResponse:
    """What a server does once.

    Args:
        name: what it is; "late" are those that the oracle knows to be answered when the caller has left.
        action: the fault.
        servers: who tells it.
        when: to which calls.
    """

    name: str
    action: Action | Callable[[IncomingRequest], Action | None]
    servers: tuple[str, ...] = ("copilot", "customerio", "yotpo")
    when: Predicate = always


def _several(incoming: IncomingRequest) -> bool:
    return len(incoming.items) > 1


def _listed(*picked: int | None) -> Callable[[IncomingRequest], Action]:
    """Return an answer that lists these events of the batch; `None` is one that is not in it."""

    def answer(incoming: IncomingRequest) -> Action:
        ids = ["of-nobody" if index is None else incoming.items[index].id for index in picked]
        return Respond(200, {}, json.dumps({"invalid_events": [{"event_id": one, "index": 0} for one in ids]}).encode())

    return answer


_BATCHES = ("copilot", "customerio")
_LIES = (
    MisleadingResponse("200 with HTML", Respond(200, {"content-type": "text/html"}, f"<html>{_PAGE}</html>".encode())),
    MisleadingResponse("200 with truncated JSON", Garbage(respond(b'{"success":tr'))),
    MisleadingResponse("200 with invalid JSON", Respond(200, {}, b"{'success': True}")),
    MisleadingResponse("less body than announced", Garbage(head(b"content-length: 100") + b'{"success":')),
    MisleadingResponse("an entry of nobody", _listed(None), ("copilot",), _several),
    MisleadingResponse("an entry of nobody among others", _listed(0, None), ("copilot",), _several),
    MisleadingResponse("an entry twice", _listed(0, 0), ("copilot",), _several),
    MisleadingResponse("204 where a body was due", Respond(204), ("customerio",)),
    MisleadingResponse("a redirect", Respond(307, {"location": f"http://127.0.0.1:9/{_PAGE}"}, b"")),
    MisleadingResponse("100 MB of body", Garbage(head(b"content-length: 100000000") + b" " * 100_000_000), _BATCHES),
    MisleadingResponse("headers that do not end", Garbage(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000)),
    MisleadingResponse("chunks of nonsense", Garbage(chunked(b"ZZ\r\n{}\r\n0\r\n\r\n"))),
    MisleadingResponse("two lengths that differ", Garbage(head(b"content-length: 2", b"content-length: 16") + b"{}")),
    MisleadingResponse("no HTTP", Garbage(b'{"success":true}')),
    MisleadingResponse("an absurd wait", Respond(503, {"retry-after": "-1e308"})),
    MisleadingResponse("accepted, then reset", LoseResponse()),
    MisleadingResponse("late", Trickle(TIMEOUT_S * 2)),
)


def _tell(server: Fake, name: str) -> list[Rule]:
    """Let every second call of a server meet the next lie that fits it, each once."""
    mine = [lie for lie in _LIES if name in lie.servers]
    return [server.faults.add(lie.action, when=all_of(every(2), lie.when), times=1, name=lie.name) for lie in mine]


def _peak_bytes(member: Member) -> int:
    """Return the most memory the process ever held."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{member.process.pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


def _twice(world: World) -> Iterator[str]:
    """Name the servers at which something that was accepted before a reset came again under its own id."""
    for name, server in world.servers.items():
        lost = {one for request in server.requests if request.fault == "accepted, then reset" for one in request.ids}
        arrived = [arrival.id for arrival in server.received]
        if lost and all(arrived.count(one) >= 2 for one in lost):
            yield name


@pytest.mark.timeout(900)
def test_misleading_responses_lose_no_event(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        change(world, every={"probe": "200ms"})
        shop, said = OrderProducer(world, 61), SearchedOutput()
        with world.member() as member:
            member.wait_for_partitions(world.partitions)
            shop.orders(100)
            shop.wait_until_delivered(within_s=120)
            before = _peak_bytes(member)
            rules = {name: _tell(server, name) for name, server in world.servers.items()}
            while left := [rule.name for told in rules.values() for rule in told if not rule.hits]:
                assert len(shop.records) < 6_000, f"never told: {left}"
                shop.orders(40)
                shop.wait_until_delivered(within_s=120)
            grown = _peak_bytes(member) - before
            said.pages(member)
            assert member.stop() == 0
        said.files(world.folder)
        print(
            f"\nlies: {sum(len(told) for told in rules.values())}, records: {len(shop.records)}, grown by {grown} bytes"
        )
        assert oracle.violations(shop.records, gather(world)) == [], "a letter would be among the complaints"
        assert set(_twice(world)) == set(world.servers)
        assert grown < _MOST_MORE_BYTES
        assert "log" in said.channels
        assert said.leaks((*OF_THE_SHOP, _PAGE)) == []
