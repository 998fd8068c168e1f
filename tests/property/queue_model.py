"""A model of a lane's queue: the deliveries owed, their reasons to wait, and the invariants.

The invariants read the queue's private fields. Only there can a test see a delivery that no event would ever requeue.
"""

import itertools
from collections import Counter

from hypothesis.stateful import RuleBasedStateMachine, invariant

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, WaitReason
from consumer.model import DeadLetterCause, Endpoint, Fault
from tests.property.test_batch import FakeLedger, check_batch

KEYS = 4


class QueueModel(RuleBasedStateMachine):
    """The deliveries that have not ended, why they wait, and the invariants of both."""

    def __init__(self) -> None:
        super().__init__()
        self.queue = KeyedQueue()
        self.serials = itertools.count()
        self.fragments = itertools.count(1)
        self.ledgers = {key % 2: FakeLedger() for key in range(KEYS)}
        self.owed: dict[int, list[Delivery]] = {key: [] for key in range(KEYS)}  # by key, in order, not ended
        self.in_flight: list[Delivery] = []
        self.dead_letters: list[Delivery] = []
        self.acknowledges_at_once = False
        self.held: set[Endpoint] = set()
        self.not_due: set[int] = set()
        self.expired: set[int] = set()
        self.guarded: set[int] = set()
        self.members: dict[int, set[int]] = {}
        self.isolated: dict[int, set[int]] = {}  # number → slots of the isolated batch

    # ── The dispatcher's part ──

    def waits(self, each: Delivery) -> WaitReason | Fault | None:
        if each.envelope.endpoint in self.held:
            return "endpoint", each.envelope.endpoint
        if each.slot in self.not_due:
            return "clock", each.slot % 3
        if each.slot in self.guarded:
            return "guard", each.slot % 2
        return Fault(DeadLetterCause.OUT_OF_WINDOW) if each.slot in self.expired else None

    def refuse(self, each: Delivery, _: Fault) -> None:
        self.queue.block_key(each.key)
        self.dead_letters.append(each)
        if self.acknowledges_at_once:
            self.acknowledge(each)

    def acknowledge(self, each: Delivery) -> None:
        self.dead_letters.remove(each)
        if each in self.owed[each.key]:  # else its partition was revoked
            self.owed[each.key].remove(each)
        self.queue.record_acknowledgement(each.key)

    def check(self, batch: list[Delivery]) -> None:
        check_batch(batch)
        assert all(each.ledger.may_send for each in batch)
        if batch[0].fragment:
            assert {each.slot for each in batch} <= self.members[batch[0].fragment]
        for key in {each.key for each in batch}:
            of_key = [each for each in batch if each.key == key]
            assert of_key == self.owed[key][: len(of_key)], "sent before an earlier one of its key"

    # ── Invariants ──

    def waiting(self) -> list[Delivery]:
        return [each for waiting in self.queue._waiting.values() for each in waiting]

    @invariant()
    def no_delivery_is_lost_or_repeated(self) -> None:
        present = [each for each in [*self.queue._queue, *self.waiting(), *self.in_flight] if each.ledger.may_send]
        dead_letters = [each for each in self.dead_letters if each in self.owed[each.key]]
        assert Counter(map(id, present + dead_letters)) == Counter(
            id(each) for some in self.owed.values() for each in some
        )

    @invariant()
    def every_waiting_delivery_will_be_requeued(self) -> None:
        dead_lettered = {each.key for each in self.dead_letters}
        for reason, waiting in self.queue._waiting.items():
            kind, subject = reason
            oldest_by_key = {each.key: each for each in reversed(waiting)}
            for key, oldest in oldest_by_key.items():
                assert self.queue._blocked[key] == reason
                if kind == "dead_letter":
                    assert key == subject
                    assert key in dead_lettered
                elif key not in dead_lettered:
                    if kind == "isolated":
                        assert subject in self.isolated
                    elif kind == "endpoint":
                        assert oldest.envelope.endpoint == subject
                        assert subject in self.held
                    elif kind == "guard":
                        assert oldest.slot in self.guarded
                        assert oldest.slot % 2 == subject
                    else:
                        assert oldest.slot in self.not_due
        for key, reason in self.queue._blocked.items():
            assert any(each.key == key for each in self.queue._waiting.get(reason, ())) or key in dead_lettered
