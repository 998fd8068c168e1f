"""Does memory grow? The median slope of its samples, and the rise from the first to the last of them.

A leak goes on: it lifts every later sample above every earlier one. A pool that found its size once makes one step, and
then stays. The median of the slopes between every two windows (Theil and Sen's) sees the first and is not moved by
the second, nor by peaks; the rise sees a step, too, however late it came. The larger of the two is judged, with nothing
taken off for doubt.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from statistics import median

_WINDOW_S = 10.0
"""Samples are grouped by windows: neighbours are not independent."""

_END_S = 60.0
"""The rise is measured between the first and the last part of this length: long enough for busy and idle moments."""

Sample = tuple[float, float]
"""Seconds, MiB."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Growth of memory, in MiB per hour.

    Attributes:
        steady: what most pairs of windows agree on.
        rise: from the first minute's median to the last's.
    """

    steady: float
    rise: float

    @property
    def worst(self) -> float:
        """The larger of the two; it is compared with the bound."""
        return max(self.steady, self.rise)


def slope(samples: Sequence[Sample]) -> Slope:
    """Return the growth of memory.

    Args:
        samples: in the order of time.

    Raises:
        ValueError: they tell of less than two minutes.
    """
    if not samples or samples[-1][0] - samples[0][0] < 2 * _END_S:
        raise ValueError("a slope needs samples of two minutes")
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
