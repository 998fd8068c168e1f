"""What a destination asks for in its answers, and what its rate allows, as its own log of requests shows it."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from email.utils import format_datetime
from pathlib import Path

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Gate, IncomingRequest, Respond, WaitForGate
from tests.e2e import kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import ISOLATED, Shop
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.members import JournaledMember
from tests.fault_injection.settings import change
from tests.kafka_clusters import RealBroker

_LANES = 4
_WAIT_S = 4
_RATE = 10
_A_SECOND = 1.0


@pytest.mark.timeout(900)
def test_no_request_starts_before_the_requested_wait_ends(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=15)
        shop = Shop(world.topic, PARTITIONS, world.pipelines, random.Random(31), customers=200)
        for _ in range(300):
            shop.order(vip=True)
        due = {name: _due(shop.records, name) for name in world.servers}
        wall_less_monotonic = time.time() - time.monotonic()
        until = {}

        def in_seconds(_: IncomingRequest) -> Respond:
            return Respond(429, {"retry-after": str(_WAIT_S)})

        def by_a_date(_: IncomingRequest) -> Respond:
            until["copilot"] = at = math.ceil(time.time()) + _WAIT_S
            return Respond(503, {"retry-after": format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)})

        def by_its_rate(_: IncomingRequest) -> Respond:
            return Respond(429, {"ratelimit-remaining": "0", "ratelimit-reset": str(_WAIT_S)})

        # Copilot's first answer tells the time, and before it only one call is made.
        early = 10
        first = {name: _due(shop.records[:early], name) for name in world.servers}
        gate = Gate()
        asks: dict[str, Callable[[IncomingRequest], Respond]] = {
            "customerio": in_seconds,
            "copilot": by_a_date,
            "yotpo": by_its_rate,
        }
        kafka_io.produce(apache_broker, world.topic, shop.records[:early])
        with JournaledMember(world, "member") as member:
            member.wait_until(lambda: _all_held(world, first), 180, "the first did not arrive")
            rules = []
            for name, server in world.servers.items():
                # All lanes but one are on the wire and stay there: no call can be under way to the server already.
                server.faults.add(WaitForGate(gate, processed_first=False), when=_delivers, times=_LANES - 1)
                rules.append(server.faults.add(asks[name], when=_delivers, times=1, name="asks"))
            kafka_io.produce(apache_broker, world.topic, shop.records[early:])
            member.wait_until(lambda: all(rule.hits for rule in rules), 180, "a lane is idle")
            # By its journal: on a busy machine a wait may be over before anybody has asked for its status.
            member.wait_until(lambda: _put_off(member) == set(due), 180, "a wait was not heard")
            # What Yotpo's lanes meet now is a dead token: a call for another one would be a request before its time.
            world.yotpo.expire_tokens()
            gate.open()
            member.wait_until(lambda: _all_held(world, due), 180, "not everything arrived")
            assert leaks(world, member) == []
            assert member.stop() == 0
        for name, server in world.servers.items():
            (told,) = [one for one in server.requests if one.fault == "asks"]
            earliest = told.ended + _WAIT_S if name not in until else until[name] - wall_less_monotonic
            later = sorted(one.started for one in server.requests if one.started > told.ended)
            print(f"\n{name}: asked at 0, for {earliest - told.ended:.2f} s, next at {later[0] - told.ended:.2f} s")
            assert later[0] >= earliest - (0.001 if name in until else 0), name  # two clocks are read one after another
        assert oracle.violations(shop.records, gather(world, timeout_s=15)) == []


@pytest.mark.timeout(900)
def test_rate_holds_in_every_second_for_two_members(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, {"cdp-yotpo": ("yotpo",)}) as world:
        change(world, destinations={"yotpo": {"rate": f"{_RATE}/s"}})
        shop = Shop(world.topic, PARTITIONS, world.pipelines, random.Random(32), customers=200)
        for _ in range(110):
            shop.order(vip=True)
        due, server = {one.stored_id for one in shop.owed}, world.yotpo
        kafka_io.produce(apache_broker, world.topic, shop.records)
        with world.member() as first:
            server.wait_until(lambda: len(server.requests) >= 2 * _RATE, 180)
            with world.member() as second:
                second.wait_for_partitions(PARTITIONS // 2)
                server.wait_until(lambda: _tokens(server) == 2, 180)  # now both are at work
                both = len(server.requests)
                server.wait_until(lambda: len(server.requests) >= both + _RATE, 180)
                server.expire_tokens()  # the calls for new ones count, too
                server.wait_until(lambda: _tokens(server) > 2, 180)
                assert first.stop() == 0
                second.wait_for_partitions(PARTITIONS)
                second.wait_until(lambda: due <= server.stored_ids(), 180, "not everything arrived")
                assert leaks(world, second) == []
                assert second.stop() == 0
        evidence = gather(world)
        most = _most_within(server, _A_SECOND)
        print(f"\nat {_RATE} a second: {len(server.requests)} requests, {_tokens(server)} of them for tokens;", end=" ")
        print(f"the busiest second saw {most}")
        assert most <= _RATE
        # A rebalance releases what was not below the committable offset, answered or not.
        assert oracle.violations(shop.records, evidence, may_repeat=frozenset(due)) == []


def _due(records: Iterable[ProducedRecord], destination: str) -> set[str]:
    return {one.stored_id for record in records for one in record.owed if one.destination == destination}


def _all_held(world: World, due: Mapping[str, set[str]]) -> bool:
    return all(due[name] <= server.stored_ids() for name, server in world.servers.items())


def _delivers(call: IncomingRequest) -> bool:
    return not call.path.endswith("access_tokens")


def _tokens(server: Fake) -> int:
    """Return how many calls for a token there were."""
    return len([request for request in server.requests if request.path.endswith("access_tokens")])


def _put_off(member: JournaledMember) -> set[str]:
    """Return the destinations of which a call was put off."""
    return {line["destination"] for line in member.journal("deferred")}


def _most_within(server: Fake, seconds: float) -> int:
    """Return how many requests the fullest window of so many seconds holds."""
    starts = sorted(request.started for request in server.requests)
    return max(sum(first <= other < first + seconds for other in starts) for first in starts)
