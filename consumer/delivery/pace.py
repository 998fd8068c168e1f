"""When a call may start, and when to try again: full jitter under a doubling ceiling, never sooner than asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_SLACK = 1.02
"""Calls are spaced a little wider than the rate says: two a window apart may arrive closer."""

_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait before the n-th repetition: anywhere below a ceiling that doubles up to `cap_s` seconds."""

    first_s: float
    cap_s: float

    def wait(self, attempt: int, asked_s: float | None, dice: Callable[[], float]) -> float:
        """Return seconds to wait after the `attempt`-th failure in a row (from 1), never less than `asked_s`.

        `dice` gives 0 ≤ x < 1.
        """
        ceiling = min(self.cap_s, self.first_s * 2.0 ** min(attempt - 1, 60))
        jittered = ceiling * dice()
        return jittered if asked_s is None else asked_s + jittered


class Pace:
    """One destination's clock: told waits stop all its lanes; a rate spaces its calls.

    A rate belongs to the destination's account, so that a process may use only its share of it, by assigned ÷ all
    partitions. A lost share counts at once, a gained one after a window: the member that had it may have used it until
    now.
    """

    def __init__(self, rate_per_s: float | None) -> None:
        """Start with a share of nothing if there is a rate, and no waits."""
        self.rate_per_s = rate_per_s
        self._share = 0.0
        self._gain: tuple[float, float] | None = None
        self.last_call = float("-inf")
        """When the last call started, a call for a token included."""
        self.told_until = float("-inf")

    def share(self, share: float, now: float) -> None:
        """Set this process's share of the rate, 0 to 1."""
        current = self.share_at(now)
        if share > current:
            due = now + _WINDOW_S
            if self._gain is not None and share <= self._gain[1]:
                due = self._gain[0]  # told again, not gained again: repeats would put it off for ever
            self._share, self._gain = current, (due, share)
        else:
            self._share, self._gain = share, None

    def share_at(self, now: float) -> float:
        """Return the share in force."""
        if self._gain is not None and now >= self._gain[0]:
            self._share, self._gain = self._gain[1], None
        return self._share

    def told(self, until: float) -> None:
        """Let no call start before `until` (the destination asked for it)."""
        self.told_until = max(self.told_until, until)

    def delay(self, now: float) -> tuple[float, str]:
        """Return how many seconds the next call must still wait (0 = go), and who says so: `told` or `local`."""
        told = self.told_until - now
        if told > 0:
            return told, "told"
        if self.rate_per_s is None:
            return 0.0, ""
        share = self.share_at(now)
        if share <= 0:
            return _WINDOW_S / 10, "local"
        return max(0.0, self.last_call + _SLACK / (self.rate_per_s * share) - now), "local"

    def started(self, now: float) -> None:
        """Note that a call starts now."""
        self.last_call = now
