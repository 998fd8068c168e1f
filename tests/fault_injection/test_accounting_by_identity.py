"""The books: of real members across a rebalance and a kill, against what servers and the dead-letter topic have."""

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
    RecordedIds,
    Whose,
    final_accounting,
    recorded_ids,
    recorded_ids_at_last_mark,
)
from tests.kafka_clusters import Broker

_WITHIN_S = 180.0
_PIPELINES = {"cdp-customerio": ("customerio",), "cdp-copilot": ("copilot",)}
_OF = ("customerio", "copilot")
_GAUGES = {"cdp_accounting_mismatch", "cdp_accounting_records_mismatch"}

Status = dict[str, dict[str, Any]]


class AccountedMember(Member):
    """A member that also writes its books down by identity."""

    def __init__(self, world: World, name: str) -> None:
        self._file = world.folder / f"{name}.kept"
        self.books: Status = {}
        """The last that were looked at."""
        program = ("tests.fault_injection.accounted_member", str(self._file))
        super().__init__(world.config, world.folder / f"{name}.log", program=program, listens=True)

    def kept(self) -> RecordedIds:
        """Return what it has written down so far."""
        return recorded_ids(self._file) if self._file.exists() else RecordedIds()

    def look(self) -> Status:
        """Look at its books."""
        self.books = self.status()
        return self.books

    def write_its_books(self) -> None:
        """Have it write its books down in one step with all that it has written down until then, and look at these."""
        stdin, before = self.process.stdin, recorded_ids_at_last_mark(self._file)[0]
        assert stdin is not None
        stdin.write(b"books\n")
        stdin.flush()
        pipelines = len(self.status())
        self.wait_until(
            lambda: recorded_ids_at_last_mark(self._file)[0] == before + pipelines,
            _WITHIN_S,
            "its books are not written",
        )
        self.books = final_accounting(self._file)
        assert len(self.books) == len(_PIPELINES), "books of every pipeline are written"

    def leave_its_books(self) -> None:
        """Have it leave, and look at the books with which it left."""
        assert self.stop() == 0
        self.books = final_accounting(self._file)

    def taken(self) -> int:
        """Return how many records all its pipelines have taken."""
        return sum(pipeline["records"]["accepted"] for pipeline in self.look().values())

    def open(self) -> list[int]:
        """Return how many records are open, by pipeline."""
        return [pipeline["records"]["open"] for pipeline in self.look().values()]

    def disagreements(self) -> list[str]:
        """Return where the books last looked at differ from what is written down now."""
        return self._disagreements(self.kept())

    def disagreements_then(self) -> list[str]:
        """Return where the books that it wrote down last differ from what it had written down by then."""
        return self._disagreements(recorded_ids_at_last_mark(self._file)[1])

    def _disagreements(self, own: RecordedIds) -> list[str]:
        found = accounting.mismatches(self.books)
        for pipeline in self.books.values():
            for destination in pipeline["destinations"]:
                to, said = destination["name"], destination["accounting"]
                counted = (said["owed"] - said["skipped"], said["delivered"], said["dead_lettered"])
                wanted = tuple(own.count(each, to) for each in (own.owed, own.delivered, own.lettered))
                if counted != wanted or said["open"] + said["released"] != own.count(own.unfinished, to):
                    found.append(f"books of {to} say {said}, written down are {wanted}")
        return found

    def differences(self) -> list[str]:
        """Return every difference that its metrics export."""
        shown = [(name, labels, value) for (name, labels), value in self.metrics().items() if name in _GAUGES]
        assert {name for name, _, _ in shown} == _GAUGES
        return [f"{name}{dict(labels)} is {value}" for name, labels, value in shown if value]


class Times:
    """When servers hold every answer back: what they hold they have taken, and no member can know it yet."""

    def __init__(self, world: World) -> None:
        self.holding = False
        self._gate = Gate()
        for name in _OF:
            world.servers[name].poison(POISON[name])
            world.servers[name].faults.add(WaitForGate(self._gate), when=lambda _: self.holding, name="held response")
        world.mark_invalid(INVALID)

    def end(self) -> None:
        """Answer everything from now on."""
        self.holding = False
        self._gate.open()


def _first_two(world: World, shop: Shop, times: Times) -> tuple[AccountedMember, AccountedMember]:
    """Let one member take the work, a second one join it and leave with much unfinished, and the first one die."""
    third = len(shop.records) // 3
    with AccountedMember(world, "killed") as killed:
        killed.wait_for_partitions(world.partitions)
        kafka_io.produce(world.broker, world.topic, shop.records[:third])
        killed.wait_until(
            lambda: killed.taken() == len(_OF) * third and not any(killed.open()),
            _WITHIN_S,
            "the first third has not ended",
        )
        with AccountedMember(world, "leaver") as leaver:
            leaver.wait_for_partitions(world.partitions // 2)
            killed.wait_for_partitions(world.partitions // 2)
            times.holding = True
            kafka_io.produce(world.broker, world.topic, shop.records[third : 2 * third])
            leaver.wait_until(lambda: min(leaver.open()) > third // 8, _WITHIN_S, "nothing is under way")
            leaver.leave_its_books()
        killed.wait_for_partitions(world.partitions)
        # Nothing is answered, so its books come to rest: then they must agree with what it has written down.
        killed.wait_until(
            lambda: bool(killed.look()) and not killed.disagreements(), _WITHIN_S, "its books do not agree"
        )
        assert killed.differences() == []
        assert all(killed.open()), "it leaves nothing behind"
        # A kill may come between an answer and its entry; a server may take a call a moment after it.
        killed.wait_until(
            lambda: bool(_unknown(world, shop, killed, leaver)), _WITHIN_S, "the servers hold nothing unknown"
        )
        killed.write_its_books()
        killed.kill()
    return killed, leaver


def _last(world: World, shop: Shop) -> AccountedMember:
    """Let one member end what the others left, and all the rest."""
    kafka_io.produce(world.broker, world.topic, shop.records[2 * (len(shop.records) // 3) :])
    ends = kafka_io.log_ends(world.broker, world.topic, world.partitions)
    with AccountedMember(world, "last") as last:
        for group in world.pipelines:
            last.wait_until(
                lambda of=group: kafka_io.committed(world.broker, of, world.topic, world.partitions) == ends,  # type: ignore[misc]
                _WITHIN_S,
                "not everything was committed",
            )
        assert last.differences() == []
        last.leave_its_books()
    return last


def _received(world: World, shop: Shop) -> set[Whose]:
    """Return what the servers have taken so far, by the identities of deliveries."""
    called = {(one.destination, one.stored_id): one.delivery_id for one in shop.owed if one.destination is not None}
    return {(to, called[to, one.id]) for to in _OF for one in world.servers[to].received}


def _unknown(world: World, shop: Shop, *members: AccountedMember) -> set[Whose]:
    """Return what the servers have taken so far and none of these members knows of."""
    return _received(world, shop) - Sum.of(members).delivered


def _read(world: World) -> set[Whose]:
    """Return the letters there are so far, by the identities of deliveries."""
    letters = kafka_io.read_dead_letters(world.broker, world.dead_letters)
    return {(letter.header("cdp-destination") or "", letter.header("cdp-delivery-id") or "") for letter in letters}


@dataclass(frozen=True, slots=True)
class Sum:
    """What several members wrote down, as sets: what one gave up another may have ended."""

    owed: set[Whose]
    delivered: set[Whose]
    lettered: set[Whose]
    unfinished: set[Whose]

    @classmethod
    def of(cls, members: Iterable[AccountedMember]) -> Self:
        """Add them up."""
        every = [member.kept() for member in members]
        return cls(
            {whose for each in every for whose in each.owed},
            {whose for each in every for whose in each.delivered},
            {whose for each in every for whose in each.lettered},
            {whose for each in every for whose in each.unfinished},
        )

    def covers(self, received: set[Whose], read: set[Whose]) -> bool:
        """Tell whether all they say was delivered was received, and all that was received they know of."""
        return (
            self.delivered <= received <= self.delivered | self.unfinished
            and self.lettered <= read <= self.lettered | self.unfinished
        )


@pytest.mark.timeout(900)
def test_accounting_of_all_members_equals_what_was_received(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, _PIPELINES) as world:
        world.configure(timeout_s=1.5, drain_s=3.0)
        shop = Shop(world.topic, world.partitions, world.pipelines, random.Random(31), customers=80)
        for _ in range(3):
            shop.ordinary(250)
            shop.one_of_each_defect()
        times = Times(world)
        killed, leaver = _first_two(world, shop, times)
        by_two, received_by_then, read_by_then = Sum.of((killed, leaver)), _received(world, shop), _read(world)
        times.end()
        last = _last(world, shop)
        evidence = gather(world, timeout_s=1.5)
        received, read = _received(world, shop), _read(world)
    by_all = Sum.of((killed, leaver, last))
    released = [
        each["accounting"]["released"] for pipeline in leaver.books.values() for each in pipeline["destinations"]
    ]
    unknown = received_by_then - by_two.delivered
    print(f"\n{len(shop.records)} records on {broker.name}: the leaver released {released} deliveries; at the kill")
    print(f"{len(received_by_then)} were received, {len(unknown)} of which nobody knew; {len(received)} in the end")

    assert [member.disagreements_then() for member in (killed, leaver, last)] == [[], [], []]
    assert by_two.covers(received_by_then, read_by_then)
    assert by_all.covers(received, read)
    assert by_all.delivered | by_all.lettered == by_all.owed, "all has ended, with somebody"
    everything = frozenset(name for one in shop.owed for name in (one.stored_id, one.delivery_id))
    assert oracle.violations(shop.records, evidence, may_repeat=everything) == []
    # A proof that never met what it is about proves nothing.
    assert released
    assert all(released)
    assert unknown
