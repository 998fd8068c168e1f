"""Counting a list at once gives the same result as counting one by one."""

import math

import prometheus_client
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from consumer.observability.metrics.histogram import LATENCY_S, Distribution, Histogram

SECONDS = st.one_of(st.floats(min_value=0, max_value=1e6), st.sampled_from([float(bound) for bound in LATENCY_S]))


def on_the_page(registry: CollectorRegistry) -> dict[tuple[str, str], float]:
    return {
        (sample.name, sample.labels.get("le", "")): sample.value
        for family in registry.collect()
        for sample in family.samples
        if not sample.name.endswith("_created")
    }


@given(st.lists(st.lists(SECONDS, max_size=40), max_size=5))
def test_list_gives_the_same_buckets_as_the_library(batches: list[list[float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    fast = Histogram("cdp_x_seconds", "X.", ("destination",), LATENCY_S, ours).labels("copilot")
    slow = prometheus_client.Histogram(
        "cdp_x_seconds", "X.", ("destination",), buckets=LATENCY_S, registry=theirs
    ).labels("copilot")
    for batch in batches:
        fast.add_all(batch)
        for value in batch:
            slow.observe(value)
    fast_page, slow_page = on_the_page(ours), on_the_page(theirs)
    assert fast_page.keys() == slow_page.keys()
    for key, value in slow_page.items():
        assert math.isclose(fast_page[key], value, rel_tol=1e-9, abs_tol=1e-9), key


@given(st.lists(st.floats(), max_size=30))
def test_any_float_leaves_sum_and_buckets_valid(values: list[float]) -> None:
    spread = Distribution((1.0, 10.0))
    spread.add_all([value for value in values if abs(value) < 1e300 or not math.isfinite(value)])
    buckets, total = spread.read()
    counts = [count for _, count in buckets]
    assert counts == sorted(counts)
    assert counts[-1] == sum(1 for value in values if abs(value) < 1e300)
    assert math.isfinite(total)
    assert total >= 0


def test_negative_age_counts_as_0() -> None:
    spread = Distribution((1.0, 10.0))
    spread.add_all([-5.0, 2.0])
    assert spread.read() == ([("1.0", 1), ("10.0", 2), ("+Inf", 2)], 2.0)


def test_value_on_a_bound_is_inside_it() -> None:
    spread = Distribution((60, 300))
    spread.add(60)
    assert spread.read()[0] == [("60.0", 1), ("300.0", 1), ("+Inf", 1)]
