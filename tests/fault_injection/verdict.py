"""The verdict on a run: the oracle of `tests.e2e`, and checks that need the members' journals.

A delivery that got a response may arrive again in two cases only:

* An assignment epoch that began meanwhile started at or below its record. That is "at least once" after a crash or a
  rebalance.
* A member recorded meanwhile that a request to that destination got no response in time. On a busy machine, or for a
  frozen member, this can happen although the server responded. These repeats are counted separately.

Nothing below a commit that the broker accepted may arrive afterwards.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tests.e2e import oracle
from tests.e2e.evidence import Evidence
from tests.e2e.oracle import LATE_RESPONSES
from tests.e2e.produced import OwedDelivery
from tests.e2e.shop import Shop
from tests.fault_injection.members import Line, PartitionOffset, partition_offsets

Place = tuple[str, int]
"""Pipeline and partition."""

_NO_RESPONSE = frozenset({"timed_out", "unreachable"})

_CLOCKS_S = 0.05
"""A journal line is written shortly after its event."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A member that was killed.

    Attributes:
        what: the kind of kill.
        at: monotonic seconds.
        committed: the committed offsets at that time, by pipeline and partition.
    """

    what: str
    at: float
    committed: dict[Place, int]


@dataclass(frozen=True, slots=True)
class Repeats:
    """Repeats after one crash.

    Attributes:
        crash: the kind of kill.
        again: deliveries that arrived before it, and again between it and the next crash.
        bound: the maximum allowed: deliveries that had arrived at or above the committed offsets.
    """

    crash: str
    again: int
    bound: int


def judge(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> list[str]:
    """Return every violation; the rules are at the top of this file."""
    return judge_and_count(shop, evidence, journals)[0]


def judge_and_count(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> tuple[list[str], int]:
    """Return every violation, and the number of repeats allowed only by a recorded missing response."""
    allowed = _AllowedRepeats(shop, evidence, journals)
    violations = [
        *oracle.violations(shop.records, evidence, may_repeat=allowed.ids()),
        *allowed.complaints(),
        *_below_commits(shop, evidence, journals),
        *_starts_below_commits(journals),
    ]
    return violations, allowed.without_response


class _AllowedRepeats:
    """Repeats that are allowed, and why."""

    def __init__(self, shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> None:
        self.without_response = 0
        self._evidence = evidence
        self._owed = shop.owed
        self._no_response_at: dict[str, list[float]] = defaultdict(list)
        for journal in journals:
            for line in journal:
                if line["event"] == "deferred" and line["cause"] in _NO_RESPONSE:
                    self._no_response_at[line["destination"]].append(line["at"])
        self._starts: dict[Place, list[PartitionOffset]] = defaultdict(list)
        for start in sorted(partition_offsets(journals, "assigned"), key=lambda one: one.at):
            self._starts[start.pipeline, start.partition].append(start)

    def ids(self) -> frozenset[str]:
        """Return the ids that may repeat. Dead letters may only if a later epoch could read their record again."""
        found = {one.stored_id for one in self._owed if one.cause is None}
        for one in self._owed:
            starts = self._starts[one.pipeline, one.partition]
            if any(start.offset <= one.offset for start in starts[1:]):
                found.add(one.delivery_id)
        return frozenset(found)

    def complaints(self) -> Iterator[str]:
        """Check each repeat: its response was lost, or an epoch between the two arrivals covers its record."""
        for destination, arrivals in self._evidence.arrivals.items():
            known = {one.stored_id: one for one in self._owed if one.destination == destination}
            requests = {request.number: request for request in self._evidence.requests[destination]}
            last: dict[str, tuple[float, int]] = {}
            for arrival in arrivals:
                before, one = last.get(arrival.id), known.get(arrival.id)
                last[arrival.id] = (arrival.at, arrival.request)
                if before is None or one is None:
                    continue
                request = requests.get(before[1])
                lost = request is not None and (request.status is None or request.fault in LATE_RESPONSES)
                if lost or self._read_again(one, before[0], arrival.at):
                    continue
                if any(before[0] < at < arrival.at for at in self._no_response_at[destination]):
                    self.without_response += 1
                else:
                    yield (
                        f"duplicate: {destination} received {arrival.id} again after its response, and no epoch "
                        f"began at or below partition {one.partition}, offset {one.offset} meanwhile"
                    )

    def _read_again(self, one: OwedDelivery, after: float, before: float) -> bool:
        starts = self._starts[one.pipeline, one.partition]
        return any(start.offset <= one.offset and after - _CLOCKS_S < start.at < before for start in starts)


def _below_commits(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> Iterator[str]:
    """Find arrivals of deliveries below an accepted commit."""
    commits: dict[Place, list[PartitionOffset]] = defaultdict(list)
    for commit in sorted(partition_offsets(journals, "committed"), key=lambda one: one.at):
        commits[commit.pipeline, commit.partition].append(commit)
    for destination, arrivals in evidence.arrivals.items():
        known = {one.stored_id: one for one in shop.owed if one.destination == destination}
        reached: dict[Place, tuple[int, int]] = {}
        for arrival in arrivals:
            one = known.get(arrival.id)
            if one is None:
                continue
            place = (one.pipeline, one.partition)
            index, highest = reached.get(place, (0, -1))
            mine = commits[place]
            while index < len(mine) and mine[index].at < arrival.at:
                highest = max(highest, mine[index].offset)
                index += 1
            reached[place] = (index, highest)
            if one.offset < highest:
                yield f"{destination} received offset {one.offset} of partition {one.partition} below commit {highest}"


def _starts_below_commits(journals: list[list[Line]]) -> Iterator[str]:
    """Find epochs that started below an accepted commit."""
    commits: dict[Place, list[PartitionOffset]] = defaultdict(list)
    for commit in partition_offsets(journals, "committed"):
        commits[commit.pipeline, commit.partition].append(commit)
    for start in partition_offsets(journals, "assigned"):
        before = [one.offset for one in commits[start.pipeline, start.partition] if one.at < start.at - _CLOCKS_S]
        if before and start.offset < max(before):
            yield f"{start.pipeline}: partition {start.partition} began at {start.offset}, below commit {max(before)}"


def repeats(crashes: Sequence[Crash], shop: Shop, evidence: Evidence) -> tuple[list[Repeats], list[str]]:
    """Count the repeats after each crash; return a complaint for each that was committed before."""
    known = {(one.destination, one.stored_id): one for one in shop.owed}
    counted: list[Repeats] = []
    complaints: list[str] = []
    nexts = [one.at for one in crashes[1:]] + [float("inf")] * bool(crashes)
    for crash, until in zip(crashes, nexts, strict=True):
        again = bound = committed_again = 0
        for destination, arrivals in evidence.arrivals.items():
            before = {one.id for one in arrivals if one.at <= crash.at and (destination, one.id) in known}
            after = {one.id for one in arrivals if crash.at < one.at <= until}
            above = {name for name in before if _is_above(known[destination, name], crash)}
            again += len(after & before)
            bound += len(above)
            committed_again += len(after & before - above)
        if committed_again:
            complaints.append(f"after the crash {crash.what!r}, {committed_again} committed deliveries arrived again")
        counted.append(Repeats(crash.what, again, bound))
    return counted, complaints


def _is_above(one: OwedDelivery, crash: Crash) -> bool:
    return one.offset >= crash.committed.get((one.pipeline, one.partition), 0)
