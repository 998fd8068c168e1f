"""All kinds of fault. Add a new kind to one of these files."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from tests.fault_injection import at_kafka, at_members, at_servers
from tests.fault_injection.fault import Fault

FAULTS: tuple[Fault, ...] = (*at_servers.FAULTS, *at_members.FAULTS, *at_kafka.FAULTS)


def deck(count: int, random: Random, only: Sequence[str] | None = None) -> list[Fault]:
    """Return `count` faults in random order; each kind (or `only` these) occurs in proportion to its weight."""
    once = [fault for fault in FAULTS for _ in range(fault.weight) if not only or fault.kind in only]
    rounds: list[Fault] = []
    while len(rounds) < count:
        random.shuffle(once)
        rounds += once
    return rounds[:count]


def each_once(random: Random) -> list[Fault]:
    """Return every kind once, in random order."""
    return random.sample(FAULTS, len(FAULTS))
