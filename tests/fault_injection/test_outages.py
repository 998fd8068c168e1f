"""A destination is down for longer than `max.poll.interval.ms`: nothing else is affected, and it recovers at once."""

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

_BACKOFF_CAP_S = 1.0
_TIMEOUT_S = 0.8
"""A request that hangs when the fault ends must time out first, and then the longest back-off follows. Together they
take less than twice the cap; pauses of the machine are measured and added."""
_LANES = 4
_BACKLOG = 2500
_LONG_NOTE = "n" * 1500
_TOLERANCE_MIB = 10
_MAX_DELAY_S = 5.0
"""Maximum time until an event reaches a destination that is not down. Generous: many processes share the machine."""


def _in_turn(*actions: Action) -> Callable[[IncomingRequest], Action]:
    """Return a rule that applies these actions in turn, one per request."""
    return lambda request: actions[request.number % len(actions)]


_DOWN: Mapping[str, Mapping[str, Callable[[IncomingRequest], Action]]] = {
    "5xx, hangs": {
        "customerio": _in_turn(Respond(500), Respond(502), Respond(503)),
        "copilot": _in_turn(Hang(600), Delay(_TIMEOUT_S * 3)),
    },
    "trickles, resets": {"customerio": _in_turn(Trickle(_TIMEOUT_S * 4)), "copilot": _in_turn(Reset())},
}


@pytest.mark.timeout(900)
def test_outage_costs_no_partition_memory_or_other_pipeline(apache_broker: RealBroker, tmp_path: Path) -> None:
    """The member keeps its partitions, memory stays flat, the other pipeline delivers, and recovery takes seconds."""
    with ExitStack() as stack:
        # The outages run at the same time because they only wait. They end one after the other: recovery is busy.
        outages = [stack.enter_context(Outage(apache_broker, tmp_path / name, down)) for name, down in _DOWN.items()]
        for one in outages:
            one.begin()
        while any(time.monotonic() < one.began + OUTAGE_S for one in outages):
            for one in outages:
                one.produce_order()
            time.sleep(0.25)  # the rate of the orders
        for one in outages:
            one.end()
            one.judge()


class Outage:
    """A member with three destinations, two of which are down. A context manager.

    Args:
        broker: the Kafka cluster.
        folder: for the files.
        down: the faults of the destinations that are down.
    """

    def __init__(
        self, broker: RealBroker, folder: Path, down: Mapping[str, Callable[[IncomingRequest], Action]]
    ) -> None:
        folder.mkdir()
        self.began = self._full_at = self._fixed_at = 0.0
        self._down = down
        self._world = World(broker, folder, ISOLATED)
        self._producer = OrderProducer(self._world, 61)
        self._rules: dict[str, Rule] = {}
        self._ordered: list[tuple[float, ProducedRecord]] = []
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            world = stack.enter_context(self._world)
            world.configure(timeout_s=_TIMEOUT_S, drain_s=DRAIN_S)
            change(
                world,
                kafka={**SHORT_POLL_INTERVAL, "queued.max.messages.kbytes": 1024},
                budgets={"bytes": "2MiB", "records": 20_000},
                every={"lanes": _LANES, "backoff": {"first": "100ms", "cap": f"{_BACKOFF_CAP_S:g}s"}},
                destinations={"yotpo": {"timeout": "2s"}},
            )
            self._ceiling = stated_ceiling_bytes(world, partitions=PARTITIONS, largest="64KiB")
            self._member = stack.enter_context(world.member())
            self._measurements = stack.enter_context(Measurements(self._member))
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def begin(self) -> None:
        """Deliver some records, then take the servers down and wait until their pipelines have reached their limits."""
        self._member.wait_for_partitions(PARTITIONS)
        self._producer.orders(200)
        self._producer.wait_until_delivered()
        self._group_before = self._group_state()
        self.began = time.monotonic()
        self._rules = {name: self._world.servers[name].faults.add(action) for name, action in self._down.items()}
        self._producer.orders(_BACKLOG, note=_LONG_NOTE, vip=False)
        self._member.wait_until(
            lambda: _full_pipelines(self._member) == len(self._down), 180, "the limits were not reached"
        )
        self._full_at = time.monotonic()

    def produce_order(self) -> None:
        """Produce one order, and note when."""
        at = time.monotonic()
        self._ordered += [(at, sent) for sent in self._producer.orders(1)]

    def end(self) -> None:
        """End the faults, and wait until the servers have everything."""
        for name, rule in self._rules.items():
            self._world.servers[name].faults.remove(rule)
        self._fixed_at = time.monotonic()
        self._producer.wait_until_delivered(within_s=120)

    def judge(self) -> None:
        """Compare the measurements with the promises, and stop the member."""
        assert self._group_state() == self._group_before, "the member lost its place in the group"
        middle = (self._full_at + self._fixed_at) / 2
        first_half, later = self._peak(self._full_at, middle), self._peak(middle, self._fixed_at)
        peak = self._peak(self.began, self._fixed_at)
        print(f"\n{', '.join(self._down)} down for {self._fixed_at - self.began:.1f} s: peak {peak:.0f} MiB", end=" ")
        print(f"resident, ceiling {self._ceiling / MIB:.0f}; second half {later - first_half:+.1f} against the first")
        assert peak <= self._ceiling / MIB + _TOLERANCE_MIB
        assert later <= first_half + _TOLERANCE_MIB, "memory kept growing"
        for name in self._down:
            recovery_s = _recovery_s(self._world.servers[name], self._producer.records, self._fixed_at)
            pause_s = self._measurements.paused_s(self._fixed_at, self._fixed_at + recovery_s)
            print(f"{name}: all lanes sent again after {recovery_s:.2f} s ({pause_s:.2f} s of machine pauses)")
            assert recovery_s <= 2 * _BACKOFF_CAP_S + pause_s
        max_delay_s, pause_s = max(
            (arrived - produced, self._measurements.paused_s(produced, arrived))
            for produced, arrived in _arrivals(self._world.yotpo, self._ordered)
        )
        print(f"meanwhile {len(self._ordered)} events went to yotpo, the slowest in {max_delay_s:.2f} s", end=" ")
        print(f"({pause_s:.2f} s of machine pauses)")
        assert max_delay_s <= _MAX_DELAY_S + pause_s
        assert leaks(self._world, self._member) == []
        assert self._member.stop() == 0
        # The server may have processed requests that timed out, so repeats are allowed here.
        ids = frozenset(one.stored_id for one in self._producer.owed)
        evidence = gather(self._world, timeout_s=_TIMEOUT_S)
        assert oracle.violations(self._producer.records, evidence, may_repeat=ids) == []

    def _group_state(self) -> tuple[set[tuple[str, int, int]], float]:
        return assignment(self._member), rebalances(self._member)

    def _peak(self, after: float, before: float) -> float:
        return self._measurements.peak_bytes(after, before) / MIB


def _full_pipelines(member: Member) -> int:
    """Return the number of pipelines with a partition that has reached its limit."""
    return sum(any(one["full"] for one in pipeline["partitions"]) for pipeline in member.status().values())


def _arrivals(server: Fake, ordered: Sequence[tuple[float, ProducedRecord]]) -> list[tuple[float, float]]:
    """Return when each of Yotpo's events was produced, and when it arrived."""
    arrived = {arrival.id: arrival.at for arrival in reversed(server.received)}
    return [
        (produced, arrived[one.stored_id])
        for produced, sent in ordered
        for one in sent.owed
        if one.destination == "yotpo"
    ]


def _recovery_s(server: Fake, records: Sequence[ProducedRecord], fixed_at: float) -> float:
    """Return the seconds from the end of the fault until every lane has started a request.

    The keys of a request all belong to one lane, so requests with a common key are of the same lane.
    """
    keys = {one.stored_id: one.key for record in records for one in record.owed}
    lanes: list[set[str]] = []
    for request in server.requests:
        keys_of_request = {keys[name] for name in request.ids}
        other_lanes = [lane for lane in lanes if not lane & keys_of_request]
        lanes = [*other_lanes, keys_of_request.union(*(lane for lane in lanes if lane & keys_of_request))]
    assert len(lanes) == _LANES, "the requests do not show which key is in which lane"
    after_fix = [request for request in server.requests if request.started > fixed_at]
    # The fault has ended, so only requests that timed out on a slow machine may have no success response.
    assert [request.number for request in after_fix if not _is_accepted(request) and request.status is not None] == []
    return max(
        min(one.started for one in after_fix if any(keys[name] in lane for name in one.ids)) - fixed_at
        for lane in lanes
    )


def _is_accepted(request: ReceivedRequest) -> bool:
    return request.status is not None and request.status < 300
