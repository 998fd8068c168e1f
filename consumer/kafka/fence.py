"""Whether this process may still act for its partitions: not after a standstill in which they may have gone."""

from __future__ import annotations

import time
from collections.abc import Callable


def now_s() -> float:
    """Return seconds of a clock that goes on while the machine is suspended, where there is one.

    A virtual machine that was frozen for a minute must notice: the monotonic clock may stand still with it.
    """
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class Fence:
    """Promise 4: no call starts when the poll thread has not turned for too long, until a commit was accepted since.

    The thread calls `turned`, `opened` and `shut`; `may_call` is for the loop. Each is one or two plain assignments, in
    an order that errs towards "no", so that no lock is needed.

    Args:
        limit_s: the longest time between two turns, in seconds: half the session timeout.
        clock: seconds, rising.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = now_s) -> None:
        self.limit_s = limit_s
        self._clock = clock
        self._last_s = clock()
        self._shut = False

    @property
    def is_shut(self) -> bool:
        """Whether a standstill was seen and no commit has been accepted since."""
        return self._shut

    def turned(self) -> float:
        """Note a turn of the thread and return the seconds since the one before."""
        now = self._clock()
        interval_s = now - self._last_s
        if interval_s > self.limit_s:
            self._shut = True  # before the time is noted: the loop must never see a fresh turn and an open fence
        self._last_s = now
        return interval_s

    def opened(self) -> None:
        """Note that a synchronous commit was accepted."""
        self._shut = False

    def shut(self) -> None:
        """Let no call start any more: the thread is ending."""
        self._shut = True

    def may_call(self) -> bool:
        """Whether a call may start now."""
        return self._clock() - self._last_s <= self.limit_s and not self._shut
