"""A frozen process sends no request before the broker has accepted a commit again."""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Gate, WaitForGate
from tests.e2e import kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.fence_timeline import FenceTimeline
from tests.e2e.member import Member
from tests.e2e.shop import Shop
from tests.e2e.world import World
from tests.fault_injection.config_changes import reconfigure
from tests.fault_injection.members import read_journal
from tests.kafka_clusters import Broker

_PIPELINE = {"cdp-customerio": ("customerio",)}
_SESSION_S = 9.0
"""Longer than in the Kafka tests: on a busy machine a commit can take half of a short session and fence the member."""
_LIMIT_S = _SESSION_S / 2
_TIMEOUT_S = 19.0
"""Longer than the freeze: requests sent before it are answered meanwhile, and every lane is free at its end."""
_FROZEN = 2 / 3
"""Part of the session: more than half, so that the member is fenced; less than all, so that no partition is revoked."""


@pytest.mark.timeout(900)
def test_frozen_member_sends_nothing_before_a_commit_is_accepted(
    broker: Broker, tmp_path: Path, measured: Callable[[str], None]
) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        shop = Shop(world.topic, 2, world.pipelines, random.Random(5), customers=40)
        shop.ordinary(1200)
        early, late = shop.records[:200], shop.records[200:]
        due = {one.stored_id for one in shop.owed if one.destination == "customerio"}
        server, gate = world.customerio, Gate()
        world.configure(timeout_s=_TIMEOUT_S)
        reconfigure(world, kafka={"session.timeout.ms": f"{_SESSION_S * 1000:.0f}"})
        journal = tmp_path / "member.journal"
        with Member(world.config, tmp_path / "member.log", program=("tests.e2e.timed_member", str(journal))) as member:
            member.wait_for_partitions(2)
            kafka_io.produce(broker, world.topic, early)
            member.wait_until(
                lambda: sum(kafka_io.committed(broker, group, world.topic, 2).values()) >= len(early), 180, "no commit"
            )
            rule = server.faults.add(WaitForGate(gate))
            kafka_io.produce(broker, world.topic, late)
            lanes = _lanes(member, group)
            # The server holds a request of every lane, so the member has no request left that it could still send.
            member.wait_until(lambda: rule.hits == server.in_flight == lanes, 180, "a lane is idle")
            committed = kafka_io.committed(broker, group, world.topic, 2)
            member.process.send_signal(signal.SIGSTOP)
            thaw_at = time.monotonic() + _FROZEN * _SESSION_S
            server.faults.remove(rule)
            gate.open()
            time.sleep(max(0.0, thaw_at - time.monotonic()))  # the freeze itself
            thawed = time.monotonic()
            member.process.send_signal(signal.SIGCONT)
            member.wait_until(lambda: bool(member.lines("fence released")), 180, "the fence was not released")
            member.wait_until(lambda: due <= server.stored_ids(), 180, "not everything arrived")
            member.wait_until(
                lambda: kafka_io.committed(broker, group, world.topic, 2) == kafka_io.log_ends(broker, world.topic, 2),
                180,
                "not everything was committed",
            )
            fences = member.metrics()["cdp_kafka_fences_total", (("pipeline", group),)]
            assert member.stop() == 0
        may_repeat = frozenset(one.stored_id for one in shop.owed if one.offset >= committed[one.partition])
        assert oracle.violations(shop.records, gather(world, timeout_s=_TIMEOUT_S), may_repeat=may_repeat) == []
        timeline = FenceTimeline(read_journal(journal), server.requests, _LIMIT_S)
        assert len(timeline.requests) == len(server.requests)
        commit = min((one for one in timeline.commits if one.sent > thawed), key=lambda one: one.accepted)
        first = min(one.received for one in timeline.requests if one.received > thawed)
        measured(
            f"frozen on {broker.name}: a commit was sent {commit.sent - thawed:.3f} s after it and accepted "
            f"{commit.accepted - thawed:.3f} s after it, the first request came {first - commit.accepted:.3f} s later; "
            f"of {len(timeline.requests)} requests none was written later than "
            f"{timeline.max_heartbeat_age_s():.3f} s after its commit"
        )
        assert timeline.max_heartbeat_age_s() < _SESSION_S
        assert [line["event"] for line in member.lines() if line["event"].startswith("fence")] == [
            "fenced",
            "fence released",
        ]
        assert fences == 1
        assert list(timeline.violations()) == []
        assert thawed < commit.sent <= commit.accepted < first


def _lanes(member: Member, pipeline: str) -> int:
    (destination,) = member.status()[pipeline]["destinations"]
    return int(destination["lanes"])
