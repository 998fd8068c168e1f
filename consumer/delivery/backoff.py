"""Retry back-off: full jitter under a doubling ceiling, never sooner than the server asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Backoff:
    """Delays between retries: a random time below a ceiling that doubles with each failure, up to `cap_s` seconds."""

    first_s: float
    cap_s: float

    def next_delay(self, attempt: int, at_least_s: float | None, random: Callable[[], float]) -> float:
        """Return the seconds to wait after a failure.

        Args:
            attempt: the number of failures in a row, this one included.
            at_least_s: the wait that the server asked for; the jitter is added to it.
            random: returns 0 ≤ x < 1.
        """
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        jittered = ceiling * random()
        return jittered if at_least_s is None else at_least_s + jittered
