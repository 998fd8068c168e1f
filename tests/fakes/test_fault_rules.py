"""Fault rules act on the requests they match, at most `times` times."""

import random
import threading

import pytest

from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio
from consumer.demo.fakes.fault_rules import (
    Action,
    IncomingRequest,
    MarkInvalid,
    Predicate,
    Respond,
    all_of,
    carries,
    chance,
    contains,
    endpoint,
    every,
    nth,
)
from consumer.demo.fakes.yotpo import FakeYotpo
from tests.fakes.clients import as_json, batch, call, client, collect, event, send


def statuses(fake: FakeCustomerio, count: int) -> list[int]:
    return [send(fake, "/track", call()).status_code for _ in range(count)]


# ── which requests ────────────────────────────────────────────────────────────────────────────────────────────────


def _busy(fake: FakeCustomerio, when: Predicate, times: int | None = None) -> None:
    fake.faults.add(Respond(503), when=when, times=times)


def test_nth_and_every_count_requests_from_one(customerio: FakeCustomerio) -> None:
    _busy(customerio, nth(2))
    _busy(customerio, every(4))
    assert statuses(customerio, 8) == [200, 503, 200, 503, 200, 200, 200, 503]


def test_rule_acts_at_most_its_number_of_times(customerio: FakeCustomerio) -> None:
    rule = customerio.faults.add(Respond(503), times=2, name="busy")
    assert statuses(customerio, 4) == [503, 503, 200, 200]
    assert rule.hits == 2
    assert [request.fault for request in customerio.requests] == ["busy", "busy", None, None]


def test_first_matching_rule_acts_until_it_is_used_up(customerio: FakeCustomerio) -> None:
    customerio.faults.add(Respond(500), times=1)
    last = customerio.faults.add(Respond(502))
    assert statuses(customerio, 2) == [500, 502]
    customerio.faults.remove(last)
    customerio.faults.remove(last)
    assert statuses(customerio, 1) == [200]
    customerio.faults.add(Respond(502))
    customerio.faults.clear()
    assert statuses(customerio, 1) == [200]


def test_rules_match_path_body_and_ids(customerio: FakeCustomerio) -> None:
    one, other, third = call(), call(event="Marked"), call("identify")
    _busy(customerio, carries(one["messageId"]))
    _busy(customerio, all_of(contains("Marked"), endpoint("/track")))
    _busy(customerio, endpoint("/identify"))
    assert batch(customerio, [call(), one]).status_code == 503
    assert send(customerio, "/track", other).status_code == 503
    assert batch(customerio, [other]).status_code == 200
    assert send(customerio, "/identify", third).status_code == 503
    assert batch(customerio, [third]).status_code == 200


def test_same_seed_makes_the_same_faults(customerio: FakeCustomerio) -> None:
    _busy(customerio, chance(0.5, random.Random(7)))
    rng = random.Random(7)
    expected = [503 if rng.random() < 0.5 else 200 for _ in range(20)]
    assert statuses(customerio, 20) == expected
    assert set(expected) == {200, 503}


def test_action_chosen_per_request_counts_only_if_it_acts(customerio: FakeCustomerio) -> None:
    def choose(incoming: IncomingRequest) -> Action | None:
        return Respond(500 + incoming.number) if incoming.number % 2 else None

    rule = customerio.faults.add(choose)
    assert statuses(customerio, 4) == [501, 200, 503, 200]
    assert rule.hits == 2


def test_only_copilot_can_mark_events_invalid(
    copilot: FakeCopilot, customerio: FakeCustomerio, yotpo: FakeYotpo
) -> None:
    assert copilot.faults.add(MarkInvalid()).hits == 0
    for fake in (customerio, yotpo):
        with pytest.raises(ValueError, match="Copilot"):
            fake.faults.add(MarkInvalid())


# ── ready-made ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_outage_ends_when_its_rule_is_removed(customerio: FakeCustomerio) -> None:
    rule = customerio.outage(500)
    assert statuses(customerio, 2) == [500, 500]
    customerio.faults.remove(rule)
    assert statuses(customerio, 1) == [200]


def test_poison_refuses_its_whole_batch_without_naming_the_event(copilot: FakeCopilot) -> None:
    copilot.poison("POISON")
    good = event()
    bad = event(payload={"subtype": "s", "user_id": "u1", "note": "POISON"})
    response = collect(copilot, good, bad)
    assert response.status_code == 400
    assert bad["event_id"] not in response.text
    assert copilot.stored_ids() == set()
    assert [rejection.id for rejection in copilot.refused] == [bad["event_id"]]
    assert collect(copilot, good).status_code == 200


def test_poison_with_a_5xx_records_no_refusal(copilot: FakeCopilot) -> None:
    copilot.poison("POISON", status=500)
    assert collect(copilot, event(payload={"subtype": "POISON", "user_id": "u"})).status_code == 500
    assert copilot.refused == []


def test_losing_server_loses_one_event_and_responds_with_success(
    copilot: FakeCopilot, customerio: FakeCustomerio
) -> None:
    fakes: tuple[Fake, ...] = (copilot, customerio)
    for fake in fakes:
        fake.lose_next_event()
    first, second = event(), event()
    assert collect(copilot, event(event_id="a b")).status_code == 200
    assert collect(copilot, first, second).json() == {"invalid_events": []}
    assert (copilot.stored_ids(), [lost.id for lost in copilot.lost]) == ({second["event_id"]}, [first["event_id"]])
    assert collect(copilot, first).status_code == 200
    assert copilot.stored_ids() == {first["event_id"], second["event_id"]}
    lost = call()
    assert batch(customerio, [lost]).status_code == 200
    assert (customerio.stored_ids(), len(customerio.lost), customerio.dropped) == (set(), 1, [])


def test_rules_can_change_while_another_thread_sends(customerio: FakeCustomerio) -> None:
    done = threading.Event()

    def change_rules() -> None:
        while not done.is_set():
            customerio.faults.remove(customerio.faults.add(Respond(503)))

    changer = threading.Thread(target=change_rules)
    changer.start()
    try:
        with client(customerio, ("key", "")) as http:
            seen = {http.post("/track", content=as_json(call())).status_code for _ in range(50)}
    finally:
        done.set()
        changer.join()
    assert seen <= {200, 503}
