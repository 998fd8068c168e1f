"""kill -9 between a call and its answer: nothing is lost, and what is repeated is no more than was not committed."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from consumer.demo.fakes import Gate, Until, contains
from tests.brokers import Broker
from tests.system import logs, oracle
from tests.system.evidence import gather
from tests.system.shop import Shop
from tests.system.world import World

_PIPELINE = {"cdp-customerio": ("customerio",)}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("taken", [True, False], ids=["after it was taken", "before it was taken"])
def test_a_member_killed_while_it_waits_for_an_answer_loses_nothing(
    broker: Broker, tmp_path: Path, taken: bool
) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        shop = Shop(world.topic, 2, world.pipelines, random.Random(3), customers=20)
        shop.live(1500)
        shop.trouble()
        # Mid-way, so that offsets below it are committed already and deliveries above it, of other keys, are not.
        held = next(
            one for one in shop.owed[len(shop.owed) // 2 :] if one.destination == "customerio" and not one.cause
        )
        gate = Gate()
        rule = world.customerio.faults.add(
            Until(gate, processed_first=taken), when=contains(held.kept_as), times=1, name="held answer"
        )
        server = world.customerio
        server.poison("poison-customerio")
        with world.member() as killed:
            killed.wait_for_partitions(2)
            early, late = shop.records[:200], shop.records[200:]
            logs.produce(broker, world.topic, early)
            killed.wait_until(
                lambda: sum(logs.committed(broker, group, world.topic, 2).values()) >= len(early), 30, "no commit"
            )
            logs.produce(broker, world.topic, late)
            server.wait_until(lambda: rule.hits == 1, 30)
            killed.kill()
            cut = time.monotonic()
        committed = logs.committed(broker, group, world.topic, 2)
        before = {one.id for one in server.received}
        gate.open()
        with world.member() as restarted:
            due = {one.kept_as for one in shop.owed if one.destination == "customerio" and not one.cause}
            restarted.wait_until(lambda: due <= server.held(), 60, "not everything arrived")
            restarted.wait_until(
                lambda: logs.committed(broker, group, world.topic, 2) == logs.log_ends(broker, world.topic, 2),
                30,
                "not everything was committed",
            )
            assert restarted.leave() == 0
        open_at_the_kill = frozenset(
            name
            for one in shop.owed
            if one.offset >= committed[one.partition]
            for name in (one.kept_as, one.delivery_id)
        )
        evidence = gather(world, cut=(cut,))
        twice = oracle.repeated(evidence)["customerio"]
        print(f"\nkilled on {broker.name}: {len(before)} taken before, {len(twice)} of them again,", end=" ")
        print(f"{len([one for one in shop.owed if one.offset >= committed[one.partition]])} deliveries not committed")

        assert oracle.complaints(shop.records, evidence, may_repeat=open_at_the_kill) == []
        assert twice <= open_at_the_kill
        assert (held.kept_as in twice) is taken, "the held call was not what the test thinks"
        assert min(committed.values()) > 0, "nothing was committed before the kill: the bound would bind nothing"
