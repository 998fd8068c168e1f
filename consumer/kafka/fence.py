"""Whether this process may still act for its partitions: only for a while after the group has shown that it knows it.

Non-obvious:

* The group takes a member for dead when it has not heard from it for a session, and gives its partitions to others; the
  member may hear of that much later: it was frozen, or cut off from its brokers, or its client waits for an answer that
  does not come. But a commit is accepted of members only. The silence of whoever had one accepted that was sent less
  than half a session ago is not a session old, and what it starts now has the other half to end in.
* Half, because a classic group counts commits as signs of life, and one of the new protocol only heartbeats: the last
  of these may be older than the commit, by as much as their interval.
* What takes partitions away with no silence before it is not seen so: a member of the same `group.instance.id`, or an
  operator who removes one.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def now_s() -> float:
    """Return seconds of a clock that goes on while the machine is suspended, where there is one.

    A virtual machine that was frozen for a minute must notice: the monotonic clock may stand still with it.
    """
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_LONG_AGO = float("-inf")


class Fence:
    """Promise 4: no call starts unless a commit was accepted that was sent within the last half of a session.

    The thread calls `accepted` and `shut`; `may_call` is for the loop. Each is one or two plain assignments, in an
    order that errs towards "no", so that no lock is needed.

    Args:
        limit_s: how long an accepted commit is good for, in seconds: half the session timeout.
        clock: seconds, rising.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = now_s) -> None:
        self.limit_s = limit_s
        self.clock = clock
        self._accepted_sent_s = _LONG_AGO
        self._closed = False

    def commit_accepted(self, sent_s: float) -> None:
        """Note that a commit was accepted.

        Args:
            sent_s: when it was sent, by this fence's clock: its answer may have lain unread for a session.
        """
        self._accepted_sent_s = max(self._accepted_sent_s, sent_s)

    def membership_lost(self) -> None:
        """Note that the group does not know this member any more."""
        self._accepted_sent_s = _LONG_AGO

    def close(self) -> None:
        """Let no call start any more: the thread is ending."""
        self._closed = True

    def may_send(self) -> bool:
        """Whether a call may start now."""
        return not self._closed and self.clock() - self._accepted_sent_s <= self.limit_s

    def heartbeat_due(self) -> bool:
        """Whether another commit should be sent, even of what was committed before: a third of the time is gone."""
        return self.clock() - self._accepted_sent_s > self.limit_s / 3
