"""Isolated batches in a lane's queue: their keys wait with them, other keys are sent."""

from consumer.delivery.keyed_queue import KeyedQueue, WaitReason
from tests.property.test_batch import FakeLedger
from tests.unit.test_keyed_queue import HELD, hold_consents, one, refuse_none, slots

ONE, OTHER = ("isolated", 1), ("isolated", 2)


def isolate(queue: KeyedQueue, reason: WaitReason) -> list[int]:
    """Take a batch and isolate it with `reason`."""
    batch = queue.take_batch(hold_consents, refuse_none)
    assert queue.isolate(batch, reason) == 0
    return [each.slot for each in batch]


def test_isolated_batch_blocks_only_its_own_keys() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    assert isolate(queue, ONE) == [0, 1]
    queue.append([one(1, 2), one(3, 3), one(2, 4)])
    assert slots(queue) == [3]
    assert slots(queue) == []
    queue.end_wait(ONE)
    assert slots(queue) == [0, 1, 2, 4]


def test_isolated_batches_are_released_one_by_one() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0)])
    assert isolate(queue, ONE) == [0]
    queue.append([one(2, 1)])
    assert isolate(queue, OTHER) == [1]
    queue.end_wait(OTHER)
    assert slots(queue) == [1]
    queue.end_wait(ONE)
    assert slots(queue) == [0]


def test_held_delivery_of_an_isolated_key_is_sent_after_the_batch() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert isolate(queue, ONE) == [0]
    assert slots(queue, hold_consents) == []
    queue.end_wait(HELD)
    assert slots(queue) == [2]
    queue.end_wait(ONE)
    assert slots(queue) == [0]
    assert slots(queue) == [1]


def test_isolated_delivery_waits_for_a_dead_letter_of_its_key() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    batch = queue.take_batch(None, refuse_none)
    queue.block_key(1)
    queue.isolate(batch, ONE)
    queue.end_wait(ONE)
    assert slots(queue) == [1]
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_revoked_partition_leaves_the_rest_of_the_batch_isolated() -> None:
    queue, revoked = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=revoked), one(2, 1)])
    assert isolate(queue, ONE) == [0, 1]
    revoked.may_send = False
    assert queue.drop_revoked() == 1
    queue.append([one(1, 2), one(2, 3)])
    assert slots(queue) == [2]
    queue.end_wait(ONE)
    assert slots(queue) == [1, 3]


def test_batch_revoked_during_its_request_is_not_isolated() -> None:
    queue, revoked = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=revoked)])
    batch = queue.take_batch(None, refuse_none)
    revoked.may_send = False
    assert queue.isolate(batch, ONE) == 1
    assert not queue.count_waiting(ONE)
    queue.append([one(1, 1)])
    assert slots(queue) == [1]


def test_recheck_requeues_waiting_and_affected_isolated_deliveries() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0)])
    assert isolate(queue, ONE) == [0]
    queue.append([one(2, 1)])
    assert isolate(queue, OTHER) == [1]
    queue.append([one(3, 2, consent=True), one(4, 3)])
    queue.block_key(4)
    assert slots(queue, hold_consents) == []
    queue.recheck(lambda each: each.slot == 1)
    assert (
        queue.count_waiting(ONE),
        queue.count_waiting(OTHER),
        queue.count_waiting(HELD),
        queue.count_waiting(("dead_letter", 4)),
    ) == (1, 0, 0, 1)
    assert slots(queue) == [2]
    assert slots(queue) == [1]
