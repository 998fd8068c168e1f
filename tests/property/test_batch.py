"""Batches: within limits, in order, no delivery lost or repeated, and splitting finds the poison."""

import itertools
from collections import Counter, deque
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, log2

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.delivery.batch import body_of, next_batch, split
from consumer.delivery.delivery import Delivery
from consumer.model import BatchEnvelope, Endpoint, Entry

ENTRY = Entry("shop.Order", "copilot", "copilot.custom_event", "custom_event")
COLLECT = Endpoint("collect", "POST", "/collect")
CONSENT = Endpoint("consent", "POST", "/consent")
ENVELOPES = (
    BatchEnvelope(COLLECT, b'{"batch":[', b"]}", 4, 60),
    BatchEnvelope(COLLECT, b'{"x":1,"batch":[', b"]}", 3, 44),
    BatchEnvelope(CONSENT, b"", b"", 1, 40),
)


@dataclass(eq=False)
class FakeLedger:
    may_send: bool = True


def delivery(
    key: int, envelope: BatchEnvelope, identity: str, body: bytes, ledger: FakeLedger, slot: int = 0
) -> Delivery:
    return Delivery(body, key, envelope, identity, 0, ENTRY, ledger, slot)  # type: ignore[arg-type]


def max_body_bytes(envelope: BatchEnvelope) -> int:
    return envelope.max_bytes - len(envelope.prefix) - len(envelope.suffix)


@st.composite
def deliveries(draw: st.DrawFn) -> list[Delivery]:
    sending, revoked = FakeLedger(), FakeLedger(may_send=False)
    made = []
    for slot in range(draw(st.integers(0, 40))):
        envelope = draw(st.sampled_from(ENVELOPES))
        body = b"b" * draw(st.integers(1, max_body_bytes(envelope)))
        identity = f"id-{draw(st.integers(0, 30))}"
        ledger = revoked if draw(st.integers(0, 9)) == 0 else sending
        one = delivery(draw(st.integers(0, 5)), envelope, identity, body, ledger, slot)
        one.fragment = draw(st.sampled_from((0, 0, 0, 1, 2)))
        made.append(one)
    return made


def check_batch(batch: Sequence[Delivery]) -> None:
    """Check that a batch has one envelope and fragment, stays within its limits, and repeats no identity."""
    envelope = batch[0].envelope
    assert {each.envelope for each in batch} == {envelope}
    assert len({each.fragment for each in batch}) == 1
    assert len(batch) <= envelope.max_events
    assert len(body_of(batch)) <= envelope.max_bytes
    assert len({each.identity for each in batch}) == len(batch)


@settings(deadline=None)
@given(deliveries())
def test_batches_keep_limits_and_order_and_lose_no_delivery(deliveries_in_order: list[Delivery]) -> None:
    queue = deque(deliveries_in_order)
    sent: list[Delivery] = []
    while queue:
        batch = next_batch(queue, None)
        if not batch:
            assert not queue
            break
        check_batch(batch)
        sent += batch
    expected = [each for each in deliveries_in_order if each.ledger.may_send]
    assert sorted(each.slot for each in sent) == [each.slot for each in expected]
    for key in range(6):
        assert [each.slot for each in sent if each.key == key] == [each.slot for each in expected if each.key == key]


@settings(deadline=None)
@given(deliveries())
def test_batch_starts_with_the_oldest_and_the_queue_keeps_its_order(deliveries_in_order: list[Delivery]) -> None:
    queue = deque(deliveries_in_order)
    batch = next_batch(queue, None)
    sending = [each for each in deliveries_in_order if each.ledger.may_send]
    assert batch[:1] == sending[:1]
    assert [each.slot for each in queue] == sorted(each.slot for each in queue)


def test_deliveries_of_a_revoked_partition_are_in_no_batch() -> None:
    sending, revoked = FakeLedger(), FakeLedger(may_send=False)
    made = [delivery(1, ENVELOPES[0], str(slot), b"1", revoked if slot == 1 else sending, slot) for slot in range(3)]
    queue = deque(made)
    assert next_batch(queue, None) == [made[0], made[2]]
    assert not queue


def test_body_may_fill_the_limit_exactly() -> None:
    envelope, ledger = BatchEnvelope(COLLECT, b"[", b"]", 10, 11), FakeLedger()
    fits = [delivery(1, envelope, "a", b"1234", ledger), delivery(2, envelope, "b", b"1234", ledger)]
    queue = deque(fits)
    assert len(body_of(next_batch(queue, None))) == 11
    assert not queue
    queue = deque([fits[0], delivery(2, envelope, "b", b"12345", ledger)])
    assert next_batch(queue, None) == fits[:1]
    assert len(queue) == 1


def test_delivery_behind_a_passed_over_one_is_not_checked() -> None:
    ledger = FakeLedger()
    first = delivery(1, ENVELOPES[0], "a", b"1", ledger)
    passed = delivery(2, ENVELOPES[1], "b", b"1", ledger)
    behind = delivery(2, ENVELOPES[2], "c", b"1", ledger)
    asked: list[Delivery] = []

    def admit(each: Delivery) -> bool:
        asked.append(each)
        return True

    queue = deque([first, passed, behind])
    assert next_batch(queue, admit) == [first]
    assert asked == [first, passed]
    assert list(queue) == [passed, behind]


@settings(deadline=None)
@given(st.integers(1, 40), st.data())
def test_splitting_finds_exactly_the_poison_in_few_refused_requests(count: int, data: st.DataObject) -> None:
    poison = data.draw(st.sets(st.integers(0, count - 1)))
    ledger, fragments = FakeLedger(), itertools.count(1)
    envelope = BatchEnvelope(COLLECT, b"[", b"]", count, 10_000)
    queue = deque(delivery(n % 7, envelope, str(n), b"{}", ledger, n) for n in range(count))
    members: dict[int, set[int]] = {}
    delivered: list[int] = []
    dead: list[int] = []
    refused = requests = 0
    while queue:
        batch = next_batch(queue, None)
        requests += 1
        slots = [each.slot for each in batch]
        if batch[0].fragment:
            assert set(slots) <= members[batch[0].fragment]
        if not poison & set(slots):
            delivered += slots
            continue
        refused += 1
        if len(batch) == 1:
            dead += slots
            continue
        split(batch, lambda: next(fragments))
        for each in batch:
            members.setdefault(each.fragment, set()).add(each.slot)
        assert max(Counter(each.fragment for each in batch).values()) < len(batch)
        queue.extendleft(reversed(batch))
    assert sorted(dead) == sorted(poison)
    assert sorted(delivered) == sorted(set(range(count)) - poison)
    limit = len(poison) * (ceil(log2(count)) + 1)
    assert refused <= limit
    assert requests <= max(1, 2 * limit)
