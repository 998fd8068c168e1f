"""Members join, leave, are killed and stand still while deliveries run: on every group protocol, as real processes."""

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
"""Longer than a call is held back here."""
_PATIENT = {"drain": "150s", "termination_grace": "600s"}
_LANES = 4
_LONG_SESSION = {"session.timeout.ms": "300000"}
"""A start may take as long as it likes: with the new protocol it is the brokers' word, and partitions may move."""
_SLOW = Delay(0.15)
_STATIC = {"group.instance.id": "${CDP_TEST_MEMBER}"}
_PROTOCOLS = [
    pytest.param({"partition.assignment.strategy": "range"}, id="range"),
    pytest.param({"partition.assignment.strategy": "cooperative-sticky"}, id="cooperative"),
    pytest.param({"group.protocol": "consumer"}, id="kip-848"),
]


class Group:
    """The members of one group, what they are to deliver, and the server that takes it."""

    def __init__(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        self.world = world
        self.server = world.customerio
        (self.name,) = world.pipelines
        self.shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(17), customers=300)
        self._due: set[str] = set()
        self._before = 0
        self._monkeypatch = monkeypatch

    def member(self, name: str, instance: str | None = None) -> JournaledMember:
        """Start a member; where members have names of their own, with this one or that of an `instance` before it."""
        self._monkeypatch.setenv("CDP_TEST_MEMBER", instance or name)
        return JournaledMember(self.world, name)

    def produce(self, count: int) -> None:
        """Have so many more things happen in the shop."""
        self._before = len(self.server.stored_ids())
        made = len(self.shop.records)
        self.shop.ordinary(count)
        new = self.shop.records[made:]
        kafka_io.produce(self.world.broker, self.world.topic, new)
        self._due |= {one.stored_id for record in new for one in record.owed}

    def some_arrive(self, member: Member) -> None:
        """Wait until deliveries of what was produced last run."""
        member.wait_until(lambda: len(self.server.stored_ids()) > self._before + 20, 180, "nothing is delivered")

    def everything_ends(self, member: Member) -> None:
        """Wait until all has arrived and is committed."""
        member.wait_until(lambda: self._due <= self.server.stored_ids(), 180, "not everything arrived")
        member.wait_until(lambda: self.committed() == self.log_ends(), 180, "not everything was committed")

    def committed(self) -> dict[int, int]:
        """Return what the broker has of the group."""
        return kafka_io.committed(self.world.broker, self.name, self.world.topic, _PARTITIONS)

    def log_ends(self) -> dict[int, int]:
        """Return where the logs end."""
        return kafka_io.log_ends(self.world.broker, self.world.topic, _PARTITIONS)

    def all_lanes_call(self, *members: Member) -> None:
        """Wait until every lane waits for an answer: then none is about to begin a call."""
        for member in members:
            member.wait_until(lambda one=member: _calls_with_all_lanes(one, self.name), 180, "a lane is idle")  # type: ignore[misc]
        self.server.wait_until(lambda: self.server.in_flight == _LANES * len(members), 180)

    def partitions_of(self, *members: Member) -> set[int]:
        """Return what members hold."""
        return {one["partition"] for member in members for one in member.status()[self.name]["partitions"]}


def _assigned_since(member: JournaledMember, at: float) -> bool:
    return any(line["at"] > at for line in member.journal("assigned"))


def _calls_with_all_lanes(member: Member, group: str) -> bool:
    (destination,) = member.status()[group]["destinations"]
    return bool(destination["requests"] == destination["lanes"] == _LANES)


@pytest.mark.timeout(900)
@pytest.mark.slow
@pytest.mark.parametrize(
    "protocol",
    [*_PROTOCOLS, pytest.param({"partition.assignment.strategy": "cooperative-sticky", **_STATIC}, id="static")],
)
def test_joins_leaves_kills_and_freezes_lose_nothing(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: dict[str, str]
) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        reconfigure(world, kafka=protocol, batch=5, budgets=_PATIENT)
        group = Group(world, monkeypatch)
        slow = group.server.faults.add(_SLOW)
        with group.member("frozen") as frozen, group.member("killed") as killed:
            for member in (frozen, killed):
                member.wait_for_partitions(3)
            group.produce(500)
            group.some_arrive(frozen)
            with group.member("stays") as stays:  # partitions are taken from the others while answers are due
                for member in (frozen, killed, stays):
                    member.wait_for_partitions(2)
                group.everything_ends(stays)

                gate = Gate()
                group.server.faults.remove(slow)
                held_back = group.server.faults.add(WaitForGate(gate))
                group.produce(500)
                group.all_lanes_call(frozen, killed, stays)
                theirs = group.partitions_of(frozen, killed)
                frozen.process.send_signal(signal.SIGSTOP)
                committed = group.committed()
                killed.kill()
                cut = time.monotonic()
                group.server.faults.remove(held_back)
                gate.open()
                stays.wait_for_partitions(_PARTITIONS)
                group.everything_ends(stays)
                ended = group.committed()

                thawed = time.monotonic()
                frozen.process.send_signal(signal.SIGCONT)
                for member in (frozen, stays):
                    member.wait_for_partitions(3)
                # It may lose them before it looks at its fence: then no line tells of that.
                frozen.wait_until(lambda: _assigned_since(frozen, thawed), 180, "it was assigned nothing")
                heard = time.monotonic()
                assert group.committed() == ended, "the member that stood still committed what it had lost"

                group.server.faults.add(_SLOW)
                group.produce(300)
                group.some_arrive(stays)
                assert stays.stop() == 0
                group.everything_ends(frozen)
                books = accounting.mismatches(frozen.status())
                lost = frozen.lines("partitions lost")
                assert frozen.stop() == 0
        # All was delivered and committed while it stood still: whatever it calls before its new ledgers is a ghost's.
        assert [one.number for one in group.server.requests if thawed < one.started < heard] == [], "a ghost called"
        evidence = gather(world, timeout_s=_TIMEOUT_S, killed_at=(cut,))
        assert judge(group.shop, evidence, [member.journal() for member in (frozen, killed, stays)]) == []
        again = oracle.repeated(evidence)["customerio"]
        on_the_wire = {
            one.stored_id
            for one in group.shop.owed
            if one.partition in theirs and one.offset >= committed[one.partition]
        }
        print(f"\n{len(again)} came again; {len(again & on_the_wire)} of them after the kill and the standstill")
        assert again & on_the_wire, "no call was on the wire when its member went"
        assert lost, "the group was not arranged without the member that stood still"
        assert books == []


@pytest.mark.timeout(900)
@pytest.mark.parametrize("protocol", _PROTOCOLS)
def test_static_member_restart_moves_no_other_partition(
    broker: Broker, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, protocol: dict[str, str]
) -> None:
    classic = "group.protocol" not in protocol
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        world.configure(timeout_s=_TIMEOUT_S)
        reconfigure(world, kafka={**protocol, **_STATIC, **_LONG_SESSION}, batch=5, budgets=_PATIENT)
        group = Group(world, monkeypatch)
        slow = group.server.faults.add(_SLOW)
        with group.member("stays") as stays, group.member("first") as first:
            for member in (stays, first):
                member.wait_for_partitions(3)
            held = assignment(stays), rebalances(stays)
            mine = group.partitions_of(first)
            group.produce(300)
            group.some_arrive(first)
            assert first.stop() == 0
            with group.member("second", "first") as second:
                second.wait_for_partitions(3)
                assert group.partitions_of(second) == mine or not classic
                gate = Gate()
                group.server.faults.remove(slow)
                group.server.faults.add(WaitForGate(gate))
                group.produce(300)
                group.all_lanes_call(second, stays)
                second.kill()
                cut = time.monotonic()
                gate.open()
            if not classic:  # its name is taken until its session is over, which the other hears first
                stays.wait_for_partitions(_PARTITIONS)
            with group.member("third", "first") as third:
                third.wait_for_partitions(3)
                group.everything_ends(third)
                if classic:
                    assert (assignment(stays), rebalances(stays)) == held, "partitions moved that need not"
                    assert group.partitions_of(third) == mine
                assert third.stop() == 0
            assert stays.stop() == 0
        evidence = gather(world, timeout_s=_TIMEOUT_S, killed_at=(cut,))
        assert judge(group.shop, evidence, [one.journal() for one in (stays, first, second, third)]) == []
        again = oracle.repeated(evidence)["customerio"]
        print(f"\n{len(again)} came again after the kill")
        assert again, "no call was on the wire when its member was killed"


@pytest.mark.timeout(900)
def test_second_process_with_the_same_instance_id_ends_one(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        reconfigure(world, kafka={"group.instance.id": "pod-0"})
        with world.member() as older:
            older.wait_for_partitions(2)
            with world.member() as younger:
                younger.wait_for_partitions(2)
                assert older.wait() == 1
                (fell,) = older.lines("pipeline crashed")
                assert fell["error"].startswith(
                    f"group {group}: group.instance.id=pod-0 is used by another member (FENCED_INSTANCE_ID). "
                )
                assert older.errors.read_text() == "", "a sentence, and no traceback"
                assert younger.stop() == 0
