"""A lot of records in: what is refused, what waits, and what is known of a record without decoding it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.model import DeadLetterCause, Fault, SkipReason
from consumer.translation import delivery_id
from consumer.translation.avro.schema_directory import load_schemas
from tests.unit.order_event import EVENT, SCHEMA, order_message, one_fault, sent_fields
from tests.unit.translator_harness import (
    NOW_MS,
    FakeDestination,
    FakeMessage,
    encode,
    mapping_with,
    translator,
    with_schema_id,
)

# ── What is refused ──


@pytest.mark.parametrize(
    ("fields", "beside", "event", "detail"),
    [
        ("{a: {b: cents(status)}}", "", "", "add: fields.a.b: cents() takes null or number, not string"),
        ("{a: {each: status, fields: {b: c}}}", "", "", "add: fields.a: each: must be an array, not string"),
        (
            "{a: {each: items, fields: {b: cents(sku)}}}",
            "",
            "",
            "add: fields.a: cents() takes null or number, not string",
        ),
        ("{a: status}", "when: status", "", "add: when: must be a boolean, not string"),
        ("{a: status}", "when: nothing", "", "add: when: must be a boolean, not null"),
        ("{a: status}", "consent: cents(status)", "", "add: consent: cents() takes null or number, not string"),
        ("{a: status}", "each: status\nid: sku", "", "add: each: must be an array, not string"),
        ("{a: status}", "each: cents(status)\nid: sku", "", "add: each: cents() takes null or number, not string"),
        ("{a: [cents(status)]}", "", "", "add: fields.a: cents() takes null or number, not string"),
        ("{a: {value: 1}, b: cents(status)}", "", "", "add: fields.b: cents() takes null or number, not string"),
        ("{a: {b: status}, c: cents(status)}", "", "", "add: fields.c: cents() takes null or number, not string"),
        ("{a: status}", "", "id: nothing", "add: id: must be text, a number or a time, not null"),
        ("{a: status}", "", "id: items", "add: id: must be text, a number or a time, not array"),
        ("{a: status}", "", "id: id\nkey: more", "add: key: must be text, a number or a time, not object"),
        (
            "{a: status}",
            "",
            "time: status",
            "add: time: time() needs ISO 8601 with an offset, or whole epoch milliseconds",
        ),
    ],
    ids=lambda value: value or "-",
)
def test_what_has_no_value_is_unmappable_and_says_where(fields: str, beside: str, event: str, detail: str) -> None:
    fault = one_fault(
        translator(mapping_with(fields, entry_lines=beside, event_lines=event), SCHEMA).translate([order_message()])
    )
    assert fault == Fault(DeadLetterCause.UNMAPPABLE, detail)
    assert "PAID" not in fault.detail


def test_what_the_destination_does_not_take_is_a_fault_of_that_delivery() -> None:
    text = (
        mapping_with("{forbidden: status}")
        + "      - to: vendor.add\n        label: fine\n        fields: {s: status}\n"
    )
    out = translator(text, SCHEMA).translate([order_message()])
    assert [(each.fault.cause, each.entry and each.entry.label) for each in out.faults] == [
        (DeadLetterCause.CONTRACT, "add")
    ]
    assert [each.label for each in out.columns["vendor"].entries] == ["fine"]


@pytest.mark.parametrize(
    ("fields", "beside", "event", "time_ms"),
    [
        ("{forbidden: status}", "", "id: id\ntime: at", 1000),
        ("{a: cents(status)}", "", "id: id\ntime: at", 1000),
        ("{a: status}", "when: status", "id: id\ntime: at", 1000),
        ("{a: status}", "each: status\nid: sku", "id: id\ntime: at", 1000),
        ("{a: status}", "each: cents(status)\nid: sku", "id: id\ntime: at", 1000),
        ("{a: status}", "", "id: id\ntime: at\nkey: more", 1000),
        ("{a: status}", "", "id: id\ntime: status", NOW_MS),
    ],
)
def test_what_cannot_be_said_has_the_id_that_the_destination_would_have_had(
    fields: str, beside: str, event: str, time_ms: int
) -> None:
    out = translator(mapping_with(fields, entry_lines=beside, event_lines=event), SCHEMA).translate([order_message(7)])
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), delivery_id.own_id("e-1"))
    assert [each.identity for each in out.faults] == [f"{time_ms}-{digest.hex()}"]


def test_an_event_whose_own_id_cannot_be_had_is_known_by_its_place_and_its_own_time() -> None:
    out = translator(mapping_with("{a: status}", event_lines="id: nothing\ntime: at"), SCHEMA).translate(
        [order_message(7)]
    )
    who = delivery_id.position(delivery_id.partition_prefix("shop", 0), 7)
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), who)
    assert [each.identity for each in out.faults] == [f"1000-{digest.hex()}"]


def test_an_undecodable_record_has_an_identity_of_its_place_alone() -> None:
    out = translator(mapping_with("{s: status}"), SCHEMA).translate(
        [FakeMessage(with_schema_id(1, b"\xff"), 41, ("shop.orders", 3))]
    )
    who = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert out.faults[0].identity == delivery_id.digest(delivery_id.entry_hash("", "", ""), who).hex()
    assert out.faults[0].entry is None
    assert out.faults[0].fault.cause is DeadLetterCause.UNDECODABLE


def test_a_schema_that_cannot_be_used_makes_its_records_undecodable() -> None:
    made = translator(mapping_with("{s: status}"))
    fault = made.learn(1, "{", {})
    assert fault is not None
    assert made.translate([order_message()]).faults[0].fault == fault


# ── What waits ──


def test_a_missing_schema_holds_its_partition_and_no_other() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA)
    lot = [order_message(0), order_message(1, key=9), order_message(2), FakeMessage(None, 3), order_message(4)]
    lot[4].topic_partition = ("shop", 1)
    out = made.translate(lot)
    assert out.waiting == [1, 2, 3]
    assert out.missing == {9}
    assert out.columns["vendor"].records == [0, 4]
    assert made.learn(9, json.dumps(SCHEMA), {}) is None
    again = made.translate([lot[index] for index in out.waiting])
    assert not again.waiting
    assert again.columns["vendor"].records == [0, 1]


def test_an_unknown_schema_waits_for_its_grace_and_is_then_refused() -> None:
    clock = [NOW_MS]
    made = translator(mapping_with("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    young, old = order_message(1, key=9), order_message(0, key=9)
    old.timestamp_ms = NOW_MS - 60_000
    young.topic_partition = ("shop", 1)
    out = made.translate([old, young])
    assert out.waiting == [1]
    assert not out.missing
    assert [(each.record, each.fault.cause) for each in out.faults] == [(0, DeadLetterCause.UNKNOWN_SCHEMA)]


def test_the_registrys_no_is_believed_for_thirty_seconds() -> None:
    clock = [NOW_MS]
    made = translator(mapping_with("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    clock[0] += 29_999
    assert not made.translate([order_message(key=9)]).missing
    clock[0] += 1
    assert made.translate([order_message(key=9)]).missing == {9}
    made.learn_unknown(9, clock[0])
    clock[0] += 30_001
    assert made.translate([order_message(key=9)]).waiting == [0]
    made.learn_unknown(9, clock[0])
    assert one_fault(made.translate([order_message(key=9)])).cause is DeadLetterCause.UNKNOWN_SCHEMA


def test_a_schema_that_is_known_is_not_unlearned() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA)
    made.learn_unknown(1, NOW_MS)
    assert sent_fields(made.translate([order_message()])) == [{"s": "PAID"}]


def test_millions_of_keys_that_are_none_do_not_fill_the_memory() -> None:
    made = translator(mapping_with("{s: status}"))
    for key in range(10_001):
        made.learn_unknown(key, NOW_MS)
    assert made.translate([order_message(key=0)]).missing == {0}
    assert made.translate([order_message(key=10_000)]).missing == set()


def test_a_record_from_the_future_does_not_wait_for_it() -> None:
    clock = [NOW_MS]
    made = translator(mapping_with("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    late = order_message(key=9)
    late.timestamp_ms = NOW_MS + 10**9
    assert made.translate([late]).waiting == [0]
    clock[0] += 60_000
    made.learn_unknown(9, clock[0])
    assert one_fault(made.translate([late])).cause is DeadLetterCause.UNKNOWN_SCHEMA


def test_a_fingerprint_that_is_not_there_waits_and_is_never_asked_for() -> None:
    clock = [NOW_MS]
    made = translator(mapping_with("{s: status}"), clock=clock)
    message = FakeMessage(b"\xc3\x01" + bytes(8))
    out = made.translate([message])
    assert (out.waiting, out.missing, made.schemas_known()) == ([0], set(), 0)
    clock[0] += 60_000
    out = made.translate([message])
    assert not out.missing
    assert one_fault(out).detail == "no file in the schema directory has this fingerprint"


def test_single_object_encoding_is_read_with_the_directory(tmp_path: Path) -> None:
    (tmp_path / "e.avsc").write_text(json.dumps(SCHEMA))
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    (key,) = schemas.by_fingerprint
    made = translator(mapping_with("{s: status}"), schemas=schemas)
    message = FakeMessage(b"\xc3\x01" + int(key, 16).to_bytes(8, "little") + encode(SCHEMA, EVENT))
    assert sent_fields(made.translate([message])) == [{"s": "PAID"}]
    assert made.schema_id(message) == key
    assert made.schemas_known() == 1
    assert made.event_type(message) == "shop.E"


# ── One at a time, and what is known without decoding ──


def test_one_delivery_of_a_record_can_be_had_alone() -> None:
    text = mapping_with("{s: status}") + "      - to: vendor.add\n        label: other\n        fields: {t: status}\n"
    made = translator(text, SCHEMA)
    whole = made.translate([order_message(3)]).columns["vendor"]
    alone = made.one(order_message(3), whole.entries[1]).columns["vendor"]
    assert alone.bodies == whole.bodies[1:]
    assert alone.identities == whole.identities[1:]


def test_one_delivery_alone_counts_and_refuses_nothing_of_the_others() -> None:
    text = mapping_with("{s: status}", event_lines="id: items")
    text += "      - to: vendor.add\n        label: b\n        fields: {s: status}\n"
    text += "      - to: other.add\n        label: c\n        fields: {s: status}\n"
    destinations = {"vendor": FakeDestination(), "other": FakeDestination("other")}
    made = translator(text, SCHEMA, destinations=destinations, disabled=["other"])
    whole = made.translate([order_message()])
    first, second = [each.entry for each in whole.faults]
    assert whole.skipped == {("other", "shop.E", SkipReason.DISABLED): 1}
    assert second is not None
    alone = made.one(order_message(), second)
    assert [each.entry for each in alone.faults] == [second] != [first]
    assert not alone.skipped


def test_what_a_dead_letter_says_of_a_record_is_known_without_decoding() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA)
    assert (made.schema_id(order_message()), made.event_type(order_message())) == ("1", "shop.E")
    assert (made.schema_id(order_message(key=9)), made.event_type(order_message(key=9))) == ("9", None)
    assert (made.schema_id(FakeMessage(b"x")), made.event_type(FakeMessage(b"x"))) == (None, None)
