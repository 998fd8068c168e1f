"""What is said to Customer.io, what is not, and what its answers mean."""

import json
from decimal import Decimal
from typing import Any

import orjson
import pytest

from consumer.destinations import Encoded, EntryError, OptionError
from consumer.destinations.customerio import Customerio, CustomerioOptions, warnings
from consumer.model import Barred, Cause, Deferred, Delivered, Fault, Mixed, Refused, Reply, Shape, Trouble
from consumer.shape import Fields, Instant, Value

URL = "https://cdp.customer.io/v1"
ACTING = frozenset(
    {
        "User Deleted",
        "User Suppressed",
        "User Unsuppressed",
        "Device Created or Updated",
        "Device Deleted",
        "Relationship Deleted",
        "Object Deleted",
        "Report Delivery Event",
        "Report Content Event",
    }
)
CUSTOMERIO = Customerio(CustomerioOptions(url=URL, allow_events=ACTING))
IDENTITY = bytes.fromhex("00112233445566778899aabbccddeeff")
TIME_NS = 1_469_918_176_385_000_000
MESSAGE_ID = "01ARYZ6S41CSVRH6DAQF6DVVQZ"
COMMON = {"messageId": MESSAGE_ID, "timestamp": "2016-07-30T22:36:16.385Z", "context": {"channel": "server"}}


def say(
    target: str, fields: Fields, name: str | None = None, *, customerio: Customerio = CUSTOMERIO, time_ns: int = TIME_NS
) -> Encoded | Fault:
    return customerio.encoder(target, name)(fields, IDENTITY, time_ns)


def encoded(target: str, fields: Fields, name: str | None = None, *, customerio: Customerio = CUSTOMERIO) -> Encoded:
    said = say(target, fields, name, customerio=customerio)
    assert isinstance(said, Encoded), said
    return said


def document(target: str, fields: Fields, name: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(encoded(target, fields, name).body)
    return found


def detail(target: str, fields: Fields, name: str | None = None) -> str:
    said = say(target, fields, name)
    assert isinstance(said, Fault), said
    assert said.cause is Cause.CONTRACT
    return said.detail


@pytest.mark.parametrize(
    ("target", "name", "fields", "more"),
    [
        ("identify", None, {"userId": "u", "traits": {"plan": "pro"}}, {}),
        ("identify", None, {"anonymousId": "a"}, {}),
        ("identify", None, {"traits": {"email": "jane@acme.test"}}, {}),
        ("track", "Order Completed", {"userId": "u", "properties": {"total": 1}}, {"event": "Order Completed"}),
        ("track", "  Bestellung ü\t", {"anonymousId": "a"}, {"event": "Bestellung ü"}),
        ("page", None, {"userId": "u", "properties": {"url": "https://acme.test/"}}, {}),
        ("page", "Home", {"userId": "u"}, {"name": "Home"}),
        ("screen", "Cart", {"userId": "u", "anonymousId": "a"}, {"name": "Cart"}),
        ("group", None, {"groupId": "g", "traits": {"name": "Acme"}}, {}),
        ("group", None, {"groupId": "g", "userId": "u", "objectTypeId": "2"}, {}),
    ],
)
def test_batchable_calls_carry_type_id_time_and_context(
    target: str, name: str | None, fields: Fields, more: dict[str, str]
) -> None:
    said = encoded(target, fields, name)
    assert json.loads(said.body) == {"type": target, **COMMON, **more, **fields}
    assert said.identity == MESSAGE_ID
    assert said.shape == Shape(
        said.shape.endpoint, b'{"batch":[', b'],"context":{"channel":"server"}}', 100, 490_000, None
    )
    assert said.shape.endpoint == ("batch", "POST", "/batch")


def test_an_alias_goes_alone_and_its_path_says_what_it_is() -> None:
    said = encoded("alias", {"previousId": "a", "userId": "u"})
    assert json.loads(said.body) == {**COMMON, "previousId": "a", "userId": "u"}
    assert said.shape == Shape(said.shape.endpoint, b"", b"", 1, 32_000)
    assert said.shape.endpoint == ("alias", "POST", "/alias")
    with_context = encoded("alias", {"previousId": "a", "userId": "u", "context": {"ip": "::1"}})
    assert with_context.shape == said.shape


def test_strict_mode_is_on() -> None:
    assert CUSTOMERIO.headers == {"content-type": "application/json", "x-strict-mode": "1"}


@pytest.mark.parametrize(
    ("target", "fields", "field"),
    [
        ("track", {}, "userId"),
        ("track", {"properties": {}}, "userId"),
        ("track", {"userId": ""}, "userId"),
        ("track", {"userId": "  "}, "userId"),
        ("track", {"userId": 7}, "userId"),
        ("track", {"userId": None}, "userId"),
        ("track", {"userId": "u", "anonymousId": ""}, "anonymousId"),
        ("track", {"userId": "u", "properties": [1]}, "properties"),
        ("track", {"userId": "u", "traits": {}}, "traits"),
        ("track", {"userId": "u", "jane@acme.test": {}}, "(a name not quoted)"),
        ("track", {"userId": "u", "context": "web"}, "context"),
        ("track", {"userId": "u", "integrations": {"Mixpanel": "no"}}, "integrations"),
        ("track", {"userId": "u", "integrations": {"All": False}}, "integrations.All"),
        ("track", {"userId": "u", "properties": {"a": float("nan")}}, "properties.a"),
        ("track", {"userId": "u", "context": {"a": float("nan")}}, "context.a"),
        ("identify", {"traits": {"plan": "pro"}}, "userId"),
        ("identify", {"traits": {"email": " "}}, "userId"),
        ("identify", {}, "userId"),
        ("group", {"userId": "u"}, "groupId"),
        ("group", {"groupId": "g", "userId": " "}, "userId"),
        ("group", {"groupId": "g", "objectTypeId": "first"}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": 0}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": True}, "objectTypeId"),
        ("group", {"groupId": "g", "objectTypeId": 10**30}, "objectTypeId"),
        ("group", {"groupId": "g", "traits": {"object_type_id": "x"}}, "traits.object_type_id"),
        ("group", {"groupId": "g", "traits": 7}, "traits"),
        ("alias", {"userId": "u"}, "previousId"),
        ("alias", {"previousId": "a"}, "previousId"),
    ],
)
def test_fields_that_break_the_contract_never_leave(target: str, fields: Fields, field: str) -> None:
    assert detail(target, fields, "Clicked" if target == "track" else None).startswith(f"{field}: ")


def test_an_object_type_is_text_wherever_it_stands() -> None:
    fields: Fields = {"groupId": "g", "objectTypeId": 2, "traits": {"object_type_id": 3, "name": "Acme"}}
    said = document("group", fields)
    assert said["objectTypeId"] == "2"
    assert said["traits"] == {"object_type_id": "3", "name": "Acme"}
    assert fields["objectTypeId"] == 2


def test_numbers_are_exact_and_times_are_iso_8601() -> None:
    properties: Fields = {"total": Decimal("12.50"), "at": Instant(1_000_000_000), "nothing": None, "raw": b"\x01"}
    said = encoded("track", {"userId": "u", "properties": properties}, "Paid")
    assert b'"properties":{"total":12.50,"at":"1970-01-01T00:00:01Z","nothing":null,"raw":"AQ=="}}' in said.body


def test_a_time_nobody_can_write_is_a_fault() -> None:
    said = say("track", {"userId": "u"}, "Paid", time_ns=10**30)
    assert isinstance(said, Fault)
    assert said.cause is Cause.CONTRACT


def test_only_calls_with_equal_surroundings_share_a_shape() -> None:
    plain = encoded("track", {"userId": "u"}, "Paid")
    local: Fields = {"userId": "u", "context": {"ip": "192.0.2.1", "channel": "mobile"}}
    turned: Fields = {"userId": "v", "context": {"channel": "mobile", "ip": "192.0.2.1"}}
    other: Fields = {"userId": "u", "integrations": {"Mixpanel": False}}
    assert encoded("track", local, "Paid").shape == encoded("page", turned).shape
    assert encoded("identify", {"userId": "u"}).shape == plain.shape
    assert len({plain.shape, encoded("track", local, "Paid").shape, encoded("track", other, "Paid").shape}) == 3


def test_surroundings_stand_on_the_batch_and_in_each_call() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, integrations={"All": False, "Mixpanel": True}))
    said = encoded("track", {"userId": "u", "context": {"ip": "::1"}}, "Paid", customerio=customerio)
    batch = json.loads(said.shape.prefix + said.body + b"," + said.body + said.shape.suffix)
    assert batch["context"] == {"channel": "server", "ip": "::1"}
    assert batch["integrations"] == {"All": False, "Mixpanel": True}
    for call in batch["batch"]:
        assert (call["context"], call["integrations"]) == (batch["context"], batch["integrations"])


def test_no_surroundings_at_all_are_left_out() -> None:
    said = encoded("track", {"userId": "u"}, "Paid", customerio=Customerio(CustomerioOptions(url=URL, context={})))
    assert said.shape.suffix == b"]}"
    assert "context" not in json.loads(said.body)


def test_shapes_are_not_remembered_without_end() -> None:
    customerio = Customerio(CustomerioOptions(url=URL))
    encode = customerio.encoder("track", "Paid")
    for number in range(600):
        said = encode({"userId": "u", "context": {"ip": str(number)}}, IDENTITY, TIME_NS)
        assert isinstance(said, Encoded)
        assert str(number).encode() in said.shape.suffix
    assert len(customerio._shapes) <= 256


def test_a_call_is_too_large_to_the_byte() -> None:
    calls: list[tuple[str, Fields]] = [
        ("track", {"userId": "u" * 2000}),
        ("alias", {"previousId": "a", "userId": "u" * 2000}),
    ]
    for target, fields in calls:
        name = "Paid" if target == "track" else None
        size = len(encoded(target, fields, name).body)
        exact = Customerio(CustomerioOptions(url=URL, call_bytes=size))
        assert isinstance(say(target, fields, name, customerio=exact), Encoded)
        short = Customerio(CustomerioOptions(url=URL, call_bytes=size - 1))
        said = say(target, fields, name, customerio=short)
        assert isinstance(said, Fault)
        assert said.cause is Cause.TOO_LARGE


def test_a_call_that_leaves_no_room_for_its_batch_is_too_large() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, call_bytes=2000, bytes=2000))
    size = len(encoded("track", {"userId": "u"}, "Paid").body)
    fits = 2000 - size - len(b'{"batch":[],"context":{"channel":"server"}}') + 1
    assert isinstance(say("track", {"userId": "u" * fits}, "Paid", customerio=customerio), Encoded)
    assert isinstance(say("track", {"userId": "u" * (fits + 1)}, "Paid", customerio=customerio), Fault)


@pytest.mark.parametrize("name", ["User Deleted", "User Suppressed", "User Unsuppressed"])
def test_acting_on_a_person_needs_a_user(name: str) -> None:
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
def test_a_device_stands_in_both_places(name: str, fields: Fields) -> None:
    said = document("track", {"userId": "u", **fields}, name)
    assert said["context"]["device"] == said["properties"]["device"] == {"token": "t", "type": "ios"}
    assert said["context"]["channel"] == "server"


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
def test_a_device_event_without_one_token_is_refused(fields: Fields, field: str) -> None:
    assert detail("track", {"userId": "u", **fields}, "Device Deleted").startswith(f"{field}: ")


def test_deleting_an_object_needs_its_type_and_stands_for_nobody() -> None:
    said = document("track", {"properties": {"objectId": "o", "objectTypeId": 2}}, "Object Deleted")
    assert said["anonymousId"] == "cdp-consumer"
    assert said["properties"] == {"objectId": "o", "objectTypeId": "2"}
    assert detail("track", {"properties": {"objectId": "o"}}, "Object Deleted").startswith("properties.objectTypeId")
    assert detail("track", {"properties": {"objectTypeId": 1}}, "Object Deleted").startswith("properties.objectId")
    named = document("track", {"userId": "u", "properties": {"objectId": "o", "objectTypeId": "2"}}, "Object Deleted")
    assert "anonymousId" not in named
    relation: Fields = {"userId": "u", "properties": {"objectId": "o", "objectTypeId": "2"}}
    assert document("track", relation, "Relationship Deleted")["properties"]["objectTypeId"] == "2"


def test_a_delivery_report_names_its_delivery() -> None:
    properties: Fields = {"deliveryId": "d", "metric": "opened"}
    assert document("track", {"properties": properties}, "Report Delivery Event")["anonymousId"] == "cdp-consumer"
    assert detail("track", {"properties": {"metric": "opened"}}, "Report Delivery Event").startswith(
        "properties.deliveryId"
    )


def test_reports_say_what_happened_in_the_documented_words() -> None:
    odd: Fields = {"deliveryId": "d", "metric": "seen"}
    assert detail("track", {"properties": odd}, "Report Delivery Event").startswith("properties.metric: must be one of")
    assert document("track", {"properties": {"actionType": "viewed_content"}}, "Report Content Event")["anonymousId"]
    assert detail("track", {"properties": {}}, "Report Content Event").startswith("properties.actionType")


def test_what_a_name_needs_is_known_to_the_mapping() -> None:
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
def test_entries_that_cannot_work_are_found_at_load(target: str, name: str | None) -> None:
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
def test_a_reserved_name_missed_by_a_letter_is_found_at_load(name: str, right: str) -> None:
    with pytest.raises(EntryError, match="not quite the reserved one") as error:
        CUSTOMERIO.encoder("track", name)
    assert error.value.hint.startswith(right)


def test_names_that_resemble_none_are_custom_events() -> None:
    for name in ("Order Shipped", "Order Ompletedc", "X"):
        assert document("track", {"userId": "u"}, name)["event"] == name


def test_a_spelling_can_be_meant() -> None:
    customerio = Customerio(CustomerioOptions(url=URL, allow_events=frozenset({"Card Shared"})))
    assert encoded("track", {"userId": "u"}, "Card Shared", customerio=customerio)
    with pytest.raises(EntryError):
        CUSTOMERIO.encoder("track", "Card Shared")


@pytest.mark.parametrize("name", sorted(ACTING))
def test_what_acts_on_the_workspace_must_be_allowed_by_name(name: str) -> None:
    with pytest.raises(EntryError, match="must be allowed by name") as error:
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
def test_options_that_cannot_be_meant_are_refused(options: dict[str, Any]) -> None:
    with pytest.raises(OptionError) as error:
        CustomerioOptions(**options)
    assert error.value.option == list(options)[-1]


@pytest.mark.parametrize(
    ("target", "name", "fields", "words"),
    [
        ("track", "n" * 101, None, ["event's name"]),
        ("track", "n" * 100, None, []),
        ("track", "Paid", {"properties": {"a": "x" * 2000}}, []),
        ("identify", None, {"traits": {"a": "x" * 1001}}, ["traits.a: "]),
        ("identify", None, {"traits": {"a": "ü" * 500, "b": 7}}, []),
        ("identify", None, {"traits": {"a" * 151: 1}}, ["attribute's name"]),
        ("identify", None, {"traits": {f"a{number}": number for number in range(301)}}, ["300 attributes"]),
        ("group", None, {"traits": {f"a{number}": number for number in range(301)}}, []),
        ("identify", None, {"traits": 3}, []),
    ],
)
def test_the_limits_behind_the_200_are_warned_of(
    target: str, name: str | None, fields: dict[str, Value] | None, words: list[str]
) -> None:
    found = warnings(target, name, fields)
    assert len(found) == len(words)
    assert all(word in sentence for word, sentence in zip(words, found, strict=True))


# ── answers ──


def judge(body: object, status: int = 200, events: int = 3) -> object:
    content = body if isinstance(body, bytes) else orjson.dumps(body)
    shape = encoded("track", {"userId": "u"}, "Paid").shape
    return CUSTOMERIO.judge(shape, ["id"] * events, Reply(status, {}, content))


@pytest.mark.parametrize("body", [{}, {"success": True}, {"meta": {}}, {"meta": {"errors": []}}])
def test_a_strict_200_with_an_object_is_a_delivery(body: object) -> None:
    assert judge(body) == Delivered()


@pytest.mark.parametrize("body", [b"", b"[]", b"ok", b"<html>", b"{", {"meta": {"errors": ["userId is required"]}}])
def test_any_other_200_is_no_delivery(body: object) -> None:
    verdict = judge(body)
    assert isinstance(verdict, Barred)
    assert verdict.fault.cause is Trouble.UNINTELLIGIBLE


def test_another_2xx_is_no_delivery() -> None:
    for status in (201, 202, 204):
        assert isinstance(judge({}, status), Barred)


def test_every_other_status_is_judged_as_for_all() -> None:
    body = {"meta": {"errors": ["event of jane@acme.test is missing"]}}
    assert judge(body, 400) == Mixed(Fault(Trouble.MIXED, "event of … is missing", 400))
    assert judge(body, 400, events=1) == Refused(Fault(Cause.REFUSED, "event of … is missing", 400))
    assert isinstance(judge(b"", 413), Mixed)
    assert isinstance(judge(b"", 401), Barred)
    assert isinstance(judge(b"", 429), Deferred)
