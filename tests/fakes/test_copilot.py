"""Copilot's server follows the references of collect, event by event, and of the consent endpoint."""

import pytest

from consumer.demo.fakes.copilot import FakeCopilot, consent_id
from consumer.demo.fakes.fault_rules import MarkInvalid
from consumer.demo.fakes.thread_runner import ThreadRunner
from tests.fakes.clients import JSON, NOW_S, Document, as_json, client, collect, errors, event

CONSENT = "/v2/api/report/user_copilot_analysis_consent_changed"
DAY_MS = 24 * 3600 * 1000


def test_events_with_the_same_id_in_a_batch_are_all_invalid(copilot: FakeCopilot) -> None:
    one, other = event(event_id="same"), event()
    response = collect(copilot, one, other, one)
    assert [entry["index"] for entry in response.json()["invalid_events"]] == [0, 2]
    assert copilot.stored_ids() == {other["event_id"]}


def test_same_id_in_two_requests_is_stored_once_and_recorded_twice(copilot: FakeCopilot) -> None:
    one = event()
    collect(copilot, one)
    collect(copilot, one)
    assert [arrival.request for arrival in copilot.received] == [1, 2]
    assert copilot.stored_ids() == {one["event_id"]}


def test_custom_event_without_user_or_thing_is_200_and_dropped(copilot: FakeCopilot) -> None:
    ignored = event(payload={"subtype": "s"})
    response = collect(copilot, ignored)
    assert (response.status_code, errors(response)) == (200, {})
    assert copilot.stored_ids() == set()
    assert [(one.id, one.kind) for one in copilot.dropped] == [(ignored["event_id"], "custom_event")]


def test_arrival_has_person_kind_name_and_the_exact_bytes(copilot: FakeCopilot) -> None:
    sent = event(payload={"subtype": "paid", "user_id": "u7"})
    body = b'{ "events" : [ ' + as_json(sent) + b" ] }"
    with client(copilot, ("id", "secret")) as http:
        http.post("/v2/collect", content=body)
    (arrival,) = copilot.received
    assert (arrival.id, arrival.kind, arrival.name, arrival.person) == (sent["event_id"], "custom_event", "paid", "u7")
    assert arrival.raw == as_json(sent)
    (request,) = copilot.requests
    assert (request.number, request.method, request.path, request.status) == (1, "POST", "/v2/collect", 200)
    assert (request.events, request.size, request.ids) == (1, len(body), (sent["event_id"],))
    assert request.started <= arrival.at <= request.ended


@pytest.mark.parametrize("auth", [("id", "wrong"), ("wrong", "secret"), ("id", "")])
def test_wrong_credentials_are_401_with_the_documented_reason(copilot: FakeCopilot, auth: tuple[str, str]) -> None:
    response = collect(copilot, event(), auth=auth)
    assert (response.status_code, response.json()["reason"]) == (401, "AUTH.UNAUTHORIZED")
    assert response.json().keys() == {"reason", "error_message"}
    assert (copilot.stored_ids(), copilot.refused) == (set(), [])


def test_bearer_is_401_and_rotated_credentials_work_at_once(copilot: FakeCopilot) -> None:
    with client(copilot) as http:
        response = http.post("/v2/collect", json={"events": [event()]}, headers={"authorization": "Bearer abc"})
    assert response.status_code == 401
    copilot.accept(client_id="id", client_secret="new")
    assert collect(copilot, event()).status_code == 401
    assert collect(copilot, event(), auth=("id", "new")).status_code == 200


@pytest.mark.parametrize(
    ("path", "body", "headers"),
    [
        ("/v2/collect", b"", {}),
        ("/v2/collect", b"not json", {}),
        ("/v2/collect", b"[]", {}),
        ("/v2/collect", b"{}", {}),
        ("/v2/collect", b'{"events":[]}', {}),
        ("/v2/collect", b'{"events":{}}', {}),
        ("/v2/collect", b'{"events":[1]}', {}),
        ("/v2/collect", as_json({"events": [event(event_id="")]}), {}),
        ("/v2/collect", as_json({"events": [event(event_id=7)]}), {}),
        ("/v2/collect", as_json({"events": [event(), {"type": "unsubscribe"}]}), {}),
        ("/v2/collect", as_json({"events": [event()], "more": 1}), {}),
        ("/v2/collect", as_json({"events": [event()]}), {"content-type": "text/plain"}),
        ("/v2/collect", b'{"events":[{"event_id":"a","event_id":"b"}]}', {}),
        ("/v2/collect/", as_json({"events": [event()]}), {}),
        ("/v2/collect?x=1", as_json({"events": [event()]}), {}),
        ("/collect", as_json({"events": [event()]}), {}),
        ("/v2/api/collect/user_copilot_analysis_consent_changed", b'{"user_id":"u","consent_value":true}', {}),
    ],
)
def test_malformed_request_is_400_as_a_whole(
    copilot: FakeCopilot, path: str, body: bytes, headers: dict[str, str]
) -> None:
    with client(copilot, ("id", "secret")) as http:
        response = http.post(path, content=body, headers={**JSON, **headers})
    assert (response.status_code, response.json()["reason"]) == (400, "COMMON.REQUEST_VALIDATION")
    assert copilot.stored_ids() == set()
    assert [one.id for one in copilot.refused] == [None]


def test_invalid_event_keeps_its_own_reason_when_marked(copilot: FakeCopilot) -> None:
    copilot.faults.add(MarkInvalid("not today"))
    response = collect(copilot, bad := event(extra=1), event())
    assert "extra" in errors(response)[bad["event_id"]]
    assert len(errors(response)) == 2


def test_other_methods_than_post_are_400(copilot: FakeCopilot) -> None:
    with client(copilot, ("id", "secret")) as http:
        assert http.put("/v2/collect", json={"events": [event()]}).status_code == 400


def test_too_many_events_or_bytes_are_413_and_nothing_is_stored() -> None:
    one = event()
    size = len(b'{"events":[') + len(as_json(one).replace(b" ", b"")) + len(b"]}")
    few = FakeCopilot(client_id="id", client_secret="secret", max_events=2, clock=lambda: NOW_S)
    small = FakeCopilot(client_id="id", client_secret="secret", max_bytes=size, clock=lambda: NOW_S)
    with ThreadRunner(few, small):
        assert collect(few, event(), event()).status_code == 200
        assert collect(few, event(), event(), event()).status_code == 413
        assert len(few.stored_ids()) == 2
        assert collect(small, one).status_code == 200
        assert collect(small, {**one, "event_id": one["event_id"] + "x"}).status_code == 413
        assert small.stored_ids() == {one["event_id"]}


def test_both_documented_forms_of_success_occur(copilot: FakeCopilot) -> None:
    assert [collect(copilot, event()).json() for _ in range(3)] == [{}, {"invalid_events": []}, {}]


def test_fault_rule_lists_chosen_events_as_invalid(copilot: FakeCopilot) -> None:
    rule = copilot.faults.add(MarkInvalid("not today", which=lambda item: item.name == "bad"), times=1)
    good, bad = event(), event(payload={"subtype": "bad", "user_id": "u1"})
    assert errors(collect(copilot, good, bad)) == {bad["event_id"]: "not today"}
    assert copilot.stored_ids() == {good["event_id"]}
    assert errors(collect(copilot, bad)) == {}
    assert rule.hits == 1


def consent(fake: FakeCopilot, document: object, auth: tuple[str, str] = ("id", "secret")) -> int:
    with client(fake, auth) as http:
        return http.post(CONSENT, json=document).status_code


def test_consent_is_stored_by_user_and_value_with_200_or_204(copilot: FakeCopilot) -> None:
    assert consent(copilot, {"user_id": "u1", "consent_value": True}) == 200
    assert consent(copilot, {"user_id": "u1", "consent_value": False}) == 204
    assert copilot.stored_ids() == {"u1=true", "u1=false"} == {consent_id("u1", True), consent_id("u1", False)}
    assert [(one.kind, one.person) for one in copilot.received] == [("consent", "u1")] * 2


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"user_id": "u1"},
        {"consent_value": True},
        {"user_id": "u1", "consent_value": "true"},
        {"user_id": "u1", "consent_value": None},
        {"user_id": "", "consent_value": True},
        {"user_id": 1, "consent_value": True},
        {"user_id": "a b", "consent_value": True},
        {"user_id": "u1", "consent_value": True, "more": 1},
    ],
)
def test_consent_is_400_unless_exactly_a_user_and_a_boolean(copilot: FakeCopilot, document: Document) -> None:
    assert consent(copilot, document) == 400
    assert copilot.stored_ids() == set()
    assert len(copilot.refused) == 1


def test_consent_with_wrong_credentials_is_401(copilot: FakeCopilot) -> None:
    assert consent(copilot, {"user_id": "u1", "consent_value": True}, auth=("id", "no")) == 401
