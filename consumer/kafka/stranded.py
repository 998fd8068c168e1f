"""A client that has forgotten every broker, and will never work again: how its statistics show it.

Non-obvious: a lone broker that starts or stops says for a moment that there is no broker at all, and a cluster that
starts as a whole may say so, too. librdkafka 2.16 then lets all of them go, can lose those it was configured with as
well, and asks nobody ever after (https://github.com/confluentinc/librdkafka/issues/5301; tried: one restart in thirty).
It reports no error. While brokers are merely down they stay in its list.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

STATISTICS: Final = "statistics.interval.ms"
"""Ours on every client that is looked at, whatever else it is given: without it nothing is ever seen."""

EVERY_MS = "10000"
"""How often: the text is not parsed, only searched."""

_KNOWN = ('"source":"learned"', '"source":"configured"')
"""Where a real broker is known from; what else is listed, coordinators for instance, only points to one."""
_LOOKS = 3
"""It forgets brokers for a moment when it begins anew, and that mends itself."""


class Stranded:
    """Looks at one client's statistics.

    Attributes:
        for_good: whether it has known of no broker three times in a row.
    """

    def __init__(self) -> None:
        self.for_good = False
        self._looks = 0

    def properties(self) -> dict[str, str | Callable[[str], None]]:
        """Return what has the client looked at; given to it after all else, so that nothing replaces it."""
        return {STATISTICS: EVERY_MS, "stats_cb": self.look}

    def look(self, statistics: str) -> None:
        """Take a client's statistics, as JSON text: its `stats_cb`."""
        if any(known in statistics for known in _KNOWN):
            self._looks = 0
        else:
            self._looks += 1
            self.for_good = self._looks >= _LOOKS
