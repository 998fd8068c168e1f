"""End to end: the real service in processes of its own, a real Kafka, strict servers that misbehave, and an oracle."""

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
_FAULTS = {"poison", "500", "503", "429", "hang", "late", "lost answer", "reset"}
_STATUSES = {"copilot": {200, 204, 400, 429, 500}, "customerio": {200, 400, 429, 500}, "yotpo": {200, 201, 204, 400}}


def _records(world: World, dice: random.Random, count: int, bad: int) -> Shop:
    """Make `count` records, the bad ones sprinkled in `bad` places."""
    shop = Shop(world.topic, PARTITIONS, world.pipelines, dice)
    each = count // bad
    while len(shop.records) < count:
        before = len(shop.records)
        shop.one_of_each_defect()
        shop.ordinary(min(each - (len(shop.records) - before), count - len(shop.records)))
    return shop


def _all_ended(world: World, shop: Shop, records: int | None = None) -> Callable[[], bool]:
    """Return what tells whether every server holds all it is owed (of the first records): worked out once."""
    owed = [one for record in shop.records[:records] for one in record.owed]
    due = {
        name: {one.stored_id for one in owed if one.destination == name and one.cause is None} for name in world.servers
    }
    return lambda: all(due[name] <= server.stored_ids() for name, server in world.servers.items())


def _open(member: Member) -> int:
    """Return how many records are open at one member."""
    return sum(pipeline["records"]["open"] for pipeline in member.status().values())


@pytest.mark.timeout(900)
@pytest.mark.slow
def test_two_members_and_one_leaving_in_the_middle_lose_nothing_and_repeat_nothing(
    broker: Broker, tmp_path: Path
) -> None:
    count = 20_000 if broker.is_real else 4_000
    with World(broker, tmp_path, ISOLATED) as world:
        shop = _records(world, random.Random(20), count, bad=12)
        plan = FaultPlan(world, random.Random(3), each=8 if broker.is_real else 3, every=6 if broker.is_real else 4)
        with world.member() as stays, world.member() as leaves:
            stays.wait_for_partitions(PARTITIONS // 2)
            leaves.wait_for_partitions(PARTITIONS // 2)
            third = len(shop.records) // 3
            kafka_io.produce(broker, world.topic, shop.records[:third])
            stays.wait_until(_all_ended(world, shop, third), 180, "not even the first third arrived")
            # From here no call is answered until the member has been asked: what it holds then can not have ended.
            plan.hold_responses()
            kafka_io.produce(broker, world.topic, shop.records[third : 2 * third])
            leaves.wait_until(lambda: _open(leaves) > shop.kinds.total() // 20, 180, "nothing is under way")
            open_at_leave = _open(leaves)
            leaves.terminate()
            leaves.wait_for_line("shutdown started")
            books_of_leaver = leaves.status()  # it is still there: it waits for answers
            plan.release_responses()
            books_of_leaver = leaves.last_status(books_of_leaver)
            kafka_io.produce(broker, world.topic, shop.records[2 * third :])
            assert leaves.wait() == 0
            released = {line["pipeline"]: line["released"] for line in leaves.lines("pipeline stopped")}
            stays.wait_for_partitions(PARTITIONS)
            stays.wait_until(_all_ended(world, shop), 180, "not everything arrived")
            stays.wait_until(
                lambda: all(not pipeline["records"]["open"] for pipeline in stays.status().values()), 180, "still open"
            )
            books_of_stayer = stays.status()
            assert stays.stop() == 0
        evidence = gather(world)
        hits = plan.hits()
        said = stays.log.read_text() + leaves.log.read_text() + stays.errors.read_text() + leaves.errors.read_text()
        print(f"\n{count} records on {broker.name}: {dict(shop.kinds)}")
        print(f"faults: { {name: dict(counted) for name, counted in hits.items()} }")
        print(f"open when asked to leave: {open_at_leave}; released: {released}")
        print(f"arrived twice: { {name: len(found) for name, found in oracle.repeated(evidence).items()} }")

        assert oracle.violations(shop.records, evidence) == []
        assert accounting.mismatches(books_of_leaver) == []
        assert accounting.mismatches(books_of_stayer) == []
        assert not [word for word in ("customer-0", "subject-", "poison-", CANARY) if word in said], (
            "personal or secret"
        )
        # A proof that never met what it is about proves nothing.
        assert len({(one.partition, one.key) for one in shop.owed}) >= 50
        assert {kind for kind in _KINDS if not shop.kinds[kind]} == set()
        assert {fault: name for name, counted in hits.items() for fault in _FAULTS if not counted[fault]} == {}
        assert hits["copilot"]["200 with invalid"] > 0
        for name, statuses in _STATUSES.items():
            answered = Counter(request.status for request in evidence.requests[name])
            assert {status for status in statuses if not answered[status]} == set(), name


@pytest.mark.timeout(900)
def test_a_shared_pipeline_reads_once_and_its_books_agree_with_the_oracle(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, {"cdp": ("customerio", "copilot", "yotpo")}) as world:
        shop = _records(world, random.Random(7), 1_500, bad=4)
        plan = FaultPlan(world, random.Random(11), each=1, every=3)
        with world.member() as member:
            kafka_io.produce(broker, world.topic, shop.records)
            member.wait_until(_all_ended(world, shop), 180, "not everything arrived")
            member.wait_until(
                lambda: all(not pipeline["records"]["open"] for pipeline in member.status().values()), 180, "still open"
            )
            disagreements = accounting.differences(shop.records, member.status(), member.metrics())
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []
        assert disagreements == []
        assert {fault: name for name, counted in plan.hits().items() for fault in _FAULTS if not counted[fault]} == {}
