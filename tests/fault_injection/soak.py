"""`make soak`: ten minutes of faults, and two members that are not struck themselves. Do these two leak?

A warm-up exposes the two to every fault of servers and brokers, so that their pools reach their final size. Then their
memory is sampled every second: resident memory, and memory in use according to their allocators. Before and after the
measurement, while no record is open, each counts its tasks, threads, sockets and other descriptors.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from tests.fault_injection import at_kafka, at_servers, report
from tests.fault_injection.catalogue import deck
from tests.fault_injection.members import JournaledMember, Line
from tests.fault_injection.memory_slope import slope
from tests.fault_injection.storm import Storm, collect_garbage_rarely
from tests.fault_injection.storm_counts import StormOptions
from tests.kafka_clusters.apache import ApacheBroker, ApacheKafkaError
from tests.kafka_clusters.jars import NoJarsError

_MORE_FAULTS_THAN_TIME = 2000
_RATE_PER_S = 120.0
"""Records per partition before measuring begins. A ledger grows until it first drops ended records."""

_QUIET_S = 5.0
_TRIES = 6
_SHORTEST_MIN = 5.0
_WARM_S = 150.0
_WARM_UP = (*at_kafka.FAULTS, *at_kafka.FAULTS, *at_servers.FAULTS)
"""The faults of the warm-up: all faults of servers, and those of brokers twice.

A process grows to its need during the worst fault, and keeps those pages: an hour later it has the same number. A
measurement that began before the first broker outage would report this growth as a leak.
"""

RESIDENT_MIB_PER_H = 30.0
"""4 MiB in eight minutes. A leak of 200 bytes per record would be twice as much."""

IN_USE_MIB_PER_H = 15.0
"""Memory in use is exact and without holes, so its bound is half of that."""

_CONNECTIONS = 15
"""Idle connections, one per lane and one for tokens, come and go."""

_THREADS = 2
"""A Kafka client has a thread per broker address; those of the bootstrap address come and go."""

_PIPES_PER_THREAD = 2
"""Each of these threads has a pipe to wake it."""

_POOLS = ("asyncio_", "uvloop_", "ThreadPoolExecutor")
"""Threads of pools of fixed size: they start on demand and stay."""

_FLUCTUATION = {"socket": _CONNECTIONS, "pipe": _THREADS * _PIPES_PER_THREAD}


class Soak(Storm):
    """A storm that measures the members without faults."""

    def __init__(self, broker: ApacheBroker, folder: Path, random: Random) -> None:
        options = StormOptions(members=2, anchors=2, rate_per_s=_RATE_PER_S, bad_records_every=300)
        super().__init__(broker, folder, random, options, lambda line: print(line, flush=True))
        self._sampled = 0.0

    def sample(self) -> None:
        """Let these members write their memory, once a second."""
        now = time.monotonic()
        if now - self._sampled >= 1.0:
            self._sampled = now
            for member in self.members.anchors:
                with contextlib.suppress(BrokenPipeError):  # it has ended, which is a complaint already
                    member.send_command("memory")

    def count(self) -> dict[str, Line]:
        """Wait until nothing is in flight, then let these members count tasks, threads and descriptors."""
        self.wait_for_deliveries()
        time.sleep(_QUIET_S)  # no event reports that the other end closed a connection
        return {member.name: member.census() for member in self.members.anchors}

    def count_again(self, before: Mapping[str, Line]) -> dict[str, Line]:
        """Count again for a while: a client that is closing exists a moment longer."""
        after, tries = self.count(), 1
        while tries < _TRIES and any([*grown(before[name], after[name])] for name in before):
            after, tries = self.count(), tries + 1
        return after


def grown(before: Line, after: Line) -> Iterator[str]:
    """Yield the counts that rose by more than the known fluctuation."""
    if after["tasks"] > before["tasks"]:
        yield f"tasks: {before['tasks']}, then {after['tasks']}"
    if _threads(after) > _threads(before) + _THREADS:
        yield f"threads: {_threads(before)}, then {_threads(after)}"
    for kind, count in after["descriptors"].items():
        had = before["descriptors"].get(kind, 0)
        if count > had + _FLUCTUATION.get(kind, 0):
            yield f"descriptors ({kind}): {had}, then {count}"


def _threads(line: Line) -> int:
    pooled = sum(str(name).startswith(_POOLS) for name in line["python_threads"])
    return int(line["threads"]) - pooled


def _run(soak: Soak, minutes: float, seed: int) -> list[str]:
    """Run for `minutes`, print the measurements, and return the complaints."""
    began, random = time.monotonic(), report.seeds(seed)[0]
    ends = began + minutes * 60
    soak.start()
    soak.strike(random.sample(_WARM_UP, len(_WARM_UP)), minutes * 60 / 2)
    soak.strike(deck(_MORE_FAULTS_THAN_TIME, random), began + _WARM_S - time.monotonic(), must_start_all=False)
    before = soak.count()
    anchors, measured_from = [*soak.members.anchors], time.monotonic()
    soak.strike(deck(_MORE_FAULTS_THAN_TIME, random), ends - measured_from, must_start_all=False)
    measured_to = time.monotonic()
    after = soak.count_again(before)
    soak.shut_down()
    found = report.run(soak, (), seed, time.monotonic() - began)
    print(found.text())
    complaints = [*found.complaints]
    for member in anchors:
        lines = [line for line in member.journal("memory") if measured_from <= line["at"] <= measured_to]
        complaints += _memory_complaints(member, lines)
        for when, census in (("before", before[member.name]), ("after", after[member.name])):
            print(f"  {when}: {census['tasks']} tasks, {_threads(census)} threads, {census['descriptors']}")
        complaints += [f"{member.name} leaked {one}" for one in grown(before[member.name], after[member.name])]
        new: Counter[str] = Counter(after[member.name]["names"]) - Counter(before[member.name]["names"])
        if new:
            print(f"  new threads: {dict(new)}")
    return complaints


def _memory_complaints(member: JournaledMember, lines: list[Line]) -> Iterator[str]:
    """Print a member's memory growth, and yield complaints."""
    for what, field, bound in (
        ("resident", "resident_mib", RESIDENT_MIB_PER_H),
        ("in use", "in_use_mib", IN_USE_MIB_PER_H),
    ):
        samples = [(line["at"], line[field]) for line in lines if line[field] is not None]
        if not samples:
            print(f"{member.name}: {what}: not reported by this C library (glibc reports it since 2.33)")
            continue
        grew, over_s = slope(samples), samples[-1][0] - samples[0][0]
        print(
            f"{member.name}: {what} {samples[0][1]:.1f} MiB, then {samples[-1][1]:.1f}; "
            f"slope {grew.steady:+.1f} MiB/h, from the first to the last minute {grew.rise:+.1f} MiB/h, "
            f"over {over_s:.0f} s (bound {bound:g})"
        )
        if grew.worst > bound:
            yield f"{member.name}: {what} memory grows by {grew.worst:.1f} MiB/h"


def main() -> int:
    """Run the soak; return 1 if anything grew or a check failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fault_injection.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="duration (default: 10; at least 5)")
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6), help="default: a new one, printed")
    args = parser.parse_args()
    if args.minutes < _SHORTEST_MIN:
        parser.error(f"--minutes: must be at least {_SHORTEST_MIN:g}, because a warm-up with every fault comes first")
    collect_garbage_rarely()
    print(f"python -m tests.fault_injection.soak --minutes {args.minutes:g} --seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        for name in ("kafka", "world"):
            (folder / name).mkdir()
        try:
            broker = ApacheBroker(folder / "kafka")
        except (NoJarsError, ApacheKafkaError) as reason:
            print(f"no Apache Kafka to stop and kill: {reason}", file=sys.stderr)
            return 1
        try:
            with Soak(broker, folder / "world", report.seeds(args.seed)[1]) as soak:
                complaints = _run(soak, args.minutes, args.seed)
        finally:
            broker.close()
    for one in complaints:
        print(f"WRONG: {one}")
    print("a leak or a violation was found" if complaints else "memory is flat, and nothing leaked")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
