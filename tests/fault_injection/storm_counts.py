"""A storm's options and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.fault_injection.verdict import Crash


@dataclass(frozen=True, slots=True)
class StormOptions:
    """Options of a storm.

    Attributes:
        members: number of members that faults may strike; one more or less runs at times.
        anchors: number of further members that no fault may strike.
        rate_per_s: records per second.
        bad_records_every: after this many records, one record of every bad kind follows.
        settle_in_10: how often, out of ten faults of members, the group may settle before the next such fault.
    """

    members: int = 3
    anchors: int = 0
    rate_per_s: float = 50.0
    bad_records_every: int = 150
    settle_in_10: int = 5


@dataclass(slots=True)
class StormCounts:
    """Counts by kind of fault: struck, hits, without a hit, extended; and crashes and complaints."""

    struck: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    extended: Counter[str] = field(default_factory=Counter)
    crashes: list[Crash] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
