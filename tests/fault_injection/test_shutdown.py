"""A shutdown at any moment drains, commits and exits with 0, and the next member repeats nothing with a response."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Gate, LoseResponse, Respond, Rule, WaitForGate, chance
from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import INVALID, ISOLATED, POISON, Shop
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.members import JournaledMember
from tests.fault_injection.verdict import judge
from tests.kafka_clusters import Broker

_SEEDS = (1, 2, 3)
_TIMEOUT_S = 15.0
"""Long enough that no request times out while a slow machine starts a shutdown."""


def _hold_responses_after(server: Fake, records: list[ProducedRecord], gate: Gate, generator: random.Random) -> Rule:
    """Hold all responses after a random number of deliveries, less than half of those due to the server."""
    due = sum(one.destination == server.name and one.cause is None for record in records for one in record.owed)
    stored_limit = len(server.stored_ids()) + generator.randrange(due // 2)
    return server.faults.add(WaitForGate(gate), when=lambda _: len(server.stored_ids()) > stored_limit, name="held")


def _shut_down_midway(
    world: World, name: str, records: list[ProducedRecord], generator: random.Random
) -> tuple[JournaledMember, int]:
    """Start a member, shut it down at a random moment, and return it with its number of open records then."""
    gate = Gate()
    rules = [(server, _hold_responses_after(server, records, gate, generator)) for server in world.servers.values()]
    kafka_io.produce(world.broker, world.topic, records)
    with JournaledMember(world, name) as member:
        member.wait_until(lambda: all(rule.hits for _, rule in rules), 180, "no response was held")
        member.wait_until(
            lambda: all(each["records"]["open"] for each in member.status().values()),
            180,
            "a pipeline has no open record",
        )
        before = member.status()
        member.terminate()
        member.wait_for_line("shutdown started")
        gate.open()
        status = member.last_status(before)
        assert member.wait() == 0
    for server, rule in rules:
        server.faults.remove(rule)
    assert accounting.mismatches(status) == []
    assert sum(line["released"] for line in member.lines("pipeline stopped")) == 0, "the drain released deliveries"
    return member, sum(each["records"]["open"] for each in before.values())


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_shutdown_at_any_moment_leaves_nothing_to_repeat(broker: Broker, tmp_path: Path) -> None:
    """The member drains, commits and exits with 0."""
    # On the embedded cluster, each further member waits until the last session has expired.
    seeds = _SEEDS if broker.is_real else _SEEDS[:2]
    with World(broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        shop = Shop(world.topic, PARTITIONS, world.pipelines, random.Random(6))
        for name, server in world.servers.items():
            server.poison(POISON[name])
        world.mark_invalid(INVALID)  # after the poison rules: a batch with both must not be accepted
        members: list[JournaledMember] = []
        for seed in seeds:
            before = len(shop.records)
            shop.ordinary(150)
            shop.one_of_each_defect()
            shop.ordinary(150)
            failing = [
                (server, server.faults.add(action, when=chance(0.1, random.Random(seed)), times=3))
                for server in world.servers.values()
                for action in (Respond(500), LoseResponse())
            ]
            member, still_open = _shut_down_midway(
                world, f"shutdown-{seed}", shop.records[before:], random.Random(seed)
            )
            members.append(member)
            print(f"\n{still_open} records were open at the shutdown", end="")
            for server, rule in failing:
                server.faults.remove(rule)
        with JournaledMember(world, "last") as member:
            members.append(member)
            member.wait_for_partitions(PARTITIONS)
            member.wait_until(
                lambda: all(_caught_up(world, group) for group in world.pipelines),
                180,
                "the committed offsets are not the log ends",
            )
            assert member.stop() == 0
        evidence = gather(world)
        # The new assignment epochs allow no repeats here; only lost responses do.
        assert oracle.violations(shop.records, evidence) == []
        assert judge(shop, evidence, [member.journal() for member in members]) == []


def _caught_up(world: World, group: str) -> bool:
    ends = kafka_io.log_ends(world.broker, world.topic, PARTITIONS)
    return kafka_io.committed(world.broker, group, world.topic, PARTITIONS) == ends
