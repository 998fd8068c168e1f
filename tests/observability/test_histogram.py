"""Histograms that take a list at once: the same buckets as one by one, and a sum that nothing can spoil."""

from __future__ import annotations

import math

import pytest
from prometheus_client import CollectorRegistry

from consumer.observability.metrics.histogram import Distribution, Histogram

BOUNDS = (1.0, 2.0, 5.0)
ODD = [0.0, 1.0, 1.5, 2.0, 5.0, 7.0, -3.0, math.nan, math.inf, -math.inf]


def one_by_one(values: list[float]) -> Distribution:
    made = Distribution(BOUNDS)
    for value in values:
        made.add(value)
    return made


@pytest.mark.parametrize(
    "values",
    [[], [1.0], [7.0, 1.0, 3.0], [0.5, 1.0, 1.5, 2.0, 5.0, 7.0], [-1.0, -2.0, 1.0, 2.0, 9.0], ODD, ODD[:4]],
    ids=["none", "one", "few", "many", "ahead of the clock", "odd", "on the bounds"],
)
def test_list_counts_like_single_values(values: list[float]) -> None:
    made = Distribution(BOUNDS)
    made.add_all(values)
    assert made.read() == one_by_one(values).read()


def test_non_finite_values_are_ignored_and_negative_ones_count_as_0() -> None:
    buckets, total = one_by_one(ODD).read()
    assert total == 16.5
    assert dict(buckets) == {"1.0": 3, "2.0": 5, "5.0": 6, "+Inf": 7}


def test_wrong_number_of_labels_raises() -> None:
    histogram = Histogram("h_seconds", "Help.", ("pipeline",), BOUNDS, CollectorRegistry())
    with pytest.raises(ValueError, match="h_seconds: wrong number of label values"):
        histogram.labels("a", "b")


def test_duplicate_histogram_name_raises() -> None:
    registry = CollectorRegistry()
    Histogram("h_seconds", "Help.", (), BOUNDS, registry)
    with pytest.raises(ValueError, match="Duplicated timeseries"):
        Histogram("h_seconds", "Help.", (), BOUNDS, registry)
