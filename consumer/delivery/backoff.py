"""Retry back-off: full jitter under a doubling ceiling, never sooner than the server asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th repetition: anywhere below a ceiling that doubles up to `cap_s` seconds."""

    first_s: float
    cap_s: float

    def next_delay(self, attempt: int, asked_s: float | None, dice: Callable[[], float]) -> float:
        """Return seconds to wait after the `attempt`-th failure in a row (from 1), never less than `asked_s`.

        `dice` gives 0 ≤ x < 1.
        """
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        jittered = ceiling * dice()
        return jittered if asked_s is None else asked_s + jittered
