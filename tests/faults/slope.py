"""Whether memory grows: a line of least squares through its samples, and how sure one can be of its slope."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

_WINDOW_S = 10.0
"""Samples are taken together by windows: neighbours tell the same, and would make the line look surer than it is."""

Sample = tuple[float, float]
"""Seconds, and MiB."""


@dataclass(frozen=True, slots=True)
class Slope:
    """A line's slope and its standard error, in MiB an hour."""

    mib_per_h: float
    error: float

    @property
    def at_least(self) -> float:
        """What it is with two standard errors taken off."""
        return self.mib_per_h - 2 * self.error


def slope(samples: Sequence[Sample]) -> Slope:
    """Return the slope through the means of windows of ten seconds.

    Raises:
        ValueError: there are fewer than three windows: no error could be told.
    """
    windows: dict[int, list[Sample]] = {}
    for at, mib in samples:
        windows.setdefault(int(at // _WINDOW_S), []).append((at, mib))
    points = [tuple(sum(column) / len(some) for column in zip(*some, strict=True)) for some in windows.values()]
    if len(points) < 3:
        raise ValueError("a slope needs three windows of ten seconds")
    mean_t = sum(t for t, _ in points) / len(points)
    mean_m = sum(m for _, m in points) / len(points)
    spread = sum((t - mean_t) ** 2 for t, _ in points)
    rise = sum((t - mean_t) * (m - mean_m) for t, m in points) / spread
    off = sum((m - mean_m - rise * (t - mean_t)) ** 2 for t, m in points)
    return Slope(rise * 3600, sqrt(off / (len(points) - 2) / spread) * 3600)
