"""What a storm comes to: judged, counted, and written down for people and as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from random import Random

from tests.e2e.evidence import Evidence, gather
from tests.fault_injection.fault import Fault
from tests.fault_injection.storm import Storm
from tests.fault_injection.verdict import Repeats, judge_and_count, repeats


@dataclass(frozen=True, slots=True)
class Count:
    """One kind of fault: how often it struck, what it met, how often it met nothing, and lasted longer until it did."""

    struck: int
    hits: int
    missed: int
    extended: int


@dataclass(frozen=True, slots=True)
class Report:
    """A storm's report.

    Attributes:
        repeated: arrivals of what had arrived before.
        unheard: those among them that only the word of a sender excuses, who says that it got no answer in time.
        longest_pause_s: by destination, the longest time in which it took nothing while records came.
        complaints: everything that was wrong; empty, or the run has failed.
    """

    seed: int
    broker: str
    seconds: float
    records: int
    deliveries: int
    letters: int
    faults: dict[str, Count]
    lost: int
    order_violations: int
    wrongly_dead_lettered: int
    repeated: int
    unheard: int
    crashes: list[Repeats]
    longest_pause_s: dict[str, float]
    peak_memory_mib: float
    complaints: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)

    def text(self) -> str:
        """Return it for people."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"seed {self.seed}, {self.broker}, {self.seconds:.0f} s"
        yield f"{self.records} records, {self.deliveries} deliveries, {self.letters} dead letters owed"
        yield f"{sum(one.struck for one in self.faults.values())} faults (struck, hits, met nothing, extended):"
        for kind, one in sorted(self.faults.items()):
            yield f"  {kind:34} {one.struck:4} {one.hits:6} {one.missed:4} {one.extended:4}"
        yield f"lost {self.lost}, out of order {self.order_violations}"
        yield f"wrongly dead-lettered {self.wrongly_dead_lettered}, taken more than once {self.repeated} "
        yield f"({self.unheard} of these for want of an answer that the server says it gave)"
        yield f"crashes: {len(self.crashes)}; taken again after each, of what had been taken above the commits:"
        for crash in self.crashes:
            yield f"  {crash.crash:34} {crash.again:5} of {crash.bound}"
        pauses = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in self.longest_pause_s.items())
        yield f"longest pause: {pauses}"
        yield f"peak memory of a member: {self.peak_memory_mib:.0f} MiB"
        for complaint in self.complaints[:20]:
            yield f"WRONG: {complaint}"
        if len(self.complaints) > 20:
            yield f"WRONG: and {len(self.complaints) - 20} more"


def run(storm: Storm, faults: Sequence[Fault], seed: int, seconds: float) -> Report:
    """Judge a storm that has blown out; every one of `faults` had to hit something, by its kind."""
    evidence = gather(storm.world, killed_at=tuple(crash.at for crash in storm.counts.crashes))
    wrong, unheard = judge_and_count(storm.shop, evidence, storm.members.journals)
    crashes, beyond = repeats(storm.counts.crashes, storm.shop, evidence)
    tally = storm.counts
    return Report(
        seed=seed,
        broker=storm.broker.origin,
        seconds=seconds,
        records=len(storm.shop.records),
        deliveries=sum(one.cause is None for one in storm.shop.owed),
        letters=sum(one.cause is not None for one in storm.shop.owed),
        faults={
            kind: Count(tally.struck[kind], tally.hits[kind], tally.missed[kind], tally.extended[kind])
            for kind in tally.struck
        },
        lost=_count(wrong, "lost: "),
        order_violations=_count(wrong, "order: "),
        wrongly_dead_lettered=_count(wrong, "unexpected dead letter"),
        repeated=sum(_repeated(evidence, name) for name in evidence.arrivals),
        unheard=unheard,
        crashes=crashes,
        longest_pause_s={name: _longest_pause(evidence, name) for name in evidence.arrivals},
        peak_memory_mib=storm.members.peak_mib,
        complaints=[*tally.complaints, *wrong, *beyond, *faults_without_hits(faults, tally.hits)],
    )


def faults_without_hits(faults: Sequence[Fault], hits: Mapping[str, int]) -> list[str]:
    """Complain of every kind among these that never hit anything: it has proved nothing."""
    return [f"{kind} never hit anything" for kind in sorted({fault.kind for fault in faults}) if not hits.get(kind)]


def _count(complaints: Sequence[str], kind: str) -> int:
    return sum(kind in one for one in complaints)


def _repeated(evidence: Evidence, destination: str) -> int:
    arrivals = evidence.arrivals[destination]
    return len(arrivals) - len({one.id for one in arrivals})


def _longest_pause(evidence: Evidence, destination: str) -> float:
    return max((b.at - a.at for a, b in pairwise(evidence.arrivals[destination])), default=0.0)


def seeds(seed: int) -> tuple[Random, Random]:
    """Return the dice of the deck and those of the storm."""
    return Random(f"deck {seed}"), Random(f"storm {seed}")
