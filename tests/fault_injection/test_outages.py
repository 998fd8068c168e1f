"""A destination is down for longer than `max.poll.interval.ms`: nothing else is, and nothing of it stays behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.fault_rules import Action, Delay, Hang, IncomingRequest, Reset, Respond, Rule, Trickle
from consumer.demo.fakes.recorder import ReceivedRequest
from tests.e2e import oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import ISOLATED
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.measurements import MIB, Measurements, assignment, rebalances, stated_ceiling_bytes
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.settings import DRAIN_S, OUTAGE_S, SHORT_POLL_INTERVAL, change
from tests.kafka_clusters import RealBroker

_CAP_S = 1.0
_TIMEOUT_S = 0.8
"""A call that hangs when all is mended must be given up first, and the longest back-off comes after that: together they
stay below twice the cap, and for what the machine adds there are gauges."""
_LANES = 4
_BACKLOG = 2500
_NOTE = "n" * 1500
_ALLOWED_MIB = 10
_SOON_S = 5.0
"""How soon an event must reach a destination that is not down: generous, for many processes share the machine."""


def _in_turn(*actions: Action) -> Callable[[IncomingRequest], Action]:
    """Return what does one thing after another, request by request."""
    return lambda call: actions[call.number % len(actions)]


_DOWN: Mapping[str, Mapping[str, Callable[[IncomingRequest], Action]]] = {
    "5xx, hangs": {
        "customerio": _in_turn(Respond(500), Respond(502), Respond(503)),
        "copilot": _in_turn(Hang(600), Delay(_TIMEOUT_S * 3)),
    },
    "trickles, resets": {"customerio": _in_turn(Trickle(_TIMEOUT_S * 4)), "copilot": _in_turn(Reset())},
}


@pytest.mark.timeout(900)
def test_outage_costs_no_partition_memory_or_other_pipeline(apache_broker: RealBroker, tmp_path: Path) -> None:
    with ExitStack() as stack:
        # Side by side, for what they do is wait; mended one after the other, for then they are busy.
        outages = [stack.enter_context(Outage(apache_broker, tmp_path / how, down)) for how, down in _DOWN.items()]
        for one in outages:
            one.begin()
        while any(time.monotonic() < one.began + OUTAGE_S for one in outages):
            for one in outages:
                one.trade()
            time.sleep(0.25)  # it is the pace of the trade
        for one in outages:
            one.end()
            one.judge()


class Outage:
    """Two destinations of three that are down, and a member that has all three; a context.

    Args:
        broker: whose Kafka.
        folder: where the files go.
        down: by destination, what its server does instead.
    """

    def __init__(
        self, broker: RealBroker, folder: Path, down: Mapping[str, Callable[[IncomingRequest], Action]]
    ) -> None:
        folder.mkdir()
        self.began = self._full = self._mended = 0.0
        self._down = down
        self._world = World(broker, folder, ISOLATED)
        self._shop = OrderProducer(self._world, 61)
        self._rules: dict[str, Rule] = {}
        self._meanwhile: list[tuple[float, ProducedRecord]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            world = stack.enter_context(self._world)
            world.configure(timeout_s=_TIMEOUT_S, drain_s=DRAIN_S)
            change(
                world,
                kafka={**SHORT_POLL_INTERVAL, "queued.max.messages.kbytes": 1024},
                budgets={"bytes": "2MiB", "records": 20_000},
                every={"lanes": _LANES, "backoff": {"first": "100ms", "cap": f"{_CAP_S:g}s"}},
                destinations={"yotpo": {"timeout": "2s"}},
            )
            self._ceiling = stated_ceiling_bytes(world, partitions=PARTITIONS, largest="64KiB")
            self._member = stack.enter_context(world.member())
            self._gauges = stack.enter_context(Measurements(self._member))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Let all be well, and then the servers be down until their pipelines' limits are reached."""
        self._member.wait_for_partitions(PARTITIONS)
        self._shop.orders(200)
        self._shop.wait_until_delivered()
        self._before = self._group()
        self.began = time.monotonic()
        self._rules = {name: self._world.servers[name].faults.add(action) for name, action in self._down.items()}
        self._shop.orders(_BACKLOG, note=_NOTE, vip=False)
        self._member.wait_until(lambda: _full(self._member) == len(self._down), 180, "the limits were not reached")
        self._full = time.monotonic()

    def trade(self) -> None:
        """Let an order come."""
        at = time.monotonic()
        self._meanwhile += [(at, sent) for sent in self._shop.orders(1)]

    def end(self) -> None:
        """Mend the servers, and wait until they have everything."""
        for name, rule in self._rules.items():
            self._world.servers[name].faults.remove(rule)
        self._mended = time.monotonic()
        self._shop.wait_until_delivered(within_s=120)

    def judge(self) -> None:
        """Hold what happened against what is promised, and let the member leave."""
        assert self._group() == self._before, "the group went on without the member"
        middle = (self._full + self._mended) / 2
        first_half, later = self._peak(self._full, middle), self._peak(middle, self._mended)
        peak = self._peak(self.began, self._mended)
        print(f"\n{', '.join(self._down)} down for {self._mended - self.began:.1f} s: at most {peak:.0f} MiB", end=" ")
        print(f"resident of {self._ceiling / MIB:.0f} stated, {later - first_half:+.1f} from one half to the other")
        assert peak <= self._ceiling / MIB + _ALLOWED_MIB
        assert later <= first_half + _ALLOWED_MIB, "not flat"
        for name in self._down:
            speed_s = _full_speed_s(self._world.servers[name], self._shop.records, self._mended)
            still_s = self._gauges.stood_still_s(self._mended, self._mended + speed_s)
            print(f"{name}: all lanes at work {speed_s:.2f} s after it was mended ({still_s:.2f} s of standstills)")
            assert speed_s <= 2 * _CAP_S + still_s
        slowest_s, still_s = max(
            (arrived - produced, self._gauges.stood_still_s(produced, arrived))
            for produced, arrived in _arrivals(self._world.yotpo, self._meanwhile)
        )
        print(f"meanwhile {len(self._meanwhile)} events went to yotpo, the slowest in {slowest_s:.2f} s", end=" ")
        print(f"({still_s:.2f} s of standstills)")
        assert slowest_s <= _SOON_S + still_s
        assert leaks(self._world, self._member) == []
        assert self._member.stop() == 0
        # Calls that were given up may have been processed: what is asked here is that nothing is lost or out of order.
        ids = frozenset(one.stored_id for one in self._shop.owed)
        evidence = gather(self._world, timeout_s=_TIMEOUT_S)
        assert oracle.violations(self._shop.records, evidence, may_repeat=ids) == []

    def _group(self) -> tuple[set[tuple[str, int, int]], float]:
        return assignment(self._member), rebalances(self._member)

    def _peak(self, after: float, before: float) -> float:
        return self._gauges.peak_bytes(after, before) / MIB


def _full(member: Member) -> int:
    """Return how many pipelines take no more records from any partition that has any."""
    return sum(any(one["full"] for one in pipeline["partitions"]) for pipeline in member.status().values())


def _arrivals(server: Fake, made: Sequence[tuple[float, ProducedRecord]]) -> list[tuple[float, float]]:
    """Return when each of Yotpo's events was produced, and when it arrived."""
    arrived = {arrival.id: arrival.at for arrival in reversed(server.received)}
    return [
        (produced, arrived[one.stored_id]) for produced, sent in made for one in sent.owed if one.destination == "yotpo"
    ]


def _full_speed_s(server: Fake, records: Sequence[ProducedRecord], mended: float) -> float:
    """Return how long after a moment the last lane started its first call to the mended server.

    Which lane an event took is told by the company it kept: the keys of a call are all of one lane.
    """
    keys = {one.stored_id: one.key for record in records for one in record.owed}
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


def _is_good(request: ReceivedRequest) -> bool:
    return request.status is not None and request.status < 300
