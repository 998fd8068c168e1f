"""A member is cut off from its brokers, and nobody tells it: it stops calling before its partitions are another's."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Delay
from tests.e2e import oracle
from tests.e2e.evidence import gather
from tests.e2e.fence_timeline import FenceTimeline
from tests.e2e.member import Member
from tests.e2e.world import World
from tests.fault_injection.config_changes import reconfigure
from tests.fault_injection.members import read_journal
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.own_kafka import OwnKafka

_ONE = {"cdp-customerio": ("customerio",)}
_SESSION_S = 6.0
"""Of the broker, too, for the protocol whose members it does not tell."""
_CALL_S = 0.1
_PROTOCOLS = {
    "classic": {},
    "kip-848": {"group.protocol": "consumer"},
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", _PROTOCOLS.values(), ids=list(_PROTOCOLS))
def test_cut_off_member_stops_before_partitions_are_reassigned(
    own_kafka: OwnKafka, tmp_path: Path, protocol: dict[str, str], measured: Callable[[str], None]
) -> None:
    with own_kafka.front() as front, World(own_kafka, tmp_path, _ONE, partitions=2) as world:
        world.configure(bootstrap=own_kafka.front_bootstrap)
        reconfigure(world, kafka=protocol, batch=1)
        shop = OrderProducer(world, 81)
        journal = tmp_path / "cut.journal"
        with Member(world.config, tmp_path / "cut.log", program=("tests.e2e.timed_member", str(journal))) as cut:
            cut.wait_for_partitions(2)
            world.configure()  # its successor comes by the front door
            reconfigure(world, kafka=protocol)
            rule = world.customerio.faults.add(Delay(_CALL_S))
            shop.orders(400, vip=False)
            world.customerio.wait_until(lambda: len(world.customerio.received) >= 10, 180)
            front.jam()
            jammed = time.monotonic()
            with world.member() as heir:
                heir.wait_for_partitions(2)
                world.customerio.faults.remove(rule)
                taken = _moment(heir, "partitions assigned")
                shop.wait_until_delivered()
                front.clear()
                cut.wait_for_line("partitions lost")
                cut.wait_for_line("fence released")
                assert cut.stop() == 0
                assert heir.stop() == 0
        record = FenceTimeline(read_journal(journal), world.customerio.requests, _SESSION_S / 2)
        before = [one for one in record.requests if one.asked < taken]
        last = max(one.asked for one in before)
        measured(
            f"requests went on {last - jammed:.2f} s; {taken - jammed:.2f} s after it another had the partitions; "
            f"of {len(record.requests)} requests none was written later than "
            f"{record.max_heartbeat_age_s():.3f} s after its commit"
        )
        assert all(one.written < taken for one in before), "what was allowed in time leaves in time"
        assert record.max_heartbeat_age_s() < _SESSION_S
        assert any(jammed < one.asked for one in before), "it had something to call for"
        assert list(record.violations()) == []
        assert last <= jammed + _SESSION_S / 2
        ids = frozenset(one.stored_id for one in shop.owed)
        assert oracle.violations(shop.records, gather(world), may_repeat=ids) == []


def _moment(member: Member, event: str) -> float:
    """Return when a member wrote its first line of an event, in monotonic seconds."""
    said = datetime.fromisoformat(member.lines(event)[0]["ts"]).timestamp()
    return said - (time.time() - time.monotonic())
