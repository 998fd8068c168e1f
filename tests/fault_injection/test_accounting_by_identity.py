"""The accounting of real members across a rebalance and a kill equals what servers and dead-letter topic received."""

from __future__ import annotations

import random
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pytest

from consumer.demo.fakes.fault_rules import Gate, WaitForGate
from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.shop import INVALID, POISON, Shop
from tests.e2e.world import World
from tests.fault_injection.accounted_member import (
    DeliveryKey,
    RecordedIds,
    final_accounting,
    recorded_ids,
    recorded_ids_at_last_mark,
)
from tests.kafka_clusters import Broker

_WITHIN_S = 180.0
_PIPELINES = {"cdp-customerio": ("customerio",), "cdp-copilot": ("copilot",)}
_DESTINATIONS = ("customerio", "copilot")
_GAUGES = {"cdp_accounting_mismatch", "cdp_accounting_records_mismatch"}

Status = dict[str, dict[str, Any]]


class AccountedMember(Member):
    """A member that also records the ids of its accounting."""

    def __init__(self, world: World, name: str) -> None:
        self._file = world.folder / f"{name}.recorded"
        self.accounts: Status = {}
        """The accounting as last read."""
        program = ("tests.fault_injection.accounted_member", str(self._file))
        super().__init__(world.config, world.folder / f"{name}.log", program=program, listens=True)

    def recorded(self) -> RecordedIds:
        """Return the ids recorded so far."""
        return recorded_ids(self._file) if self._file.exists() else RecordedIds()

    def refresh(self) -> Status:
        """Read and return its accounting."""
        self.accounts = self.status()
        return self.accounts

    def write_accounting(self) -> None:
        """Let it write its accounting in one step of its loop, in agreement with the ids before it; then read it."""
        stdin, before = self.process.stdin, recorded_ids_at_last_mark(self._file)[0]
        assert stdin is not None
        stdin.write(b"accounting\n")
        stdin.flush()
        pipelines = len(self.status())
        self.wait_until(
            lambda: recorded_ids_at_last_mark(self._file)[0] == before + pipelines,
            _WITHIN_S,
            "the accounting was not written",
        )
        self.accounts = final_accounting(self._file)
        assert len(self.accounts) == len(_PIPELINES), "the accounting of a pipeline is missing"

    def stop_and_read_accounting(self) -> None:
        """Stop it, and read its final accounting."""
        assert self.stop() == 0
        self.accounts = final_accounting(self._file)

    def accepted(self) -> int:
        """Return the number of records accepted by all pipelines together."""
        return sum(pipeline["records"]["accepted"] for pipeline in self.refresh().values())

    def open(self) -> list[int]:
        """Return the number of open records of each pipeline."""
        return [pipeline["records"]["open"] for pipeline in self.refresh().values()]

    def errors_against_ids(self) -> list[str]:
        """Return the differences between the accounting as last read and the ids recorded now."""
        return self._errors_against(self.recorded())

    def errors_against_ids_at_mark(self) -> list[str]:
        """Return the differences between the accounting as last written and the ids recorded before it."""
        return self._errors_against(recorded_ids_at_last_mark(self._file)[1])

    def _errors_against(self, own: RecordedIds) -> list[str]:
        found = accounting.mismatches(self.accounts)
        for pipeline in self.accounts.values():
            for destination in pipeline["destinations"]:
                to, counts = destination["name"], destination["accounting"]
                counted = (counts["owed"] - counts["skipped"], counts["delivered"], counts["dead_lettered"])
                expected = tuple(own.count(each, to) for each in (own.owed, own.delivered, own.dead_lettered))
                if counted != expected or counts["open"] + counts["released"] != own.count(own.unfinished, to):
                    found.append(f"the accounting of {to} is {counts}, the recorded ids give {expected}")
        return found

    def differences(self) -> list[str]:
        """Return every accounting mismatch in its metrics."""
        exported = [(name, labels, value) for (name, labels), value in self.metrics().items() if name in _GAUGES]
        assert {name for name, _, _ in exported} == _GAUGES
        return [f"{name}{dict(labels)} is {value}" for name, labels, value in exported if value]


class HeldResponses:
    """While `holding`, servers accept events but hold their responses back, so no member knows of them yet."""

    def __init__(self, world: World) -> None:
        self.holding = False
        self._gate = Gate()
        for name in _DESTINATIONS:
            world.servers[name].poison(POISON[name])
            world.servers[name].faults.add(WaitForGate(self._gate), when=lambda _: self.holding, name="held response")
        world.mark_invalid(INVALID)

    def end(self) -> None:
        """Send all responses from now on."""
        self.holding = False
        self._gate.open()


def _killed_and_leaver(world: World, shop: Shop, held: HeldResponses) -> tuple[AccountedMember, AccountedMember]:
    """Run a member, let a second one join and shut down with much unfinished, and then kill the first."""
    third = len(shop.records) // 3
    with AccountedMember(world, "killed") as killed:
        killed.wait_for_partitions(world.partitions)
        kafka_io.produce(world.broker, world.topic, shop.records[:third])
        killed.wait_until(
            lambda: killed.accepted() == len(_DESTINATIONS) * third and not any(killed.open()),
            _WITHIN_S,
            "the first third has not settled",
        )
        with AccountedMember(world, "leaver") as leaver:
            leaver.wait_for_partitions(world.partitions // 2)
            killed.wait_for_partitions(world.partitions // 2)
            held.holding = True
            kafka_io.produce(world.broker, world.topic, shop.records[third : 2 * third])
            leaver.wait_until(lambda: min(leaver.open()) > third // 8, _WITHIN_S, "too few records are open")
            leaver.stop_and_read_accounting()
        killed.wait_for_partitions(world.partitions)
        # Without responses the accounting stops changing. Then it must agree with the recorded ids.
        killed.wait_until(
            lambda: bool(killed.refresh()) and not killed.errors_against_ids(),
            _WITHIN_S,
            "the accounting disagrees with the ids",
        )
        assert killed.differences() == []
        assert all(killed.open()), "a pipeline has no open record"
        # A kill may come between a response and its recording; a server may accept a request shortly after the kill.
        killed.wait_until(
            lambda: bool(_unrecorded(world, shop, killed, leaver)), _WITHIN_S, "the servers have no unrecorded delivery"
        )
        killed.write_accounting()
        killed.kill()
    return killed, leaver


def _run_last_member(world: World, shop: Shop) -> AccountedMember:
    """Let one member finish everything that the others left, and the last third."""
    kafka_io.produce(world.broker, world.topic, shop.records[2 * (len(shop.records) // 3) :])
    ends = kafka_io.log_ends(world.broker, world.topic, world.partitions)
    with AccountedMember(world, "last") as last:
        for group in world.pipelines:
            last.wait_until(
                lambda of=group: kafka_io.committed(world.broker, of, world.topic, world.partitions) == ends,  # type: ignore[misc]
                _WITHIN_S,
                "not all offsets were committed",
            )
        assert last.differences() == []
        last.stop_and_read_accounting()
    return last


def _received(world: World, shop: Shop) -> set[DeliveryKey]:
    """Return the deliveries that the servers have received so far."""
    delivery_ids = {
        (one.destination, one.stored_id): one.delivery_id for one in shop.owed if one.destination is not None
    }
    return {(to, delivery_ids[to, one.id]) for to in _DESTINATIONS for one in world.servers[to].received}


def _unrecorded(world: World, shop: Shop, *members: AccountedMember) -> set[DeliveryKey]:
    """Return the deliveries that the servers have received and none of these members has recorded as delivered."""
    return _received(world, shop) - MergedIds.of(members).delivered


def _read_dead_letters(world: World) -> set[DeliveryKey]:
    """Return the deliveries with a dead letter so far."""
    dead_letters = kafka_io.read_dead_letters(world.broker, world.dead_letters)
    return {(one.header("cdp-destination") or "", one.header("cdp-delivery-id") or "") for one in dead_letters}


@dataclass(frozen=True, slots=True)
class MergedIds:
    """The recorded ids of several members as sets: a delivery released by one may be delivered by another."""

    owed: set[DeliveryKey]
    delivered: set[DeliveryKey]
    dead_lettered: set[DeliveryKey]
    unfinished: set[DeliveryKey]

    @classmethod
    def of(cls, members: Iterable[AccountedMember]) -> Self:
        """Merge the ids of these members."""
        every = [member.recorded() for member in members]
        return cls(
            {key for each in every for key in each.owed},
            {key for each in every for key in each.delivered},
            {key for each in every for key in each.dead_lettered},
            {key for each in every for key in each.unfinished},
        )

    def covers(self, received: set[DeliveryKey], read: set[DeliveryKey]) -> bool:
        """Return True if recorded ⊆ received ⊆ recorded ∪ unfinished, for deliveries and for dead letters."""
        return (
            self.delivered <= received <= self.delivered | self.unfinished
            and self.dead_lettered <= read <= self.dead_lettered | self.unfinished
        )


@pytest.mark.timeout(900)
def test_accounting_of_all_members_equals_what_was_received(broker: Broker, tmp_path: Path) -> None:
    """Across a rebalance and a kill, the ids that the members count are those that servers and topic received."""
    with World(broker, tmp_path, _PIPELINES) as world:
        world.configure(timeout_s=1.5, drain_s=3.0)
        shop = Shop(world.topic, world.partitions, world.pipelines, random.Random(31), customers=80)
        for _ in range(3):
            shop.ordinary(250)
            shop.one_of_each_defect()
        held = HeldResponses(world)
        killed, leaver = _killed_and_leaver(world, shop, held)
        ids_of_two, received_at_kill, read_at_kill = (
            MergedIds.of((killed, leaver)),
            _received(world, shop),
            _read_dead_letters(world),
        )
        held.end()
        last = _run_last_member(world, shop)
        evidence = gather(world, timeout_s=1.5)
        received, read = _received(world, shop), _read_dead_letters(world)
    ids_of_all = MergedIds.of((killed, leaver, last))
    released = [
        each["accounting"]["released"] for pipeline in leaver.accounts.values() for each in pipeline["destinations"]
    ]
    unrecorded = received_at_kill - ids_of_two.delivered
    print(f"\n{len(shop.records)} records on {broker.name}: the leaver released {released} deliveries; at the kill")
    print(f"{len(received_at_kill)} were received, {len(unrecorded)} of them unrecorded; {len(received)} in the end")

    assert [member.errors_against_ids_at_mark() for member in (killed, leaver, last)] == [[], [], []]
    assert ids_of_two.covers(received_at_kill, read_at_kill)
    assert ids_of_all.covers(received, read)
    assert ids_of_all.delivered | ids_of_all.dead_lettered == ids_of_all.owed, "a delivery ended at no member"
    everything = frozenset(name for one in shop.owed for name in (one.stored_id, one.delivery_id))
    assert oracle.violations(shop.records, evidence, may_repeat=everything) == []
    # Without released and unrecorded deliveries, the test proves nothing.
    assert released
    assert all(released)
    assert unrecorded
