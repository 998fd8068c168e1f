"""Copilot's server keeps to the collect reference, event by event, and to the consent endpoint."""

import pytest

from consumer.demo.fakes import Copilot, MarkInvalid, consent_id, threaded
from consumer.demo.fakes.copilot_rules import TYPES
from tests.fakes.speaking import JSON, NOW_MS, NOW_S, Document, as_json, client, collect, errors, event

CONSENT = "/v2/api/report/user_copilot_analysis_consent_changed"
DAY_MS = 24 * 3600 * 1000

_FULL: dict[str, Document] = {
    "user_created": {
        "user_id": "u1",
        "first_name": "Anne Marie",
        "last_name": "Müller",
        "email": "a@b.example",
        "copilot_analysis_consent": True,
        "utc_offset": "+0200",
        "custom_properties": {"size": 20.5, "city": "São Paulo", "vip": False, "age": 3},
    },
    "user_deleted": {"user_id": "u1"},
    "thing_created": {
        "thing_id": "AA:BB",
        "user_id": "u1",
        "firmware_version": "1.2",
        "model": "m-1",
        "custom_properties": {"weight": 1.5},
    },
    "user_thing_associated": {"user_id": "u1", "thing_id": "t1"},
    "thing_status_changed": {
        "thing_id": "t1",
        "status_key": "door",
        "status_value": "half open",
        "status_date": 1,
        "user_id": "u1",
    },
    "thing_interaction": {"thing_id": "t1", "user_id": "u1", "button": 3, "text": "a b", "long": True},
    "thing_connected": {"thing_id": "t1", "user_id": "u1"},
    "consumable_usage": {"thing_id": "t1", "user_id": "u1", "consumable_type": "filter"},
    "firmware_upgrade_started": {"thing_id": "t1", "user_id": "u1", "firmware_version": "2"},
    "custom_event": {"subtype": "s", "user_id": "u1", "thing_id": "t1", "count": 1, "is_fault": False, "note": "x/y z"},
    "unsubscribe": {"email": "a@b.example"},
    "preexisting_sync_started": {},
    "preexisting_user_created": {
        "user_id": "u1",
        "first_name": "A",
        "last_name": "B",
        "email": "a@b.example",
        "utc_offset": "Z",
        "copilot_analysis_consent": False,
        "original_creation_date": 1,
    },
    "preexisting_thing_created": {
        "thing_id": "t1",
        "user_id": "u1",
        "firmware_version": "1",
        "model": "m",
        "original_creation_date": 1,
    },
    "preexisting_user_thing_associated": {"thing_id": "t1", "user_id": "u1", "original_association_date": 1},
}
_FULL |= {
    "user_updated": _FULL["user_created"],
    "thing_updated": _FULL["thing_created"],
    "user_thing_disassociated": _FULL["user_thing_associated"],
    "firmware_upgrade_completed": _FULL["firmware_upgrade_started"],
    "preexisting_sync_completed": {},
}
_MANDATORY = {
    "user_created": {"user_id"},
    "user_updated": {"user_id"},
    "user_deleted": {"user_id"},
    "thing_created": {"thing_id"},
    "thing_updated": {"thing_id"},
    "user_thing_associated": {"user_id", "thing_id"},
    "user_thing_disassociated": {"user_id", "thing_id"},
    "thing_status_changed": {"thing_id", "status_key", "status_value"},
    "thing_interaction": {"thing_id"},
    "thing_connected": {"thing_id"},
    "consumable_usage": {"thing_id"},
    "firmware_upgrade_started": {"thing_id"},
    "firmware_upgrade_completed": {"thing_id"},
    "custom_event": {"subtype"},
    "unsubscribe": {"email"},
    "preexisting_sync_started": set(),
    "preexisting_sync_completed": set(),
    "preexisting_user_created": {"user_id"},
    "preexisting_thing_created": {"thing_id"},
    "preexisting_user_thing_associated": {"user_id", "thing_id"},
}


def test_every_documented_type_is_known_and_no_other() -> None:
    assert _FULL.keys() == _MANDATORY.keys() == TYPES.keys()
    assert len(TYPES) == 20


def test_every_type_is_taken_with_all_of_its_fields_and_with_the_mandatory_ones_alone(copilot: Copilot) -> None:
    full = [event(kind, payload=payload) for kind, payload in _FULL.items()]
    bare = [
        event(kind, payload={name: payload[name] for name in _MANDATORY[kind] | ({"user_id"} & payload.keys())})
        for kind, payload in _FULL.items()
    ]
    reply = collect(copilot, *full, *bare)
    assert (reply.status_code, errors(reply)) == (200, {})
    assert copilot.held() == {one["event_id"] for one in (*full, *bare)}
    assert [arrival.document for arrival in copilot.received] == [*full, *bare]


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_each_mandatory_field_is_missed_and_each_strange_one_refused(copilot: Copilot, kind: str) -> None:
    whole = _FULL[kind]
    missing = [
        event(kind, payload={name: value for name, value in whole.items() if name != left}) for left in _MANDATORY[kind]
    ]
    strange = event(kind, payload={**whole, "stranger": 1})
    null = [event(kind, payload={**whole, name: None}) for name in whole]
    nested = [event(kind, payload={**whole, name: [1]}) for name in whole]
    reply = collect(copilot, *missing, strange, *null, *nested)
    found = errors(reply)
    closed = kind not in {"custom_event", "thing_interaction"}
    refused = {one["event_id"] for one in (*missing, *null, *nested)} | ({strange["event_id"]} if closed else set())
    assert found.keys() == refused
    assert {rejection.id for rejection in copilot.refused} == refused
    assert copilot.held() == (set() if closed else {strange["event_id"]})


def _custom(**fields: object) -> Document:
    return event(payload={"subtype": "s", "user_id": "u1", **fields})


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (event(timestamp=NOW_MS + 1), "future"),
        (event(timestamp=NOW_MS - 30 * DAY_MS - 1), "30 days"),
        (event(timestamp=NOW_MS // 1000), "30 days"),
        (event(timestamp=float(NOW_MS)), "integer"),
        (event(timestamp=str(NOW_MS)), "integer"),
        (event(timestamp=True), "integer"),
        ({key: value for key, value in event().items() if key != "timestamp"}, "integer"),
        ({key: value for key, value in event().items() if key != "payload"}, "payload"),
        ({key: value for key, value in event().items() if key != "type"}, "type"),
        (event("user_born"), "type"),
        (event(type=["custom_event"]), "type"),
        (event(payload=[]), "payload"),
        (event(extra=1), "extra"),
        (event(event_id="x" * 51), "event_id"),
        (event(event_id="a b"), "event_id"),
        (event(event_id="a\n"), "event_id"),
        (_custom(price=20.5), "price"),
        (_custom(price=20.0), "price"),
        (_custom(big=2**63), "big"),
        (_custom(**{"a b": 1}), "name"),
        (_custom(**{"": 1}), "name"),
        (_custom(größe=1), "name"),
        (_custom(**{f"p{n}": n for n in range(19)}), "20 properties"),
        (event(payload={"subtype": "two words", "user_id": "u1"}), "subtype"),
        (event(payload={"subtype": "s", "user_id": "a/b"}), "user_id"),
        (event(payload={"subtype": "", "user_id": "u1"}), "subtype"),
        (event(payload={"subtype": "s", "user_id": 7}), "user_id"),
        (event("user_created", payload={"user_id": "u1", "email": "é@b.example"}), "email"),
        (event("user_created", payload={"user_id": "u1", "copilot_analysis_consent": "true"}), "consent"),
        (event("user_created", payload={"user_id": "u1", "custom_properties": {"a": {"b": 1}}}), "custom_properties.a"),
        (event("user_created", payload={"user_id": "u1", "custom_properties": {"a": None}}), "custom_properties.a"),
        (event("user_created", payload={"user_id": "u1", "custom_properties": {"a b": 1}}), "custom property"),
        (event("thing_updated", payload={"thing_id": "t", "firmware": "1"}), "firmware"),
        (event("preexisting_sync_started", payload={"note": 1}), "note"),
    ],
)
def test_one_bad_event_is_listed_with_its_reason_and_the_others_are_taken(
    copilot: Copilot, bad: Document, why: str
) -> None:
    before, after = event(), event()
    reply = collect(copilot, before, bad, after)
    assert reply.status_code == 200
    (entry,) = reply.json()["invalid_events"]
    assert entry.keys() == {"event_id", "index", "error"}
    assert (entry["event_id"], entry["index"]) == (bad["event_id"], 1)
    assert why in entry["error"]
    assert copilot.held() == {before["event_id"], after["event_id"]}


def test_the_window_is_inclusive_at_both_ends_and_follows_the_clock(copilot: Copilot) -> None:
    edges = [event(timestamp=NOW_MS), event(timestamp=NOW_MS - 30 * DAY_MS)]
    assert errors(collect(copilot, *edges)) == {}
    copilot.clock = lambda: NOW_S + 1
    reply = collect(copilot, event(timestamp=NOW_MS + 1000), old := event(timestamp=NOW_MS - 30 * DAY_MS))
    assert errors(reply).keys() == {old["event_id"]}
    assert reply.headers["date"] == "Mon, 21 Sep 2026 14:13:21 GMT"


def test_twenty_properties_are_allowed(copilot: Copilot) -> None:
    assert errors(collect(copilot, _custom(**{f"p{n}": n for n in range(18)}))) == {}


@pytest.mark.parametrize(
    ("offset", "is_one"),
    [
        ("Z", True),
        ("0000", True),
        ("+0000", True),
        ("-1200", True),
        ("+1459", True),
        ("-1201", False),
        ("+1500", False),
        ("+0260", False),
        ("+02:00", False),
        ("0200", False),
        ("+200", False),
        ("Z\n", False),
        ("", False),
        (200, False),
    ],
)
def test_an_offset_is_hours_and_minutes_within_the_worlds_range(copilot: Copilot, offset: object, is_one: bool) -> None:
    reply = collect(copilot, event("user_updated", payload={"user_id": "u1", "utc_offset": offset}))
    assert (errors(reply) == {}) is is_one


def test_events_that_share_an_id_within_a_batch_are_all_invalid(copilot: Copilot) -> None:
    one, other = event(event_id="same"), event()
    reply = collect(copilot, one, other, one)
    assert [entry["index"] for entry in reply.json()["invalid_events"]] == [0, 2]
    assert copilot.held() == {other["event_id"]}


def test_the_same_id_in_two_requests_is_kept_once_and_logged_twice(copilot: Copilot) -> None:
    one = event()
    collect(copilot, one)
    collect(copilot, one)
    assert [arrival.request for arrival in copilot.received] == [1, 2]
    assert copilot.held() == {one["event_id"]}


def test_a_custom_event_of_nobody_is_answered_200_unlisted_and_gone(copilot: Copilot) -> None:
    nobody = event(payload={"subtype": "s"})
    reply = collect(copilot, nobody)
    assert (reply.status_code, errors(reply)) == (200, {})
    assert copilot.held() == set()
    assert [(one.id, one.kind) for one in copilot.dropped] == [(nobody["event_id"], "custom_event")]


def test_an_arrival_says_who_what_and_the_exact_bytes(copilot: Copilot) -> None:
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
def test_wrong_credentials_are_401_with_the_documented_reason(copilot: Copilot, auth: tuple[str, str]) -> None:
    reply = collect(copilot, event(), auth=auth)
    assert (reply.status_code, reply.json()["reason"]) == (401, "AUTH.UNAUTHORIZED")
    assert reply.json().keys() == {"reason", "error_message"}
    assert (copilot.held(), copilot.refused) == (set(), [])


def test_bearer_no_longer_works_and_rotated_credentials_do_at_once(copilot: Copilot) -> None:
    with client(copilot) as http:
        reply = http.post("/v2/collect", json={"events": [event()]}, headers={"authorization": "Bearer abc"})
    assert reply.status_code == 401
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
def test_a_malformed_request_is_400_as_a_whole(
    copilot: Copilot, path: str, body: bytes, headers: dict[str, str]
) -> None:
    with client(copilot, ("id", "secret")) as http:
        reply = http.post(path, content=body, headers={**JSON, **headers})
    assert (reply.status_code, reply.json()["reason"]) == (400, "COMMON.REQUEST_VALIDATION")
    assert copilot.held() == set()
    assert [one.id for one in copilot.refused] == [None]


def test_only_post_is_an_endpoint(copilot: Copilot) -> None:
    with client(copilot, ("id", "secret")) as http:
        assert http.put("/v2/collect", json={"events": [event()]}).status_code == 400


def test_too_many_events_or_bytes_are_413_and_nothing_is_kept() -> None:
    one = event()
    size = len(b'{"events":[') + len(as_json(one).replace(b" ", b"")) + len(b"]}")
    few = Copilot(client_id="id", client_secret="secret", max_events=2, clock=lambda: NOW_S)
    small = Copilot(client_id="id", client_secret="secret", max_bytes=size, clock=lambda: NOW_S)
    with threaded(few, small):
        assert collect(few, event(), event()).status_code == 200
        assert collect(few, event(), event(), event()).status_code == 413
        assert len(few.held()) == 2
        assert collect(small, one).status_code == 200
        assert collect(small, {**one, "event_id": one["event_id"] + "x"}).status_code == 413
        assert small.held() == {one["event_id"]}


def test_both_documented_forms_of_success_are_given(copilot: Copilot) -> None:
    assert [collect(copilot, event()).json() for _ in range(3)] == [{}, {"invalid_events": []}, {}]


def test_a_fault_can_have_chosen_events_listed(copilot: Copilot) -> None:
    rule = copilot.faults.add(MarkInvalid("not today", which=lambda item: item.name == "bad"), times=1)
    good, bad = event(), event(payload={"subtype": "bad", "user_id": "u1"})
    assert errors(collect(copilot, good, bad)) == {bad["event_id"]: "not today"}
    assert copilot.held() == {good["event_id"]}
    assert errors(collect(copilot, bad)) == {}
    assert rule.hits == 1


def consent(fake: Copilot, document: object, auth: tuple[str, str] = ("id", "secret")) -> int:
    with client(fake, auth) as http:
        return http.post(CONSENT, json=document).status_code


def test_consent_is_kept_by_user_and_value_and_both_success_statuses_are_given(copilot: Copilot) -> None:
    assert consent(copilot, {"user_id": "u1", "consent_value": True}) == 200
    assert consent(copilot, {"user_id": "u1", "consent_value": False}) == 204
    assert copilot.held() == {consent_id("u1", True), "u1=false"}
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
def test_a_consent_change_is_exactly_a_user_and_a_boolean(copilot: Copilot, document: Document) -> None:
    assert consent(copilot, document) == 400
    assert copilot.held() == set()
    assert len(copilot.refused) == 1


def test_consent_wants_credentials_too(copilot: Copilot) -> None:
    assert consent(copilot, {"user_id": "u1", "consent_value": True}, auth=("id", "no")) == 401
