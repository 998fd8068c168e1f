"""End to end: the real service as processes, a real Kafka, strict servers with faults, and an oracle."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.fault_plan import FaultPlan
from tests.e2e.member import Member
from tests.e2e.shop import ISOLATED, Shop
from tests.e2e.world import CANARY, PARTITIONS, World
from tests.kafka_clusters import Broker

_KINDS = {
    "order",
    "profile",
    "consent",
    "merge",
    "page",
    "unmapped",
    "tombstone",
    "undecodable",
    "unknown schema",
    "poison for customerio",
    "poison for copilot",
    "poison for yotpo",
    "listed invalid",
    "oversize",
    "out of window",
    "breaks the contract",
    "repeated element",
}
_FAULTS = {"poison", "500", "503", "429", "hang", "late", "lost response", "reset"}
_STATUSES = {"copilot": {200, 204, 400, 429, 500}, "customerio": {200, 400, 429, 500}, "yotpo": {200, 201, 204, 400}}


def _records(world: World, rng: random.Random, count: int, bad: int) -> Shop:
    """Make `count` records, with one of each defect at `bad` places."""
    shop = Shop(world.topic, PARTITIONS, world.pipelines, rng)
    each = count // bad
    while len(shop.records) < count:
        before = len(shop.records)
        shop.one_of_each_defect()
        shop.ordinary(min(each - (len(shop.records) - before), count - len(shop.records)))
    return shop


def _all_ended(world: World, shop: Shop, records: int | None = None) -> Callable[[], bool]:
    """Return a check that every server has stored everything owed to it by the first `records` records."""
    owed = [one for record in shop.records[:records] for one in record.owed]
    due = {
        name: {one.stored_id for one in owed if one.destination == name and one.cause is None} for name in world.servers
    }
    return lambda: all(due[name] <= server.stored_ids() for name, server in world.servers.items())


def _open(member: Member) -> int:
    """Return the number of open records at one member."""
    return sum(pipeline["records"]["open"] for pipeline in member.status().values())


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_clean_shutdown_of_one_of_two_members_loses_and_repeats_nothing(broker: Broker, tmp_path: Path) -> None:
    count = 20_000 if broker.is_real else 4_000
    with World(broker, tmp_path, ISOLATED) as world:
        shop = _records(world, random.Random(20), count, bad=12)
        plan = FaultPlan(world, random.Random(3), each=8 if broker.is_real else 3, every=6 if broker.is_real else 4)
        with world.member() as remaining, world.member() as stopping:
            remaining.wait_for_partitions(PARTITIONS // 2)
            stopping.wait_for_partitions(PARTITIONS // 2)
            third = len(shop.records) // 3
            kafka_io.produce(broker, world.topic, shop.records[:third])
            remaining.wait_until(_all_ended(world, shop, third), 180, "not even the first third arrived")
            # From here no request is statuses_seen before SIGTERM, so the member's open deliveries cannot end before.
            plan.hold_responses()
            kafka_io.produce(broker, world.topic, shop.records[third : 2 * third])
            stopping.wait_until(lambda: _open(stopping) > shop.kinds.total() // 20, 180, "too few records are open")
            open_at_sigterm = _open(stopping)
            stopping.terminate()
            stopping.wait_for_line("shutdown started")
            stopped_status = stopping.status()  # it still runs: it waits for responses
            plan.release_responses()
            stopped_status = stopping.last_status(stopped_status)
            kafka_io.produce(broker, world.topic, shop.records[2 * third :])
            assert stopping.wait() == 0
            released = {line["pipeline"]: line["released"] for line in stopping.lines("pipeline stopped")}
            remaining.wait_for_partitions(PARTITIONS)
            remaining.wait_until(_all_ended(world, shop), 180, "not everything arrived")
            remaining.wait_until(
                lambda: all(not pipeline["records"]["open"] for pipeline in remaining.status().values()),
                180,
                "still open",
            )
            remaining_status = remaining.status()
            assert remaining.stop() == 0
        evidence = gather(world)
        hits = plan.hits()
        output = (
            remaining.log.read_text()
            + stopping.log.read_text()
            + remaining.errors.read_text()
            + stopping.errors.read_text()
        )
        print(f"\n{count} records on {broker.name}: {dict(shop.kinds)}")
        print(f"faults: { {name: dict(counted) for name, counted in hits.items()} }")
        print(f"open at SIGTERM: {open_at_sigterm}; released: {released}")
        print(f"arrived twice: { {name: len(found) for name, found in oracle.repeated(evidence).items()} }")

        assert oracle.violations(shop.records, evidence) == []
        assert accounting.mismatches(stopped_status) == []
        assert accounting.mismatches(remaining_status) == []
        assert not [word for word in ("customer-0", "subject-", "poison-", CANARY) if word in output], (
            "personal or secret data in the output"
        )
        # The run proves something only if every kind, fault and status occurred.
        assert len({(one.partition, one.key) for one in shop.owed}) >= 50
        assert {kind for kind in _KINDS if not shop.kinds[kind]} == set()
        assert {fault: name for name, counted in hits.items() for fault in _FAULTS if not counted[fault]} == {}
        assert hits["copilot"]["200 with invalid"] > 0
        for name, statuses in _STATUSES.items():
            statuses_seen = Counter(request.status for request in evidence.requests[name])
            assert {status for status in statuses if not statuses_seen[status]} == set(), name


@pytest.mark.timeout(900)
def test_accounting_of_a_shared_pipeline_agrees_with_the_oracle(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, {"cdp": ("customerio", "copilot", "yotpo")}) as world:
        shop = _records(world, random.Random(7), 1_500, bad=4)
        plan = FaultPlan(world, random.Random(11), each=1, every=3)
        with world.member() as member:
            kafka_io.produce(broker, world.topic, shop.records)
            member.wait_until(_all_ended(world, shop), 180, "not everything arrived")
            member.wait_until(
                lambda: all(not pipeline["records"]["open"] for pipeline in member.status().values()), 180, "still open"
            )
            differences = accounting.differences(shop.records, member.status(), member.metrics())
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []
        assert differences == []
        assert {fault: name for name, counted in plan.hits().items() for fault in _FAULTS if not counted[fault]} == {}
