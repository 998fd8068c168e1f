"""The oracle finds each violation: the evidence is faultless except for one change, which it must name."""

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


def test_run_without_faults_has_no_violations() -> None:
    shop = small_shop()
    assert oracle.violations(shop.records, faultless_evidence(shop)) == []


def test_overlapping_requests_of_one_key_are_found() -> None:
    shop = small_shop()
    first, second = _two_of_a_key(shop)
    evidence = faultless_evidence(shop)
    begun = next(one.started for one in evidence.requests["customerio"] if first.stored_id in one.ids)

    def together(request: ReceivedRequest) -> ReceivedRequest:
        return dataclasses.replace(request, started=begun + 0.25) if second.stored_id in request.ids else request

    violations = oracle.violations(shop.records, _with_requests(evidence, together))
    assert [one for one in violations if "before request" in one] == violations != []


def test_timed_out_request_is_over_though_the_server_still_has_it() -> None:
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
        violations = oracle.violations(shop.records, changed(gone, timeout_s=gap + 9))
        assert (violations == []) is right_order, "a request is over as soon as its client has closed"


def test_lost_event_is_found() -> None:
    shop = small_shop()
    violations = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), lambda arrived: arrived[1:]))
    assert [one for one in violations if one.startswith("lost: customerio never got")] == violations
    assert len(violations) == 1


def test_repeat_is_found_unless_the_response_was_lost() -> None:
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


def test_arrivals_out_of_order_are_found() -> None:
    shop = small_shop()
    names = {one.stored_id: index for index, one in enumerate(_two_of_a_key(shop))}

    def swap(arrived: list[Arrival]) -> list[Arrival]:
        first, second = (next(index for index, one in enumerate(arrived) if one.id == name) for name in names)
        arrived[first], arrived[second] = arrived[second], arrived[first]
        return arrived

    violations = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), swap))
    assert any("first arrivals do not rise" in one for one in violations)


def test_late_repeat_of_an_old_event_is_found() -> None:
    shop = small_shop()
    first, _ = _two_of_a_key(shop)
    evidence = faultless_evidence(shop)
    old = next(one for one in evidence.arrivals["customerio"] if one.id == first.stored_id)

    def unanswered(request: ReceivedRequest) -> ReceivedRequest:
        return dataclasses.replace(request, status=None) if request.number == old.request else request

    doubled = _with_requests(_with_arrivals(evidence, lambda arrived: [*arrived, old]), unanswered)
    assert any("final arrivals do not rise" in one for one in oracle.violations(shop.records, doubled))


def test_event_that_was_not_owed_is_found() -> None:
    shop = small_shop()
    stranger = dataclasses.replace(faultless_evidence(shop).arrivals["customerio"][0], id="stranger")
    violations = oracle.violations(
        shop.records, _with_arrivals(faultless_evidence(shop), lambda arrived: [*arrived, stranger])
    )
    assert violations == ["customerio stored stranger, which was not owed"]


def test_id_with_another_events_body_is_found() -> None:
    shop = small_shop()

    def mixed(arrived: list[Arrival]) -> list[Arrival]:
        return [dataclasses.replace(arrived[0], raw=b"{}"), *arrived[1:]]

    violations = oracle.violations(shop.records, _with_arrivals(faultless_evidence(shop), mixed))
    assert ["with another event's body" in one for one in violations] == [True]


def test_stored_poison_event_is_found() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    poisoned = next(one for one in shop.owed if one.destination == "customerio" and one.status == 400)
    stored = _with_arrivals(evidence, lambda arrived: [*arrived, arrival(poisoned, 1, 1.0)])
    assert any("had to become a dead letter" in one for one in oracle.violations(shop.records, stored))


def test_committed_offset_below_the_log_end_is_found() -> None:
    shop = small_shop()
    evidence = faultless_evidence(shop)
    short = {name: {**offsets, 2: offsets[2] - 1} for name, offsets in evidence.committed.items()}
    violations = oracle.violations(shop.records, changed(evidence, committed=short))
    assert len(violations) == len(ISOLATED)
    assert all("whose log ends at" in one for one in violations)
