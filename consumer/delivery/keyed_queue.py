"""A lane's deliveries in order, and the batches that wait in isolation after failures.

Non-obvious: a delivery that may not be sent yet moves to the deliveries that wait for its reason. Its key is blocked
with that reason, so that later deliveries of the key follow it there. All waiting deliveries of one key have one
reason, that of the oldest. When a reason ends, its deliveries go before the queue. That keeps the order of every key
without sequence numbers.
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
"""Why deliveries wait, as kind and value.

* `endpoint`: the held endpoint.
* `guard`: the event type for which the flood guard has tripped.
* `dead_letter`: the key, whose dead letter is not acknowledged yet.
* `clock`: the second of the event, which is still ahead of the clock.
* `isolated`: the number of a batch that keeps failing.
* `paused`: empty; an operator's directive pauses the delivery.
"""

Waits: TypeAlias = "Callable[[Delivery], WaitReason | Fault | None]"
"""Returns why a delivery must wait, why it can never be sent, or `None` if it may be sent now."""

_IsolatedBatch: TypeAlias = "tuple[float, int, WaitReason, int]"

_SELF_ENDING = ("dead_letter", "isolated")
"""Kinds of reasons that end by themselves, whatever else changes."""

_NO_REASON: WaitReason = ("", None)

_NEVER = float("inf")


class ProbeFilter(NamedTuple):
    """Selects the waiting deliveries that can probe: not each of them can show that the reason has ended."""

    proves: Callable[[Delivery], bool]
    """Returns True if a request with the delivery can show it."""
    passes: Callable[[Delivery], bool]
    """Returns True if a delivery behind the oldest of its key could be sent after that one, as far as is known."""


ANY = ProbeFilter(lambda _: True, lambda _: True)


class KeyedQueue:
    """The queue of one lane: strictly first in, first out per key."""

    def __init__(self) -> None:
        """Start empty."""
        self._queue: deque[Delivery] = deque()
        self._waiting: dict[WaitReason, deque[Delivery]] = {}
        self._blocked: dict[int, WaitReason] = {}
        self._dead_letters: dict[int, int] = {}

    def __len__(self) -> int:
        """Return the number of queued deliveries, without the waiting ones."""
        return len(self._queue)

    def first(self) -> Delivery:
        """Return the oldest queued delivery."""
        return self._queue[0]

    def append(self, deliveries: Iterable[Delivery]) -> None:
        """Append deliveries in order."""
        self._queue.extend(deliveries)

    def requeue(self, batch: Sequence[Delivery]) -> int:
        """Put an unfinished batch back to its place. Drop deliveries of ledgers that may not send.

        Return the bytes of the dropped bodies.
        """
        return self._put_back(batch, None)

    def isolate(self, batch: Sequence[Delivery], reason: WaitReason) -> int:
        """Let an unfinished batch wait for a reason of its own, so that other keys are sent without it.

        Later deliveries of its keys follow it. A delivery whose key waits for a dead letter waits for that instead.
        Return the bytes of the dropped bodies.
        """
        return self._put_back(batch, reason)

    def _put_back(self, batch: Sequence[Delivery], isolated: WaitReason | None) -> int:
        dropped = bytes_of(delivery for delivery in batch if not delivery.ledger.may_send)
        batch = [delivery for delivery in batch if delivery.ledger.may_send]
        keys = {delivery.key for delivery in batch if delivery.key not in self._dead_letters}
        if self._blocked:
            # Later deliveries of a key may have begun to wait when the batch was formed. Their reason need not hold for
            # this delivery, so the whole key is checked again.
            self._unblock(keys)
        if isolated is not None:
            self._blocked.update(dict.fromkeys(keys, isolated))
        for delivery in reversed(batch):
            reason = self._blocked.get(delivery.key)
            (self._queue if reason is None else self._waiting.setdefault(reason, deque())).appendleft(delivery)
        return dropped

    def take_batch(self, waits: Waits | None, refuse: Callable[[Delivery, Fault], None]) -> list[Delivery]:
        """Take the next batch. Call `refuse` for a delivery that can never be sent.

        `waits` is called for each delivery; `None` if no delivery has a reason to wait. That is the common case, and it
        costs nothing while no key is blocked.
        """
        if waits is None and not self._blocked:
            return next_batch(self._queue, None)

        def admit(delivery: Delivery) -> bool:
            blocked_by = self._blocked.get(delivery.key)
            if blocked_by is None:
                reason = None if waits is None else waits(delivery)
                if reason is None:
                    return True
                if isinstance(reason, Fault):
                    refuse(delivery, reason)
                    return False
                blocked_by = self._blocked[delivery.key] = reason
            self._waiting.setdefault(blocked_by, deque()).append(delivery)
            return False

        return next_batch(self._queue, admit)

    def take_probe(
        self, reason: WaitReason, fit: Callable[[Delivery], bool], probe_filter: ProbeFilter = ANY
    ) -> Delivery | None:
        """Take one delivery that waits for `reason`, is the oldest of its key and is `fit`, to be sent by itself.

        The first such delivery that can prove something is taken. If none can, the oldest is taken of the key that has
        the fewest deliveries before one that can, since these must be sent first. The rest of the key goes back to the
        queue and is checked again after the request.
        """
        chosen = self.find_probe(reason, fit, probe_filter)
        if chosen is not None:
            self._unblock({chosen.key})
            self._queue.remove(chosen)
        return chosen

    def find_probe(
        self, reason: WaitReason, fit: Callable[[Delivery], bool], probe_filter: ProbeFilter = ANY
    ) -> Delivery | None:
        """Return the delivery that `take_probe` would take."""
        chosen, fewest = None, _NEVER
        oldest: dict[int, Delivery] = {}
        # Of each key, how many deliveries that cannot prove anything come first.
        before: dict[int, float] = dict.fromkeys(self._dead_letters, _NEVER)
        for delivery in self._waiting.get(reason, ()):
            if not delivery.ledger.may_send:
                continue
            key = delivery.key
            count = before.get(key, 0)
            if not count:
                oldest[key] = delivery
            if count >= fewest:
                continue
            before[key] = _NEVER
            if count and not probe_filter.passes(delivery):
                continue
            if not probe_filter.proves(delivery):
                before[key] = count + 1
            elif fit(oldest[key]):
                chosen, fewest = oldest[key], count
                if not count:
                    break
        return chosen

    def count_waiting(self, reason: WaitReason) -> int:
        """Return the number of deliveries that wait for `reason`."""
        return len(self._waiting.get(reason, ()))

    def end_wait(self, reason: WaitReason) -> None:
        """Put the deliveries that waited for `reason` back, before all queued ones."""
        for key in [key for key, blocked_by in self._blocked.items() if blocked_by == reason]:
            self._unmark(key)
        self._queue.extendleft(reversed(self._waiting.pop(reason, ())))

    def recheck(self, affected: Callable[[Delivery], bool]) -> None:
        """Put back the deliveries whose reason may have changed.

        Isolated batches keep waiting, unless a delivery of theirs is `affected`.
        """
        for reason, waiting in list(self._waiting.items()):
            if reason[0] not in _SELF_ENDING or (reason[0] == "isolated" and any(map(affected, waiting))):
                self.end_wait(reason)

    def block_key(self, key: int) -> None:
        """Block `key` until all dead letters that are being written for it are acknowledged."""
        self._dead_letters[key] = self._dead_letters.get(key, 0) + 1
        # Waiting deliveries keep their reason. They are checked again after the last acknowledgement.
        self._blocked.setdefault(key, ("dead_letter", key))

    def record_acknowledgement(self, key: int) -> None:
        """Record that one dead letter of `key` was acknowledged."""
        self._dead_letters[key] -= 1
        if not self._dead_letters[key]:
            del self._dead_letters[key]
            # A delivery put back meanwhile is before the one that gave the key its reason. Neither the end of that
            # reason nor its probe would reach it, so the whole key is checked again.
            if self._blocked.get(key, _NO_REASON)[0] != "isolated":
                self._unblock({key})

    def drop_revoked(self) -> int:
        """Drop deliveries of ledgers that may not send, and check the deliveries behind them again.

        Return the bytes of the dropped bodies.
        """
        dropped = sum(
            bytes_of(delivery for delivery in waiting if not delivery.ledger.may_send)
            for waiting in (self._queue, *self._waiting.values())
        )
        # The dropped delivery may have given its key the reason. The later ones need not wait for the same, and nothing
        # would requeue them.
        self.recheck(lambda _: False)
        self._queue = _sendable(self._queue)
        self._waiting = {
            reason: sendable for reason, waiting in self._waiting.items() if (sendable := _sendable(waiting))
        }
        keys = {delivery.key for waiting in self._waiting.values() for delivery in waiting}
        for key in [key for key in self._blocked if key not in keys]:
            self._unmark(key)
        return dropped

    def _unmark(self, key: int) -> None:
        """End a key's reason. While dead letters of it are not acknowledged, it stays blocked for them."""
        if key in self._dead_letters:
            self._blocked[key] = ("dead_letter", key)
        else:
            del self._blocked[key]

    def _unblock(self, keys: set[int]) -> None:
        """Put the waiting deliveries of these keys back, before all queued ones."""
        reasons = {self._blocked.pop(key) for key in keys if key in self._blocked}
        for reason in reasons:
            waiting = self._waiting.pop(reason, deque())
            self._queue.extendleft(reversed([delivery for delivery in waiting if delivery.key in keys]))
            if rest := deque(delivery for delivery in waiting if delivery.key not in keys):
                self._waiting[reason] = rest


def _sendable(deliveries: Iterable[Delivery]) -> deque[Delivery]:
    return deque(delivery for delivery in deliveries if delivery.ledger.may_send)


class IsolatedBatches:
    """One lane's isolated batches, ordered by the time of their next attempt."""

    def __init__(self) -> None:
        """Start empty."""
        self._batches: list[_IsolatedBatch] = []
        self._count = 0
        self._others_first = False

    @property
    def next_due_s(self) -> float:
        """When the next batch may be tried (monotonic seconds); infinite if there is none."""
        return self._batches[0][0] if self._batches else float("inf")

    @property
    def candidates(self) -> int:
        """How many deliveries were poison candidates when they were isolated."""
        return sum(candidates for _, _, _, candidates in self._batches)

    def add(self, reason: WaitReason, due_s: float, candidates: int) -> None:
        """Let the batch that waits for `reason` wait until `due_s`; `candidates` of its deliveries are candidates."""
        self._count += 1  # two batches may be due at the same time, and reasons have no order
        heappush(self._batches, (due_s, self._count, reason, candidates))
        self._others_first = True

    def take_due(self, now: float, *, others: bool) -> WaitReason | None:
        """Remove the batch to try now and return its reason; `None` if no batch is due or others go first.

        `others`: True if other deliveries are queued. They go first until one of their requests succeeds. Without a
        success elsewhere nothing would prove a candidate. Many batches that are due again and again would keep all
        other deliveries from being sent.
        """
        if self.next_due_s > now or (others and self._others_first):
            return None
        self._others_first = True
        return heappop(self._batches)[2]

    def record_success(self) -> None:
        """Record that a request of the lane did not fail."""
        self._others_first = False

    def prune(self, count_waiting: Callable[[WaitReason], int]) -> None:
        """Remove the batches that have no waiting delivery any more."""
        self._batches = [batch for batch in self._batches if count_waiting(batch[2])]
        heapify(self._batches)
