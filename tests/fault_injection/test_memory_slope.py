"""The slope of memory shows a leak of any form through the noise, and no leak if there is only noise."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.fault_injection.memory_slope import Sample, slope
from tests.fault_injection.soak import RESIDENT_MIB_PER_H

_SECONDS = 400


def _samples(growth_mib: Callable[[int], float], seconds: int = _SECONDS) -> list[Sample]:
    """Return samples with correlated noise: most of what is in flight now is in flight a second later."""
    generator, drift, samples = random.Random(1), 0.0, []
    for at in range(seconds):
        drift = 0.9 * drift + generator.gauss(0, 0.1)
        samples.append((1000.0 + at, 80 + growth_mib(at) + drift + (3 if generator.random() < 0.05 else 0)))
    return samples


@pytest.mark.parametrize("leak", [1.2 * RESIDENT_MIB_PER_H, 60.0, 600.0])
def test_leak_just_over_the_bound_is_seen_through_noise(leak: float) -> None:
    found = slope(_samples(lambda at: leak * at / 3600))
    assert found.steady > RESIDENT_MIB_PER_H
    assert abs(found.steady - leak) < 5


def test_leak_per_fault_is_seen() -> None:
    assert slope(_samples(lambda at: at // 60 * 0.6)).steady > RESIDENT_MIB_PER_H


def test_leak_that_starts_late_is_seen_in_the_rise() -> None:
    assert slope(_samples(lambda at: max(0, at - 200) / 40)).rise > RESIDENT_MIB_PER_H


def test_large_step_is_seen_and_small_step_is_no_leak() -> None:
    """The rise shows the large step."""
    large, small = (slope(_samples(lambda at, mib=mib: mib if at > 150 else 0.0)) for mib in (4.0, 1.0))  # type: ignore[misc]
    assert large.worst == large.rise > RESIDENT_MIB_PER_H
    assert small.worst < RESIDENT_MIB_PER_H


def test_noise_alone_is_flat() -> None:
    found = slope(_samples(lambda _: 0.0))
    assert abs(found.steady) < 5
    assert found.worst < RESIDENT_MIB_PER_H / 2


def test_too_few_samples_raise() -> None:
    for seconds in (0, 1, 120):
        with pytest.raises(ValueError, match="two minutes"):
            slope(_samples(lambda _: 0.0, seconds=seconds))
