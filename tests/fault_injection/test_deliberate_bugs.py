"""The suite can fail: each deliberate bug is switched on in a member, and the expected check reports it.

Each test names the complaint that it expects. The scenario that most bugs share also runs without a bug, and then there
is no complaint.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.demo.fakes.fault_rules import Delay, Gate, Hang, WaitForGate
from tests.e2e import accounting, kafka_io
from tests.e2e.evidence import gather
from tests.e2e.shop import INVALID, POISON, Shop
from tests.e2e.world import World
from tests.fault_injection import bugs
from tests.fault_injection.members import JournaledMember
from tests.fault_injection.verdict import judge
from tests.kafka_clusters import Broker, RealBroker

_CUSTOMERIO = {"cdp-customerio": ("customerio",)}
_COPILOT = {"cdp-copilot": ("copilot",)}

_LATE_S = 19.0
"""Longer than the freeze of a member here, so that its request does not time out meanwhile."""

pytestmark = pytest.mark.timeout(900)


@dataclass(frozen=True, slots=True)
class Complaints:
    """The complaints of the oracle and of the accounting."""

    by_oracle: list[str]
    by_accounting: list[str]

    def contain(self, kind: str) -> bool:
        return any(kind in one for one in (*self.by_oracle, *self.by_accounting))


def _world(broker: Broker, folder: Path, pipelines: Mapping[str, tuple[str, ...]]) -> World:
    return World(broker, folder, pipelines, partitions=1)


def _shop(world: World, customers: int) -> Shop:
    for name, server in world.servers.items():
        server.poison(POISON[name])
    world.mark_invalid(INVALID)
    return Shop(world.topic, world.partitions, world.pipelines, random.Random(8), customers=customers)


def _open_records(member: JournaledMember) -> int:
    return sum(pipeline["records"]["open"] for pipeline in member.status().values())


def _has_all(world: World, shop: Shop) -> Callable[[], bool]:
    due = {
        name: {one.stored_id for one in shop.owed if one.destination == name and one.cause is None}
        for name in world.servers
    }
    return lambda: all(due[name] <= server.stored_ids() for name, server in world.servers.items())


def _all_committed(world: World) -> Callable[[], bool]:
    (group,) = world.pipelines
    ends = kafka_io.log_ends(world.broker, world.topic, world.partitions)
    return lambda: kafka_io.committed(world.broker, group, world.topic, world.partitions) == ends


def _complaints(world: World, shop: Shop, members: list[JournaledMember], mismatches: list[str]) -> Complaints:
    evidence = gather(world)
    return Complaints(judge(shop, evidence, [member.journal() for member in members]), mismatches)


def _run_with_bug(world: World, bug: str | None, customers: int) -> Complaints:
    """Let one member with the bug process everything, and read its accounting at the end."""
    shop = _shop(world, customers)
    shop.ordinary(120)
    shop.one_of_each_defect()
    shop.ordinary(120)
    kafka_io.produce(world.broker, world.topic, shop.records)
    with JournaledMember(world, "broken", bug=bug) as member:
        member.wait_until(_has_all(world, shop), 180, "not everything arrived")
        member.wait_until(lambda: _open_records(member) <= (bug == bugs.SETTLE_REMOVED), 180, "records stayed open")
        mismatches = accounting.mismatches(member.status())
        assert member.stop() == 0
        return _complaints(world, shop, [member], mismatches)


def test_without_a_bug_nothing_is_reported(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, {**_CUSTOMERIO, **_COPILOT}) as world:
        found = _run_with_bug(world, None, customers=1)
    assert found == Complaints([], [])


def test_ignored_invalid_events_show_as_missing_dead_letters(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _COPILOT) as world:
        found = _run_with_bug(world, bugs.INVALID_EVENTS_IGNORED, customers=1)
    assert found.contain("lost: no dead letter (refused) of custom_event:order_placed"), found


def test_two_requests_of_a_lane_at_once_show_in_the_order(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        shop = _shop(world, customers=1)
        shop.ordinary(400)
        world.customerio.faults.add(Delay(0.1))
        kafka_io.produce(world.broker, world.topic, shop.records)
        with JournaledMember(world, "broken", bug=bugs.TWO_REQUESTS_OF_A_LANE) as member:
            # Do not wait for all deliveries: a lane with two tasks may never finish.
            member.wait_until(lambda: len(world.customerio.requests) >= 6, 180, "too few requests")
            member.kill()
        found = _complaints(world, shop, [member], [])
    assert found.contain("of the same key was over"), found


def test_swapped_halves_show_in_the_order(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        found = _run_with_bug(world, bugs.HALVES_SWAPPED, customers=1)
    assert found.contain("arrivals do not rise"), found


def test_missing_settle_shows_in_accounting_and_offsets(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        found = _run_with_bug(world, bugs.SETTLE_REMOVED, customers=1)
    assert any("deliveries to customerio do not balance" in one for one in found.by_accounting), found
    assert found.contain("whose log ends at"), found


def test_commit_before_delivery_shows_after_a_kill(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        shop = _shop(world, customers=20)
        shop.ordinary(200)
        hang = world.customerio.faults.add(Hang(60))
        kafka_io.produce(world.broker, world.topic, shop.records)
        with JournaledMember(world, "broken", bug=bugs.COMMIT_BEFORE_DELIVERY) as killed:
            killed.wait_until(_all_committed(world), 180, "nothing was committed early")
            killed.kill()
        world.customerio.faults.remove(hang)
        found = _next_member(world, shop, killed)
    assert found.contain("lost: customerio never got"), found


def test_settle_before_dead_letter_ack_shows_after_a_kill(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, _CUSTOMERIO, partitions=1, topics=False) as world:
        world.create_topic()  # without the dead-letter topic, no dead letter is acknowledged
        shop = _shop(world, customers=20)
        shop.one_of_each_defect()
        shop.ordinary(20)
        kafka_io.produce(world.broker, world.topic, shop.records)
        with JournaledMember(world, "broken", bug=bugs.SETTLED_BEFORE_ACK) as killed:
            killed.wait_until(_all_committed(world), 180, "nothing was committed early")
            killed.kill()
        world.create_dead_letters()
        found = _next_member(world, shop, killed)
    assert found.contain("lost: no dead letter"), found


def test_outcome_of_an_earlier_epoch_shows_in_the_accounting(embedded_broker: Broker, tmp_path: Path) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        world.configure(timeout_s=_LATE_S)
        shop = _shop(world, customers=20)
        shop.ordinary(40)
        gate = Gate()
        held = world.customerio.faults.add(WaitForGate(gate))
        kafka_io.produce(world.broker, world.topic, shop.records)
        with JournaledMember(world, "broken", bug=bugs.EARLIER_EPOCH_ACCEPTED) as member:
            member.wait_until(lambda: held.hits > 0, 180, "no request was held")
            member.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5 * embedded_broker.session_ms / 1000)  # the session expires, so the partition is lost
            member.process.send_signal(signal.SIGCONT)
            member.wait_until(lambda: bool(member.journal("lost")), _LATE_S, "the partition was not lost")
            gate.open()
            mismatches: list[str] = []

            def has_late_response() -> bool:
                """Return True if all requests of the lost ledger have ended; keep the mismatches of the same status."""
                (pipeline,) = status = tuple(member.status().values())
                mismatches[:] = accounting.mismatches({one["name"]: one for one in status})
                return bool(pipeline["records"]["released"]) and not any(
                    one["requests"] for one in pipeline["destinations"]
                )

            member.wait_until(has_late_response, 180, "no late response came")
    assert any("deliveries to customerio do not balance" in one for one in mismatches), mismatches


def _next_member(world: World, shop: Shop, killed: JournaledMember) -> Complaints:
    """Let a member without the bug follow the killed one and finish the rest."""
    with JournaledMember(world, "correct") as member:
        member.wait_until(lambda: bool(member.journal("assigned")), 180, "no partition was assigned")
        member.wait_until(_all_committed(world), 180, "not all offsets were committed")
        assert member.stop() == 0
        return _complaints(world, shop, [killed, member], [])
