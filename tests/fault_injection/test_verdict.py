"""The verdict on a storm uses the journals. Each test changes a faultless run in one respect."""

from __future__ import annotations

from consumer.demo.fakes.recorder import Arrival
from tests.e2e.evidence import Evidence
from tests.e2e.faultless import arrival, changed, faultless_evidence, request_of, small_shop
from tests.e2e.produced import OwedDelivery
from tests.e2e.shop import Shop
from tests.fault_injection.members import Line
from tests.fault_injection.verdict import Crash, judge, judge_and_count, repeats

_LATER = 10_000.0


def _line(event: str, at: float, one: OwedDelivery, offset: int) -> Line:
    return {"at": at, "event": event, "pipeline": one.pipeline, "partitions": [[one.partition, offset]]}


def _last(shop: Shop) -> OwedDelivery:
    """Return the last delivery to Customer.io: a repeat of it is a whole suffix, and therefore in order."""
    return [one for one in shop.owed if one.destination == "customerio" and one.cause is None][-1]


def _again(evidence: Evidence, one: OwedDelivery) -> Evidence:
    """Return the evidence with one more arrival of a delivery, much later, in a request of its own."""
    number = 99_999
    more: list[Arrival] = [*evidence.arrivals["customerio"], arrival(one, number, _LATER + 0.4)]
    requests = [*evidence.requests["customerio"], request_of(number, [one], _LATER, _LATER + 0.5)]
    return changed(
        evidence,
        arrivals={**evidence.arrivals, "customerio": more},
        requests={**evidence.requests, "customerio": requests},
    )


def test_run_without_faults_has_no_complaints() -> None:
    shop = small_shop()
    assert judge(shop, faultless_evidence(shop), [[_line("assigned", -1.0, _last(shop), 0)]]) == []


def test_repeat_is_allowed_if_a_later_epoch_started_at_or_below() -> None:
    shop = small_shop()
    one = _last(shop)
    evidence = _again(faultless_evidence(shop), one)
    first = _line("assigned", -1.0, one, 0)
    assert judge(shop, evidence, [[first, _line("assigned", _LATER - 1, one, one.offset)]]) == []
    for second in (
        _line("assigned", _LATER - 1, one, one.offset + 1),  # it starts above the record
        _line("assigned", _LATER + 1, one, one.offset),  # it starts after the repeat
        _line("assigned", -0.5, one, one.offset),  # it starts before the first arrival
    ):
        complaints = judge(shop, evidence, [[first], [second]])
        assert [complaint.startswith("duplicate: ") for complaint in complaints] != []
        assert all(complaint.startswith("duplicate: ") for complaint in complaints)


def test_arrival_below_a_commit_is_reported() -> None:
    shop = small_shop()
    one = _last(shop)
    journal = [_line("assigned", -1.0, one, 0), _line("committed", _LATER - 2, one, one.offset + 1)]
    assert judge(shop, faultless_evidence(shop), [journal]) == []
    again = [_line("assigned", _LATER - 1, one, one.offset)]
    complaints = judge(shop, _again(faultless_evidence(shop), one), [journal, again])
    assert any("below commit" in complaint and "received offset" in complaint for complaint in complaints)


def test_epoch_that_starts_below_a_commit_is_reported() -> None:
    shop = small_shop()
    one = _last(shop)
    journal = [_line("committed", _LATER, one, 9), _line("assigned", _LATER + 1, one, 8)]
    assert [
        complaint
        for complaint in judge(shop, faultless_evidence(shop), [journal])
        if "began at 8, below commit 9" in complaint
    ] != []
    assert judge(shop, faultless_evidence(shop), [[journal[0], _line("assigned", _LATER + 1, one, 9)]]) == []


def test_repeat_after_a_lost_response_is_counted_separately() -> None:
    """A repeat without a later epoch is allowed only after a recorded missing response of the same destination."""
    shop = small_shop()
    one = _last(shop)
    first = _line("assigned", -1.0, one, 0)
    timed_out: Line = {"at": _LATER - 1, "event": "deferred", "destination": "customerio", "cause": "timed_out"}
    assert judge_and_count(shop, _again(faultless_evidence(shop), one), [[first, timed_out]]) == ([], 1)
    for change in ({"cause": "server_error"}, {"destination": "copilot"}, {"at": _LATER + 1}):
        complaints, count = judge_and_count(
            shop, _again(faultless_evidence(shop), one), [[first, {**timed_out, **change}]]
        )
        assert len(complaints) == 1
        assert count == 0


def test_repeats_after_a_crash_are_compared_with_the_commits() -> None:
    """Only deliveries at or above the offsets committed at the crash may arrive again."""
    shop = small_shop()
    one = _last(shop)
    evidence = _again(faultless_evidence(shop), one)
    committed = {(each.pipeline, each.partition): 10**6 for each in shop.owed}
    at_its_offset = {**committed, (one.pipeline, one.partition): one.offset}
    (counted,), complaints = repeats([Crash("a kill", _LATER - 1, at_its_offset)], shop, evidence)
    assert (counted.again, complaints) == (1, [])
    assert counted.bound >= 1
    _, complaints = repeats([Crash("a kill", _LATER - 1, committed)], shop, evidence)
    assert complaints == ["after the crash 'a kill', 1 committed deliveries arrived again"]
    (counted,), complaints = repeats([Crash("a kill", _LATER - 1, committed)], shop, faultless_evidence(shop))
    assert (counted.again, counted.bound, complaints) == (0, 0, [])
    assert repeats([], shop, faultless_evidence(shop)) == ([], [])
