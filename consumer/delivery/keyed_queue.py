"""A lane's deliveries in order, what of them may go now, and the batches that wait apart after failures.

Non-obvious: what may not go is set *aside* under the scope it waits for, and its key is blocked with it, so that later
deliveries of the key follow it aside. All that is aside of one key is under one scope, the one its oldest waits for,
and aside always comes before the queue when a scope is released: that keeps the order of every key without numbering.
"""

from __future__ import annotations

from collections import deque
from heapq import heapify, heappop, heappush
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from consumer.delivery.batch import bytes_of, next_batch
from consumer.model import Fault

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from consumer.delivery.delivery import Delivery

WaitReason: TypeAlias = tuple[str, object]
"""What deliveries wait for: ("endpoint", a held one), ("letter", key of one being dead-lettered), ("clock", when),
("apart", number: a batch that keeps failing, and waits by itself), ("paused", what)."""

Waits: TypeAlias = "Callable[[Delivery], WaitReason | Fault | None]"
"""What a delivery must wait for, why it can never go, or `None` where it may go now."""

_Wait: TypeAlias = "tuple[float, int, WaitReason, int]"

_THEIR_OWN = ("letter", "apart")
"""Kinds of scope that end at a time of their own, whatever else changes."""

_NOWHERE: WaitReason = ("", None)

_NEVER = float("inf")


class ProbeFilter(NamedTuple):
    """What a probe is for: not every delivery that waits for a scope can show that it has ended."""

    proves: Callable[[Delivery], bool]
    """Whether a delivery can."""
    passes: Callable[[Delivery], bool]
    """Whether one that stands behind the oldest of its key could go once that is gone, as far as can be foreseen."""


ANY = ProbeFilter(lambda _: True, lambda _: True)


class KeyedQueue:
    """The queue of one lane: per key strictly first in, first out."""

    def __init__(self) -> None:
        """Start empty."""
        self._queue: deque[Delivery] = deque()
        self._aside: dict[WaitReason, deque[Delivery]] = {}
        self._blocked: dict[int, WaitReason] = {}
        self._letters: dict[int, int] = {}

    def __len__(self) -> int:
        """Return how many are queued, those aside not counted."""
        return len(self._queue)

    def first(self) -> Delivery:
        """Return the oldest queued delivery."""
        return self._queue[0]

    def append(self, deliveries: Iterable[Delivery]) -> None:
        """Queue deliveries, in order."""
        self._queue.extend(deliveries)

    def requeue(self, batch: Sequence[Delivery]) -> int:
        """Put a batch that has not ended back to where it came from, those of ledgers that send no more left out.

        Return the bytes of the bodies left out.
        """
        return self._put_back(batch, None)

    def isolate(self, batch: Sequence[Delivery], scope: WaitReason) -> int:
        """Put a batch that has not ended aside under a scope of its own, so that other keys can go on without it.

        What comes after it in its keys follows it. Those whose key waits for a letter wait for that. Return the bytes
        of the bodies left out.
        """
        return self._put_back(batch, scope)

    def _put_back(self, batch: Sequence[Delivery], apart: WaitReason | None) -> int:
        left_out = bytes_of(delivery for delivery in batch if not delivery.ledger.may_send)
        batch = [delivery for delivery in batch if delivery.ledger.may_send]
        keys = {delivery.key for delivery in batch if delivery.key not in self._letters}
        if self._blocked:
            # Later ones of a key may have been set aside when the batch was formed. They wait for a scope of their own,
            # which says nothing about this one: all of the key is looked at anew.
            self._unblock(keys)
        if apart is not None:
            self._blocked.update(dict.fromkeys(keys, apart))
        for delivery in reversed(batch):
            scope = self._blocked.get(delivery.key)
            (self._queue if scope is None else self._aside.setdefault(scope, deque())).appendleft(delivery)
        return left_out

    def take_batch(self, waits: Waits | None, refuse: Callable[[Delivery, Fault], None]) -> list[Delivery]:
        """Take the next batch. `waits` is asked about each delivery, unless there is nothing it could say.

        The common case, with nothing blocked and nothing to ask, pays nothing for it.
        """
        if waits is None and not self._blocked:
            return next_batch(self._queue, None)

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

        return next_batch(self._queue, admit)

    def take_probe(
        self, scope: WaitReason, fit: Callable[[Delivery], bool], proof: ProbeFilter = ANY
    ) -> Delivery | None:
        """Take a delivery aside under `scope` that is the oldest of its key and `fit`, to be sent by itself.

        The first that can prove something. Where none can that is the oldest of its key: that of the key in which the
        fewest stand before one that can, since these must go before it. The rest of the key goes back to the queue, to
        be looked at anew when that call has ended.
        """
        chosen = self.find_probe(scope, fit, proof)
        if chosen is not None:
            self._unblock({chosen.key})
            self._queue.remove(chosen)
        return chosen

    def find_probe(
        self, scope: WaitReason, fit: Callable[[Delivery], bool], proof: ProbeFilter = ANY
    ) -> Delivery | None:
        """Return what `take_probe` would take."""
        chosen, fewest = None, _NEVER
        heads: dict[int, Delivery] = {}
        before: dict[int, float] = dict.fromkeys(self._letters, _NEVER)  # of each key, how many cannot prove anything
        for delivery in self._aside.get(scope, ()):
            if not delivery.ledger.may_send:
                continue
            key = delivery.key
            count = before.get(key, 0)
            if not count:
                heads[key] = delivery
            if count >= fewest:
                continue
            before[key] = _NEVER
            if count and not proof.passes(delivery):
                continue
            if not proof.proves(delivery):
                before[key] = count + 1
            elif fit(heads[key]):
                chosen, fewest = heads[key], count
                if not count:
                    break
        return chosen

    def count_waiting(self, scope: WaitReason) -> int:
        """Count what is aside under `scope`."""
        return len(self._aside.get(scope, ()))

    def release(self, scope: WaitReason) -> None:
        """Put back what waited for `scope`, before everything queued."""
        for key in [key for key, blocked in self._blocked.items() if blocked == scope]:
            self._unmark(key)
        self._queue.extendleft(reversed(self._aside.pop(scope, ())))

    def recheck(self, touched: Callable[[Delivery], bool]) -> None:
        """Put back all that waits for something that may have changed, and what is apart and `touched` by it."""
        for scope, waiting in list(self._aside.items()):
            if scope[0] not in _THEIR_OWN or (scope[0] == "apart" and any(map(touched, waiting))):
                self.release(scope)

    def block_key(self, key: int) -> None:
        """Let nothing of `key` go until as many letters as are written for it were acknowledged."""
        self._letters[key] = self._letters.get(key, 0) + 1
        # What is aside already stays under the scope it waits for, and is looked at anew after the last letter.
        self._blocked.setdefault(key, ("letter", key))

    def record_acknowledgement(self, key: int) -> None:
        """Note that one letter of `key` was acknowledged."""
        self._letters[key] -= 1
        if not self._letters[key]:
            del self._letters[key]
            # One put back meanwhile stands before what was aside under a scope that speaks of a later one: whoever ends
            # that scope, or probes it, would never reach this one. All of the key is looked at anew.
            if self._blocked.get(key, _NOWHERE)[0] != "apart":
                self._unblock({key})

    def drop_revoked(self) -> int:
        """Forget deliveries whose ledger sends no more, and look anew at what was behind them.

        Return the bytes of the bodies forgotten.
        """
        forgotten = sum(
            bytes_of(delivery for delivery in waiting if not delivery.ledger.may_send)
            for waiting in (self._queue, *self._aside.values())
        )
        # A key may have been blocked by one that is forgotten now: what came after it need not wait for the same, and
        # nobody would release it.
        self.recheck(lambda _: False)
        self._queue = _sending(self._queue)
        self._aside = {scope: some for scope, waiting in self._aside.items() if (some := _sending(waiting))}
        waiting = {delivery.key for some in self._aside.values() for delivery in some}
        for key in [key for key in self._blocked if key not in waiting]:
            self._unmark(key)
        return forgotten

    def _unmark(self, key: int) -> None:
        """Block a key no more, but for the letters that are still to be acknowledged."""
        if key in self._letters:
            self._blocked[key] = ("letter", key)
        else:
            del self._blocked[key]

    def _unblock(self, keys: set[int]) -> None:
        """Put back what is aside of these keys, before everything queued."""
        scopes = {self._blocked.pop(key) for key in keys if key in self._blocked}
        for scope in scopes:
            waiting = self._aside.pop(scope, deque())
            self._queue.extendleft(reversed([delivery for delivery in waiting if delivery.key in keys]))
            if rest := deque(delivery for delivery in waiting if delivery.key not in keys):
                self._aside[scope] = rest


def _sending(deliveries: Iterable[Delivery]) -> deque[Delivery]:
    return deque(delivery for delivery in deliveries if delivery.ledger.may_send)


class IsolatedBatches:
    """One lane's batches apart, by when each may be tried again."""

    def __init__(self) -> None:
        """Start with none."""
        self._waits: list[_Wait] = []
        self._count = 0
        self._others_turn = False

    @property
    def next_due_s(self) -> float:
        """When the next one may be tried (monotonic seconds); infinite without any."""
        return self._waits[0][0] if self._waits else float("inf")

    @property
    def candidates(self) -> int:
        """How many deliveries were suspects when they were set apart."""
        return sum(suspects for _, _, _, suspects in self._waits)

    def add(self, scope: WaitReason, due_s: float, suspects: int) -> None:
        """Let what is aside under `scope` wait until `due_s`; so many deliveries of it are suspects."""
        self._count += 1  # two may be due at the same time, and scopes have no order
        heappush(self._waits, (due_s, self._count, scope, suspects))
        self._others_turn = True

    def take_due(self, now: float, *, others: bool) -> WaitReason | None:
        """Return the scope to be tried now, which waits no more, or `None`: none is due, or it is the others' turn.

        `others`: whether anything else is queued. It goes first until one of its calls went well: without that nothing
        would prove a suspect, and with many of them due again and again nothing else would ever go.
        """
        if self.next_due_s > now or (others and self._others_turn):
            return None
        self._others_turn = True
        return heappop(self._waits)[2]

    def record_success(self) -> None:
        """Note that a call of the lane did not fail."""
        self._others_turn = False

    def prune(self, wanted: Callable[[WaitReason], int]) -> None:
        """Forget those under which nothing waits any more."""
        self._waits = [wait for wait in self._waits if wanted(wait[2])]
        heapify(self._waits)
