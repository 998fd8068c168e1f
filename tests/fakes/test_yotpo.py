"""Yotpo's server: expiring tokens, exact bodies, and ids that overwrite each other."""

import pytest

from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.demo.fakes.yotpo_rules import YotpoKeys
from tests.fakes.clients import JSON, Document, client, patch, token, without, yotpo_event


def test_token_is_issued_for_the_secret_and_accepted(yotpo: FakeYotpo) -> None:
    one = yotpo_event()
    assert patch(yotpo, one, token(yotpo)).status_code in {200, 201, 204}
    assert yotpo.stored_ids() == {one["id"]}
    (arrival,) = yotpo.received
    assert (arrival.kind, arrival.name, arrival.person) == ("event", "order_placed", "c1")


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b'{"secret":"wrong"}', 401),
        (b"{}", 400),
        (b'{"secret":1}', 400),
        (b'{"secret":"secret","more":1}', 400),
        (b"secret", 400),
        (b'{"secret":"secret","secret":"secret"}', 400),
    ],
)
def test_no_token_is_issued_for_anything_else(yotpo: FakeYotpo, body: bytes, status: int) -> None:
    with client(yotpo) as http:
        response = http.post("/stores/store/access_tokens", content=body)
    assert response.status_code == status
    assert list(response.json()["errors"][0]) == ["message"]


def test_rotated_secret_works_at_once_and_issued_tokens_stay_valid(yotpo: FakeYotpo) -> None:
    key = token(yotpo)
    yotpo.accept(secret="new")
    with client(yotpo) as http:
        assert http.post("/stores/store/access_tokens", json={"secret": "secret"}).status_code == 401
        assert http.post("/stores/store/access_tokens", json={"secret": "new"}).status_code == 200
    assert patch(yotpo, yotpo_event(), key).is_success


@pytest.mark.parametrize("status", [401, 403])
def test_expired_token_is_rejected_and_a_new_one_accepted(yotpo: FakeYotpo, status: int) -> None:
    old = token(yotpo)
    yotpo.expire_tokens(status)
    assert patch(yotpo, yotpo_event(), old).status_code == status
    assert patch(yotpo, yotpo_event(), "made-up").status_code == status
    assert yotpo.stored_ids() == set()
    assert patch(yotpo, yotpo_event(), token(yotpo)).is_success


def test_token_expires_after_its_life() -> None:
    fake = FakeYotpo(store_id="store", secret="secret", rate=None, token_life_s=0.0)
    with ThreadRunner(fake):
        assert patch(fake, yotpo_event(), token(fake)).status_code == 401


def test_request_without_a_token_is_401_even_with_a_bad_body(yotpo: FakeYotpo) -> None:
    with client(yotpo) as http:
        assert http.patch("/stores/store/customer_events", content=b"x").status_code == 401
    assert yotpo.refused == []


def test_three_success_statuses_alternate_and_204_has_no_body(yotpo: FakeYotpo) -> None:
    key = token(yotpo)
    responses = [patch(yotpo, yotpo_event(), key) for _ in range(3)]
    assert sorted(response.status_code for response in responses) == [200, 201, 204]
    assert [response.content for response in responses if response.status_code == 204] == [b""]


def test_same_id_overwrites_and_both_arrivals_are_recorded(yotpo: FakeYotpo) -> None:
    key = token(yotpo)
    first, second = yotpo_event(id="e1", type="cart_left"), yotpo_event(id="e1", type="order_placed")
    patch(yotpo, first, key)
    patch(yotpo, second, key)
    assert yotpo.stored_ids() == {"e1"}
    assert yotpo.documents() == {"e1": second}
    assert [arrival.document for arrival in yotpo.received] == [first, second]


def _customer(**fields: object) -> Document:
    return yotpo_event(customer=fields)


@pytest.mark.parametrize(
    "good",
    [
        _customer(external_id="c1"),
        _customer(email="a@b.example"),
        _customer(phone_number="+491701234567"),
        _customer(external_id="c1", email="a@b.example", phone_number="+491701234567"),
        _customer(external_id="c1", custom_properties={"tier": "gold", "vip": True, "since": "2026-09-21", "n": 1.5}),
        without(yotpo_event(), "properties"),
        yotpo_event(properties={"a_1": "x" * 255, "x" * 32: ""}),
        yotpo_event(id="x" * 255, type="x" * 255),
        _customer(external_id="x" * 255),
        yotpo_event(occurred_at="2026-09-21T14:13:19.123+02:00"),
    ],
)
def test_every_form_of_the_reference_is_accepted(yotpo: FakeYotpo, good: Document) -> None:
    assert patch(yotpo, good, token(yotpo)).is_success
    assert yotpo.stored_ids() == {good["id"]}


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (without(yotpo_event(), "type"), "type"),
        (yotpo_event(type="Order Placed"), "type"),
        (yotpo_event(type="orderPlaced"), "type"),
        (yotpo_event(type="order_"), "type"),
        (yotpo_event(type="x" * 256), "type"),
        (yotpo_event(type=""), "type"),
        (yotpo_event(source="My Shop"), "source"),
        (yotpo_event(source=None), "source"),
        (without(yotpo_event(), "occurred_at"), "occurred_at"),
        (yotpo_event(occurred_at=1_790_000_000), "occurred_at"),
        (yotpo_event(occurred_at="2026-09-21"), "occurred_at"),
        (without(yotpo_event(), "id"), "id"),
        (yotpo_event(id=""), "id"),
        (yotpo_event(id=7), "id"),
        (yotpo_event(id="x" * 256), "id"),
        (without(yotpo_event(), "customer"), "customer"),
        (yotpo_event(customer="c1"), "customer"),
        (_customer(), "exactly one"),
        (_customer(email="a@b.example", phone_number="+491701234567"), "exactly one"),
        (_customer(external_id=""), "external_id"),
        (_customer(external_id=None, email="a@b.example"), "external_id"),
        (_customer(external_id=7), "external_id"),
        (_customer(external_id="x" * 256), "external_id"),
        (_customer(email="nobody"), "email"),
        (_customer(phone_number="0170 1234567"), "phone_number"),
        (_customer(phone_number="+0170123456"), "phone_number"),
        (_customer(external_id="c1", first_name="A"), "first_name"),
        (_customer(external_id="c1", custom_properties={"a": None}), "custom_properties.a"),
        (_customer(external_id="c1", custom_properties=[]), "custom_properties"),
        (yotpo_event(properties={"a": None}), "properties.a"),
        (yotpo_event(properties={"a": {"b": 1}}), "properties.a"),
        (yotpo_event(properties={"a": [1]}), "properties.a"),
        (yotpo_event(properties=None), "properties"),
        (yotpo_event(properties={"Total": 1}), "name"),
        (yotpo_event(properties={"two words": 1}), "name"),
        (yotpo_event(properties={"x" * 33: 1}), "name"),
        (yotpo_event(properties={"": 1}), "name"),
        (yotpo_event(properties={"a": "x" * 256}), "255"),
        (yotpo_event(event_time="2026-09-21T14:13:19Z"), "event_time"),
    ],
)
def test_violation_of_the_reference_is_400_with_the_reason(yotpo: FakeYotpo, bad: Document, why: str) -> None:
    response = patch(yotpo, bad, token(yotpo))
    assert response.status_code == 400
    assert why in " ".join(error["message"] for error in response.json()["errors"])
    assert yotpo.stored_ids() == set()
    assert [rejection.document for rejection in yotpo.refused] == [bad]
    assert [rejection.kind for rejection in yotpo.refused] == ["event"]


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"id":"a","id":"b"}'])
def test_body_that_is_no_object_is_400(yotpo: FakeYotpo, body: bytes) -> None:
    with client(yotpo) as http:
        headers = {**JSON, "x-yotpo-token": token(yotpo)}
        assert http.patch("/stores/store/customer_events", content=body, headers=headers).status_code == 400
    assert [rejection.id for rejection in yotpo.refused] == [None]


def test_other_content_type_than_json_is_400(yotpo: FakeYotpo) -> None:
    headers = {"content-type": "text/plain", "x-yotpo-token": token(yotpo)}
    with client(yotpo) as http:
        assert http.patch("/stores/store/customer_events", json=yotpo_event(), headers=headers).status_code == 400
        plain = {"content-type": "text/plain"}
        assert http.post("/stores/store/access_tokens", content=b'{"secret":"secret"}', headers=plain).is_error


def test_event_without_a_source_is_stored_with_a_warning(yotpo: FakeYotpo) -> None:
    one = without(yotpo_event(), "source")
    assert patch(yotpo, one, token(yotpo)).is_success
    assert [remark.id for remark in yotpo.warnings] == [one["id"]]


def test_member_names_and_wrapper_are_options() -> None:
    keys = YotpoKeys(time="event_time", id="event_id", wrapper="customer_event")
    fake = FakeYotpo(store_id="store", secret="secret", keys=keys, rate=None)
    inner = {**without(yotpo_event(), "occurred_at", "id"), "event_time": "2026-09-21T14:13:19Z", "event_id": "e1"}
    with ThreadRunner(fake):
        key = token(fake)
        assert patch(fake, {"customer_event": inner}, key).is_success
        assert fake.documents() == {"e1": inner}
        assert patch(fake, inner, key).status_code == 400
        assert patch(fake, {"customer_event": inner, "more": 1}, key).status_code == 400
        assert patch(fake, {"customer_event": yotpo_event()}, key).status_code == 400
        assert patch(fake, {"customer_event": "e1"}, key).status_code == 400


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/stores/other/customer_events"),
        ("PATCH", "/stores/store/customer_events/"),
        ("PATCH", "/stores/store/customers"),
        ("POST", "/stores/store/customer_events"),
        ("PATCH", "/stores/store/access_tokens"),
        ("PATCH", "/customer_events"),
    ],
)
def test_other_store_path_or_method_is_404(yotpo: FakeYotpo, method: str, path: str) -> None:
    with client(yotpo) as http:
        response = http.request(method, path, json=yotpo_event(), headers={"x-yotpo-token": token(yotpo)})
    assert response.status_code == 404
    assert yotpo.stored_ids() == set()


def test_store_id_is_percent_encoded_in_the_path() -> None:
    fake = FakeYotpo(store_id="a/b c", secret="secret")
    with ThreadRunner(fake), client(fake) as http:
        assert http.post("/stores/a%2Fb%20c/access_tokens", json={"secret": "secret"}).status_code == 200
        assert http.post("/stores/a/b%20c/access_tokens", json={"secret": "secret"}).status_code == 404
