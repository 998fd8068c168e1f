"""The oracle sees what it is for: each of these worlds is right but for one thing, and that thing is named."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

from consumer.demo.fakes.recorder import Arrival, ReceivedRequest
from tests.e2e import oracle
from tests.e2e.evidence import Evidence
from tests.e2e.faultless import arrival, changed, faultless_evidence, small_shop
from tests.e2e.produced import OwedDelivery
from tests.e2e.shop import ISOLATED, Shop


def _two_of_a_key(shop: Shop) -> tuple[OwedDelivery, OwedDelivery]:
    """Return two deliveries to Customer.io, of one key, from records one after the other."""
    mine = [one for one in shop.owed if one.destination == "customerio" and one.cause is None]
    return next(
        (first, second)
        for first in mine
        for second in mine
        if (first.partition, first.key) == (second.partition, second.key) and first.offset < second.offset
    )


def _with_arrivals(evidence: Evidence, change: Callable[[list[Arrival]], list[Arrival]]) -> Evidence:
    return changed(
        evidence, arrivals={**evidence.arrivals, "customerio": change(list(evidence.arrivals["customerio"]))}
    )


def _with_requests(evidence: Evidence, change: Callable[[ReceivedRequest], ReceivedRequest]) -> Evidence:
    return changed(
        evidence, requests={**evidence.requests, "customerio": [change(one) for one in evidence.requests["customerio"]]}
    )


def test_run_without_faults_has_no_complaints() -> None:
    shop = small_shop()
    assert oracle.violations(shop.records, faultless_evidence(shop)) == []


def test_two_calls_of_one_key_on_the_wire_at_once_are_seen() -> None:
    shop = small_shop()
    first, second = _two_of_a_key(shop)
    evidence = faultless_evidence(shop)
    begun = next(one.started for one in evidence.requests["customerio"] if first.stored_id in one.ids)

    def together(request: ReceivedRequest) -> ReceivedRequest:
        return dataclasses.replace(request, started=begun + 0.25) if second.stored_id in request.ids else request

    complaints = oracle.violations(shop.records, _with_requests(evidence, together))
    assert [one for one in complaints if "before call" in one] == complaints != []


def test_a_call_that_was_given_up_is_over_even_if_its_server_still_holds_it() -> None:
    shop = small_shop()
    first, second = _two_of_a_key(shop)
    evidence = faultless_evidence(shop)
    times = {name: one for one in evidence.requests["customerio"] for name in one.ids}
    gap = times[second.stored_id].started - times[first.stored_id].started

    def held(request: ReceivedRequest) -> ReceivedRequest:
        return (
            dataclasses.replace(request, ended=request.started + gap + 5) if first.stored_id in request.ids else request
        )

    assert oracle.violations(shop.records, changed(_with_requests(evidence, held), timeout_s=1.8)) == []
    assert oracle.violations(shop.records, changed(_with_requests(evidence, held), timeout_s=gap + 9)) != []

    def left(after: float) -> Callable[[ReceivedRequest], ReceivedRequest]:
        return lambda one: (
            dataclasses.replace(held(one), client_left=one.started + after) if first.stored_id in one.ids else one
        )

    for after, right_order in ((gap - 0.1, True), (gap + 0.1, False)):
        gone = _with_requests(evidence, left(after))
        complaints = oracle.violations(shop.records, changed(gone, timeout_s=gap + 9))
        assert (complaints == []) is right_order, "as soon as its sender has left it is over"


def test_a_lost_event_is_seen() -> None:
    shop = small_shop()
    complaints = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), lambda arrived: arrived[1:]))
    assert [one for one in complaints if one.startswith("lost: customerio never got")] == complaints
    assert len(complaints) == 1


def test_a_repeat_of_what_was_answered_is_seen_and_one_of_a_lost_answer_is_not() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    last = evidence.arrivals["customerio"][-1]

    def again(arrived: list[Arrival]) -> list[Arrival]:
        return [*arrived, dataclasses.replace(last, request=10_000)]

    def unanswered(request: ReceivedRequest) -> ReceivedRequest:
        return dataclasses.replace(request, status=None) if request.number == last.request else request

    doubled = _with_arrivals(evidence, again)
    assert ["duplicate" in one for one in oracle.violations(shop.records, doubled)] == [True]
    assert oracle.violations(shop.records, _with_requests(doubled, unanswered)) == []


def test_arrivals_out_of_order_are_seen() -> None:
    shop = small_shop()
    names = {one.stored_id: index for index, one in enumerate(_two_of_a_key(shop))}

    def swap(arrived: list[Arrival]) -> list[Arrival]:
        first, second = (next(index for index, one in enumerate(arrived) if one.id == name) for name in names)
        arrived[first], arrived[second] = arrived[second], arrived[first]
        return arrived

    complaints = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), swap))
    assert any("first arrivals do not rise" in one for one in complaints)


def test_an_old_event_that_arrives_last_is_seen_although_first_arrivals_rise() -> None:
    shop = small_shop()
    first, _ = _two_of_a_key(shop)
    evidence = faultless_evidence(shop)
    old = next(one for one in evidence.arrivals["customerio"] if one.id == first.stored_id)

    def unanswered(request: ReceivedRequest) -> ReceivedRequest:
        return dataclasses.replace(request, status=None) if request.number == old.request else request

    doubled = _with_requests(_with_arrivals(evidence, lambda arrived: [*arrived, old]), unanswered)
    assert any("final arrivals do not rise" in one for one in oracle.violations(shop.records, doubled))


def test_what_nobody_owed_is_seen() -> None:
    shop = small_shop()
    stranger = dataclasses.replace(faultless_evidence(shop).arrivals["customerio"][0], id="stranger")
    complaints = oracle.violations(
        shop.records, _with_arrivals(faultless_evidence(shop), lambda arrived: [*arrived, stranger])
    )
    assert complaints == ["customerio took stranger, which nobody owed it"]


def test_an_id_that_carries_another_events_body_is_seen() -> None:
    shop = small_shop()

    def mixed(arrived: list[Arrival]) -> list[Arrival]:
        return [dataclasses.replace(arrived[0], raw=b"{}"), *arrived[1:]]

    complaints = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), mixed))
    assert ["with another event's body" in one for one in complaints] == [True]


def test_a_poisoned_event_that_was_taken_is_seen() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    poisoned = next(one for one in shop.owed if one.destination == "customerio" and one.status == 400)
    taken = _with_arrivals(evidence, lambda arrived: [*arrived, arrival(poisoned, 1, 1.0)])
    assert any("had to become a letter" in one for one in oracle.violations(shop.records, taken))


def test_an_offset_short_of_the_logs_end_is_seen() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    short = {name: {**offsets, 2: offsets[2] - 1} for name, offsets in evidence.committed.items()}
    complaints = oracle.violations(shop.records, changed(evidence, committed=short))
    assert len(complaints) == len(ISOLATED)
    assert all("whose log ends at" in one for one in complaints)
