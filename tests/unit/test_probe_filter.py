"""The choice of a probe if only some waiting deliveries can prove that the hold is over."""

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, ProbeFilter
from tests.property.test_batch import FakeLedger
from tests.unit.test_keyed_queue import GUARD, HELD, one, slots

FINE, PROOF, STUCK = "fine", "proof", "stuck"


def queue_of(*rows: tuple[int, str]) -> tuple[KeyedQueue, ProbeFilter, list[Delivery]]:
    """Return a queue in which these (key, kind) deliveries wait for a guard. Slots are their indices."""
    queue, made = KeyedQueue(), [one(key, slot) for slot, (key, _) in enumerate(rows)]
    queue.append(made)
    assert slots(queue, lambda _: GUARD) == []
    kinds = [kind for _, kind in rows]
    return (
        queue,
        ProbeFilter(lambda each: kinds[each.slot] == PROOF, lambda each: kinds[each.slot] != STUCK),
        made,
    )


def take_slot(queue: KeyedQueue, proof: ProbeFilter, *, but: tuple[int, ...] = ()) -> int | None:
    chosen = queue.take_probe(GUARD, lambda each: each.key not in but, proof)
    return None if chosen is None else chosen.slot


def test_oldest_proof_at_head_of_key_is_probed_first() -> None:
    queue, proof, _ = queue_of((1, FINE), (1, PROOF), (2, PROOF), (3, PROOF))
    assert take_slot(queue, proof) == 2


def test_delivery_ahead_of_proof_goes_if_no_head_is_proof() -> None:
    queue, proof, _ = queue_of((1, FINE), (2, FINE), (2, PROOF))
    assert take_slot(queue, proof) == 1
    assert slots(queue, lambda _: GUARD) == []
    assert take_slot(queue, proof) == 2


def test_key_with_fewest_deliveries_ahead_of_proof_is_chosen() -> None:
    rows = [(1, FINE), (1, FINE), (1, PROOF), (2, FINE), (2, PROOF), (3, FINE), (3, FINE), (3, PROOF)]
    queue, proof, _ = queue_of(*rows)
    assert take_slot(queue, proof) == 3


def test_key_blocked_ahead_of_proof_is_not_chosen() -> None:
    """A delivery that cannot be sent precedes the proof, so its key is left out."""
    queue, proof, _ = queue_of((1, FINE), (1, STUCK), (1, PROOF), (2, FINE), (2, FINE), (2, PROOF))
    assert take_slot(queue, proof) == 3


def test_no_probe_without_unprobed_key_that_has_proof() -> None:
    queue, proof, _ = queue_of((1, FINE), (1, PROOF), (2, FINE))
    assert take_slot(queue, proof, but=(1,)) is None
    assert queue.find_probe(HELD, lambda _: True, proof) is None


def test_pending_dead_letter_and_revoked_ledger_are_not_probed() -> None:
    """Neither a key with a pending dead letter nor a revoked ledger is probed."""
    queue, proof, made = queue_of((1, PROOF), (2, PROOF), (3, FINE), (3, PROOF))
    queue.block_key(1)
    revoked = FakeLedger(may_send=False)
    made[1].ledger = revoked  # type: ignore[assignment]
    assert take_slot(queue, proof) == 2
