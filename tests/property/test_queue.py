"""A lane's queue as a state machine: order of every key, nothing lost, and nothing that nobody would release."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from consumer.delivery.batch import set_fragment, split
from consumer.model import DeadLetterCause, Endpoint, Fault
from tests.examples import examples
from tests.property.queue_seen import KEYS, QueueSeen
from tests.property.test_batch import CONSENT, SHAPES, FakeLedger, delivery, largest


class QueueMachine(QueueSeen):
    """One lane: one call at a time, and all that deliveries wait for in it.

    Endpoints that are held, times that have not come, letters, guards, failures of their own; and partitions that go.
    """

    @initialize(at_once=st.booleans())
    def choose_the_dead_letter_topic(self, *, at_once: bool) -> None:
        self.acknowledges_at_once = at_once

    @rule(data=st.data(), count=st.integers(1, 6))
    def put(self, data: st.DataObject, count: int) -> None:
        some = []
        for _ in range(count):
            key, slot = data.draw(st.integers(0, KEYS - 1)), next(self.serials)
            shape = data.draw(st.sampled_from(SHAPES))
            body = b"b" * data.draw(st.integers(1, largest(shape)))
            identity = f"id-{slot if data.draw(st.integers(0, 4)) else slot // 2}"
            some.append(delivery(key, shape, identity, body, self.ledgers[key % 2], slot))
            self.owed[key].append(some[-1])
            fate = data.draw(st.integers(0, 9))
            if fate < 2:
                self.early.add(slot)
            elif fate == 2:
                self.hopeless.add(slot)
        self.queue.append(some)

    @precondition(lambda self: not self.wire)
    @rule()
    def take(self) -> None:
        asks = self.held or self.early or self.hopeless or self.guarded
        self.wire = self.queue.take_batch(self.waits if asks else None, self.refuse)
        if self.wire:
            self.look_at(self.wire)
            assert all(self.waits(each) is None for each in self.wire)

    @precondition(lambda self: not self.wire and self.held)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        endpoint = data.draw(st.sampled_from(sorted(self.held)))
        one = self.queue.take_probe(("endpoint", endpoint), lambda each: each.envelope.endpoint == endpoint)
        if one is not None:
            self.wire = [one]
            self.look_at(self.wire)
            assert one.envelope.endpoint == endpoint

    @precondition(lambda self: not self.wire and self.guarded)
    @rule(kind=st.integers(0, 1))
    def probe_a_guard(self, kind: int) -> None:
        waiting = list(self.queue._waiting.get(("guard", kind), ()))
        one = self.queue.take_probe(("guard", kind), lambda each: each.slot in self.guarded)
        if one is not None:
            self.wire = [one]
            self.look_at(self.wire)
        else:
            assert {each.key for each in waiting} <= {each.key for each in self.letters}

    @precondition(lambda self: self.wire)
    @rule()
    def delivered(self) -> None:
        for each in self.wire:
            if each.ledger.may_send:
                self.owed[each.key].remove(each)
        self.wire = []

    @precondition(lambda self: self.wire)
    @rule()
    def deferred(self) -> None:
        gone = sum(len(each.body) for each in self.wire if not each.ledger.may_send)
        assert self.queue.requeue(self.wire) == gone
        self.wire = []

    @precondition(lambda self: len(self.wire) > 1)
    @rule()
    def halved(self) -> None:
        split(self.wire, lambda: next(self.pieces))
        for each in self.wire:
            self.members.setdefault(each.fragment, set()).add(each.slot)
        self.deferred()

    @precondition(lambda self: self.wire)
    @rule(again=st.booleans())
    def failed_by_itself(self, *, again: bool) -> None:
        if not self.wire[0].fragment or again:
            set_fragment(self.wire, next(self.pieces))
        for each in self.wire:
            self.members.setdefault(each.fragment, set()).add(each.slot)
        gone = sum(len(each.body) for each in self.wire if not each.ledger.may_send)
        number = next(self.pieces)
        assert self.queue.isolate(self.wire, ("isolated", number)) == gone
        if self.queue.count_waiting(("isolated", number)):
            self.apart[number] = {each.slot for each in self.wire}
        self.wire = []

    @precondition(lambda self: self.apart)
    @rule(data=st.data())
    def its_own_wait_is_over(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.apart)))
        del self.apart[number]
        self.queue.release(("isolated", number))

    @rule(slot=st.integers(0, 30))
    def something_is_said_of_one(self, slot: int) -> None:
        self.queue.recheck(lambda each: each.slot == slot)
        self.forget_what_is_empty()
        assert {kind for kind, _ in self.queue._waiting} <= {"dead_letter", "isolated"}
        kept = [each for scope, waiting in self.queue._waiting.items() if scope[0] == "isolated" for each in waiting]
        assert slot not in {each.slot for each in kept}

    def forget_what_is_empty(self) -> None:
        self.apart = {
            number: some for number, some in self.apart.items() if self.queue.count_waiting(("isolated", number))
        }

    @precondition(lambda self: self.wire)
    @rule(data=st.data())
    def some_refused(self, data: st.DataObject) -> None:
        bad = data.draw(st.sets(st.sampled_from(range(len(self.wire))), min_size=1))
        self.end(bad, data.draw(st.sets(st.sampled_from(sorted(bad)))))

    def end(self, bad: set[int], guarded: set[int]) -> None:
        batch, self.wire = self.wire, []
        for index, each in enumerate(batch):
            if index not in bad and each.ledger.may_send:
                self.owed[each.key].remove(each)
        for index in sorted(bad - guarded):
            self.refuse(batch[index], Fault(DeadLetterCause.REFUSED))
        waiting = [batch[index] for index in sorted(guarded)]
        self.guarded |= {each.slot for each in waiting}
        self.queue.requeue(waiting)

    @precondition(lambda self: not self.wire)
    @rule(key=st.integers(0, KEYS - 1))
    def first_refused_then_guarded_then_held(self, key: int) -> None:
        """One key may wait for a letter, a guard and an endpoint at once: in a step, since chance hardly gets there."""
        self.held.add(CONSENT)
        collect, _, consent = SHAPES
        some = [delivery(key, shape, "", b"b", self.ledgers[key % 2]) for shape in (collect, collect, consent)]
        for each in some:
            each.slot = next(self.serials)
            each.identity = f"id-{each.slot}"
        self.owed[key] += some
        self.queue.append(some)
        self.take()
        mine = [index for index, each in enumerate(self.wire) if each.key == key]
        if len(mine) > 1:
            self.end(set(mine), set(mine[1:]))

    @precondition(lambda self: self.letters)
    @rule(data=st.data())
    def letter_acknowledged(self, data: st.DataObject) -> None:
        self.acknowledge(data.draw(st.sampled_from(self.letters)))

    @rule(endpoint=st.sampled_from([CONSENT, SHAPES[0].endpoint]))
    def hold(self, endpoint: Endpoint) -> None:
        self.held.add(endpoint)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        endpoint = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(endpoint)
        self.queue.release(("endpoint", endpoint))

    @precondition(lambda self: self.early)
    @rule(second=st.integers(0, 2))
    def time_came(self, second: int) -> None:
        self.early = {slot for slot in self.early if slot % 3 != second}
        self.queue.release(("clock", second))

    @precondition(lambda self: self.guarded)
    @rule(kind=st.integers(0, 1))
    def guard_opens(self, kind: int) -> None:
        self.guarded = {slot for slot in self.guarded if slot % 2 != kind}
        self.queue.release(("guard", kind))

    @rule(partition=st.integers(0, 1))
    def partition_goes(self, partition: int) -> None:
        self.ledgers[partition].may_send = False
        going = [each for each in [*self.queue._queue, *self.aside()] if not each.ledger.may_send]
        assert self.queue.drop_revoked() == sum(len(each.body) for each in going)
        self.forget_what_is_empty()
        self.ledgers[partition] = FakeLedger()
        for key in range(partition, KEYS, 2):
            self.owed[key] = []

    def teardown(self) -> None:
        """Mend everything: all that is still owed must then go, in order."""
        if self.wire:
            self.deferred()
        self.early.clear()
        self.hopeless.clear()
        self.guarded.clear()
        for kind in range(2):
            self.queue.release(("guard", kind))
        for second in range(3):
            self.queue.release(("clock", second))
        for endpoint in list(self.held):
            self.held.discard(endpoint)
            self.queue.release(("endpoint", endpoint))
        for number in self.apart:
            self.queue.release(("isolated", number))
        for each in list(self.letters):
            self.acknowledge(each)
        while self.queue:
            self.take()
            self.delivered()
        assert not any(self.owed.values())
        assert not self.queue._blocked
        assert not any(self.queue._waiting.values())


TestTheQueue = QueueMachine.TestCase
TestTheQueue.settings = settings(max_examples=examples(400), stateful_step_count=40, deadline=None)
