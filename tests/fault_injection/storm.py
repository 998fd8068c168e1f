"""A storm: members process a stream of records under a sequence of faults; a verdict follows."""

from __future__ import annotations

import contextlib
import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Self

from tests.e2e import kafka_io
from tests.e2e.shop import INVALID, ISOLATED, POISON, Shop
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.fault import ActiveFault, Fault
from tests.fault_injection.storm_counts import StormCounts, StormOptions
from tests.fault_injection.storm_members import StormMembers
from tests.fault_injection.stream import RecordStream
from tests.fault_injection.verdict import Crash
from tests.kafka_clusters.apache import ApacheBroker

_TICK_S = 0.05
_AT_ONCE = 3
_AHEAD = 12
"""How many faults of the deck to search for one whose place is free. Most need a member and would else come last."""

_UNTIL_HIT_S = 300.0
"""A fault without hits is extended up to this. On a busy machine there may be no request for a minute."""
_AGAIN_S = 0.3
_SETTLE_WITHIN_S = 30.0
_SETTLED_WITHIN_S = 600.0
_ARRIVED_WITHIN_S = 900.0


@dataclass(slots=True)
class _RunningFault:
    fault: Fault
    place: str
    active: ActiveFault
    began: float
    at_least: float
    extended: bool = False
    hit: bool = False

    @property
    def locks(self) -> set[str]:
        return {self.place, *self.fault.also}


class Storm:
    """One world, its members, and the active faults. A context manager: it ends everything that it started.

    Args:
        broker: faults stop, pause and kill it.
        folder: for logs and journals.
        random: makes every choice, so that a seed reproduces the storm.
        options: rates and numbers.
        report: receives a line about the progress every 15 seconds.
    """

    def __init__(
        self, broker: ApacheBroker, folder: Path, random: Random, options: StormOptions, report: Callable[[str], None]
    ) -> None:
        self.broker = broker
        self.member_count = options.members
        self.counts = StormCounts()
        self.world = World(broker, folder, ISOLATED)
        self.shop = Shop(self.world.topic, PARTITIONS, self.world.pipelines, Random(random.random()))
        self.members = StormMembers(self.world, random, self.counts.complaints.append)
        self._random = random
        self._options = options
        self._report = report
        self._stream = RecordStream(broker, self.shop, options.rate_per_s, options.bad_records_every)
        self._running: list[_RunningFault] = []
        self._stack = contextlib.ExitStack()
        self._settle_until: float | None = None

    def __enter__(self) -> Self:
        self._stack.enter_context(self.world)
        for name, server in self.world.servers.items():
            # The poison rule comes first: a fault that answers the whole request would let a poison event pass.
            server.poison(POISON[name])
        self.world.mark_invalid(INVALID)
        return self

    def __exit__(self, *_: object) -> None:
        # Every step runs, whatever fails, and every failure is reported.
        with self._stack:
            self._stack.callback(self.members.kill_all)
            for each in self._running:
                self._stack.callback(each.active.end)

    # ── For the faults ──

    def record_crash(self, what: str) -> None:
        """Record a crash, with the offsets committed now."""
        committed = {
            (pipeline, partition): offset
            for pipeline in self.world.pipelines
            for partition, offset in kafka_io.committed(
                self.broker, pipeline, self.world.topic, self.world.partitions
            ).items()
        }
        self.counts.crashes.append(Crash(what, time.monotonic(), committed))

    def produce_bad_records(self) -> None:
        """Produce one record of every bad kind, twice."""
        self._stream.produce_bad_records()
        self._stream.produce_bad_records()

    def deferrals(self, destination: str, cause: str) -> int:
        """Count the retries that members scheduled so far for this cause."""
        return sum(
            (line["destination"], line["cause"]) == (destination, cause)
            for member in self.members.all
            for line in member.journal("deferred")
        )

    def dead_letters_refused(self) -> int:
        """Count the dead letters that failed to be written so far."""
        return sum(len(member.journal("dead letter failed")) for member in self.members.all)

    # ── Phases ──

    def start(self) -> None:
        """Start the members, and wait until every partition is assigned."""
        for _ in range(self._options.anchors):
            self.members.start_anchor()
        for _ in range(self.member_count):
            self.members.start_one()
        self._wait_for(self.members.fully_assigned, _SETTLED_WITHIN_S, "the group did not form")

    def strike(self, faults: Sequence[Fault], within_s: float, *, must_start_all: bool = True) -> None:
        """Run these faults, several at once, never two at one place.

        Args:
            faults: to start in this order; a fault whose place is locked is passed over until later.
            within_s: seconds after which no more start.
            must_start_all: whether a fault that did not start in time is a complaint.
        """
        began, waiting, next_report_s = time.monotonic(), list(faults), 0.0
        self._stream.resume()
        while waiting or self._running:
            now = time.monotonic()
            if waiting and now - began > within_s:
                if must_start_all:
                    self.counts.complaints.append(f"{len(waiting)} faults did not start in time")
                waiting = []
            self._step()
            if waiting and len(self._running) < _AT_ONCE:
                self._start_one(waiting)
            self._end_due_faults()
            if now - began >= next_report_s:
                next_report_s += 15.0
                self._report(
                    f"{now - began:4.0f} s: {self.counts.struck.total()} faults, {len(self.shop.records)} records, "
                    f"{len(self.members.running)} members; "
                    f"now {', '.join(each.fault.kind for each in self._running) or 'nothing'}"
                )
            time.sleep(_TICK_S)

    def wait_for_deliveries(self) -> None:
        """Stop producing, and wait until everything has arrived and no record is open."""
        self._report("no more faults; waiting for all deliveries")
        self._stream.finish()
        due = {
            name: {one.stored_id for one in self.shop.owed if one.destination == name and one.cause is None}
            for name in self.world.servers
        }
        self._wait_for(
            lambda: all(due[name] <= server.stored_ids() for name, server in self.world.servers.items()),
            _ARRIVED_WITHIN_S,
            "not everything arrived",
        )
        self._wait_for(self.members.fully_assigned, _SETTLED_WITHIN_S, "the group did not settle")
        self._wait_for(lambda: not any(self.members.open_records()), _ARRIVED_WITHIN_S, "records stayed open")

    def shut_down(self) -> None:
        """Shut down all members; their accounting must balance."""
        self.members.shut_down_all()
        self._wait_for(self.members.all_ended, _SETTLED_WITHIN_S, "a member did not shut down")

    # ── Steps ──

    def _step(self) -> None:
        self._stream.produce_due()
        self.members.refresh()
        self.sample()

    def sample(self) -> None:
        """Do nothing. The soak overrides this and takes a sample at each step."""

    def _start_one(self, waiting: list[Fault]) -> None:
        locked = {place for each in self._running for place in each.locks}
        if self._settle_until is not None:
            if self.members.fully_assigned() or time.monotonic() > self._settle_until:
                self._settle_until = None
            else:
                locked.add("members")
        for fault in waiting[:_AHEAD]:
            free = [place for place in fault.places if place not in locked]
            if not free or locked & set(fault.also):
                continue
            waiting.remove(fault)
            place, at_least = self._random.choice(free), self._random.uniform(*fault.lasts_s)
            active = fault.strike(self, place, self._random)
            self.counts.struck[fault.kind] += 1
            self._running.append(_RunningFault(fault, place, active, time.monotonic(), at_least))
            return

    def _end_due_faults(self) -> None:
        now = time.monotonic()
        for each in self._running:
            if each.active.lasts_from_hit and not each.hit and each.active.hits():
                each.began, each.hit = now, True
        for each in [one for one in self._running if now - one.began >= one.at_least]:
            hits = each.active.hits()
            if not hits and now - each.began < _UNTIL_HIT_S:
                each.extended = True
                if not each.active.lasts_from_hit:
                    each.at_least = now - each.began + _AGAIN_S  # checked again soon
                continue
            each.active.end()
            self.counts.extended[each.fault.kind] += each.extended
            self._running.remove(each)
            self.counts.hits[each.fault.kind] += hits
            self.counts.missed[each.fault.kind] += not hits
            if "members" in each.locks and self._random.randrange(10) < self._options.settle_in_10:
                self._settle_until = time.monotonic() + _SETTLE_WITHIN_S

    def _wait_for(self, true: Callable[[], bool], within_s: float, otherwise: str) -> None:
        deadline = time.monotonic() + within_s
        while not true():
            self._step()
            if time.monotonic() > deadline:
                tails = "\n".join(member.log_tail(8) for member in self.members.running)
                raise AssertionError(f"{otherwise} within {within_s:g} s\n{tails}")
            time.sleep(_TICK_S * 4)


def collect_garbage_rarely() -> None:
    """Collect garbage rarely: the servers run in this process and do not respond during a collection."""
    gc.set_threshold(200_000, 50, 1000)
