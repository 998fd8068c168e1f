"""What a fault is, and what a fault that has struck can be asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.fault_injection.storm import Storm


def _nothing() -> None:
    pass


@dataclass(frozen=True, slots=True)
class ActiveFault:
    """A fault in force.

    Attributes:
        hits: how often it has met anything so far; it lasts until it has, within reason.
        over: ends it; what it broke is whole again when this returns.
        lasts_from_hit: its duration counts from its first hit, not from the request for it.
    """

    hits: Callable[[], int]
    end: Callable[[], None] = _nothing
    lasts_from_hit: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: its name in the report.
        places: where it can strike; one of these is locked while it lasts, so that two faults never share one.
        lasts_s: at least and at most, in seconds.
        strike: begins it at a place.
        also: more places that it locks.
        weight: how many of it there are to one of the others in the long form.
    """

    kind: str
    places: tuple[str, ...]
    lasts_s: tuple[float, float]
    strike: Callable[[Storm, str, Random], ActiveFault]
    also: tuple[str, ...] = ()
    weight: int = 1
