"""Copilot's server applies the collect reference to every event type."""

import pytest

from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.copilot_rules import TYPES
from tests.fakes.clients import NOW_MS, NOW_S, Document, collect, errors, event

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


def test_every_type_is_accepted_with_all_and_with_mandatory_fields(copilot: FakeCopilot) -> None:
    full = [event(kind, payload=payload) for kind, payload in _FULL.items()]
    bare = [
        event(kind, payload={name: payload[name] for name in _MANDATORY[kind] | ({"user_id"} & payload.keys())})
        for kind, payload in _FULL.items()
    ]
    response = collect(copilot, *full, *bare)
    assert (response.status_code, errors(response)) == (200, {})
    assert copilot.stored_ids() == {one["event_id"] for one in (*full, *bare)}
    assert [arrival.document for arrival in copilot.received] == [*full, *bare]


@pytest.mark.parametrize("kind", sorted(TYPES))
def test_missing_mandatory_and_unknown_fields_are_refused(copilot: FakeCopilot, kind: str) -> None:
    whole = _FULL[kind]
    missing = [
        event(kind, payload={name: value for name, value in whole.items() if name != left}) for left in _MANDATORY[kind]
    ]
    strange = event(kind, payload={**whole, "stranger": 1})
    null = [event(kind, payload={**whole, name: None}) for name in whole]
    nested = [event(kind, payload={**whole, name: [1]}) for name in whole]
    response = collect(copilot, *missing, strange, *null, *nested)
    found = errors(response)
    closed = kind not in {"custom_event", "thing_interaction"}
    refused = {one["event_id"] for one in (*missing, *null, *nested)} | ({strange["event_id"]} if closed else set())
    assert found.keys() == refused
    assert {rejection.id for rejection in copilot.refused} == refused
    assert copilot.stored_ids() == (set() if closed else {strange["event_id"]})


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
        (event("user_created", payload={"user_id": "u1", "custom_properties": {"": 1}}), "custom property"),
        (event("thing_updated", payload={"thing_id": "t", "firmware": "1"}), "firmware"),
        (event("preexisting_sync_started", payload={"note": 1}), "note"),
    ],
)
def test_bad_event_is_listed_with_its_reason_and_others_are_stored(
    copilot: FakeCopilot, bad: Document, why: str
) -> None:
    before, after = event(), event()
    response = collect(copilot, before, bad, after)
    assert response.status_code == 200
    (entry,) = response.json()["invalid_events"]
    assert entry.keys() == {"event_id", "index", "error"}
    assert (entry["event_id"], entry["index"]) == (bad["event_id"], 1)
    assert why in entry["error"]
    assert copilot.stored_ids() == {before["event_id"], after["event_id"]}


def test_time_window_includes_both_ends_and_follows_the_clock(copilot: FakeCopilot) -> None:
    edges = [event(timestamp=NOW_MS), event(timestamp=NOW_MS - 30 * DAY_MS)]
    assert errors(collect(copilot, *edges)) == {}
    copilot.clock = lambda: NOW_S + 1
    response = collect(copilot, event(timestamp=NOW_MS + 1000), old := event(timestamp=NOW_MS - 30 * DAY_MS))
    assert errors(response).keys() == {old["event_id"]}
    assert response.headers["date"] == "Mon, 21 Sep 2026 14:13:21 GMT"


def test_id_of_50_characters_is_accepted(copilot: FakeCopilot) -> None:
    assert errors(collect(copilot, event(event_id="x" * 50))) == {}


def test_20_properties_are_accepted(copilot: FakeCopilot) -> None:
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
def test_utc_offset_must_be_hours_and_minutes_in_range(copilot: FakeCopilot, offset: object, is_one: bool) -> None:
    response = collect(copilot, event("user_updated", payload={"user_id": "u1", "utc_offset": offset}))
    assert (errors(response) == {}) is is_one
