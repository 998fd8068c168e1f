"""Waits requested in responses and configured rates, checked with the servers' own log of requests."""

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
_WINDOW_S = 1.0


@pytest.mark.timeout(900)
def test_no_request_starts_before_the_requested_wait_ends(apache_broker: RealBroker, tmp_path: Path) -> None:
    """The wait is requested in seconds, as a date, or by rate-limit headers; it applies to token requests as well."""
    with World(apache_broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=15)
        shop = Shop(world.topic, PARTITIONS, world.pipelines, random.Random(31), customers=200)
        for _ in range(300):
            shop.order(vip=True)
        due = {name: _due(shop.records, name) for name in world.servers}
        wall_minus_monotonic = time.time() - time.monotonic()
        until = {}

        def in_seconds(_: IncomingRequest) -> Respond:
            return Respond(429, {"retry-after": str(_WAIT_S)})

        def in_date(_: IncomingRequest) -> Respond:
            until["copilot"] = at = math.ceil(time.time()) + _WAIT_S
            return Respond(503, {"retry-after": format_datetime(datetime.fromtimestamp(at, UTC), usegmt=True)})

        def in_rate_limit_headers(_: IncomingRequest) -> Respond:
            return Respond(429, {"ratelimit-remaining": "0", "ratelimit-reset": str(_WAIT_S)})

        # Copilot's deadline is known after its response; before that, only one request is sent.
        early_count = 10
        early_due = {name: _due(shop.records[:early_count], name) for name in world.servers}
        gate = Gate()
        wait_rules: dict[str, Callable[[IncomingRequest], Respond]] = {
            "customerio": in_seconds,
            "copilot": in_date,
            "yotpo": in_rate_limit_headers,
        }
        kafka_io.produce(apache_broker, world.topic, shop.records[:early_count])
        with JournaledMember(world, "member") as member:
            member.wait_until(lambda: _all_stored(world, early_due), 180, "the first records did not arrive")
            rules = []
            for name, server in world.servers.items():
                # All lanes but one wait for a held response, so no other request can be on its way to the server.
                server.faults.add(WaitForGate(gate, processed_first=False), when=_is_delivery, times=_LANES - 1)
                rules.append(server.faults.add(wait_rules[name], when=_is_delivery, times=1, name="requested wait"))
            kafka_io.produce(apache_broker, world.topic, shop.records[early_count:])
            member.wait_until(lambda: all(rule.hits for rule in rules), 180, "a lane is idle")
            # Read the journal, not /status: on a busy machine a wait may end before the status is read.
            member.wait_until(
                lambda: _deferred_destinations(member) == set(due), 180, "a requested wait was not noticed"
            )
            # Yotpo's lanes get a 401 now. A request for a new token during the wait would be too early as well.
            world.yotpo.expire_tokens()
            gate.open()
            member.wait_until(lambda: _all_stored(world, due), 180, "not everything arrived")
            assert leaks(world, member) == []
            assert member.stop() == 0
        for name, server in world.servers.items():
            (response_with_wait,) = [one for one in server.requests if one.fault == "requested wait"]
            earliest = response_with_wait.ended + _WAIT_S if name not in until else until[name] - wall_minus_monotonic
            later = sorted(one.started for one in server.requests if one.started > response_with_wait.ended)
            wait_s, next_s = earliest - response_with_wait.ended, later[0] - response_with_wait.ended
            print(f"\n{name}: wait of {wait_s:.2f} s requested, next request after {next_s:.2f} s")
            assert later[0] >= earliest - (0.001 if name in until else 0), name  # the clocks are not read at once
        assert oracle.violations(shop.records, gather(world, timeout_s=15)) == []


@pytest.mark.timeout(900)
def test_rate_holds_in_every_second_for_two_members(apache_broker: RealBroker, tmp_path: Path) -> None:
    """The server counts the requests of both members, across rebalances, token requests included."""
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
                server.wait_until(lambda: _token_requests(server) == 2, 180)  # now both members send
                before = len(server.requests)
                server.wait_until(lambda: len(server.requests) >= before + _RATE, 180)
                server.expire_tokens()  # token requests count towards the rate
                server.wait_until(lambda: _token_requests(server) > 2, 180)
                assert first.stop() == 0
                second.wait_for_partitions(PARTITIONS)
                second.wait_until(lambda: due <= server.stored_ids(), 180, "not everything arrived")
                assert leaks(world, second) == []
                assert second.stop() == 0
        evidence = gather(world)
        busiest = _most_requests_within(server, _WINDOW_S)
        print(
            f"\nat {_RATE}/s: {len(server.requests)} requests, {_token_requests(server)} of them for tokens;", end=" "
        )
        print(f"{busiest} in the busiest second")
        assert busiest <= _RATE
        # A rebalance releases deliveries at or above the committable offset, even those with a response.
        assert oracle.violations(shop.records, evidence, may_repeat=frozenset(due)) == []


def _due(records: Iterable[ProducedRecord], destination: str) -> set[str]:
    return {one.stored_id for record in records for one in record.owed if one.destination == destination}


def _all_stored(world: World, due: Mapping[str, set[str]]) -> bool:
    return all(due[name] <= server.stored_ids() for name, server in world.servers.items())


def _is_delivery(request: IncomingRequest) -> bool:
    return not request.path.endswith("access_tokens")


def _token_requests(server: Fake) -> int:
    """Return the number of token requests."""
    return len([request for request in server.requests if request.path.endswith("access_tokens")])


def _deferred_destinations(member: JournaledMember) -> set[str]:
    """Return the destinations with a deferred request."""
    return {line["destination"] for line in member.journal("deferred")}


def _most_requests_within(server: Fake, seconds: float) -> int:
    """Return the highest number of requests in any window of this many seconds."""
    starts = sorted(request.started for request in server.requests)
    return max(sum(start <= other < start + seconds for other in starts) for start in starts)
