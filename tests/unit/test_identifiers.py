"""Texts that cannot be an id: a null that became text, blank texts, and bytes that were read as text."""

from __future__ import annotations

import json

import pytest

from consumer.destinations import Encoded
from consumer.destinations.copilot_contract import EVENT_TYPES
from consumer.model import DeadLetterCause, Fault
from consumer.model.identifiers import id_problem
from consumer.model.values import Fields, Value
from tests.unit import copilot_harness, customerio_harness, test_yotpo
from tests.unit.order_event import one_fault
from tests.unit.translator_harness import (
    FakeMessage,
    Json,
    encode,
    mapping_with,
    new_translator,
    record,
    with_schema_id,
)

MISSING = ["null", "NULL", " Null ", "undefined", "Undefined", "None", "none", "NaN", "nan", "[object Object]"]
CONTROL = ["m-7\x00", "\x00\x00\x00\x00\x09m-7", "m\n7", "\x7fm", "m\x80", "m\x9f7", "\tm-7"]
FINE = ["m-7", "nullable", "Nona", "unknown", "none-7", "Übung 7", "m\u00a07", "[7]", "\u200dm"]


@pytest.mark.parametrize("text", [*MISSING, *CONTROL, "", " ", "\u00a0"])
def test_text_that_identifies_nothing_has_a_problem(text: str) -> None:
    problem = id_problem(text)
    assert problem is not None
    assert "m-7" not in problem


@pytest.mark.parametrize("text", FINE)
def test_text_that_resembles_a_missing_value_is_an_id(text: str) -> None:
    assert id_problem(text) is None


# ── The contracts ──

CUSTOMERIO: list[tuple[str, str | None, str]] = [
    ("identify", None, "userId"),
    ("identify", None, "anonymousId"),
    ("identify", None, "traits.email"),
    ("track", "Hike Booked", "userId"),
    ("track", "Hike Booked", "anonymousId"),
    ("page", None, "userId"),
    ("screen", None, "anonymousId"),
    ("group", None, "groupId"),
    ("group", None, "userId"),
    ("alias", None, "previousId"),
    ("alias", None, "userId"),
    ("track", "User Deleted", "userId"),
    ("track", "Device Created or Updated", "properties.device.token"),
    ("track", "Device Deleted", "context.device.token"),
    ("track", "Relationship Deleted", "properties.objectId"),
    ("track", "Object Deleted", "properties.objectId"),
    ("track", "Report Delivery Event", "properties.deliveryId"),
]
VALID: dict[str, Fields] = {
    "identify": {"userId": "h-1", "traits": {"email": "hiker@example.org"}},
    "group": {"groupId": "club", "userId": "h-1"},
    "alias": {"previousId": "h-0", "userId": "h-1"},
    "Device Created or Updated": {"userId": "h-1", "properties": {"device": {"token": "t"}}},
    "Device Deleted": {"userId": "h-1", "context": {"device": {"token": "t"}}},
    "Relationship Deleted": {"userId": "h-1", "properties": {"objectId": "hut", "objectTypeId": 2}},
    "Object Deleted": {"properties": {"objectId": "hut", "objectTypeId": 2}},
    "Report Delivery Event": {"properties": {"deliveryId": "d", "metric": "opened"}},
}


def with_value(fields: Fields, path: str, value: Value) -> Fields:
    """Return a copy of the fields with a value at a path such as `traits.email`."""
    name, _, rest = path.partition(".")
    if not rest:
        return {**fields, name: value}
    inner = fields.get(name, {})
    assert isinstance(inner, dict)
    return {**fields, name: with_value(inner, rest, value)}


@pytest.mark.parametrize("text", [*MISSING, *CONTROL])
@pytest.mark.parametrize(("target", "name", "path"), CUSTOMERIO, ids=[f"{c[1] or c[0]}-{c[2]}" for c in CUSTOMERIO])
def test_customerio_id_that_identifies_nothing_is_refused(target: str, name: str | None, path: str, text: str) -> None:
    valid = with_value(VALID.get(name or target) or VALID.get(target) or {"userId": "h-1"}, path, "h-7")
    assert isinstance(customerio_harness.encode(target, valid, name), Encoded)
    detail = customerio_harness.detail(target, with_value(valid, path, text), name)
    shown = "device.token" if path.endswith("device.token") else path
    assert detail.startswith(f"{shown}: must ")
    assert repr(text)[1:-1] not in detail.replace("null, undefined, None, NaN or [object Object]", "")


@pytest.mark.parametrize("text", [*MISSING, *CONTROL])
@pytest.mark.parametrize("target", sorted({*EVENT_TYPES, "consent"}))
def test_copilot_id_that_identifies_nothing_is_refused(target: str, text: str) -> None:
    fields = copilot_harness.COPILOT.targets[target].fields
    valid: Fields = (
        {"user_id": "h-1", "consent_value": True} if target == "consent" else copilot_harness.minimum_fields(target)
    )
    for name in fields.keys() & {"user_id", "thing_id"} | ({"email"} if target == "unsubscribe" else set()):
        assert isinstance(copilot_harness.encode(target, {**valid, name: "h-7"}), Encoded)
        assert copilot_harness.detail(target, {**valid, name: text}).startswith(f"{name}: must be text of letters")


def test_copilot_status_named_none_is_no_id() -> None:
    payload = copilot_harness.payload(
        "thing_status_changed", {"thing_id": "t-1", "status_key": "none", "status_value": "null"}
    )
    assert payload == {"thing_id": "t-1", "status_key": "none", "status_value": "null"}


@pytest.mark.parametrize("text", [*MISSING, *CONTROL])
def test_yotpo_id_that_identifies_nothing_is_refused(text: str) -> None:
    assert test_yotpo.detail({"customer": {"external_id": text}}).startswith("customer.external_id: must ")
    assert test_yotpo.detail({"customer": {"phone_number": text}}).startswith("customer.phone_number: must ")
    assert test_yotpo.detail({"customer": {"email": text}}).startswith("customer.email: must ")
    email = f"{text.strip()}\x00@example.org"
    assert test_yotpo.detail({"customer": {"email": email}}) == "customer.email: must be an email address"


def test_attributes_may_be_texts_that_are_no_ids() -> None:
    """Only ids are checked: a person can be called Null."""
    fields: Fields = {"userId": "h-1", "traits": {"last_name": "Null", "email": "", "note": "a\nb"}}
    assert isinstance(customerio_harness.encode("identify", fields), Encoded)
    assert isinstance(copilot_harness.encode("user_updated", {"user_id": "h-1", "last_name": "None"}), Encoded)
    assert isinstance(
        test_yotpo.encode({"customer": {"external_id": "h-1"}, "properties": {"last_name": "Null"}}), Encoded
    )


# ── The mapping's own ids ──

SCHEMA = record(
    "shop.E",
    hiker=["null", "long"],
    ref="string",
    stops={"type": "array", "items": record("shop.Stop", ref="string")},
)


def hike(hiker: int | None = None, ref: str = "r-1", stops: tuple[str, ...] = (), **more: Json) -> FakeMessage:
    datum = encode(SCHEMA, {"hiker": hiker, "ref": ref, "stops": [{"ref": each} for each in stops]})
    return FakeMessage(with_schema_id(1, datum), **more)


@pytest.mark.parametrize("text", [*MISSING, *CONTROL, "", " "])
def test_own_id_that_identifies_nothing_is_unmappable(text: str) -> None:
    of_event = new_translator(mapping_with("{a: ref}", event_lines="id: ref"), SCHEMA)
    fault = one_fault(of_event.translate([hike(ref=text)]))
    assert fault == Fault(DeadLetterCause.UNMAPPABLE, f"add: id: {id_problem(text)}")
    of_elements = new_translator(mapping_with("{a: ref}", entry_lines="each: stops\nid: ref"), SCHEMA)
    out = of_elements.translate([hike(stops=("s-1", text))])
    assert [each.fault for each in out.faults] == [Fault(DeadLetterCause.UNMAPPABLE, f"add: id: {id_problem(text)}")]
    assert len(out.columns["vendor"].bodies) == 1


def test_null_made_text_is_left_out_of_the_fields() -> None:
    """Guests without an id are not one person named null."""
    translator = new_translator(mapping_with("{user: to_string(hiker), ref: ref}"), SCHEMA)
    bodies = translator.translate([hike(None, "r-1"), hike(77, "r-2")]).columns["vendor"].bodies
    assert [json.loads(body)["fields"] for body in bodies] == [{"ref": "r-1"}, {"user": "77", "ref": "r-2"}]


# ── Keys and headers in bytes ──

ENCODED = [
    b"\x00\x00\x00\x00\x07\x0ah-100",  # Confluent's prefix, then Avro text
    b"\x00\x00\x00\x01\x00\x0ah-100",  # the same, of schema 256
    b"\x0ah-100",  # Avro text alone: its length first
    (81).to_bytes(8, "big"),
    (2_600).to_bytes(4, "big"),
]


@pytest.mark.parametrize("content", ENCODED)
def test_encoded_key_or_header_read_as_text_is_unmappable(content: bytes) -> None:
    message = hike(key_bytes=content, header_list=[("hiker", content)])
    for call in ("meta('key')", "header('hiker')"):
        what = call if call.startswith("meta") else "header()"
        fault = one_fault(new_translator(mapping_with(f'{{a: "{call}"}}'), SCHEMA).translate([message]))
        assert fault.cause is DeadLetterCause.UNMAPPABLE
        assert fault.detail == (
            f"add: fields.a: {what} is not plain text: it is encoded with a schema, or a number in bytes; "
            "use a field of the event"
        )


def test_key_with_its_schema_in_a_header_is_unmappable() -> None:
    """Avro text of 36 letters begins with `H`, its length: nothing in the bytes shows that it is encoded."""
    key = b"H" + b"6d0c4c51-9f0e-4a5a-8f6c-9a1102030405"
    translator = new_translator(mapping_with("{a: \"meta('key')\"}"), SCHEMA)
    fault = one_fault(
        translator.translate([hike(key_bytes=key, header_list=[("__key_schema_id", b"\x00\x00\x00\x00\x07")])])
    )
    assert "meta('key') is not plain text" in fault.detail
    plain = translator.translate([hike(key_bytes=key)])
    assert json.loads(plain.columns["vendor"].bodies[0])["fields"] == {"a": key.decode()}


def test_key_that_is_not_utf_8_is_unmappable() -> None:
    translator = new_translator(mapping_with("{a: \"meta('key')\"}"), SCHEMA)
    fault = one_fault(translator.translate([hike(key_bytes=b"\xc3\x01h")]))
    assert fault.detail == "add: fields.a: meta('key') is not UTF-8 text; use a field of the event"
