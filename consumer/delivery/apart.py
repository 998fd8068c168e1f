"""What waits by itself: batches that keep failing, each until its own back-off is over, while their lane goes on."""

from __future__ import annotations

from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from consumer.delivery.keyed_queue import Scope

_Wait: TypeAlias = "tuple[float, int, Scope, int]"


class Apart:
    """One lane's batches apart, by when each may be tried again."""

    def __init__(self) -> None:
        """Start with none."""
        self._waits: list[_Wait] = []
        self._count = 0
        self._others_turn = False

    @property
    def due_s(self) -> float:
        """When the next one may be tried (monotonic seconds); infinite without any."""
        return self._waits[0][0] if self._waits else float("inf")

    @property
    def suspects(self) -> int:
        """How many deliveries were suspects when they were set apart."""
        return sum(suspects for _, _, _, suspects in self._waits)

    def put(self, scope: Scope, due_s: float, suspects: int) -> None:
        """Let what is aside under `scope` wait until `due_s`; so many deliveries of it are suspects."""
        self._count += 1  # two may be due at the same time, and scopes have no order
        heappush(self._waits, (due_s, self._count, scope, suspects))
        self._others_turn = True

    def next(self, now: float, *, others: bool) -> Scope | None:
        """Return the scope to be tried now, which waits no more, or `None`: none is due, or it is the others' turn.

        `others`: whether anything else is queued. It goes first until one of its calls went well: without that nothing
        would prove a suspect, and with many of them due again and again nothing else would ever go.
        """
        if self.due_s > now or (others and self._others_turn):
            return None
        self._others_turn = True
        return heappop(self._waits)[2]

    def went_well(self) -> None:
        """Note that a call of the lane did not fail."""
        self._others_turn = False

    def keep(self, wanted: Callable[[Scope], int]) -> None:
        """Forget those under which nothing waits any more."""
        self._waits = [wait for wait in self._waits if wanted(wait[2])]
        heapify(self._waits)
