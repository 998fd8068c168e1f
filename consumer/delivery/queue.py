"""A lane's deliveries in order, and what of them may go now.

Non-obvious: what may not go is set *aside* under the scope it waits for, and its key is blocked with it, so that later deliveries of the key
follow it aside. Aside always comes before the queue when a scope is released: that keeps the order of every key without any numbering.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, TypeAlias

from consumer.delivery.batch import form
from consumer.model import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Sequence

    from consumer.delivery.delivery import Delivery

Scope: TypeAlias = tuple[str, object]
"""What deliveries wait for: ("endpoint", a held one), ("letter", the key of one being dead-lettered), ("clock", when their time comes)."""

Waits: TypeAlias = "Callable[[Delivery], Scope | Fault | None]"
"""What a delivery must wait for, why it can never go, or `None` where it may go now."""


class KeyedQueue:
    """The queue of one lane: per key strictly first in, first out."""

    def __init__(self) -> None:
        """Start empty."""
        self._queue: deque[Delivery] = deque()
        self._aside: dict[Scope, deque[Delivery]] = {}
        self._blocked: dict[int, Scope] = {}
        self._letters: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many are queued, those aside not counted."""
        return len(self._queue)

    def first(self) -> Delivery:
        """Return the oldest queued delivery."""
        return self._queue[0]

    def put(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order."""
        self._queue.extend(deliveries)

    def again(self, batch: Sequence[Delivery]) -> None:
        """Put a batch that has not ended back where it was taken from, those of tenures that send no more left out."""
        for delivery in reversed(batch):
            if delivery.tenure.sending:
                # a probe was taken from aside, and later ones of its key are still there: it must come before them
                scope = self._blocked.get(delivery.key)
                (self._queue if scope is None else self._aside.setdefault(scope, deque())).appendleft(delivery)

    def take(self, waits: Waits | None, refuse: Callable[[Delivery, Fault], None]) -> list[Delivery]:
        """Take the next batch. `waits` is asked about each delivery, unless there is nothing it could say: the common case pays nothing."""
        if waits is None and not self._blocked:
            return form(self._queue, None)

        def admit(delivery: Delivery) -> bool:
            scope = self._blocked.get(delivery.key)
            if scope is None:
                reason = None if waits is None else waits(delivery)
                if reason is None:
                    return True
                if isinstance(reason, Fault):
                    refuse(delivery, reason)
                    return False
                scope = self._blocked[delivery.key] = reason
            self._aside.setdefault(scope, deque()).append(delivery)
            return False

        return form(self._queue, admit)

    def take_one(self, scope: Scope, fit: Callable[[Delivery], bool]) -> Delivery | None:
        """Take the first delivery aside under `scope` that is the oldest of its key and `fit`."""
        waiting = self._aside.get(scope, deque())
        seen: set[int] = set()
        for delivery in waiting:
            if delivery.key in seen or not delivery.tenure.sending:
                continue
            seen.add(delivery.key)
            if fit(delivery):
                waiting.remove(delivery)
                return delivery
        return None

    def waits_for(self, kind: str, what: object = None) -> bool:
        """Tell whether anything is aside under a scope of this kind (and of exactly `what`, if given)."""
        return any(waiting for scope, waiting in self._aside.items() if scope[0] == kind and what in (None, scope[1]))

    def release(self, scope: Scope) -> None:
        """Put back what waited for `scope`, before everything queued."""
        for key in [key for key, blocked in self._blocked.items() if blocked == scope]:
            del self._blocked[key]
        self._queue.extendleft(reversed(self._aside.pop(scope, ())))

    def block(self, key: int) -> None:
        """Let nothing of `key` go until as many letters as are written for it were acknowledged."""
        self._letters[key] = self._letters.get(key, 0) + 1
        self._blocked[key] = ("letter", key)

    def acknowledged(self, key: int) -> None:
        """Note that one letter of `key` was acknowledged."""
        self._letters[key] -= 1
        if not self._letters[key]:
            del self._letters[key]
            self.release(("letter", key))

    def letters(self) -> bool:
        """Tell whether letters are still to be acknowledged."""
        return bool(self._letters)

    def withdraw(self) -> None:
        """Forget deliveries whose tenure sends no more."""
        self._queue = _sending(self._queue)
        self._aside = {scope: _sending(waiting) for scope, waiting in self._aside.items()}


def _sending(deliveries: Collection[Delivery]) -> deque[Delivery]:
    return deque(delivery for delivery in deliveries if delivery.tenure.sending)
