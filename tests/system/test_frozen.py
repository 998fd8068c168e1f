"""A process that stood still for a while: it makes no call until the broker has told it that it may still act."""

from __future__ import annotations

import random
import signal
import time
from datetime import datetime
from pathlib import Path

import pytest

from consumer.demo.fakes import Gate, Until
from tests.brokers import Broker
from tests.system import logs, oracle
from tests.system.evidence import gather
from tests.system.member import Member
from tests.system.shop import Shop
from tests.system.world import World

_PIPELINE = {"cdp-customerio": ("customerio",)}
_TIMEOUT_S = 15.0
"""Longer than the standstill: the calls made before it are answered meanwhile, and every lane is free at its end."""
_FROZEN = 2 / 3
"""Of a session: more than half of it, so that the fence must fall; less than all of it, so that no partition goes."""


@pytest.mark.timeout(120)
def test_a_member_that_was_frozen_starts_no_call_before_a_commit_was_accepted(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        shop = Shop(world.topic, 2, world.pipelines, random.Random(5), customers=40)
        shop.live(1200)
        early, late = shop.records[:200], shop.records[200:]
        due = {one.kept_as for one in shop.owed if one.destination == "customerio"}
        server, gate = world.customerio, Gate()
        world.configure(timeout_s=_TIMEOUT_S)
        with world.member() as member:
            member.wait_for_partitions(2)
            logs.produce(broker, world.topic, early)
            member.wait_until(
                lambda: sum(logs.committed(broker, group, world.topic, 2).values()) >= len(early), 30, "no commit"
            )
            rule = server.faults.add(Until(gate))
            logs.produce(broker, world.topic, late)
            member.wait_until(lambda: _all_lanes_call(member, group), 30, "a lane is idle")
            committed = logs.committed(broker, group, world.topic, 2)
            member.process.send_signal(signal.SIGSTOP)
            server.faults.remove(rule)
            gate.open()
            time.sleep(_FROZEN * broker.session_ms / 1000)  # it is the event itself
            thawed, wall_less_monotonic = time.monotonic(), time.time() - time.monotonic()
            member.process.send_signal(signal.SIGCONT)
            commits: set[float] = set()

            def over() -> bool:
                commits.add(_last_commit(member, group))
                return bool(member.lines("fence lifted"))

            member.wait_until(over, 20, "the fence stayed")
            commits.add(_last_commit(member, group))
            member.wait_until(lambda: due <= server.held(), 60, "not everything arrived")
            member.wait_until(
                lambda: logs.committed(broker, group, world.topic, 2) == logs.log_ends(broker, world.topic, 2),
                30,
                "not everything was committed",
            )
            fences = member.metrics()["cdp_kafka_fences_total", (("pipeline", group),)]
            assert member.leave() == 0
            opened = datetime.fromisoformat(member.lines("fence lifted")[0]["ts"]).timestamp()
        # What the broker accepted last before the fence was said to be open: not what it accepted later.
        accepted = max(at for at in commits if at <= opened + 0.001) - wall_less_monotonic
        first = min(one.started for one in server.requests if one.started > thawed)
        print(f"\nfrozen on {broker.name}: a commit was accepted {accepted - thawed:.3f} s after it,", end=" ")
        print(f"the first call began {first - accepted:.3f} s later")
        may_repeat = frozenset(one.kept_as for one in shop.owed if one.offset >= committed[one.partition])
        assert oracle.complaints(shop.records, gather(world, timeout_s=_TIMEOUT_S), may_repeat=may_repeat) == []
        assert [line["event"] for line in member.lines() if line["event"].startswith("fence")] == [
            "fenced",
            "fence lifted",
        ]
        assert fences == 1
        assert thawed < accepted < first


def _all_lanes_call(member: Member, pipeline: str) -> bool:
    """Whether every lane waits for an answer: then none is about to write to its connection."""
    (destination,) = member.status()[pipeline]["destinations"]
    return bool(destination["calls"] == destination["lanes"])


def _last_commit(member: Member, pipeline: str) -> float:
    """Return when the broker last accepted a commit, in epoch seconds."""
    return member.metrics()["cdp_kafka_last_commit_timestamp_seconds", (("pipeline", pipeline),)]
