"""A destination is down for longer than `max.poll.interval.ms`: nothing else is, and nothing of it stays behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

from consumer.demo.fakes import Answer, Delay, Fake, Hang, Request, Reset, Trickle
from consumer.demo.fakes.faults import Action, Incoming
from tests.brokers import RealBroker
from tests.faults.feed import Feed
from tests.faults.gauges import MIB, Gauges, assignment, rebalances, stated_ceiling_bytes
from tests.faults.settings import DRAIN_S, OUTAGE_S, SHORT_POLL_INTERVAL, change
from tests.faults.silence import leaks
from tests.system import oracle
from tests.system.evidence import gather
from tests.system.member import Member
from tests.system.owed import Sent
from tests.system.shop import ISOLATED
from tests.system.world import PARTITIONS, World

_CAP_S = 1.0
_TIMEOUT_S = 0.4
"""A call that hangs when all is mended must be given up first, and the longest back-off comes after that: together they
stay so far below twice the cap that a machine has more than half a second to be slow in."""
_LANES = 4
_BACKLOG = 2500
_NOTE = "n" * 1500
_ALLOWED = 10 * MIB
_SOON_S = 5.0
"""How soon an event must reach a destination that is not down: generous, for many processes share the machine."""


def _in_turn(*actions: Action) -> Callable[[Incoming], Action]:
    """Return what does one thing after another, request by request."""
    return lambda call: actions[call.number % len(actions)]


_DOWN: Mapping[str, Mapping[str, Callable[[Incoming], Action]]] = {
    "5xx; hangs and times out": {
        "customerio": _in_turn(Answer(500), Answer(502), Answer(503)),
        "copilot": _in_turn(Hang(600), Delay(_TIMEOUT_S * 3)),
    },
    "trickles; resets": {"customerio": _in_turn(Trickle(_TIMEOUT_S * 4)), "copilot": _in_turn(Reset())},
}


@pytest.mark.timeout(240)
@pytest.mark.parametrize("down", _DOWN.values(), ids=list(_DOWN))
def test_an_outage_costs_no_partition_no_memory_and_no_other_pipeline_and_is_over_at_once(
    apache_broker: RealBroker, tmp_path: Path, down: Mapping[str, Callable[[Incoming], Action]]
) -> None:
    with World(apache_broker, tmp_path, ISOLATED) as world:
        world.configure(timeout_s=_TIMEOUT_S, drain_s=DRAIN_S)
        change(
            world,
            kafka={**SHORT_POLL_INTERVAL, "queued.max.messages.kbytes": 1024},
            budgets={"bytes": "2MiB", "records": 20_000},
            every={"lanes": _LANES, "backoff": {"first": "100ms", "cap": f"{_CAP_S:g}s"}},
        )
        ceiling = stated_ceiling_bytes(world, partitions=PARTITIONS, largest="64KiB")
        shop = Feed(world, 61)
        with world.member() as member, Gauges(member) as gauges:
            member.wait_for_partitions(PARTITIONS)
            shop.orders(200)
            shop.wait_until_delivered()
            held, counted = assignment(member), rebalances(member)
            began = time.monotonic()
            rules = {name: world.servers[name].faults.add(action) for name, action in down.items()}
            shop.orders(_BACKLOG, note=_NOTE, vip=False)
            member.wait_until(lambda: _full(member) == len(down), 60, "the limits were not reached")
            full = time.monotonic()
            meanwhile = _trade_until(shop, began + OUTAGE_S)
            for name, rule in rules.items():
                world.servers[name].faults.remove(rule)
            mended = time.monotonic()
            shop.wait_until_delivered(within_s=120)
            assert (assignment(member), rebalances(member)) == (held, counted), "the group went on without the member"
            first_half = gauges.peak_bytes(full, (full + mended) / 2)
            peak, later = gauges.peak_bytes(began, mended), gauges.peak_bytes((full + mended) / 2, mended)
            print(f"\n{', '.join(down)} down for {mended - began:.1f} s: at most {peak / MIB:.0f} MiB resident", end="")
            print(f" of {ceiling / MIB:.0f} stated, {(later - first_half) / MIB:+.1f} from one half to the other")
            assert peak <= ceiling + _ALLOWED
            assert later <= first_half + _ALLOWED, "not flat"
            for name in down:
                speed_s = _full_speed_s(world.servers[name], shop.records, mended)
                still_s = gauges.stood_still_s(mended, mended + speed_s)
                print(f"{name}: all lanes at work {speed_s:.2f} s after it was mended ({still_s:.2f} s of standstills)")
                assert speed_s <= 2 * _CAP_S + still_s
            slowest = max(_delays(world.yotpo, meanwhile))
            print(f"meanwhile {len(meanwhile)} events went to yotpo, the slowest in {slowest:.2f} s")
            assert slowest <= _SOON_S
            assert leaks(world, member) == []
            assert member.leave() == 0
        # Calls that were given up may have been processed: what is asked here is that nothing is lost or out of order.
        ids = frozenset(one.kept_as for one in shop.owed)
        assert oracle.complaints(shop.records, gather(world, timeout_s=_TIMEOUT_S), may_repeat=ids) == []


def _full(member: Member) -> int:
    """Return how many pipelines take no more records from any partition that has any."""
    return sum(any(one["full"] for one in pipeline["partitions"]) for pipeline in member.status().values())


def _trade_until(shop: Feed, end: float) -> list[tuple[float, Sent]]:
    """Let an order come now and then until a moment; return each with the moment it was produced."""
    made = []
    while time.monotonic() < end:
        at = time.monotonic()
        made += [(at, sent) for sent in shop.orders(1)]
        time.sleep(0.25)  # it is the pace of the trade
    return made


def _delays(server: Fake, made: Sequence[tuple[float, Sent]]) -> list[float]:
    """Return the seconds from producing to arriving at Yotpo."""
    arrived = {arrival.id: arrival.at for arrival in reversed(server.received)}
    return [
        arrived[one.kept_as] - produced for produced, sent in made for one in sent.owed if one.destination == "yotpo"
    ]


def _full_speed_s(server: Fake, records: Sequence[Sent], mended: float) -> float:
    """Return how long after a moment the last lane started its first call to the mended server.

    Which lane an event took is told by the company it kept: the keys of a call are all of one lane.
    """
    keys = {one.kept_as: one.key for record in records for one in record.owed}
    lanes: list[set[str]] = []
    for request in server.requests:
        mine = {keys[name] for name in request.ids}
        apart = [lane for lane in lanes if not lane & mine]
        lanes = [*apart, mine.union(*(lane for lane in lanes if lane & mine))]
    assert len(lanes) == _LANES, "it cannot be told who is in which lane"
    anew = [request for request in server.requests if request.started > mended]
    # What is not answered well by now was given up by a member that the machine let wait: no fault is left.
    assert [request.number for request in anew if not _is_good(request) and request.status is not None] == []
    return max(
        min(one.started for one in anew if any(keys[name] in lane for name in one.ids)) - mended for lane in lanes
    )


def _is_good(request: Request) -> bool:
    return request.status is not None and request.status < 300
