"""Which of what waits probes, where not all of it can prove something."""

from consumer.delivery.delivery import Delivery
from consumer.delivery.keyed_queue import KeyedQueue, ProbeFilter
from tests.property.test_batch import FakeLedger
from tests.unit.test_keyed_queue import GUARD, HELD, one, slots

FINE, REFUSED, ELSEWHERE = "fine", "refused", "elsewhere"


def waiting(*rows: tuple[int, str]) -> tuple[KeyedQueue, ProbeFilter, list[Delivery]]:
    """Return a queue in which all this waits at a guard, by key and kind, each numbered by its place."""
    queue, made = KeyedQueue(), [one(key, slot) for slot, (key, _) in enumerate(rows)]
    queue.append(made)
    assert slots(queue, lambda _: GUARD) == []
    kinds = [kind for _, kind in rows]
    return (
        queue,
        ProbeFilter(lambda each: kinds[each.slot] == REFUSED, lambda each: kinds[each.slot] != ELSEWHERE),
        made,
    )


def probed(queue: KeyedQueue, proof: ProbeFilter, *, but: tuple[int, ...] = ()) -> int | None:
    chosen = queue.take_probe(GUARD, lambda each: each.key not in but, proof)
    return None if chosen is None else chosen.slot


def test_the_oldest_that_can_prove_something_goes_before_all_that_cannot() -> None:
    queue, proof, _ = waiting((1, FINE), (1, REFUSED), (2, REFUSED), (3, REFUSED))
    assert probed(queue, proof) == 2


def test_what_stands_before_one_that_can_goes_where_none_that_can_is_the_oldest_of_its_key() -> None:
    queue, proof, _ = waiting((1, FINE), (2, FINE), (2, REFUSED))
    assert probed(queue, proof) == 1
    assert slots(queue, lambda _: GUARD) == []
    assert probed(queue, proof) == 2


def test_it_is_of_the_key_in_which_the_fewest_stand_before_one_that_can() -> None:
    rows = [(1, FINE), (1, FINE), (1, REFUSED), (2, FINE), (2, REFUSED), (3, FINE), (3, FINE), (3, REFUSED)]
    queue, proof, _ = waiting(*rows)
    assert probed(queue, proof) == 3


def test_nothing_goes_before_one_that_waits_behind_something_that_cannot_go() -> None:
    queue, proof, _ = waiting((1, FINE), (1, ELSEWHERE), (1, REFUSED), (2, FINE), (2, FINE), (2, REFUSED))
    assert probed(queue, proof) == 3


def test_nor_where_all_that_can_had_their_turn_or_nothing_can() -> None:
    queue, proof, _ = waiting((1, FINE), (1, REFUSED), (2, FINE))
    assert probed(queue, proof, but=(1,)) is None
    assert queue.find_probe(HELD, lambda _: True, proof) is None


def test_a_key_whose_letter_is_not_acknowledged_and_a_tenure_that_went_probe_nothing() -> None:
    queue, proof, made = waiting((1, REFUSED), (2, REFUSED), (3, FINE), (3, REFUSED))
    queue.block_key(1)
    gone = FakeLedger(may_send=False)
    made[1].ledger = gone  # type: ignore[assignment]
    assert probed(queue, proof) == 2
