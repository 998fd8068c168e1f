"""The report of a storm: verdict and counts, as text and as JSON."""

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
    """Counts of one kind of fault: struck, hits, without any hit, and extended until it hit."""

    struck: int
    hits: int
    missed: int
    extended: int


@dataclass(frozen=True, slots=True)
class Report:
    """A storm's report.

    Attributes:
        repeated: arrivals of deliveries that had arrived before.
        repeated_without_response: repeats allowed only because a member recorded that it got no response in time.
        longest_pause_s: by destination, the longest time between two arrivals.
        complaints: every violation; the run passes only if there is none.
    """

    seed: int
    broker: str
    seconds: float
    records: int
    deliveries: int
    dead_letters: int
    faults: dict[str, Count]
    lost: int
    order_violations: int
    wrongly_dead_lettered: int
    repeated: int
    repeated_without_response: int
    crashes: list[Repeats]
    longest_pause_s: dict[str, float]
    peak_memory_mib: float
    complaints: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(asdict(self), indent=1)

    def text(self) -> str:
        """Return it as text."""
        return "\n".join(self._lines())

    def _lines(self) -> Iterator[str]:
        yield f"seed {self.seed}, {self.broker}, {self.seconds:.0f} s"
        yield f"{self.records} records, {self.deliveries} deliveries, {self.dead_letters} dead letters owed"
        yield f"{sum(one.struck for one in self.faults.values())} faults (struck, hits, without a hit, extended):"
        for kind, one in sorted(self.faults.items()):
            yield f"  {kind:34} {one.struck:4} {one.hits:6} {one.missed:4} {one.extended:4}"
        yield f"lost {self.lost}, out of order {self.order_violations}"
        yield f"wrongly dead-lettered {self.wrongly_dead_lettered}, delivered more than once {self.repeated} "
        yield f"({self.repeated_without_response} of these because a response was lost although the server sent it)"
        yield f"crashes: {len(self.crashes)}; deliveries repeated after each, of those above the committed offsets:"
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
    """Return the report of a finished storm. A kind in `faults` without hits is a complaint."""
    evidence = gather(storm.world, killed_at=tuple(crash.at for crash in storm.counts.crashes))
    violations, repeated_without_response = judge_and_count(storm.shop, evidence, storm.members.journals)
    crashes, committed_again = repeats(storm.counts.crashes, storm.shop, evidence)
    counts = storm.counts
    return Report(
        seed=seed,
        broker=storm.broker.origin,
        seconds=seconds,
        records=len(storm.shop.records),
        deliveries=sum(one.cause is None for one in storm.shop.owed),
        dead_letters=sum(one.cause is not None for one in storm.shop.owed),
        faults={
            kind: Count(counts.struck[kind], counts.hits[kind], counts.missed[kind], counts.extended[kind])
            for kind in counts.struck
        },
        lost=_count(violations, "lost: "),
        order_violations=_count(violations, "order: "),
        wrongly_dead_lettered=_count(violations, "unexpected dead letter"),
        repeated=sum(_repeated(evidence, name) for name in evidence.arrivals),
        repeated_without_response=repeated_without_response,
        crashes=crashes,
        longest_pause_s={name: _longest_pause(evidence, name) for name in evidence.arrivals},
        peak_memory_mib=storm.members.peak_mib,
        complaints=[*counts.complaints, *violations, *committed_again, *faults_without_hits(faults, counts.hits)],
    )


def faults_without_hits(faults: Sequence[Fault], hits: Mapping[str, int]) -> list[str]:
    """Return a complaint for every kind without hits: such a run proves nothing about it."""
    return [f"{kind} never hit anything" for kind in sorted({fault.kind for fault in faults}) if not hits.get(kind)]


def _count(complaints: Sequence[str], kind: str) -> int:
    return sum(kind in one for one in complaints)


def _repeated(evidence: Evidence, destination: str) -> int:
    arrivals = evidence.arrivals[destination]
    return len(arrivals) - len({one.id for one in arrivals})


def _longest_pause(evidence: Evidence, destination: str) -> float:
    return max((b.at - a.at for a, b in pairwise(evidence.arrivals[destination])), default=0.0)


def seeds(seed: int) -> tuple[Random, Random]:
    """Return the random generators of the deck and of the storm."""
    return Random(f"deck {seed}"), Random(f"storm {seed}")
