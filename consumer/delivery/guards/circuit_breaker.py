"""Holds: what nothing is sent to but probes, and what is known of each.

Endpoints where *we* are wrong, and event types for which the flood guard is closed.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Generic, TypeVar

if TYPE_CHECKING:
    from collections.abc import Iterator

    from consumer.model import Fault

Held = TypeVar("Held")


class Hold:
    """One thing held.

    It is probed with one delivery at a time, of different keys in turn, so that one bad event cannot keep it shut.
    """

    def __init__(self, fault: Fault, now: float, probe_s: float) -> None:
        """Hold from `now` (monotonic seconds), and probe `probe_s` later."""
        self.fault = fault
        self.since = now
        self.next_probe = now + probe_s
        self.next_other = float("inf")
        """When one goes that waits with the others and can prove nothing; never, but at the flood guard."""
        self.probing = False
        self.other = False
        """Whether its probe is such a one."""
        self.tried: defaultdict[object, set[int]] = defaultdict(set)
        """Of each lane, the keys that had a turn since all of its keys had one."""

    def due(self, now: float) -> bool:
        """Tell whether one goes now, a probe before any other."""
        if self.probing or now < min(self.next_probe, self.next_other):
            return False
        self.other = now < self.next_probe
        return True

    def go_on(self, at: float) -> None:
        """Let the next delivery go `at` this time (monotonic seconds): of the sort that went last."""
        if self.other:
            self.next_other = at
        else:
            self.next_probe = at

    def keeps_turn(self, key: int) -> None:
        """Give a key its turn back: what was tried of it has ended, and could say nothing of what is held."""
        for tried in self.tried.values():
            tried.discard(key)


class Holds(Generic[Held]):
    """All holds of one kind within one destination."""

    def __init__(self, probe_s: float) -> None:
        """Start with nothing held."""
        self.probe_s = probe_s
        self._holds: dict[Held, Hold] = {}
        self._succeeded: dict[Held, float] = {}

    def __bool__(self) -> bool:
        """Tell whether anything is held."""
        return bool(self._holds)

    def __contains__(self, held: Held) -> bool:
        """Tell whether it is held."""
        return held in self._holds

    def __iter__(self) -> Iterator[tuple[Held, Hold]]:
        """Go through what is held."""
        return iter(tuple(self._holds.items()))

    def get(self, held: Held) -> Hold | None:
        """Return the hold of it, if it is held."""
        return self._holds.get(held)

    def succeeded_since(self, held: Held, started: float) -> bool:
        """Tell whether a call there succeeded after `started`: a barred answer is not the endpoint's then."""
        return self._succeeded.get(held, float("-inf")) > started

    def barred(
        self, held: Held, fault: Fault, now: float, first_s: float | None = None, *, others: bool = False
    ) -> bool:
        """Note a barred answer; tell whether the hold is new. Those of calls started before the hold change nothing.

        `first_s`: seconds to the first probe, where it is not as far off as every other. `others`: there are some that
        can prove nothing.
        """
        if held in self._holds:
            return False
        hold = self._holds[held] = Hold(fault, now, self.probe_s if first_s is None else first_s)
        if others:
            hold.next_other = now
        return True

    def probed(self, hold: Hold, now: float, fault: Fault | None = None) -> None:
        """Note that a probe ended without an answer that ends the hold; `fault`: the barred answer it had."""
        hold.fault = fault or hold.fault
        hold.go_on(now + self.probe_s)
        hold.probing = False

    def answered(self, held: Held, now: float, *, success: bool) -> Hold | None:
        """Note an answer that is not barred; return the hold it ends, if there was one."""
        if success:
            self._succeeded[held] = now
        return self._holds.pop(held, None)

    def probe_now(self, now: float) -> None:
        """Let every hold be probed at once: something on our side has changed."""
        for hold in self._holds.values():
            hold.next_probe = min(hold.next_probe, now)
