"""The line through memory's samples: it sees a leak through the noise, and none where there is only noise."""

from __future__ import annotations

import random

import pytest

from tests.faults.slope import slope


def _samples(mib_per_h: float, seconds: int = 400) -> list[tuple[float, float]]:
    dice = random.Random(1)
    return [(at, 80 + mib_per_h * at / 3600 + dice.gauss(0, 1)) for at in range(seconds)]


@pytest.mark.parametrize("leak", [60.0, 600.0])
def test_a_leak_is_seen_through_the_noise(leak: float) -> None:
    found = slope(_samples(leak))
    assert found.at_least > 30
    assert abs(found.mib_per_h - leak) < 3 * found.error


def test_noise_alone_is_flat() -> None:
    found = slope(_samples(0.0))
    assert found.at_least < 0 < found.mib_per_h + 2 * found.error


def test_too_few_samples_are_refused() -> None:
    with pytest.raises(ValueError, match="three windows"):
        slope(_samples(0.0, seconds=19))
