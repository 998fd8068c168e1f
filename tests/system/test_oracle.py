"""The oracle sees what it is for: each of these worlds is right but for one thing, and that thing is named."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Callable, Iterable

import pytest

from consumer.demo.fakes import Arrival, Request
from tests.system import oracle
from tests.system.evidence import Evidence
from tests.system.logs import Letter
from tests.system.owed import Headers, Owed, Sent
from tests.system.shop import ISOLATED, Shop

_NAMES = ("customerio", "copilot", "yotpo")


def _shop() -> Shop:
    shop = Shop("events", 4, ISOLATED, random.Random(5), customers=6, now_ms=1_790_000_000_000)
    shop.live(60)
    shop.trouble()
    return shop


def _request(number: int, owed: Iterable[Owed], started: float, ended: float, status: int | None = 200) -> Request:
    ids = tuple(one.kept_as for one in owed)
    return Request(number, "POST", "/", status, started, ended, len(ids), 100, ids, None)


def _arrival(one: Owed, request: int, at: float) -> Arrival:
    return Arrival(one.kept_as, "", None, None, {}, at, request, b"{" + one.mark + b"}")


def _letter(one: Owed, sent: Sent) -> Letter:
    said = {
        "cdp-dlq-version": "1",
        "cdp-pipeline": one.pipeline,
        "cdp-destination": one.destination,
        "cdp-delivery-label": one.label,
        "cdp-cause": one.cause,
        "cdp-http-status": None if one.status is None else str(one.status),
        "cdp-attempts": "1",
        "cdp-first-failed-at": "2026-11-01T00:00:00.000Z",
        "cdp-last-failed-at": "2026-11-01T00:00:01.000Z",
        "cdp-event-type": one.event_type,
        "cdp-schema-id": one.schema_id,
        "cdp-mapping-version": "0" * 64,
        "cdp-delivery-id": one.delivery_id,
        "cdp-original-topic": "events",
        "cdp-original-partition": str(one.partition),
        "cdp-original-offset": str(one.offset),
        "cdp-original-timestamp": str(sent.timestamp_ms),
        "cdp-redrives": "0",
    }
    own = [header for header in sent.headers if not header[0].startswith("cdp-")]
    return Letter(
        sent.key, sent.value, own + [(name, text.encode()) for name, text in said.items() if text is not None]
    )


def _right(shop: Shop) -> Evidence:
    """Return the evidence of a world without faults: one call for each delivery, one after another."""
    arrivals: dict[str, list[Arrival]] = {name: [] for name in _NAMES}
    requests: dict[str, list[Request]] = {name: [] for name in _NAMES}
    now = 0.0
    for one in shop.owed:
        if one.destination is not None and one.cause is None:
            number = len(requests[one.destination]) + 1
            requests[one.destination].append(_request(number, [one], now, now + 0.5))
            arrivals[one.destination].append(_arrival(one, number, now + 0.4))
            now += 1.0
    ends = dict.fromkeys(range(4), 0)
    for record in shop.records:
        ends[record.partition] = record.offset + 1
    letters = [_letter(one, record) for record in shop.records for one in record.owed if one.cause]
    return Evidence("events", arrivals, requests, letters, ends, {name: dict(ends) for name in ISOLATED})


def _two_of_a_key(shop: Shop) -> tuple[Owed, Owed]:
    """Return two deliveries to Customer.io, of one key, from records one after the other."""
    mine = [one for one in shop.owed if one.destination == "customerio" and one.cause is None]
    return next(
        (first, second)
        for first in mine
        for second in mine
        if (first.partition, first.key) == (second.partition, second.key) and first.offset < second.offset
    )


def _changed(evidence: Evidence, **changes: object) -> Evidence:
    return dataclasses.replace(evidence, **changes)  # type: ignore[arg-type]


def _with_arrivals(evidence: Evidence, change: Callable[[list[Arrival]], list[Arrival]]) -> Evidence:
    return _changed(
        evidence, arrivals={**evidence.arrivals, "customerio": change(list(evidence.arrivals["customerio"]))}
    )


def _with_requests(evidence: Evidence, change: Callable[[Request], Request]) -> Evidence:
    return _changed(
        evidence, requests={**evidence.requests, "customerio": [change(one) for one in evidence.requests["customerio"]]}
    )


def test_a_world_without_faults_is_without_complaints() -> None:
    shop = _shop()
    assert oracle.complaints(shop.records, _right(shop)) == []


def test_two_calls_of_one_key_on_the_wire_at_once_are_seen() -> None:
    shop = _shop()
    first, second = _two_of_a_key(shop)
    evidence = _right(shop)
    begun = next(one.started for one in evidence.requests["customerio"] if first.kept_as in one.ids)

    def together(request: Request) -> Request:
        return dataclasses.replace(request, started=begun + 0.25) if second.kept_as in request.ids else request

    complaints = oracle.complaints(shop.records, _with_requests(evidence, together))
    assert [one for one in complaints if "before call" in one] == complaints != []


def test_a_call_that_was_given_up_is_over_even_if_its_server_still_holds_it() -> None:
    shop = _shop()
    first, second = _two_of_a_key(shop)
    evidence = _right(shop)
    times = {name: one for one in evidence.requests["customerio"] for name in one.ids}
    gap = times[second.kept_as].started - times[first.kept_as].started

    def held(request: Request) -> Request:
        return (
            dataclasses.replace(request, ended=request.started + gap + 5) if first.kept_as in request.ids else request
        )

    assert oracle.complaints(shop.records, _changed(_with_requests(evidence, held), timeout_s=0.9)) == []
    assert oracle.complaints(shop.records, _changed(_with_requests(evidence, held), timeout_s=gap + 9)) != []


def test_a_lost_event_is_seen() -> None:
    shop = _shop()
    complaints = oracle.complaints(shop.records, _with_arrivals(_right(shop), lambda arrived: arrived[1:]))
    assert [one for one in complaints if one.startswith("lost: customerio never got")] == complaints
    assert len(complaints) == 1


def test_a_repeat_of_what_was_answered_is_seen_and_one_of_a_lost_answer_is_not() -> None:
    shop = _shop()
    evidence = _right(shop)
    last = evidence.arrivals["customerio"][-1]

    def again(arrived: list[Arrival]) -> list[Arrival]:
        return [*arrived, dataclasses.replace(last, request=10_000)]

    def unanswered(request: Request) -> Request:
        return dataclasses.replace(request, status=None) if request.number == last.request else request

    doubled = _with_arrivals(evidence, again)
    assert ["duplicate" in one for one in oracle.complaints(shop.records, doubled)] == [True]
    assert oracle.complaints(shop.records, _with_requests(doubled, unanswered)) == []


def test_arrivals_out_of_order_are_seen() -> None:
    shop = _shop()
    names = {one.kept_as: index for index, one in enumerate(_two_of_a_key(shop))}

    def swap(arrived: list[Arrival]) -> list[Arrival]:
        first, second = (next(index for index, one in enumerate(arrived) if one.id == name) for name in names)
        arrived[first], arrived[second] = arrived[second], arrived[first]
        return arrived

    complaints = oracle.complaints(shop.records, _with_arrivals(_right(shop), swap))
    assert any("first arrivals do not rise" in one for one in complaints)


def test_an_old_event_that_arrives_last_is_seen_although_first_arrivals_rise() -> None:
    shop = _shop()
    first, _ = _two_of_a_key(shop)
    evidence = _right(shop)
    old = next(one for one in evidence.arrivals["customerio"] if one.id == first.kept_as)

    def unanswered(request: Request) -> Request:
        return dataclasses.replace(request, status=None) if request.number == old.request else request

    doubled = _with_requests(_with_arrivals(evidence, lambda arrived: [*arrived, old]), unanswered)
    assert any("final arrivals do not rise" in one for one in oracle.complaints(shop.records, doubled))


def test_what_nobody_owed_is_seen() -> None:
    shop = _shop()
    stranger = dataclasses.replace(_right(shop).arrivals["customerio"][0], id="stranger")
    complaints = oracle.complaints(shop.records, _with_arrivals(_right(shop), lambda arrived: [*arrived, stranger]))
    assert complaints == ["customerio took stranger, which nobody owed it"]


def test_an_id_that_carries_another_events_body_is_seen() -> None:
    shop = _shop()

    def mixed(arrived: list[Arrival]) -> list[Arrival]:
        return [dataclasses.replace(arrived[0], raw=b"{}"), *arrived[1:]]

    complaints = oracle.complaints(shop.records, _with_arrivals(_right(shop), mixed))
    assert ["with another event's body" in one for one in complaints] == [True]


def test_a_poisoned_event_that_was_taken_is_seen() -> None:
    shop = _shop()
    evidence = _right(shop)
    poisoned = next(one for one in shop.owed if one.destination == "customerio" and one.status == 400)
    taken = _with_arrivals(evidence, lambda arrived: [*arrived, _arrival(poisoned, 1, 1.0)])
    assert any("had to become a letter" in one for one in oracle.complaints(shop.records, taken))


@pytest.mark.parametrize(
    "header",
    [
        "cdp-dlq-version",
        "cdp-pipeline",
        "cdp-destination",
        "cdp-delivery-label",
        "cdp-cause",
        "cdp-http-status",
        "cdp-attempts",
        "cdp-first-failed-at",
        "cdp-last-failed-at",
        "cdp-event-type",
        "cdp-schema-id",
        "cdp-mapping-version",
        "cdp-delivery-id",
        "cdp-original-topic",
        "cdp-original-partition",
        "cdp-original-offset",
        "cdp-original-timestamp",
        "cdp-redrives",
    ],
)
@pytest.mark.parametrize("how", ["wrong", "missing", "twice"])
def test_a_header_that_is_not_right_is_seen(header: str, how: str) -> None:
    shop = _shop()
    evidence = _right(shop)
    place, letter = next(
        (place, letter) for place, letter in enumerate(evidence.letters) if letter.text("cdp-http-status") == "400"
    )
    right = dict(letter.headers)[header]
    ways: dict[str, Headers] = {"wrong": [(header, b"-1")], "missing": [], "twice": [(header, right), (header, right)]}
    others = [one for one in letter.headers if one[0] != header]
    spoilt = [*evidence.letters]
    spoilt[place] = dataclasses.replace(letter, headers=[*others, *ways[how]])
    assert oracle.complaints(shop.records, _changed(evidence, letters=spoilt)) != []


def test_a_letter_whose_bytes_were_touched_is_seen() -> None:
    shop = _shop()
    evidence = _right(shop)
    letter = evidence.letters[0]
    for touched in (
        dataclasses.replace(letter, value=b"" if letter.value is None else letter.value + b" "),
        dataclasses.replace(letter, key=None),
        dataclasses.replace(letter, headers=[("trace", b"other"), *letter.headers]),
    ):
        spoilt = [touched, *evidence.letters[1:]]
        assert oracle.complaints(shop.records, _changed(evidence, letters=spoilt)) != []


def test_letters_missing_double_and_unowed_are_seen() -> None:
    shop = _shop()
    evidence = _right(shop)
    first = evidence.letters[0]
    stranger = dataclasses.replace(
        first, headers=[("cdp-delivery-id", b"x"), *(one for one in first.headers if one[0] != "cdp-delivery-id")]
    )
    for letters, said in (
        (evidence.letters[1:], "lost: no letter"),
        ([*evidence.letters, first], "duplicate: letter"),
        ([*evidence.letters, stranger], "a letter that nobody owed"),
    ):
        assert any(said in one for one in oracle.complaints(shop.records, _changed(evidence, letters=letters)))


def test_an_offset_short_of_the_logs_end_is_seen() -> None:
    shop = _shop()
    evidence = _right(shop)
    short = {name: {**offsets, 2: offsets[2] - 1} for name, offsets in evidence.committed.items()}
    complaints = oracle.complaints(shop.records, _changed(evidence, committed=short))
    assert len(complaints) == len(ISOLATED)
    assert all("whose log ends at" in one for one in complaints)
