"""Memory growth of a process: the median slope of its samples, and the rise from the first to the last of them.

A leak continues: every later sample is above every earlier one. A pool that reaches its size makes one step and then
stays. The median of the slopes between every two windows (the Theil-Sen estimator) shows a leak, and ignores peaks and
a step. The rise shows a step as well, however late it comes. The larger of the two is compared with the bound, without
a tolerance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_WINDOW_S = 10.0
"""Samples are grouped into windows, because neighbouring samples are not independent."""

_END_S = 60.0
"""The rise is measured between a first and a last part of this length. Each has busy and idle moments."""

Sample = tuple[float, float]
"""Seconds, MiB."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth of memory, in MiB per hour.

    Attributes:
        steady: median of the slopes between all pairs of windows.
        rise: slope from the median of the first minute to that of the last.
    """

    steady: float
    rise: float

    @property
    def worst(self) -> float:
        """The larger of the two, to be compared with the bound."""
        return max(self.steady, self.rise)


def slope(samples: Sequence[Sample]) -> Slope:
    """Return the growth of memory.

    Args:
        samples: ordered by time.

    Raises:
        ValueError: the samples cover less than two minutes.
    """
    if not samples or samples[-1][0] - samples[0][0] < 2 * _END_S:
        raise ValueError("samples cover less than two minutes")
    windows: dict[int, list[Sample]] = {}
    for at, mib in samples:
        windows.setdefault(int((at - samples[0][0]) // _WINDOW_S), []).append((at, mib))
    points = [_middle(some) for some in windows.values()]
    first = _middle([one for one in samples if one[0] - samples[0][0] < _END_S])
    last = _middle([one for one in samples if samples[-1][0] - one[0] < _END_S])
    return Slope(median(_between(*pair) for pair in combinations(points, 2)), _between(first, last))


def _middle(samples: Sequence[Sample]) -> Sample:
    return median(at for at, _ in samples), median(mib for _, mib in samples)


def _between(earlier: Sample, later: Sample) -> float:
    return (later[1] - earlier[1]) / (later[0] - earlier[0]) * 3600
