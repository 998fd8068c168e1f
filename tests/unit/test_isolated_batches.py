"""Batches that wait by themselves in a lane's queue: their keys with them, everything else around them."""

from consumer.delivery.keyed_queue import KeyedQueue, WaitReason
from tests.property.test_batch import FakeLedger
from tests.unit.test_keyed_queue import HELD, consents_are_held, never, one, slots

ONE, OTHER = ("isolated", 1), ("isolated", 2)


def apart(queue: KeyedQueue, scope: WaitReason) -> list[int]:
    """Take a batch and set it apart under `scope`."""
    batch = queue.take_batch(consents_are_held, never)
    assert queue.isolate(batch, scope) == 0
    return [each.slot for each in batch]


def test_what_is_apart_lets_other_keys_go_and_keeps_its_own_behind_it() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    assert apart(queue, ONE) == [0, 1]
    queue.append([one(1, 2), one(3, 3), one(2, 4)])
    assert slots(queue) == [3]
    assert slots(queue) == []
    queue.release(ONE)
    assert slots(queue) == [0, 1, 2, 4]


def test_each_batch_that_is_apart_is_released_by_itself() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0)])
    assert apart(queue, ONE) == [0]
    queue.append([one(2, 1)])
    assert apart(queue, OTHER) == [1]
    queue.release(OTHER)
    assert slots(queue) == [1]
    queue.release(ONE)
    assert slots(queue) == [0]


def test_what_followed_aside_while_the_batch_was_formed_comes_behind_it() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(1, 1, consent=True), one(2, 2, consent=True)])
    assert apart(queue, ONE) == [0]
    assert slots(queue, consents_are_held) == []
    queue.release(HELD)
    assert slots(queue) == [2]
    queue.release(ONE)
    assert slots(queue) == [0]
    assert slots(queue) == [1]


def test_what_is_apart_while_its_key_waits_for_a_letter_waits_for_that() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0), one(2, 1)])
    batch = queue.take_batch(None, never)
    queue.block_key(1)
    queue.isolate(batch, ONE)
    queue.release(ONE)
    assert slots(queue) == [1]
    queue.record_acknowledgement(1)
    assert slots(queue) == [0]


def test_a_partition_that_goes_takes_what_is_its_own_and_leaves_the_rest_apart() -> None:
    queue, gone = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=gone), one(2, 1)])
    assert apart(queue, ONE) == [0, 1]
    gone.may_send = False
    assert queue.drop_revoked() == 1
    queue.append([one(1, 2), one(2, 3)])
    assert slots(queue) == [2]
    queue.release(ONE)
    assert slots(queue) == [1, 3]


def test_nothing_is_apart_of_a_batch_whose_partition_went_during_its_call() -> None:
    queue, gone = KeyedQueue(), FakeLedger()
    queue.append([one(1, 0, ledger=gone)])
    batch = queue.take_batch(None, never)
    gone.may_send = False
    assert queue.isolate(batch, ONE) == 1
    assert not queue.count_waiting(ONE)
    queue.append([one(1, 1)])
    assert slots(queue) == [1]


def test_what_may_have_changed_is_looked_at_anew_and_what_is_apart_only_where_it_is_touched() -> None:
    queue = KeyedQueue()
    queue.append([one(1, 0)])
    assert apart(queue, ONE) == [0]
    queue.append([one(2, 1)])
    assert apart(queue, OTHER) == [1]
    queue.append([one(3, 2, consent=True), one(4, 3)])
    queue.block_key(4)
    assert slots(queue, consents_are_held) == []
    queue.recheck(lambda each: each.slot == 1)
    assert (
        queue.count_waiting(ONE),
        queue.count_waiting(OTHER),
        queue.count_waiting(HELD),
        queue.count_waiting(("dead_letter", 4)),
    ) == (1, 0, 0, 1)
    assert slots(queue) == [2]
    assert slots(queue) == [1]
