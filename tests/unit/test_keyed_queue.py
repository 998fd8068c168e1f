"""The queue's cases worth a name: each lost the order of a key, or a key itself, before."""

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, WaitReason, Waits
from consumer.model import DeadLetterCause, Fault
from tests.property.test_batch import CONSENT, SHAPES, FakeLedger, delivery

COLLECT_SHAPE, OTHER_SHAPE, CONSENT_SHAPE = SHAPES
LEDGER = FakeLedger()
HELD: WaitReason = ("endpoint", CONSENT)
CLOCK: WaitReason = ("clock", 7)
GUARD: WaitReason = ("guard", "shop.Return")


def one(key: int, slot: int, *, consent: bool = False, ledger: FakeLedger = LEDGER) -> Delivery:
    return delivery(key, CONSENT_SHAPE if consent else COLLECT_SHAPE, str(slot), b"x", ledger, slot)


def consents_are_held(each: Delivery) -> WaitReason | None:
    return HELD if each.envelope.endpoint == CONSENT else None


def nothing_waits(_: Delivery) -> None:
    return None


def never(_: Delivery, __: Fault) -> None:
    raise AssertionError("nothing is refused here")


def slots(queue: KeyedQueue, waits: Waits = nothing_waits) -> list[int]:
    return [each.slot for each in queue.take_batch(waits, never)]


def test_one_that_was_passed_over_is_not_overtaken_by_a_later_one_of_its_key_set_aside() -> None:
    queue = KeyedQueue()
    passed = one(1, 1)
    passed.fragment = 5
    queue.append([one(2, 0), passed, one(1, 2, consent=True)])
    assert slots(queue, consents_are_held) == [0]
    assert slots(queue, consents_are_held) == [1]
    assert slots(queue, consents_are_held) == []
    queue.release(HELD)
    assert slots(queue) == [2]


def test_a_letter_acknowledged_releases_nothing_that_waits_for_something_else() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    assert slots(queue, consents_are_held) == [0]
    queue.block_key(1)
    queue.record_acknowledgement(1)
    queue.append([one(1, 2)])
    assert slots(queue, consents_are_held) == []
    queue.release(HELD)
    assert slots(queue) == [1]
    assert slots(queue) == [2]


def test_a_hold_that_ends_releases_nothing_that_waits_for_a_letter() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    assert slots(queue, consents_are_held) == [0]
    queue.block_key(1)
    queue.release(HELD)
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [1]


def test_a_batch_put_back_waits_for_nothing_that_only_its_successors_wait_for() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    batch = queue.take_batch(consents_are_held, never)
    queue.requeue(batch)
    assert slots(queue, consents_are_held) == [0]


def test_a_probe_takes_the_oldest_of_its_key_and_is_still_before_the_rest_when_put_back() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0, consent=True), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert slots(queue, consents_are_held) == []
    probe = queue.take_probe(HELD, lambda each: each.key == 1)
    assert probe is not None
    assert probe.slot == 0
    queue.requeue([probe])
    assert slots(queue, consents_are_held) == []
    queue.release(HELD)
    assert [slots(queue) for _ in range(3)].count([0]) == 1


def test_what_comes_after_a_withdrawn_delivery_is_not_blocked_by_it() -> None:
    queue, gone = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, consent=True, ledger=gone)])
    assert slots(queue, consents_are_held) == []
    gone.may_send = False
    queue.drop_revoked()
    queue.append([one(1, 1)])
    assert slots(queue, consents_are_held) == [1]


def test_two_letters_of_a_key_are_both_waited_for() -> None:
    queue = KeyedQueue()
    queue.block_key(1)
    queue.block_key(1)
    queue.append([one(1, 0)])
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_one_that_can_never_go_is_refused_and_its_key_waits_for_the_letter() -> None:
    queue, refused = KeyedQueue(), list[int]()

    def refuse(each: Delivery, _: Fault) -> None:
        refused.append(each.slot)
        queue.block_key(each.key)

    def hopeless(each: Delivery) -> WaitReason | Fault | None:
        return Fault(DeadLetterCause.OUT_OF_WINDOW) if each.slot == 0 else None

    queue.append([one(1, 0), one(1, 1), one(2, 2)])
    assert [each.slot for each in queue.take_batch(hopeless, refuse)] == [2]
    assert refused == [0]
    queue.record_acknowledgement(1)
    assert [each.slot for each in queue.take_batch(hopeless, refuse)] == [1]


def test_a_probe_is_neither_of_a_partition_that_went_nor_of_a_key_that_waits_for_a_letter() -> None:
    queue, gone = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, consent=True, ledger=gone), one(2, 1, consent=True), one(3, 2, consent=True)])
    assert slots(queue, consents_are_held) == []
    assert queue.count_waiting(HELD)
    gone.may_send = False
    queue.block_key(2)
    probe = queue.take_probe(HELD, lambda _: True)
    assert probe is not None
    assert probe.slot == 2


def test_a_probe_asks_about_the_oldest_of_each_key_only() -> None:
    queue, asked = KeyedQueue(), list[int]()
    queue.append([one(1, 0, consent=True), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert slots(queue, consents_are_held) == []

    def fits(each: Delivery) -> bool:
        asked.append(each.slot)
        return False

    assert queue.take_probe(HELD, fits) is None
    assert asked == [0, 2]
    assert queue.take_probe(CLOCK, fits) is None


def test_what_is_put_back_while_its_key_waits_for_a_letter_waits_with_it_and_stays_first() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1)])
    batch = queue.take_batch(None, never)
    queue.block_key(1)
    queue.append([one(1, 2), one(2, 3)])
    queue.requeue(batch)
    assert slots(queue) == [3]
    queue.record_acknowledgement(1)
    assert slots(queue) == [0, 1, 2]


def test_a_partition_that_goes_takes_its_own_and_leaves_the_letters_waited_for() -> None:
    queue, gone = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=gone), one(1, 1), one(2, 2, consent=True), one(2, 3, ledger=gone)])
    queue.block_key(1)
    assert slots(queue, consents_are_held) == []
    gone.may_send = False
    queue.drop_revoked()
    assert slots(queue, consents_are_held) == []
    queue.record_acknowledgement(1)
    assert slots(queue, consents_are_held) == [1]
    queue.release(HELD)
    assert slots(queue) == [2]


def test_a_batch_put_back_while_nothing_is_blocked_is_first_again() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    batch = queue.take_batch(None, never)
    queue.append([one(1, 2)])
    queue.requeue(batch)
    assert (len(queue), queue.first().slot) == (3, 0)
    assert slots(queue) == [0, 1, 2]


def test_a_withdrawn_key_that_waits_for_a_letter_goes_on_waiting_for_it() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0, consent=True)])
    assert slots(queue, consents_are_held) == []
    queue.block_key(1)
    queue.release(HELD)
    queue.drop_revoked()
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_the_oldest_of_a_key_waits_for_a_reason_of_its_own_once_its_keys_letters_are_acknowledged() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1), one(1, 2, consent=True)])
    batch = queue.take_batch(consents_are_held, never)
    queue.block_key(1)
    queue.requeue(batch[1:])

    def held_or_guarded(each: Delivery) -> WaitReason | None:
        return GUARD if each.slot == 1 else consents_are_held(each)

    assert slots(queue, held_or_guarded) == []
    assert queue.take_probe(HELD, lambda _: True) is None
    queue.record_acknowledgement(1)
    assert slots(queue, held_or_guarded) == []
    assert queue.take_probe(HELD, lambda _: True) is None
    probe = queue.take_probe(GUARD, lambda _: True)
    assert probe is not None
    assert probe.slot == 1
    assert slots(queue, held_or_guarded) == []
    assert queue.count_waiting(HELD) == 1


def test_a_letter_acknowledged_leaves_apart_what_failed_by_itself() -> None:
    queue, apart = KeyedQueue(), ("isolated", 1)
    queue.append([one(1, 0), one(1, 1)])
    batch = queue.take_batch(None, never)
    queue.isolate(batch, apart)
    queue.block_key(1)
    queue.record_acknowledgement(1)
    assert queue.count_waiting(apart) == 2
    assert slots(queue) == []
    queue.release(apart)
    assert slots(queue) == [0, 1]
