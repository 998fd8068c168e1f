"""The fence: requests may start only for a limited time after the group has proven this process's membership.

Non-obvious:

* After a session timeout without a heartbeat the group removes a member and reassigns its partitions. The member may
  notice much later: it was frozen, or cut off from its brokers, or its client waits for a response that never comes.
  But a commit is accepted from members only. If a commit that was sent less than half a session ago was accepted, the
  session cannot have timed out yet. A request that starts now has the other half of the session to end in.
* Half, because a classic group counts commits as heartbeats, and a group of the new protocol does not. There the last
  heartbeat may be older than the commit, by as much as the heartbeat interval.
* The fence does not detect a reassignment without silence before it: another member with the same
  `group.instance.id`, or an operator who removes a member.
"""

from __future__ import annotations

import time
from collections.abc import Callable


def now_s() -> float:
    """Return the seconds of a clock that also runs while the machine is suspended, where there is one.

    A virtual machine that was frozen for a minute must notice it. The monotonic clock may have stopped with it.
    """
    return time.clock_gettime(_CLOCK)


_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)

_NEVER_S = float("-inf")


class Fence:
    """Promise 4: a request starts only if a commit sent within the last half of a session timeout was accepted.

    The thread calls `commit_accepted`, `membership_lost` and `close`; the loop calls `may_send`. Each is one or two
    plain assignments, in an order that at worst denies a request. So no lock is needed.

    Args:
        limit_s: how long an accepted commit counts, in seconds: half the session timeout.
        clock: monotonic seconds.
    """

    def __init__(self, limit_s: float, clock: Callable[[], float] = now_s) -> None:
        self.limit_s = limit_s
        self.clock = clock
        self._accepted_sent_s = _NEVER_S
        self._closed = False

    def commit_accepted(self, sent_s: float) -> None:
        """Note an accepted commit.

        Args:
            sent_s: when the commit was sent, by this fence's clock. Its response may have lain unread for a session.
        """
        self._accepted_sent_s = max(self._accepted_sent_s, sent_s)

    def membership_lost(self) -> None:
        """Note that the group does not know this member any more."""
        self._accepted_sent_s = _NEVER_S

    def close(self) -> None:
        """Let no request start any more: the thread is ending."""
        self._closed = True

    def may_send(self) -> bool:
        """Return whether a request may start now."""
        return not self._closed and self.clock() - self._accepted_sent_s <= self.limit_s

    def heartbeat_due(self) -> bool:
        """Return whether a third of the time is over, so that a commit should repeat even a confirmed offset."""
        return self.clock() - self._accepted_sent_s > self.limit_s / 3
