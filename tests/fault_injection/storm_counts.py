"""What a storm is asked for, and what it counts on its way."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

from tests.fault_injection.verdict import Crash


@dataclass(frozen=True, slots=True)
class StormOptions:
    """How a storm blows.

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
    """What was struck, how often it hit, how often it lasted longer until it did, and what went wrong on the way."""

    struck: Counter[str] = field(default_factory=Counter)
    hits: Counter[str] = field(default_factory=Counter)
    missed: Counter[str] = field(default_factory=Counter)
    extended: Counter[str] = field(default_factory=Counter)
    crashes: list[Crash] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
