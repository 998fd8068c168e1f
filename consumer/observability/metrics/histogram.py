"""Histograms that observe a whole list at once: one observation at a time costs more than an event's budget."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from threading import Lock

from prometheus_client import CollectorRegistry
from prometheus_client.core import HistogramMetricFamily
from prometheus_client.registry import Collector

LATENCY_S = (0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 900, 3600)
"""Service level objectives need a bucket bound: one minute and five minutes must be among them."""
REQUEST_S = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 15, 30)
CALLBACK_S = (0.01, 0.1, 0.5, 1, 2.5, 5, 10, 20, 30, 60)
COMMIT_S = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
POLL_S = (0.01, 0.1, 0.5, 1, 5, 15, 30, 60, 150, 300)
EVENTS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)
SIZE_BYTES = (1_000, 4_000, 16_000, 32_000, 64_000, 128_000, 256_000, 490_000, 1_000_000)

_FEW = 4
"""Up to this many values, observing one by one is cheaper than sorting them and searching every bound."""


class Distribution:
    """The buckets of one series. Safe to use from several threads."""

    __slots__ = ("_bounds", "_counts", "_lock", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = tuple(bounds)
        self._counts = [0] * (len(self._bounds) + 1)
        self._sum = 0.0
        self._lock = Lock()

    def add(self, value: float) -> None:
        """Count one value, as `add_all` would."""
        if not math.isfinite(value):
            return
        value = max(value, 0.0)
        index = bisect_left(self._bounds, value)
        with self._lock:
            self._counts[index] += 1
            self._sum += value

    def add_all(self, values: Sequence[float]) -> None:
        """Count all values of a list under one lock.

        A negative value (an age by a clock that is ahead) counts as 0: a falling sum would look like a restart.
        NaN and infinity are left out: one of them would make the sum useless until the process ends.
        """
        if len(values) <= _FEW:
            for value in values:
                self.add(value)
            return
        ordered = sorted(values)
        total = sum(ordered)
        if ordered[0] < 0 or not math.isfinite(total):
            ordered = sorted(max(value, 0.0) for value in ordered if math.isfinite(value))
            total = sum(ordered)
        edges = [bisect_right(ordered, bound) for bound in self._bounds]
        below = 0
        with self._lock:
            for index, edge in enumerate(edges):
                self._counts[index] += edge - below
                below = edge
            self._counts[-1] += len(ordered) - below
            self._sum += total

    def read(self) -> tuple[list[tuple[str, float]], float]:
        """Return the cumulative buckets as (bound, count), the infinite one last, and the sum."""
        with self._lock:
            counts, total = list(self._counts), self._sum
        running = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, math.inf), counts, strict=True):
            running += count
            buckets.append((_text(bound), running))
        return buckets, total


def _text(bound: float) -> str:
    return "+Inf" if bound == math.inf else str(float(bound))


class Histogram(Collector):
    """A family of distributions, exported as a classic histogram."""

    def __init__(
        self, name: str, text: str, labels: Sequence[str], bounds: Sequence[float], registry: CollectorRegistry
    ) -> None:
        self._name = name
        self._text = text
        self._labels = tuple(labels)
        self._bounds = bounds
        self._children: dict[tuple[str, ...], Distribution] = {}
        self._lock = Lock()
        registry.register(self)

    def labels(self, *values: str) -> Distribution:
        """Return the series with these label values. A new one starts empty and is exported from then on."""
        if len(values) != len(self._labels):
            raise ValueError(
                f"{self._name}: wrong number of label values ({len(values)}); its labels are {self._labels}"
            )
        with self._lock:
            return self._children.setdefault(values, Distribution(self._bounds))

    def describe(self) -> Iterator[HistogramMetricFamily]:
        """Name the family, so that the registry can reject a second one of the same name."""
        yield HistogramMetricFamily(self._name, self._text, labels=self._labels)

    def collect(self) -> Iterator[HistogramMetricFamily]:
        """Return the family with all its series."""
        family = HistogramMetricFamily(self._name, self._text, labels=self._labels)
        with self._lock:
            children = list(self._children.items())
        for values, distribution in children:
            buckets, total = distribution.read()
            family.add_metric(values, buckets, total)
        yield family
