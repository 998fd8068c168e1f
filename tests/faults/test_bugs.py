"""The suite is able to fail: each bug is switched on in a member of its own, and what is to catch it, catches it.

Every scenario also runs without the bug, and nothing is found then: it is the bug that is seen.
"""

from __future__ import annotations

import random
import signal
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from consumer.demo.fakes import Delay, Gate, Hang, Until
from tests.brokers import Broker, RealBroker
from tests.faults import bugs
from tests.faults.judged import judge
from tests.faults.members import Composed
from tests.system import accounts, logs
from tests.system.evidence import gather
from tests.system.shop import INVALID, POISON, Shop
from tests.system.world import World

_CUSTOMERIO = {"cdp-customerio": ("customerio",)}
_COPILOT = {"cdp-copilot": ("copilot",)}

_LATE_S = 15.0
"""Longer than a member stands still here: its call is not given up meanwhile."""

pytestmark = pytest.mark.timeout(180)


@dataclass(frozen=True, slots=True)
class Found:
    """What the oracle and the books complain of."""

    by_oracle: list[str]
    by_books: list[str]

    @property
    def nothing(self) -> bool:
        return not self.by_oracle and not self.by_books

    def says(self, kind: str) -> bool:
        return any(kind in one for one in (*self.by_oracle, *self.by_books))


def _world(broker: Broker, folder: Path, pipelines: Mapping[str, tuple[str, ...]]) -> World:
    return World(broker, folder, pipelines, partitions=1)


def _shop(world: World, customers: int) -> Shop:
    for name, server in world.servers.items():
        server.poison(POISON[name])
    world.mark_invalid(INVALID)
    return Shop(world.topic, world.partitions, world.pipelines, random.Random(8), customers=customers)


def _open(member: Composed) -> int:
    return sum(pipeline["records"]["open"] for pipeline in member.status().values())


def _has_all(world: World, shop: Shop) -> Callable[[], bool]:
    (destination,) = next(iter(world.pipelines.values()))
    due = {one.kept_as for one in shop.owed if one.cause is None}
    return lambda: due <= world.servers[destination].held()


def _all_committed(world: World) -> Callable[[], bool]:
    (group,) = world.pipelines
    ends = logs.log_ends(world.broker, world.topic, world.partitions)
    return lambda: logs.committed(world.broker, group, world.topic, world.partitions) == ends


def _found(world: World, shop: Shop, members: list[Composed], books: list[str]) -> Found:
    evidence = gather(world)
    return Found(judge(shop, evidence, [member.journal() for member in members]), books)


def _work_off(world: World, bug: str | None, customers: int) -> Found:
    """Let one member with the bug take everything, and ask for its books at the end."""
    shop = _shop(world, customers)
    shop.live(120)
    shop.trouble()
    shop.live(120)
    logs.produce(world.broker, world.topic, shop.records)
    with Composed(world, "broken", bug=bug) as member:
        member.wait_until(_has_all(world, shop), 60, "not everything arrived")
        member.wait_until(lambda: _open(member) <= (bug == bugs.SETTLE_REMOVED), 30, "something stayed open")
        books = accounts.unbalanced(member.status())
        assert member.leave() == 0
        return _found(world, shop, [member], books)


@pytest.mark.parametrize("bug", [bugs.INVALID_EVENTS_IGNORED, None])
def test_invalid_events_that_are_ignored_are_seen_as_letters_that_were_never_written(
    embedded_broker: Broker, tmp_path: Path, bug: str | None
) -> None:
    with _world(embedded_broker, tmp_path, _COPILOT) as world:
        found = _work_off(world, bug, customers=20)
    assert found.says("lost: no letter (refused)") is bool(bug), found
    assert found.nothing is not bool(bug), found


@pytest.mark.parametrize("bug", [bugs.TWO_CALLS_OF_A_LANE, None])
def test_two_calls_of_a_lane_at_once_are_seen_in_the_order(
    embedded_broker: Broker, tmp_path: Path, bug: str | None
) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        shop = _shop(world, customers=1)
        shop.live(400)
        world.customerio.faults.add(Delay(0.1))
        logs.produce(world.broker, world.topic, shop.records)
        with Composed(world, "broken", bug=bug) as member:
            # Not until everything has arrived: a lane with two tasks may well come to nothing.
            member.wait_until(lambda: len(world.customerio.requests) >= 6, 60, "too few calls")
            member.kill()
        found = _found(world, shop, [member], [])
    assert found.says("of the same key was over") is bool(bug), found


@pytest.mark.parametrize("bug", [bugs.HALVES_SWAPPED, None])
def test_halves_sent_in_the_wrong_order_are_seen_in_the_order(
    embedded_broker: Broker, tmp_path: Path, bug: str | None
) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        found = _work_off(world, bug, customers=1)
    assert found.says("arrivals do not rise") is bool(bug), found
    assert found.nothing is not bool(bug), found


@pytest.mark.parametrize("bug", [bugs.SETTLE_REMOVED, None])
def test_one_settle_less_is_seen_in_the_books(embedded_broker: Broker, tmp_path: Path, bug: str | None) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        found = _work_off(world, bug, customers=20)
    assert bool(found.by_books) is bool(bug), found
    assert found.says("whose log ends at") is bool(bug), found


@pytest.mark.parametrize("bug", [bugs.COMMIT_BEFORE_DELIVERY, None])
def test_a_commit_before_the_delivery_is_seen_once_the_member_dies(
    embedded_broker: Broker, tmp_path: Path, bug: str | None
) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        shop = _shop(world, customers=20)
        shop.live(200)
        hang = world.customerio.faults.add(Hang(60))
        logs.produce(world.broker, world.topic, shop.records)
        with Composed(world, "broken", bug=bug) as killed:
            said = _all_committed(world) if bug else lambda: hang.hits > 0
            killed.wait_until(said, 60, "the bug does nothing" if bug else "no call")
            killed.kill()
        world.customerio.faults.remove(hang)
        found = _next_member(world, shop, killed)
    assert found.says("lost: customerio never got") is bool(bug), found
    assert found.nothing is not bool(bug), found


@pytest.mark.parametrize("bug", [bugs.SETTLED_BEFORE_ACK, None])
def test_a_letter_settled_before_its_ack_is_seen_once_the_member_dies(
    apache_broker: RealBroker, tmp_path: Path, bug: str | None
) -> None:
    with World(apache_broker, tmp_path, _CUSTOMERIO, partitions=1, topics=False) as world:
        world.create_topic()  # and no dead-letter topic: it takes nothing
        shop = _shop(world, customers=20)
        shop.trouble()
        shop.live(20)
        logs.produce(world.broker, world.topic, shop.records)
        with Composed(world, "broken", bug=bug) as killed:
            said = _all_committed(world) if bug else lambda: bool(killed.journal("letter failed"))
            killed.wait_until(said, 60, "the bug does nothing" if bug else "no letter failed")
            killed.kill()
        world.create_dead_letters()
        found = _next_member(world, shop, killed)
    assert found.says("lost: no letter") is bool(bug), found
    assert found.nothing is not bool(bug), found


@pytest.mark.parametrize("bug", [bugs.EARLIER_TENURE_ACCEPTED, None])
def test_an_outcome_of_an_earlier_tenure_is_seen_in_the_books(
    embedded_broker: Broker, tmp_path: Path, bug: str | None
) -> None:
    with _world(embedded_broker, tmp_path, _CUSTOMERIO) as world:
        world.configure(timeout_s=_LATE_S)
        shop = _shop(world, customers=20)
        shop.live(40)
        gate = Gate()
        held = world.customerio.faults.add(Until(gate))
        logs.produce(world.broker, world.topic, shop.records)
        with Composed(world, "broken", bug=bug) as member:
            member.wait_until(lambda: held.hits > 0, 60, "no call")
            member.process.send_signal(signal.SIGSTOP)
            time.sleep(1.5 * embedded_broker.session_ms / 1000)  # it is the event itself: the partition is lost
            member.process.send_signal(signal.SIGCONT)
            member.wait_until(lambda: bool(member.journal("lost")), _LATE_S, "the partition was not lost")
            gate.open()
            member.wait_until(lambda: not _released_and_called(member), _LATE_S, "the late answer never came")
            books = accounts.unbalanced(member.status())
    assert bool(books) is bool(bug), books


def _released_and_called(member: Composed) -> bool:
    """Tell whether calls that began before the loss are still on the wire."""
    return any(each["calls"] for one in member.status().values() for each in one["destinations"])


def _next_member(world: World, shop: Shop, killed: Composed) -> Found:
    """Let a sound member come after the dead one and end what is left."""
    with Composed(world, "sound") as member:
        member.wait_until(_all_committed(world), 60, "not everything was committed")
        books = accounts.unbalanced(member.status())
        assert member.leave() == 0
        return _found(world, shop, [killed, member], books)
