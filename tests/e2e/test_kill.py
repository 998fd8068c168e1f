"""SIGKILL between a request and its response: nothing is lost, and only uncommitted deliveries are repeated."""

from __future__ import annotations

import random
import time
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Gate, Hang, WaitForGate, contains
from tests.e2e import kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.shop import Shop
from tests.e2e.world import World
from tests.kafka_clusters import Broker

_PIPELINE = {"cdp-customerio": ("customerio",)}
_TIMEOUT_S = 15.0
"""Long enough for a slow machine to kill the member before the request times out."""


@pytest.mark.timeout(900)
@pytest.mark.parametrize("stored", [True, False], ids=["after the event is stored", "before the event is stored"])
def test_member_killed_while_waiting_for_a_response_loses_nothing(broker: Broker, tmp_path: Path, stored: bool) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        shop = Shop(world.topic, 2, world.pipelines, random.Random(3), customers=20)
        shop.ordinary(1500)
        shop.one_of_each_defect()
        # In the middle, so that lower offsets are committed already and deliveries above, of other keys, are not.
        due = {one.stored_id: one for one in shop.owed if one.destination == "customerio" and not one.cause}
        held = list(due.values())[len(due) // 2]
        gate = Gate()
        rule = world.customerio.faults.add(
            WaitForGate(gate) if stored else Hang(60), when=contains(held.stored_id), times=1, name="held response"
        )
        server = world.customerio
        world.configure(timeout_s=_TIMEOUT_S)
        server.poison("poison-customerio")
        with world.member() as killed:
            killed.wait_for_partitions(2)
            early, late = shop.records[:200], shop.records[200:]
            kafka_io.produce(broker, world.topic, early)
            killed.wait_until(
                lambda: sum(kafka_io.committed(broker, group, world.topic, 2).values()) >= len(early), 180, "no commit"
            )
            kafka_io.produce(broker, world.topic, late)
            server.wait_until(lambda: rule.hits == 1, 180)
            killed.kill()
            cut = time.monotonic()
        # The next member starts at the committed offsets: it repeats what was stored above them, and no more.
        committed = kafka_io.committed(broker, group, world.topic, 2)
        before = {one.id for one in server.received}
        above = [one for one in shop.owed if one.offset >= committed[one.partition]]
        bound = frozenset(one.stored_id for one in above) & before
        dead_letters_again = frozenset(one.delivery_id for one in above if one.cause)
        gate.open()
        with world.member() as restarted:
            restarted.wait_until(lambda: due.keys() <= server.stored_ids(), 180, "not everything arrived")
            restarted.wait_until(
                lambda: kafka_io.committed(broker, group, world.topic, 2) == kafka_io.log_ends(broker, world.topic, 2),
                180,
                "not everything was committed",
            )
            assert restarted.stop() == 0
        evidence = gather(world, timeout_s=_TIMEOUT_S, killed_at=(cut,))
        twice = oracle.repeated(evidence)["customerio"]
        print(f"\nkilled on {broker.name}: {len(before)} stored before, {len(twice)} of them again,", end=" ")
        print(f"at most {len(bound)}: stored at or above the committed offsets")

        assert oracle.violations(shop.records, evidence, may_repeat=bound | dead_letters_again) == []
        assert twice <= bound
        assert (held.stored_id in twice) is stored, "the held request was not the intended one"
        assert min(committed.values()) > 0, "nothing was committed before the kill, so the bound proves nothing"
