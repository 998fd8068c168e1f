"""Misleading responses, end to end: every server sends each of them to a real member once, and no event is lost."""

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
from tests.fault_injection.canary_search import SHOP_CANARIES, SearchedOutput
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import change
from tests.integration.delivery.hostile import chunked, head, respond
from tests.kafka_clusters import RealBroker

_PAGE = "page-canary-41d7"
_MAX_GROWTH_BYTES = 80_000_000
"""Allowed memory growth while a member receives a response of 100 MB. Its normal work needs much less."""


@dataclass(frozen=True)
class MisleadingResponse:
    """A response that a server sends once.

    Args:
        name: name of the fault. For the oracle, "late" is a response after the client's timeout.
        action: the fault.
        servers: the servers that send it.
        when: the requests that get it.
    """

    name: str
    action: Action | Callable[[IncomingRequest], Action | None]
    servers: tuple[str, ...] = ("copilot", "customerio", "yotpo")
    when: Predicate = always


def _several(incoming: IncomingRequest) -> bool:
    return len(incoming.items) > 1


def _listed(*indices: int | None) -> Callable[[IncomingRequest], Action]:
    """Return an action that lists events of the batch as invalid, by index; `None` is an event outside the batch."""

    def respond(incoming: IncomingRequest) -> Action:
        ids = ["unknown-id" if index is None else incoming.items[index].id for index in indices]
        return Respond(200, {}, json.dumps({"invalid_events": [{"event_id": one, "index": 0} for one in ids]}).encode())

    return respond


_BATCHES = ("copilot", "customerio")
_RESPONSES = (
    MisleadingResponse("200 with HTML", Respond(200, {"content-type": "text/html"}, f"<html>{_PAGE}</html>".encode())),
    MisleadingResponse("200 with truncated JSON", Garbage(respond(b'{"success":tr'))),
    MisleadingResponse("200 with invalid JSON", Respond(200, {}, b"{'success': True}")),
    MisleadingResponse("a body shorter than its length", Garbage(head(b"content-length: 100") + b'{"success":')),
    MisleadingResponse("an unknown entry", _listed(None), ("copilot",), _several),
    MisleadingResponse("an unknown entry among others", _listed(0, None), ("copilot",), _several),
    MisleadingResponse("an entry twice", _listed(0, 0), ("copilot",), _several),
    MisleadingResponse("204 instead of a body", Respond(204), ("customerio",)),
    MisleadingResponse("a redirect", Respond(307, {"location": f"http://127.0.0.1:9/{_PAGE}"}, b"")),
    MisleadingResponse("100 MB of body", Garbage(head(b"content-length: 100000000") + b" " * 100_000_000), _BATCHES),
    MisleadingResponse("endless headers", Garbage(b"HTTP/1.1 200 OK\r\n" + b"x: y\r\n" * 200_000)),
    MisleadingResponse("invalid chunks", Garbage(chunked(b"ZZ\r\n{}\r\n0\r\n\r\n"))),
    MisleadingResponse("two different lengths", Garbage(head(b"content-length: 2", b"content-length: 16") + b"{}")),
    MisleadingResponse("no HTTP", Garbage(b'{"success":true}')),
    MisleadingResponse("an absurd wait", Respond(503, {"retry-after": "-1e308"})),
    MisleadingResponse("accepted, then reset", LoseResponse()),
    MisleadingResponse("late", Trickle(TIMEOUT_S * 2)),
)


def _add_rules(server: Fake, name: str) -> list[Rule]:
    """Let a server send each response once. Every second request gets one."""
    fitting = [response for response in _RESPONSES if name in response.servers]
    return [
        server.faults.add(response.action, when=all_of(every(2), response.when), times=1, name=response.name)
        for response in fitting
    ]


def _peak_bytes(member: Member) -> int:
    """Return the peak resident memory of the process."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{member.process.pid}/status").read_text(encoding="ascii"))
    assert found
    return int(found[1]) * 1024


def _servers_with_repeats(world: World) -> Iterator[str]:
    """Yield the servers where each event accepted before a reset arrived again with the same id."""
    for name, server in world.servers.items():
        lost = {one for request in server.requests if request.fault == "accepted, then reset" for one in request.ids}
        arrived = [arrival.id for arrival in server.received]
        if lost and all(arrived.count(one) >= 2 for one in lost):
            yield name


@pytest.mark.timeout(900)
def test_misleading_responses_lose_no_event(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Repeats keep their id, memory stays bounded, and no output has a canary."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        change(world, every={"probe": "200ms"})
        producer, output = OrderProducer(world, 61), SearchedOutput()
        with world.member() as member:
            member.wait_for_partitions(world.partitions)
            producer.orders(100)
            producer.wait_until_delivered(within_s=120)
            before = _peak_bytes(member)
            rules = {name: _add_rules(server, name) for name, server in world.servers.items()}
            while remaining := [rule.name for some in rules.values() for rule in some if not rule.hits]:
                assert len(producer.records) < 6_000, f"never sent: {remaining}"
                producer.orders(40)
                producer.wait_until_delivered(within_s=120)
            growth = _peak_bytes(member) - before
            output.pages(member)
            assert member.stop() == 0
        output.files(world.folder)
        print(
            f"\nresponses: {sum(len(some) for some in rules.values())}, records: {len(producer.records)}, "
            f"memory growth: {growth} bytes"
        )
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"
        assert set(_servers_with_repeats(world)) == set(world.servers)
        assert growth < _MAX_GROWTH_BYTES
        assert "log" in output.channels
        assert output.leaks((*SHOP_CANARIES, _PAGE)) == []
