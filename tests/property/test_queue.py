"""A lane's queue as a state machine: keys keep their order, and no delivery is lost or waits forever."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from consumer.delivery.batch import set_fragment, split
from consumer.model import DeadLetterCause, Endpoint, Fault
from tests.examples import examples
from tests.property.queue_model import KEYS, QueueModel
from tests.property.test_batch import CONSENT, ENVELOPES, FakeLedger, delivery, max_body_bytes


class QueueMachine(QueueModel):
    """One lane with one request at a time, and all reasons for which its deliveries wait.

    Held endpoints, times not yet reached, dead letters, guards, isolated batches, and revoked partitions.
    """

    @initialize(at_once=st.booleans())
    def choose_the_dead_letter_topic(self, *, at_once: bool) -> None:
        self.acknowledges_at_once = at_once

    @rule(data=st.data(), count=st.integers(1, 6))
    def enqueue(self, data: st.DataObject, count: int) -> None:
        some = []
        for _ in range(count):
            key, slot = data.draw(st.integers(0, KEYS - 1)), next(self.serials)
            envelope = data.draw(st.sampled_from(ENVELOPES))
            body = b"b" * data.draw(st.integers(1, max_body_bytes(envelope)))
            identity = f"id-{slot if data.draw(st.integers(0, 4)) else slot // 2}"
            some.append(delivery(key, envelope, identity, body, self.ledgers[key % 2], slot))
            self.owed[key].append(some[-1])
            case = data.draw(st.integers(0, 9))
            if case < 2:
                self.not_due.add(slot)
            elif case == 2:
                self.expired.add(slot)
        self.queue.append(some)

    @precondition(lambda self: not self.in_flight)
    @rule()
    def take(self) -> None:
        any_reason = self.held or self.not_due or self.expired or self.guarded
        self.in_flight = self.queue.take_batch(self.waits if any_reason else None, self.refuse)
        if self.in_flight:
            self.check(self.in_flight)
            assert all(self.waits(each) is None for each in self.in_flight)

    @precondition(lambda self: not self.in_flight and self.held)
    @rule(data=st.data())
    def probe(self, data: st.DataObject) -> None:
        endpoint = data.draw(st.sampled_from(sorted(self.held)))
        one = self.queue.take_probe(("endpoint", endpoint), lambda each: each.envelope.endpoint == endpoint)
        if one is not None:
            self.in_flight = [one]
            self.check(self.in_flight)
            assert one.envelope.endpoint == endpoint

    @precondition(lambda self: not self.in_flight and self.guarded)
    @rule(kind=st.integers(0, 1))
    def probe_a_guard(self, kind: int) -> None:
        waiting = list(self.queue._waiting.get(("guard", kind), ()))
        one = self.queue.take_probe(("guard", kind), lambda each: each.slot in self.guarded)
        if one is not None:
            self.in_flight = [one]
            self.check(self.in_flight)
        else:
            assert {each.key for each in waiting} <= {each.key for each in self.dead_letters}

    @precondition(lambda self: self.in_flight)
    @rule()
    def delivered(self) -> None:
        for each in self.in_flight:
            if each.ledger.may_send:
                self.owed[each.key].remove(each)
        self.in_flight = []

    @precondition(lambda self: self.in_flight)
    @rule()
    def deferred(self) -> None:
        dropped = sum(len(each.body) for each in self.in_flight if not each.ledger.may_send)
        assert self.queue.requeue(self.in_flight) == dropped
        self.in_flight = []

    @precondition(lambda self: len(self.in_flight) > 1)
    @rule()
    def split_in_halves(self) -> None:
        split(self.in_flight, lambda: next(self.fragments))
        for each in self.in_flight:
            self.members.setdefault(each.fragment, set()).add(each.slot)
        self.deferred()

    @precondition(lambda self: self.in_flight)
    @rule(again=st.booleans())
    def isolated_after_failure(self, *, again: bool) -> None:
        if not self.in_flight[0].fragment or again:
            set_fragment(self.in_flight, next(self.fragments))
        for each in self.in_flight:
            self.members.setdefault(each.fragment, set()).add(each.slot)
        dropped = sum(len(each.body) for each in self.in_flight if not each.ledger.may_send)
        number = next(self.fragments)
        assert self.queue.isolate(self.in_flight, ("isolated", number)) == dropped
        if self.queue.count_waiting(("isolated", number)):
            self.isolated[number] = {each.slot for each in self.in_flight}
        self.in_flight = []

    @precondition(lambda self: self.isolated)
    @rule(data=st.data())
    def isolation_is_over(self, data: st.DataObject) -> None:
        number = data.draw(st.sampled_from(sorted(self.isolated)))
        del self.isolated[number]
        self.queue.end_wait(("isolated", number))

    @rule(slot=st.integers(0, 30))
    def recheck_one(self, slot: int) -> None:
        self.queue.recheck(lambda each: each.slot == slot)
        self.forget_empty_batches()
        assert {kind for kind, _ in self.queue._waiting} <= {"dead_letter", "isolated"}
        kept = [each for reason, waiting in self.queue._waiting.items() if reason[0] == "isolated" for each in waiting]
        assert slot not in {each.slot for each in kept}

    def forget_empty_batches(self) -> None:
        self.isolated = {
            number: some for number, some in self.isolated.items() if self.queue.count_waiting(("isolated", number))
        }

    @precondition(lambda self: self.in_flight)
    @rule(data=st.data())
    def some_refused(self, data: st.DataObject) -> None:
        refused = data.draw(st.sets(st.sampled_from(range(len(self.in_flight))), min_size=1))
        self.end(refused, data.draw(st.sets(st.sampled_from(sorted(refused)))))

    def end(self, refused: set[int], guarded: set[int]) -> None:
        batch, self.in_flight = self.in_flight, []
        for index, each in enumerate(batch):
            if index not in refused and each.ledger.may_send:
                self.owed[each.key].remove(each)
        for index in sorted(refused - guarded):
            self.refuse(batch[index], Fault(DeadLetterCause.REFUSED))
        waiting = [batch[index] for index in sorted(guarded)]
        self.guarded |= {each.slot for each in waiting}
        self.queue.requeue(waiting)

    @precondition(lambda self: not self.in_flight)
    @rule(key=st.integers(0, KEYS - 1))
    def first_refused_then_guarded_then_held(self, key: int) -> None:
        """Let a key wait for a dead letter, a guard and an endpoint at once. Random steps hardly ever get there."""
        self.held.add(CONSENT)
        collect, _, consent = ENVELOPES
        some = [delivery(key, envelope, "", b"b", self.ledgers[key % 2]) for envelope in (collect, collect, consent)]
        for each in some:
            each.slot = next(self.serials)
            each.identity = f"id-{each.slot}"
        self.owed[key] += some
        self.queue.append(some)
        self.take()
        of_key = [index for index, each in enumerate(self.in_flight) if each.key == key]
        if len(of_key) > 1:
            self.end(set(of_key), set(of_key[1:]))

    @precondition(lambda self: self.dead_letters)
    @rule(data=st.data())
    def dead_letter_acknowledged(self, data: st.DataObject) -> None:
        self.acknowledge(data.draw(st.sampled_from(self.dead_letters)))

    @rule(endpoint=st.sampled_from([CONSENT, ENVELOPES[0].endpoint]))
    def hold(self, endpoint: Endpoint) -> None:
        self.held.add(endpoint)

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def resume(self, data: st.DataObject) -> None:
        endpoint = data.draw(st.sampled_from(sorted(self.held)))
        self.held.discard(endpoint)
        self.queue.end_wait(("endpoint", endpoint))

    @precondition(lambda self: self.not_due)
    @rule(second=st.integers(0, 2))
    def time_reached(self, second: int) -> None:
        self.not_due = {slot for slot in self.not_due if slot % 3 != second}
        self.queue.end_wait(("clock", second))

    @precondition(lambda self: self.guarded)
    @rule(kind=st.integers(0, 1))
    def guard_is_reset(self, kind: int) -> None:
        self.guarded = {slot for slot in self.guarded if slot % 2 != kind}
        self.queue.end_wait(("guard", kind))

    @rule(partition=st.integers(0, 1))
    def partition_is_revoked(self, partition: int) -> None:
        self.ledgers[partition].may_send = False
        revoked = [each for each in [*self.queue._queue, *self.waiting()] if not each.ledger.may_send]
        assert self.queue.drop_revoked() == sum(len(each.body) for each in revoked)
        self.forget_empty_batches()
        self.ledgers[partition] = FakeLedger()
        for key in range(partition, KEYS, 2):
            self.owed[key] = []

    def teardown(self) -> None:
        """End all reasons: every delivery still owed must then be sent, in order."""
        if self.in_flight:
            self.deferred()
        self.not_due.clear()
        self.expired.clear()
        self.guarded.clear()
        for kind in range(2):
            self.queue.end_wait(("guard", kind))
        for second in range(3):
            self.queue.end_wait(("clock", second))
        for endpoint in list(self.held):
            self.held.discard(endpoint)
            self.queue.end_wait(("endpoint", endpoint))
        for number in self.isolated:
            self.queue.end_wait(("isolated", number))
        for each in list(self.dead_letters):
            self.acknowledge(each)
        while self.queue:
            self.take()
            self.delivered()
        assert not any(self.owed.values())
        assert not self.queue._blocked
        assert not any(self.queue._waiting.values())


TestTheQueue = QueueMachine.TestCase
TestTheQueue.settings = settings(max_examples=examples(400), stateful_step_count=40, deadline=None)
