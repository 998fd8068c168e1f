"""Regression cases of the queue. Each once lost the order of a key, or a key."""

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, WaitReason, Waits
from consumer.model import DeadLetterCause, Fault
from tests.property.test_batch import CONSENT, ENVELOPES, FakeLedger, delivery

COLLECT_ENVELOPE, OTHER_ENVELOPE, CONSENT_ENVELOPE = ENVELOPES
LEDGER = FakeLedger()
HELD: WaitReason = ("endpoint", CONSENT)
CLOCK: WaitReason = ("clock", 7)
GUARD: WaitReason = ("guard", "shop.Return")


def one(key: int, slot: int, *, consent: bool = False, ledger: FakeLedger = LEDGER) -> Delivery:
    return delivery(key, CONSENT_ENVELOPE if consent else COLLECT_ENVELOPE, str(slot), b"x", ledger, slot)


def hold_consents(each: Delivery) -> WaitReason | None:
    return HELD if each.envelope.endpoint == CONSENT else None


def nothing_waits(_: Delivery) -> None:
    return None


def refuse_none(_: Delivery, __: Fault) -> None:
    raise AssertionError("no delivery may be refused here")


def slots(queue: KeyedQueue, waits: Waits = nothing_waits) -> list[int]:
    return [each.slot for each in queue.take_batch(waits, refuse_none)]


def test_passed_over_delivery_is_sent_before_a_later_one_of_its_key() -> None:
    queue = KeyedQueue()
    passed = one(1, 1)
    passed.fragment = 5
    queue.append([one(2, 0), passed, one(1, 2, consent=True)])
    assert slots(queue, hold_consents) == [0]
    assert slots(queue, hold_consents) == [1]
    assert slots(queue, hold_consents) == []
    queue.end_wait(HELD)
    assert slots(queue) == [2]


def test_acknowledgement_requeues_no_held_delivery() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    assert slots(queue, hold_consents) == [0]
    queue.block_key(1)
    queue.record_acknowledgement(1)
    queue.append([one(1, 2)])
    assert slots(queue, hold_consents) == []
    queue.end_wait(HELD)
    assert slots(queue) == [1]
    assert slots(queue) == [2]


def test_end_of_a_hold_requeues_no_key_with_a_pending_dead_letter() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    assert slots(queue, hold_consents) == [0]
    queue.block_key(1)
    queue.end_wait(HELD)
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [1]


def test_requeued_batch_does_not_wait_for_its_successors_reason() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True)])
    batch = queue.take_batch(hold_consents, refuse_none)
    queue.requeue(batch)
    assert slots(queue, hold_consents) == [0]


def test_probe_is_the_oldest_of_its_key_and_stays_first_when_requeued() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0, consent=True), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert slots(queue, hold_consents) == []
    probe = queue.take_probe(HELD, lambda each: each.key == 1)
    assert probe is not None
    assert probe.slot == 0
    queue.requeue([probe])
    assert slots(queue, hold_consents) == []
    queue.end_wait(HELD)
    assert [slots(queue) for _ in range(3)].count([0]) == 1


def test_revoked_delivery_does_not_block_its_key() -> None:
    queue, revoked = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, consent=True, ledger=revoked)])
    assert slots(queue, hold_consents) == []
    revoked.may_send = False
    queue.drop_revoked()
    queue.append([one(1, 1)])
    assert slots(queue, hold_consents) == [1]


def test_key_waits_for_both_of_its_dead_letters() -> None:
    queue = KeyedQueue()
    queue.block_key(1)
    queue.block_key(1)
    queue.append([one(1, 0)])
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_delivery_that_can_never_be_sent_is_refused_and_blocks_its_key() -> None:
    queue, refused = KeyedQueue(), list[int]()

    def refuse(each: Delivery, _: Fault) -> None:
        refused.append(each.slot)
        queue.block_key(each.key)

    def too_old(each: Delivery) -> WaitReason | Fault | None:
        return Fault(DeadLetterCause.OUT_OF_WINDOW) if each.slot == 0 else None

    queue.append([one(1, 0), one(1, 1), one(2, 2)])
    assert [each.slot for each in queue.take_batch(too_old, refuse)] == [2]
    assert refused == [0]
    queue.record_acknowledgement(1)
    assert [each.slot for each in queue.take_batch(too_old, refuse)] == [1]


def test_probe_skips_revoked_partitions_and_keys_with_dead_letters() -> None:
    queue, revoked = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, consent=True, ledger=revoked), one(2, 1, consent=True), one(3, 2, consent=True)])
    assert slots(queue, hold_consents) == []
    assert queue.count_waiting(HELD)
    revoked.may_send = False
    queue.block_key(2)
    probe = queue.take_probe(HELD, lambda _: True)
    assert probe is not None
    assert probe.slot == 2


def test_probe_checks_only_the_oldest_of_each_key() -> None:
    queue, checked = KeyedQueue(), list[int]()
    queue.append([one(1, 0, consent=True), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert slots(queue, hold_consents) == []

    def fits(each: Delivery) -> bool:
        checked.append(each.slot)
        return False

    assert queue.take_probe(HELD, fits) is None
    assert checked == [0, 2]
    assert queue.take_probe(CLOCK, fits) is None


def test_delivery_requeued_during_a_dead_letter_waits_and_stays_first() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1)])
    batch = queue.take_batch(None, refuse_none)
    queue.block_key(1)
    queue.append([one(1, 2), one(2, 3)])
    queue.requeue(batch)
    assert slots(queue) == [3]
    queue.record_acknowledgement(1)
    assert slots(queue) == [0, 1, 2]


def test_revoked_partition_leaves_pending_dead_letters_blocking() -> None:
    queue, revoked = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=revoked), one(1, 1), one(2, 2, consent=True), one(2, 3, ledger=revoked)])
    queue.block_key(1)
    assert slots(queue, hold_consents) == []
    revoked.may_send = False
    queue.drop_revoked()
    assert slots(queue, hold_consents) == []
    queue.record_acknowledgement(1)
    assert slots(queue, hold_consents) == [1]
    queue.end_wait(HELD)
    assert slots(queue) == [2]


def test_requeued_batch_is_first_again_if_no_key_is_blocked() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    batch = queue.take_batch(None, refuse_none)
    queue.append([one(1, 2)])
    queue.requeue(batch)
    assert (len(queue), queue.first().slot) == (3, 0)
    assert slots(queue) == [0, 1, 2]


def test_dropping_revoked_keeps_a_key_blocked_for_its_dead_letter() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0, consent=True)])
    assert slots(queue, hold_consents) == []
    queue.block_key(1)
    queue.end_wait(HELD)
    queue.drop_revoked()
    assert slots(queue) == []
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_key_gets_the_reason_of_its_oldest_after_its_dead_letters() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1), one(1, 2, consent=True)])
    batch = queue.take_batch(hold_consents, refuse_none)
    queue.block_key(1)
    queue.requeue(batch[1:])

    def held_or_guarded(each: Delivery) -> WaitReason | None:
        return GUARD if each.slot == 1 else hold_consents(each)

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


def test_acknowledgement_leaves_an_isolated_batch_isolated() -> None:
    queue, isolated = KeyedQueue(), ("isolated", 1)
    queue.append([one(1, 0), one(1, 1)])
    batch = queue.take_batch(None, refuse_none)
    queue.isolate(batch, isolated)
    queue.block_key(1)
    queue.record_acknowledgement(1)
    assert queue.count_waiting(isolated) == 2
    assert slots(queue) == []
    queue.end_wait(isolated)
    assert slots(queue) == [0, 1]
