"""A kind of fault, and a fault in force."""

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
        hits: returns how often it has had an effect so far. The storm extends a fault without hits, up to a limit.
        end: ends the fault; everything works again when it returns.
        lasts_from_hit: its duration counts from its first hit, not from the command.
    """

    hits: Callable[[], int]
    end: Callable[[], None] = _nothing
    lasts_from_hit: bool = False


@dataclass(frozen=True, slots=True)
class Fault:
    """One kind of fault.

    Attributes:
        kind: its name in the report.
        places: where it can strike. It locks one of them, so that two faults never share a place.
        lasts_s: minimum and maximum duration in seconds.
        strike: starts it at a place.
        also: further places that it locks.
        weight: its frequency in the long run, relative to other kinds.
    """

    kind: str
    places: tuple[str, ...]
    lasts_s: tuple[float, float]
    strike: Callable[[Storm, str, Random], ActiveFault]
    also: tuple[str, ...] = ()
    weight: int = 1
