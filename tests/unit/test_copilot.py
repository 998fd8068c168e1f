"""Copilot's encoding, field by field, and its faults."""

import json
from decimal import Decimal

import pytest

from consumer.destinations import Encoded
from consumer.destinations.copilot_contract import EVENT_TYPES
from consumer.model.values import Fields, Instant, Value
from tests.unit.copilot_harness import BATCH, COPILOT, EVENT_ID, detail, encode, minimum_fields, payload


@pytest.mark.parametrize("target", EVENT_TYPES)
def test_every_event_type_is_encoded_in_its_envelope(target: str) -> None:
    result = encode(target, minimum_fields(target))
    assert isinstance(result, Encoded)
    assert result.envelope == BATCH
    assert result.identity == EVENT_ID
    assert json.loads(result.body) == {
        "type": target,
        "event_id": EVENT_ID,
        "timestamp": 1_700_000_000_123,
        "payload": minimum_fields(target) | ({"subtype": "clicked"} if target == "custom_event" else {}),
    }


@pytest.mark.parametrize("target", [name for name, event_type in EVENT_TYPES.items() if event_type.mandatory])
def test_missing_mandatory_field_is_refused(target: str) -> None:
    for name in EVENT_TYPES[target].mandatory:
        fields = minimum_fields(target)
        del fields[name]
        assert detail(target, fields).startswith(f"{name}")


@pytest.mark.parametrize("target", [name for name, event_type in EVENT_TYPES.items() if not event_type.free])
def test_unknown_property_of_a_fixed_event_type_is_refused(target: str) -> None:
    assert detail(target, {**minimum_fields(target), "shoe_size": 44}).startswith("shoe_size: ")
    assert detail(target, {**minimum_fields(target), "jane@acme.test": 44}).startswith("(unusual name): ")


def test_targets_list_their_mandatory_fields() -> None:
    assert {name for name, rule in COPILOT.targets["user_thing_associated"].fields.items() if rule.mandatory} == {
        "user_id",
        "thing_id",
    }
    custom = COPILOT.targets["custom_event"]
    assert (custom.named, custom.free, custom.one_of) == (True, True, (("user_id", "thing_id"),))
    assert not COPILOT.targets["user_created"].free
    assert COPILOT.targets["user_created"].fields["copilot_analysis_consent"].carries_consent
    assert {name for name, target in COPILOT.targets.items() if target.carries_consent} == {"consent", "unsubscribe"}


def test_user_created_with_every_field() -> None:
    fields: Fields = {
        "user_id": "u-1",
        "first_name": "José María",
        "last_name": "O'Hara / Söhne",
        "email": "jane@acme.test",
        "utc_offset": "+0530",
        "copilot_analysis_consent": False,
        "custom_properties": {
            "score": Decimal("20.50"),
            "level": 3,
            "ratio": 0.5,
            "vip": True,
            "note": "any text at all",
            "since": Instant(5_000_000),
        },
    }
    result = encode("user_created", fields)
    assert isinstance(result, Encoded)
    assert b'"score":20.50' in result.body
    custom = {"score": 20.5, "level": 3, "ratio": 0.5, "vip": True, "note": "any text at all", "since": 5}
    assert json.loads(result.body)["payload"] == {**fields, "custom_properties": custom}


@pytest.mark.parametrize(
    ("target", "name", "value"),
    [
        ("user_created", "user_id", ""),
        ("user_created", "user_id", "jane doe"),
        ("user_created", "user_id", "u-1\n"),
        ("user_created", "user_id", 7),
        ("user_created", "user_id", "ünal"),
        ("user_created", "first_name", 7),
        ("user_created", "email", "a/b@acme.test"),
        ("user_created", "copilot_analysis_consent", "true"),
        ("user_created", "utc_offset", "+1500"),
        ("user_created", "utc_offset", "-1201"),
        ("user_created", "utc_offset", "+0060"),
        ("user_created", "utc_offset", "+02:00"),
        ("user_created", "utc_offset", 200),
        ("user_created", "custom_properties", [1]),
        ("user_created", "custom_properties", {"a b": 1}),
        ("user_created", "custom_properties", {"": 1}),
        ("user_created", "custom_properties", {"a": {"b": 1}}),
        ("user_created", "custom_properties", {"a": float("inf")}),
        ("user_created", "custom_properties", {"a": 2**63}),
        ("thing_created", "model", "Model T"),
        ("thing_status_changed", "status_date", True),
        ("thing_status_changed", "status_date", "2026-01-01"),
        ("thing_status_changed", "status_date", 2**63),
        ("custom_event", "thing_id", "no spaces"),
        ("unsubscribe", "email", ""),
        ("thing_status_changed", "status_key", ""),
        ("custom_event", "free", None),
        ("custom_event", "free", [1]),
        ("custom_event", "free", {"a": 1}),
        ("custom_event", "free", float("nan")),
        ("custom_event", "free", Decimal("Infinity")),
        ("custom_event", "free", 2**63),
        ("custom_event", "free", 1e300),
        ("custom_event", "free", Decimal("1E+40")),
        ("custom_event", "subtype", "mine"),
        ("user_created", "first_name", "\ud800"),
    ],
)
def test_value_that_violates_the_contract_is_a_fault(target: str, name: str, value: Value) -> None:
    assert detail(target, {**minimum_fields(target), name: value}).startswith(name)


@pytest.mark.parametrize("name", ["a b", "", "naïve", "a/b"])
def test_property_names_follow_the_pattern(name: str) -> None:
    assert "property name" in detail("custom_event", {"user_id": "u", name: 1})


@pytest.mark.parametrize("offset", ["Z", "0000", "+0000", "-1200", "+1459", "-0930"])
def test_utc_offsets_of_the_documented_range_pass(offset: str) -> None:
    assert payload("user_updated", {"user_id": "u", "utc_offset": offset})["utc_offset"] == offset


@pytest.mark.parametrize(
    ("value", "result"),
    [
        ("any text, really / ü", "any text, really / ü"),
        ("null", "null"),
        (True, True),
        (7, 7),
        (Decimal("12.00"), 12),
        (Decimal("12.50"), "12.50"),
        (Decimal("1E+3"), 1000),
        (20.0, 20),
        (20.5, "20.5"),
        (1e-7, "0.0000001"),
        (-0.0, 0),
        (Instant(1_700_000_000_123_456_789), 1_700_000_000_123),
        (b"\x00\xff", "AP8="),
    ],
)
def test_free_properties_become_text_integers_or_booleans(value: Value, result: object) -> None:
    for target in ("custom_event", "thing_interaction"):
        for _ in range(2):  # a name met before is not looked at again, its value is
            got = payload(target, {"thing_id": "t", "value": value})["value"]
            assert got == result
            assert type(got) is type(result)


def test_times_before_1970_are_epoch_milliseconds() -> None:
    fields: Fields = {"user_id": "u", "original_creation_date": Instant(86_400 * 10**9)}
    assert payload("preexisting_user_created", fields)["original_creation_date"] == 86_400_000
    fields = {"thing_id": "t", "user_id": "u", "original_association_date": 1234}
    assert payload("preexisting_user_thing_associated", fields)["original_association_date"] == 1234


def test_custom_event_without_ids_is_refused() -> None:
    assert detail("custom_event", {"free": 1}) == "thing_id or user_id: is missing"
