"""A storm's options and counts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.fault_injection.verdict import Crash


@dataclass(frozen=True, slots=True)
class StormOptions:
    """Options of a storm.

    Attributes:
        members: at work at any time, give or take one, that faults may meet.
        anchors: members besides, that none may touch.
        rate_per_s: records a second.
        trouble_every: a record of every bad kind each so many records.
        settle: how often, of ten times, the group is let come to rest after a fault of its members.
    """

    members: int = 3
    anchors: int = 0
    rate_per_s: float = 50.0
    trouble_every: int = 150
    settle: int = 5


@dataclass(slots=True)
class StormCounts:
    """Counts by kind of fault: struck, hits, without a hit, extended; and crashes and complaints."""

    struck: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    extended: Counter[str] = field(default_factory=Counter)
    crashes: list[Crash] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
