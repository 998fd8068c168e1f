"""The verdict: the oracle of `tests.e2e`, and what only the members' journals allow to be judged exactly.

A delivery may arrive again although it was answered only if an epoch that began meanwhile started at or below its
record: that is what "at least once" means after a crash or a rebalance; or if a member noted meanwhile that a call to
that destination got no answer in time, which on a machine that is busy, or from a member that stood still, can be true
of an answer that was given (these are counted apart). Nothing else excuses a repeat. And what was committed is over:
nothing below a commit that the broker accepted ever arrives afterwards.
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
"""A pipeline and a partition."""

_NO_ANSWER = frozenset({"timed_out", "unreachable"})

_CLOCKS_S = 0.05
"""A journal's line is written a moment after what it is about."""


@dataclass(frozen=True, slots=True)
class Crash:
    """A member that ended with no goodbye.

    Attributes:
        what: how it ended.
        at: monotonic seconds.
        committed: what the broker had of each pipeline and partition then.
    """

    what: str
    at: float
    committed: dict[Place, int]


@dataclass(frozen=True, slots=True)
class Repeats:
    """What came of one crash.

    Attributes:
        crash: how the member ended.
        again: deliveries taken before it that came again after it, before the next crash.
        bound: how many could have: what had been taken at or above the committed offsets.
    """

    crash: str
    again: int
    bound: int


def judge(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> list[str]:
    """Return everything that is wrong; see the top of this file."""
    return judge_and_count(shop, evidence, journals)[0]


def judge_and_count(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> tuple[list[str], int]:
    """Return everything that is wrong, and how many repeats only the word of a sender excuses."""
    excused = _AllowedRepeats(shop, evidence, journals)
    wrong = [
        *oracle.violations(shop.records, evidence, may_repeat=excused.ids()),
        *excused.complaints(),
        *_below_commits(shop, evidence, journals),
        *_starts_below_commits(journals),
    ]
    return wrong, excused.unheard


class _AllowedRepeats:
    """What may have come again, and why."""

    def __init__(self, shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> None:
        self.unheard = 0
        self._evidence = evidence
        self._owed = shop.owed
        self._without_answer: dict[str, list[float]] = defaultdict(list)
        for journal in journals:
            for line in journal:
                if line["event"] == "deferred" and line["cause"] in _NO_ANSWER:
                    self._without_answer[line["destination"]].append(line["at"])
        self._starts: dict[Place, list[PartitionOffset]] = defaultdict(list)
        for start in sorted(partition_offsets(journals, "assigned"), key=lambda one: one.at):
            self._starts[start.pipeline, start.partition].append(start)

    def ids(self) -> frozenset[str]:
        """Return every id there is but letters' that no second epoch could see: `complaints` judges one by one."""
        found = {one.stored_id for one in self._owed if one.cause is None}
        for one in self._owed:
            starts = self._starts[one.pipeline, one.partition]
            if any(start.offset <= one.offset for start in starts[1:]):
                found.add(one.delivery_id)
        return frozenset(found)

    def complaints(self) -> Iterator[str]:
        """Judge each repeat: its answer was lost, or an epoch began between the two that had to take it again."""
        for destination, arrivals in self._evidence.arrivals.items():
            known = {one.stored_id: one for one in self._owed if one.destination == destination}
            answered = {request.number: request for request in self._evidence.requests[destination]}
            last: dict[str, tuple[float, int]] = {}
            for arrival in arrivals:
                before, one = last.get(arrival.id), known.get(arrival.id)
                last[arrival.id] = (arrival.at, arrival.request)
                if before is None or one is None:
                    continue
                request = answered.get(before[1])
                lost = request is not None and (request.status is None or request.fault in LATE_RESPONSES)
                if lost or self._taken_again(one, before[0], arrival.at):
                    continue
                if any(before[0] < at < arrival.at for at in self._without_answer[destination]):
                    self.unheard += 1
                else:
                    yield (
                        f"duplicate: {destination} took {arrival.id} again although it had answered, and no epoch "
                        f"began at or below partition {one.partition}, offset {one.offset} meanwhile"
                    )

    def _taken_again(self, one: OwedDelivery, after: float, before: float) -> bool:
        starts = self._starts[one.pipeline, one.partition]
        return any(start.offset <= one.offset and after - _CLOCKS_S < start.at < before for start in starts)


def _below_commits(shop: Shop, evidence: Evidence, journals: list[list[Line]]) -> Iterator[str]:
    """Find arrivals of what had been committed: it was over, for everyone and for ever."""
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
                yield f"{destination} took offset {one.offset} of partition {one.partition} below commit {highest}"


def _starts_below_commits(journals: list[list[Line]]) -> Iterator[str]:
    """Find epochs that began below what the broker had accepted: they took again what was over."""
    commits: dict[Place, list[PartitionOffset]] = defaultdict(list)
    for commit in partition_offsets(journals, "committed"):
        commits[commit.pipeline, commit.partition].append(commit)
    for start in partition_offsets(journals, "assigned"):
        before = [one.offset for one in commits[start.pipeline, start.partition] if one.at < start.at - _CLOCKS_S]
        if before and start.offset < max(before):
            yield f"{start.pipeline}: partition {start.partition} began at {start.offset}, below commit {max(before)}"


def repeats(crashes: Sequence[Crash], shop: Shop, evidence: Evidence) -> tuple[list[Repeats], list[str]]:
    """Count what came again after each crash; complain of what was committed when it came again."""
    known = {(one.destination, one.stored_id): one for one in shop.owed}
    counted: list[Repeats] = []
    complaints: list[str] = []
    nexts = [one.at for one in crashes[1:]] + [float("inf")] * bool(crashes)
    for crash, until in zip(crashes, nexts, strict=True):
        again = bound = beyond = 0
        for destination, arrivals in evidence.arrivals.items():
            before = {one.id for one in arrivals if one.at <= crash.at and (destination, one.id) in known}
            after = {one.id for one in arrivals if crash.at < one.at <= until}
            above = {name for name in before if _is_above(known[destination, name], crash)}
            again += len(after & before)
            bound += len(above)
            beyond += len(after & before - above)
        if beyond:
            complaints.append(f"after the crash {crash.what!r} {beyond} came again that were committed")
        counted.append(Repeats(crash.what, again, bound))
    return counted, complaints


def _is_above(one: OwedDelivery, crash: Crash) -> bool:
    return one.offset >= crash.committed.get((one.pipeline, one.partition), 0)
