"""Reserved names at Customer.io: required fields, spelling, names that need `allow_events`, and findings at load."""

from typing import Any

import pytest

from consumer.destinations import EntryError, OptionError
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.customerio.journeys_limits import warnings
from consumer.model.values import Fields, Value
from tests.unit.customerio_harness import ACTING, CUSTOMERIO, URL, detail, document, encoded


@pytest.mark.parametrize("name", ["User Deleted", "User Suppressed", "User Unsuppressed"])
def test_event_acting_on_a_person_needs_user_id(name: str) -> None:
    assert document("track", {"userId": "u"}, name)["event"] == name
    assert detail("track", {"anonymousId": "a"}, name).startswith("userId: ")


@pytest.mark.parametrize("name", ["Device Created or Updated", "Device Deleted"])
@pytest.mark.parametrize(
    "fields",
    [
        {"context": {"device": {"token": "t", "type": "ios"}}},
        {"properties": {"device": {"token": "t", "type": "ios"}, "last_status": "x"}},
        {"properties": {"device": {"type": "ios"}}, "context": {"device": {"token": "t"}}},
    ],
)
def test_device_is_in_context_and_properties(name: str, fields: Fields) -> None:
    result = document("track", {"userId": "u", **fields}, name)
    assert result["context"]["device"] == result["properties"]["device"] == {"token": "t", "type": "ios"}
    assert result["context"]["channel"] == "server"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "device.token"),
        ({"properties": {"device": {"type": "ios"}}}, "device.token"),
        ({"properties": {"device": "t"}}, "device"),
        ({"properties": "t"}, "properties"),
        ({"context": "t"}, "context"),
        (
            {"properties": {"device": {"token": "t"}}, "context": {"device": {"token": "u"}}},
            "device.token",
        ),
    ],
)
def test_device_event_without_single_token_is_refused(fields: Fields, field: str) -> None:
    assert detail("track", {"userId": "u", **fields}, "Device Deleted").startswith(f"{field}: ")


def test_object_deleted_needs_type_and_gets_constant_anonymous_id() -> None:
    result = document("track", {"properties": {"objectId": "o", "objectTypeId": 2}}, "Object Deleted")
    assert result["anonymousId"] == "cdp-consumer"
    assert result["properties"] == {"objectId": "o", "objectTypeId": "2"}
    assert detail("track", {"properties": {"objectId": "o"}}, "Object Deleted").startswith("properties.objectTypeId")
    assert detail("track", {"properties": {"objectTypeId": 1}}, "Object Deleted").startswith("properties.objectId")
    named = document("track", {"userId": "u", "properties": {"objectId": "o", "objectTypeId": "2"}}, "Object Deleted")
    assert "anonymousId" not in named
    relation: Fields = {"userId": "u", "properties": {"objectId": "o", "objectTypeId": "2"}}
    assert document("track", relation, "Relationship Deleted")["properties"]["objectTypeId"] == "2"


def test_delivery_report_needs_delivery_id() -> None:
    properties: Fields = {"deliveryId": "d", "metric": "opened"}
    assert document("track", {"properties": properties}, "Report Delivery Event")["anonymousId"] == "cdp-consumer"
    assert detail("track", {"properties": {"metric": "opened"}}, "Report Delivery Event").startswith(
        "properties.deliveryId"
    )


def test_reports_accept_only_documented_values() -> None:
    odd: Fields = {"deliveryId": "d", "metric": "seen"}
    assert detail("track", {"properties": odd}, "Report Delivery Event").startswith("properties.metric: must be one of")
    assert document("track", {"properties": {"actionType": "viewed_content"}}, "Report Content Event")["anonymousId"]
    assert detail("track", {"properties": {}}, "Report Content Event").startswith("properties.actionType")


def test_targets_list_the_needs_of_reserved_names() -> None:
    track = CUSTOMERIO.targets["track"]
    assert track.one_of == (("userId", "anonymousId"),)
    assert track.by_name["User Deleted"].fields["userId"].mandatory
    assert track.by_name["Object Deleted"].one_of == ()
    inner = track.by_name["Object Deleted"].fields["properties"].fields
    assert inner is not None
    assert {name for name, rule in inner.items() if rule.mandatory} == {"objectId", "objectTypeId"}
    assert track.by_name["Device Deleted"].one_of == (("context", "properties"),)
    assert track.by_name["Email Unsubscribed"].carries_consent
    traits = CUSTOMERIO.targets["identify"].fields["traits"].fields
    assert traits is not None
    assert traits["unsubscribed"].carries_consent


@pytest.mark.parametrize(
    ("target", "name"),
    [
        ("batch", None),
        ("track", None),
        ("track", "   "),
        ("page", ""),
        ("identify", "name"),
        ("group", "name"),
        ("alias", "name"),
    ],
)
def test_invalid_entries_raise_at_load(target: str, name: str | None) -> None:
    with pytest.raises(EntryError) as error:
        CUSTOMERIO.encoder(target, name)
    assert error.value.message
    assert error.value.hint


@pytest.mark.parametrize(
    ("name", "right"),
    [
        ("order completed", "Order Completed"),
        ("Order  Completed", "Order Completed"),
        ("Order Complete", "Order Completed"),
        ("Order Compleded", "Order Completed"),
        ("Orders Completed", "Order Completed"),
        ("Video playback started", "Video Playback Started"),
        ("user deleted", "User Deleted"),
        ("Delete Device", "Device Deleted"),
        ("Group Deleted", "Object Deleted"),
        ("Xrder Completed", "Order Completed"),
    ],
)
def test_name_close_to_a_reserved_one_raises_at_load(name: str, right: str) -> None:
    with pytest.raises(EntryError, match="differs slightly from a reserved one") as error:
        CUSTOMERIO.encoder("track", name)
    assert error.value.hint.startswith(f"write {right},")


def test_names_unlike_reserved_ones_are_custom_events() -> None:
    for name in ("Order Shipped", "Order Ompletedc", "X"):
        assert document("track", {"userId": "u"}, name)["event"] == name


def test_allow_events_accepts_a_close_spelling() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, allow_events=frozenset({"Card Shared"})))
    assert encoded("track", {"userId": "u"}, "Card Shared", customerio=customerio)
    with pytest.raises(EntryError):
        CUSTOMERIO.encoder("track", "Card Shared")


@pytest.mark.parametrize("name", sorted(ACTING))
def test_event_acting_on_workspace_must_be_allowed(name: str) -> None:
    with pytest.raises(EntryError, match="acts on the workspace and is not allowed") as error:
        Customerio(CustomerioOptions(url=URL, allow_events=ACTING - {name})).encoder("track", name)
    assert name in error.value.hint


@pytest.mark.parametrize(
    "options",
    [
        {"url": ""},
        {"url": URL, "events": 0},
        {"url": URL, "call_bytes": 10},
        {"url": URL, "bytes": 31_999},
        {"url": URL, "context": {"a": float("nan")}},
        {"url": URL, "context": {"a": object()}},
        {"url": URL, "integrations": {"All": "no"}},
    ],
)
def test_invalid_options_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        CustomerioOptions(**options)
    assert error.value.option == list(options)[-1]


@pytest.mark.parametrize(
    ("target", "name", "fields", "words"),
    [
        ("track", "n" * 101, None, ["event's name"]),
        ("track", "n" * 100, None, []),
        ("track", "Paid", {"properties": {"a": "x" * 2000}}, []),
        ("identify", None, {"traits": {"a": "x" * 1001}}, ["an attribute is longer"]),
        ("identify", None, {"traits": {"JaneDoe": "x" * 1001, "b": "x" * 1001}}, ["an attribute is longer"]),
        ("identify", None, {"traits": {"a": "ü" * 500, "b": 7}}, []),
        ("identify", None, {"traits": {"a" * 151: 1}}, ["attribute's name"]),
        ("identify", None, {"traits": {f"a{number}": number for number in range(301)}}, ["300 attributes"]),
        ("group", None, {"traits": {f"a{number}": number for number in range(301)}}, []),
        ("identify", None, {"traits": 3}, []),
    ],
)
def test_journeys_limits_give_warnings(
    target: str, name: str | None, fields: dict[str, Value] | None, words: list[str]
) -> None:
    found = warnings(target, name, fields)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))
