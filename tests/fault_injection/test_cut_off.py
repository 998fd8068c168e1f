"""A member whose traffic to the brokers is blocked stops sending before its partitions are reassigned."""

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
"""Also the broker's session timeout for KIP-848, which it does not report to members."""
_RESPONSE_S = 0.1
_PROTOCOLS = {
    "classic": {},
    "kip-848": {"group.protocol": "consumer"},
}


@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", _PROTOCOLS.values(), ids=list(_PROTOCOLS))
def test_cut_off_member_stops_before_partitions_are_reassigned(
    own_kafka: OwnKafka, tmp_path: Path, protocol: dict[str, str], measured: Callable[[str], None]
) -> None:
    with own_kafka.proxy() as proxy, World(own_kafka, tmp_path, _ONE, partitions=2) as world:
        world.configure(bootstrap=own_kafka.proxy_bootstrap)
        reconfigure(world, kafka=protocol, batch=1)
        producer = OrderProducer(world, 81)
        journal = tmp_path / "cut.journal"
        with Member(world.config, tmp_path / "cut.log", program=("tests.e2e.timed_member", str(journal))) as cut:
            cut.wait_for_partitions(2)
            world.configure()  # the successor connects without the proxy
            reconfigure(world, kafka=protocol)
            rule = world.customerio.faults.add(Delay(_RESPONSE_S))
            producer.orders(400, vip=False)
            world.customerio.wait_until(lambda: len(world.customerio.received) >= 10, 180)
            proxy.block()
            blocked_at = time.monotonic()
            with world.member() as successor:
                successor.wait_for_partitions(2)
                world.customerio.faults.remove(rule)
                reassigned_at = _logged_at(successor, "partitions assigned")
                producer.wait_until_delivered()
                proxy.unblock()
                cut.wait_for_line("partitions lost")
                cut.wait_for_line("fence released")
                assert cut.stop() == 0
                assert successor.stop() == 0
        timeline = FenceTimeline(read_journal(journal), world.customerio.requests, _SESSION_S / 2)
        before = [one for one in timeline.requests if one.asked < reassigned_at]
        last = max(one.asked for one in before)
        measured(
            f"after the cut, requests continued for {last - blocked_at:.2f} s; "
            f"the partitions were reassigned after {reassigned_at - blocked_at:.2f} s; "
            f"each of {len(timeline.requests)} requests was written at most "
            f"{timeline.max_heartbeat_age_s():.3f} s after its commit"
        )
        assert all(one.written < reassigned_at for one in before), "an allowed request was written too late"
        assert timeline.max_heartbeat_age_s() < _SESSION_S
        assert any(blocked_at < one.asked for one in before), "no request was sent after the cut"
        assert list(timeline.violations()) == []
        assert last <= blocked_at + _SESSION_S / 2
        ids = frozenset(one.stored_id for one in producer.owed)
        assert oracle.violations(producer.records, gather(world), may_repeat=ids) == []


def _logged_at(member: Member, event: str) -> float:
    """Return the time of a member's first log line of an event, in monotonic seconds."""
    logged_at = datetime.fromisoformat(member.lines(event)[0]["ts"]).timestamp()
    return logged_at - (time.time() - time.monotonic())
