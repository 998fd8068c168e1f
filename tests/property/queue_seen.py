"""A lane's queue as somebody outside sees it: what it owes and waits for, and what is always so of it."""

import itertools
from collections import Counter

from hypothesis.stateful import RuleBasedStateMachine, invariant

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, WaitReason
from consumer.model import DeadLetterCause, Endpoint, Fault
from tests.property.test_batch import FakeLedger, check_batch

KEYS = 4


class QueueSeen(RuleBasedStateMachine):
    """What was put and has not ended, why anything waits, and what nobody may ever find otherwise."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = KeyedQueue()
        self.serials = itertools.count()
        self.pieces = itertools.count(1)
        self.ledgers = {key % 2: FakeLedger() for key in range(KEYS)}
        self.owed: dict[int, list[Delivery]] = {key: [] for key in range(KEYS)}  # by key, in order, not ended
        self.wire: list[Delivery] = []
        self.letters: list[Delivery] = []
        self.acknowledges_at_once = False
        self.held: set[Endpoint] = set()
        self.early: set[int] = set()
        self.hopeless: set[int] = set()
        self.guarded: set[int] = set()
        self.members: dict[int, set[int]] = {}
        self.apart: dict[int, set[int]] = {}  # by number: the slots that wait by themselves

    # ── What the lane's road would say ──

    def waits(self, each: Delivery) -> WaitReason | Fault | None:
        if each.envelope.endpoint in self.held:
            return "endpoint", each.envelope.endpoint
        if each.slot in self.early:
            return "clock", each.slot % 3
        if each.slot in self.guarded:
            return "guard", each.slot % 2
        return Fault(DeadLetterCause.OUT_OF_WINDOW) if each.slot in self.hopeless else None

    def refuse(self, each: Delivery, _: Fault) -> None:
        self.queue.block_key(each.key)
        self.letters.append(each)
        if self.acknowledges_at_once:
            self.acknowledge(each)

    def acknowledge(self, each: Delivery) -> None:
        self.letters.remove(each)
        if each in self.owed[each.key]:  # else its partition went
            self.owed[each.key].remove(each)
        self.queue.record_acknowledgement(each.key)

    def look_at(self, batch: list[Delivery]) -> None:
        check_batch(batch)
        assert all(each.ledger.may_send for each in batch)
        if batch[0].fragment:
            assert {each.slot for each in batch} <= self.members[batch[0].fragment]
        for key in {each.key for each in batch}:
            mine = [each for each in batch if each.key == key]
            assert mine == self.owed[key][: len(mine)], "passed an earlier one of its key"

    # ── What is always so ──

    def aside(self) -> list[Delivery]:
        return [each for waiting in self.queue._waiting.values() for each in waiting]

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        here = [each for each in [*self.queue._queue, *self.aside(), *self.wire] if each.ledger.may_send]
        letters = [each for each in self.letters if each in self.owed[each.key]]
        assert Counter(map(id, here + letters)) == Counter(id(each) for some in self.owed.values() for each in some)

    @invariant()
    def whatever_waits_somebody_will_release(self) -> None:
        lettered = {each.key for each in self.letters}
        for scope, waiting in self.queue._waiting.items():
            kind, what = scope
            heads = {each.key: each for each in reversed(waiting)}
            for key, head in heads.items():
                assert self.queue._blocked[key] == scope
                if kind == "dead_letter":
                    assert key == what
                    assert key in lettered
                elif key not in lettered:
                    if kind == "isolated":
                        assert what in self.apart
                    elif kind == "endpoint":
                        assert head.envelope.endpoint == what
                        assert what in self.held
                    elif kind == "guard":
                        assert head.slot in self.guarded
                        assert head.slot % 2 == what
                    else:
                        assert head.slot in self.early
        for key, scope in self.queue._blocked.items():
            assert any(each.key == key for each in self.queue._waiting.get(scope, ())) or key in lettered
