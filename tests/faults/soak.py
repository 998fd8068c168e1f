"""`make soak`: faults for ten minutes, and two members that none may touch; do they keep anything that they should not?

Their memory is sampled every second once they are warm, and a line is laid through it. Before and after, when nothing
is open, each counts what it holds: tasks, threads, sockets and other descriptors.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from random import Random

from tests.brokers.apache import ApacheBroker, ApacheKafkaError
from tests.brokers.jars import NoJarsError
from tests.faults import report
from tests.faults.catalogue import deck
from tests.faults.members import Line
from tests.faults.slope import Sample, slope
from tests.faults.storm import Storm, seldom_collected
from tests.faults.tally import Options

_MORE_THAN_ENOUGH = 2000
_RATE_PER_S = 120.0
"""Each partition's ledger has forgotten ended records before the measuring begins: until it first does, it grows."""

_QUIET_S = 5.0
_TRIES = 6
_BOUND_MIB_PER_H = 30.0
"""5 MiB in the ten minutes. A leak of 200 bytes for each record that a member takes here would be twice as much."""

_CONNECTIONS = 15
"""One a lane and one for tokens: those that rest are there at one time and not at another."""

_THREADS = 2
"""A Kafka client has a thread for each address of a broker; those of the first address come and go."""

_POOLS = ("asyncio_", "ThreadPoolExecutor")
"""Threads of pools of a fixed size: they come when they are wanted, and stay."""


class Soak(Storm):
    """A storm that measures its anchors."""

    def __init__(self, broker: ApacheBroker, folder: Path, dice: Random) -> None:
        options = Options(members=2, anchors=2, rate_per_s=_RATE_PER_S, trouble_every=300)
        super().__init__(broker, folder, dice, options, lambda said: print(said, flush=True))
        self.memory: dict[str, list[Sample]] = defaultdict(list)
        self.measuring = False
        self._sampled = 0.0

    def sample(self) -> None:
        """Note the memory of the anchors, once a second."""
        now = time.monotonic()
        if self.measuring and now - self._sampled >= 1.0:
            self._sampled = now
            for member in self.crew.anchors:
                self.memory[member.name].append((now, member.memory_mib()[0]))

    def count(self) -> dict[str, Line]:
        """Let everything come to rest, and have every anchor count what it holds."""
        self.calm()
        time.sleep(_QUIET_S)  # nothing tells when a connection's other end has gone
        return {member.name: member.census() for member in self.crew.anchors}

    def count_again(self, before: Mapping[str, Line]) -> dict[str, Line]:
        """Count once more, and for a while again: a client that is being closed is there for a moment."""
        after, tries = self.count(), 1
        while tries < _TRIES and any([*grown(before[name], after[name])] for name in before):
            after, tries = self.count(), tries + 1
        return after


def grown(before: Line, after: Line) -> Iterator[str]:
    """Say what a member holds more of than it did, beyond what comes and goes."""
    if after["tasks"] > before["tasks"]:
        yield f"tasks: {before['tasks']}, then {after['tasks']}"
    if _threads(after) > _threads(before) + _THREADS:
        yield f"threads: {_threads(before)}, then {_threads(after)}"
    for kind, count in after["descriptors"].items():
        had = before["descriptors"].get(kind, 0)
        if count > had + (_CONNECTIONS if kind == "socket" else 0):
            yield f"descriptors ({kind}): {had}, then {count}"


def _threads(line: Line) -> int:
    pooled = sum(str(name).startswith(_POOLS) for name in line["python_threads"])
    return int(line["threads"]) - pooled


def _run(soak: Soak, minutes: float, seed: int) -> list[str]:
    """Blow so long, print what was measured, and return what is wrong."""
    began, of_deck = time.monotonic(), report.seeds(seed)[0]
    warm_s = min(150.0, minutes * 60 / 4)
    soak.form()
    soak.strike(deck(_MORE_THAN_ENOUGH, of_deck), warm_s, all_of_them=False)
    before = soak.count()
    soak.measuring = True
    soak.strike(deck(_MORE_THAN_ENOUGH, of_deck), minutes * 60 - (time.monotonic() - began), all_of_them=False)
    soak.measuring = False
    after = soak.count_again(before)
    soak.part()
    found = report.run(soak, (), seed, time.monotonic() - began)
    print(found.text())
    wrong = [*found.complaints]
    for name, samples in soak.memory.items():
        line = slope(samples)
        print(
            f"{name}: memory {samples[0][1]:.1f} MiB, then {samples[-1][1]:.1f}; slope {line.mib_per_h:+.1f} "
            f"± {2 * line.error:.1f} MiB/h over {samples[-1][0] - samples[0][0]:.0f} s (bound {_BOUND_MIB_PER_H:g})"
        )
        if line.at_least > _BOUND_MIB_PER_H:
            wrong.append(f"{name}: memory grows by at least {line.at_least:.1f} MiB/h")
        for when, census in (("before", before[name]), ("after", after[name])):
            print(f"  {when}: {census['tasks']} tasks, {_threads(census)} threads, {census['descriptors']}")
        wrong += [f"{name} keeps more {one}" for one in grown(before[name], after[name])]
    return wrong


def main() -> int:
    """Soak, and return 1 if anything grew or went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long (default: 10; at least 2)")
    parser.add_argument("--seed", type=int, default=Random().randrange(10**6), help="default: a new one, printed")
    args = parser.parse_args()
    if args.minutes < 2:
        parser.error("--minutes: a slope needs at least 2")
    seldom_collected()
    print(f"python -m tests.faults.soak --minutes {args.minutes:g} --seed {args.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="soak-") as temporary:
        folder = Path(temporary)
        for name in ("kafka", "world"):
            (folder / name).mkdir()
        try:
            broker = ApacheBroker(folder / "kafka")
        except (NoJarsError, ApacheKafkaError) as reason:
            print(f"a broker that may be stopped and killed is needed: {reason}", file=sys.stderr)
            return 1
        try:
            with Soak(broker, folder / "world", report.seeds(args.seed)[1]) as soak:
                wrong = _run(soak, args.minutes, args.seed)
        finally:
            broker.close()
    for one in wrong:
        print(f"WRONG: {one}")
    print("not flat" if wrong else "flat, and nothing kept")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
