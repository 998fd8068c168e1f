"""Members join, shut down, are killed and freeze during deliveries: real processes, with every group protocol."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Delay, Gate, WaitForGate
from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.shop import Shop
from tests.e2e.world import World
from tests.fault_injection.config_changes import reconfigure
from tests.fault_injection.measurements import assignment, rebalances
from tests.fault_injection.members import JournaledMember
from tests.fault_injection.verdict import judge
from tests.kafka_clusters import Broker

_PIPELINE = {"cdp-customerio": ("customerio",)}
_PARTITIONS = 6
_TIMEOUT_S = 120.0
"""Longer than a response is held back here."""
_LONG_BUDGETS = {"drain": "150s", "termination_grace": "600s"}
_LANES = 4
_LONG_SESSION = {"session.timeout.ms": "300000"}
"""Allows a slow start. With KIP-848 the brokers set the session timeout, and partitions may move meanwhile."""
_DELAY = Delay(0.15)
_STATIC_MEMBER = {"group.instance.id": "${CDP_TEST_MEMBER}"}
_PROTOCOLS = [
    pytest.param({"partition.assignment.strategy": "range"}, id="range"),
    pytest.param({"partition.assignment.strategy": "cooperative-sticky"}, id="cooperative"),
    pytest.param({"group.protocol": "consumer"}, id="kip-848"),
]


class Group:
    """The members of one group, the records for them, and the server that receives the deliveries."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.server = world.customerio
        (self.name,) = world.pipelines
        self.shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(17), customers=300)
        self._due: set[str] = set()
        self._stored_before = 0
        self._monkeypatch = monkeypatch

    def member(self, name: str, instance_id: str | None = None) -> JournaledMember:
        """Start a member. A static member gets `instance_id` as its `group.instance.id`, by default its name."""
        self._monkeypatch.setenv("CDP_TEST_MEMBER", instance_id or name)
        return JournaledMember(self.world, name)

    def produce(self, count: int) -> None:
        """Produce the records of `count` further events."""
        self._stored_before = len(self.server.stored_ids())
        count_before = len(self.shop.records)
        self.shop.ordinary(count)
        new = self.shop.records[count_before:]
        kafka_io.produce(self.world.broker, self.world.topic, new)
        self._due |= {one.stored_id for record in new for one in record.owed}

    def wait_for_arrivals(self, member: Member) -> None:
        """Wait until some deliveries of the last `produce` have arrived."""
        member.wait_until(lambda: len(self.server.stored_ids()) > self._stored_before + 20, 180, "nothing is delivered")

    def wait_for_everything(self, member: Member) -> None:
        """Wait until every delivery has arrived and every offset is committed."""
        member.wait_until(lambda: self._due <= self.server.stored_ids(), 180, "not everything arrived")
        member.wait_until(lambda: self.committed() == self.log_ends(), 180, "not all offsets were committed")

    def committed(self) -> dict[int, int]:
        """Return the committed offsets of the group."""
        return kafka_io.committed(self.world.broker, self.name, self.world.topic, _PARTITIONS)

    def log_ends(self) -> dict[int, int]:
        """Return the end offsets of the partitions."""
        return kafka_io.log_ends(self.world.broker, self.world.topic, _PARTITIONS)

    def wait_until_all_lanes_wait(self, *members: Member) -> None:
        """Wait until every lane waits for a response; then no lane is about to send another request."""
        for member in members:
            member.wait_until(lambda one=member: _all_lanes_in_flight(one, self.name), 180, "a lane is idle")  # type: ignore[misc]
        self.server.wait_until(lambda: self.server.in_flight == _LANES * len(members), 180)

    def partitions_of(self, *members: Member) -> set[int]:
        """Return the partitions that are assigned to these members."""
        return {one["partition"] for member in members for one in member.status()[self.name]["partitions"]}


def _has_assignment_after(member: JournaledMember, at: float) -> bool:
    return any(line["at"] > at for line in member.journal("assigned"))


def _all_lanes_in_flight(member: Member, group: str) -> bool:
    (destination,) = member.status()[group]["destinations"]
    return bool(destination["requests"] == destination["lanes"] == _LANES)


@pytest.mark.timeout(900)
@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [*_PROTOCOLS, pytest.param({"partition.assignment.strategy": "cooperative-sticky", **_STATIC_MEMBER}, id="static")],
)
def test_joins_leaves_kills_and_freezes_lose_nothing(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: dict[str, str]
) -> None:
    """Order holds as well, and the thawed member neither sends nor commits for lost partitions."""
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        reconfigure(world, kafka=protocol, batch=5, budgets=_LONG_BUDGETS)
        group = Group(world, monkeypatch)
        slow = group.server.faults.add(_DELAY)
        with group.member("frozen") as frozen, group.member("killed") as killed:
            for member in (frozen, killed):
                member.wait_for_partitions(3)
            group.produce(500)
            group.wait_for_arrivals(frozen)
            with group.member("steady") as steady:  # partitions are revoked while responses are outstanding
                for member in (frozen, killed, steady):
                    member.wait_for_partitions(2)
                group.wait_for_everything(steady)

                gate = Gate()
                group.server.faults.remove(slow)
                held_back = group.server.faults.add(WaitForGate(gate))
                group.produce(500)
                group.wait_until_all_lanes_wait(frozen, killed, steady)
                partitions_of_failed = group.partitions_of(frozen, killed)
                frozen.process.send_signal(signal.SIGSTOP)
                committed = group.committed()
                killed.kill()
                killed_at = time.monotonic()
                group.server.faults.remove(held_back)
                gate.open()
                steady.wait_for_partitions(_PARTITIONS)
                group.wait_for_everything(steady)
                committed_at_end = group.committed()

                thawed_at = time.monotonic()
                frozen.process.send_signal(signal.SIGCONT)
                for member in (frozen, steady):
                    member.wait_for_partitions(3)
                # It may lose the partitions before it checks its fence: then there is no log line about the fence.
                frozen.wait_until(lambda: _has_assignment_after(frozen, thawed_at), 180, "no partition was assigned")
                reassigned_at = time.monotonic()
                assert group.committed() == committed_at_end, "the frozen member committed lost partitions"

                group.server.faults.add(_DELAY)
                group.produce(300)
                group.wait_for_arrivals(steady)
                assert steady.stop() == 0
                group.wait_for_everything(frozen)
                mismatches, losses = accounting.mismatches(frozen.status()), frozen.lines("partitions lost")
                assert frozen.stop() == 0
        # Everything was delivered during the freeze, so the thawed member must not send before its new assignment.
        assert [one.number for one in group.server.requests if thawed_at < one.started < reassigned_at] == [], (
            "the thawed member sent a request for lost partitions"
        )
        evidence = gather(world, timeout_s=_TIMEOUT_S, killed_at=(killed_at,))
        assert judge(group.shop, evidence, [member.journal() for member in (frozen, killed, steady)]) == []
        repeated = oracle.repeated(evidence)["customerio"]
        in_flight = {
            one.stored_id
            for one in group.shop.owed
            if one.partition in partitions_of_failed and one.offset >= committed[one.partition]
        }
        print(
            f"\n{len(repeated)} repeated; {len(repeated & in_flight)} of them were in flight at the kill and the freeze"
        )
        assert repeated & in_flight, "no request was in flight at the kill and the freeze"
        assert losses, "the frozen member lost no partition"
        assert mismatches == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_static_member_restart_moves_no_other_partition(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: dict[str, str]
) -> None:
    """With KIP-848, a kill moves the partitions until the session expires."""
    classic = "group.protocol" not in protocol
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        reconfigure(world, kafka={**protocol, **_STATIC_MEMBER, **_LONG_SESSION}, batch=5, budgets=_LONG_BUDGETS)
        group = Group(world, monkeypatch)
        slow = group.server.faults.add(_DELAY)
        with group.member("steady") as steady, group.member("first") as first:
            for member in (steady, first):
                member.wait_for_partitions(3)
            assigned = assignment(steady), rebalances(steady)
            own_partitions = group.partitions_of(first)
            group.produce(300)
            group.wait_for_arrivals(first)
            assert first.stop() == 0
            with group.member("second", "first") as second:
                second.wait_for_partitions(3)
                assert group.partitions_of(second) == own_partitions or not classic
                gate = Gate()
                group.server.faults.remove(slow)
                group.server.faults.add(WaitForGate(gate))
                group.produce(300)
                group.wait_until_all_lanes_wait(second, steady)
                second.kill()
                killed_at = time.monotonic()
                gate.open()
            if not classic:  # its id is in use until its session expires; then the other member gets all
                steady.wait_for_partitions(_PARTITIONS)
            with group.member("third", "first") as third:
                third.wait_for_partitions(3)
                group.wait_for_everything(third)
                if classic:
                    assert (assignment(steady), rebalances(steady)) == assigned, "partitions of the other member moved"
                    assert group.partitions_of(third) == own_partitions
                assert third.stop() == 0
            assert steady.stop() == 0
        evidence = gather(world, timeout_s=_TIMEOUT_S, killed_at=(killed_at,))
        assert judge(group.shop, evidence, [one.journal() for one in (steady, first, second, third)]) == []
        repeated = oracle.repeated(evidence)["customerio"]
        print(f"\n{len(repeated)} repeated after the kill")
        assert repeated, "no request was in flight at the kill"


@pytest.mark.timeout(900)
def test_second_process_with_the_same_instance_id_ends_one(broker: Broker, tmp_path: Path) -> None:
    """The older member exits with 1; its log has an error message without a traceback."""
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        reconfigure(world, kafka={"group.instance.id": "pod-0"})
        with world.member() as older:
            older.wait_for_partitions(2)
            with world.member() as younger:
                younger.wait_for_partitions(2)
                assert older.wait() == 1
                (crash,) = older.lines("pipeline crashed")
                assert crash["error"].startswith(
                    f"group {group}: group.instance.id=pod-0 is used by another member (FENCED_INSTANCE_ID). "
                )
                assert older.errors.read_text() == "", "a traceback was printed"
                assert younger.stop() == 0
