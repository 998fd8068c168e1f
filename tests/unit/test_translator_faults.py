"""Batches of records to columns of deliveries: faults, waiting records, and results without decoding."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.destinations import Encoded, Encoder
from consumer.destinations.encoding import dumps, encoding_fault
from consumer.model import DeadLetterCause, Fault, SkipReason
from consumer.model.values import Fields
from consumer.translation import delivery_id
from consumer.translation.avro.schema_directory import load_schemas
from tests.unit.order_event import EVENT, SCHEMA, one_fault, order_message, sent_fields
from tests.unit.translator_harness import (
    NOW_MS,
    FakeDestination,
    FakeMessage,
    Json,
    encode,
    mapping_with,
    new_translator,
    record,
    with_schema_id,
)

# ── Faults ──


@pytest.mark.parametrize(
    ("fields", "entry_lines", "event_lines", "detail"),
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
def test_unmappable_fault_names_the_place_and_the_reason(
    fields: str, entry_lines: str, event_lines: str, detail: str
) -> None:
    fault = one_fault(
        new_translator(mapping_with(fields, entry_lines=entry_lines, event_lines=event_lines), SCHEMA).translate(
            [order_message()]
        )
    )
    assert fault == Fault(DeadLetterCause.UNMAPPABLE, detail)
    assert "PAID" not in fault.detail


class StrictDestination(FakeDestination):
    """Encodes as the real destinations do."""

    def encoder(self, target: str, name: str | None) -> Encoder:  # noqa: ARG002 - all targets are alike
        def encode(fields: Fields, identity: bytes, time_ns: int) -> Encoded | Fault:
            body = dumps(fields)
            return (
                encoding_fault(fields)
                if body is None
                else Encoded(body, self.envelope, self.identity(identity, time_ns))
            )

        return encode


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize(
    ("fields", "place"),
    [
        ("{a: b.price}", "fields.a"),
        ("{a: {c: b.price}}", "fields.a.c"),
        ("{a: b}", "fields.a"),
        ("{a: '[b, `1`]'}", "fields.a"),
        ("{a: {each: '[b]', fields: {c: price}}}", "fields.a"),
    ],
)
def test_number_that_is_not_finite_is_unmappable_and_named(fields: str, place: str, number: float) -> None:
    schema = record("shop.E", b=record("shop.Price", price="double"))
    message = FakeMessage(with_schema_id(1, encode(schema, {"b": {"price": number}})))
    translator = new_translator(mapping_with(fields), schema, destinations={"vendor": StrictDestination()})
    fault = one_fault(translator.translate([message]))
    assert fault == Fault(DeadLetterCause.UNMAPPABLE, f"add: {place}: a number is not finite (NaN or infinity)")


def test_contract_fault_affects_only_its_delivery() -> None:
    text = (
        mapping_with("{forbidden: status}")
        + "      - to: vendor.add\n        label: fine\n        fields: {s: status}\n"
    )
    out = new_translator(text, SCHEMA).translate([order_message()])
    assert [(each.fault.cause, each.entry and each.entry.label) for each in out.faults] == [
        (DeadLetterCause.CONTRACT, "add")
    ]
    assert [each.label for each in out.columns["vendor"].entries] == ["fine"]


@pytest.mark.parametrize(
    ("fields", "entry_lines", "event_lines", "time_ms"),
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
def test_fault_has_the_id_the_destination_would_have_received(
    fields: str, entry_lines: str, event_lines: str, time_ms: int
) -> None:
    out = new_translator(mapping_with(fields, entry_lines=entry_lines, event_lines=event_lines), SCHEMA).translate(
        [order_message(7)]
    )
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), delivery_id.own_id("e-1"))
    assert [each.identity for each in out.faults] == [f"{time_ms}-{digest.hex()}"]


def test_event_without_usable_id_is_identified_by_position() -> None:
    """The time in its id is still the event's own."""
    out = new_translator(mapping_with("{a: status}", event_lines="id: nothing\ntime: at"), SCHEMA).translate(
        [order_message(7)]
    )
    event_id = delivery_id.position(delivery_id.partition_prefix("shop", 0), 7)
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), event_id)
    assert [each.identity for each in out.faults] == [f"1000-{digest.hex()}"]


def test_undecodable_record_is_identified_by_position_alone() -> None:
    out = new_translator(mapping_with("{s: status}"), SCHEMA).translate(
        [FakeMessage(with_schema_id(1, b"\xff"), 41, ("shop.orders", 3))]
    )
    event_id = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert out.faults[0].identity == delivery_id.digest(delivery_id.entry_hash("", "", ""), event_id).hex()
    assert out.faults[0].entry is None
    assert out.faults[0].fault.cause is DeadLetterCause.UNDECODABLE


def test_unusable_schema_makes_its_records_undecodable() -> None:
    translator = new_translator(mapping_with("{s: status}"))
    fault = translator.learn(1, "{", {})
    assert fault is not None
    assert translator.translate([order_message()]).faults[0].fault == fault


# ── Waiting records ──


def test_missing_schema_holds_only_its_partition() -> None:
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    batch = [order_message(0), order_message(1, key=9), order_message(2), FakeMessage(None, 3), order_message(4)]
    batch[4].topic_partition = ("shop", 1)
    out = translator.translate(batch)
    assert out.waiting == [1, 2, 3]
    assert out.missing == {9}
    assert out.columns["vendor"].records == [0, 4]
    assert translator.learn(9, json.dumps(SCHEMA), {}) is None
    again = translator.translate([batch[index] for index in out.waiting])
    assert not again.waiting
    assert again.columns["vendor"].records == [0, 1]


def test_unknown_schema_waits_for_the_grace_time_then_is_a_fault() -> None:
    clock = [NOW_MS]
    translator = new_translator(mapping_with("{s: status}"), clock=clock)
    translator.learn_unknown(9, NOW_MS)
    young, old = order_message(1, key=9), order_message(0, key=9)
    old.timestamp_ms = NOW_MS - 60_000
    young.topic_partition = ("shop", 1)
    out = translator.translate([old, young])
    assert out.waiting == [1]
    assert not out.missing
    assert [(each.record, each.fault.cause) for each in out.faults] == [(0, DeadLetterCause.UNKNOWN_SCHEMA)]


def test_unknown_schema_is_requested_again_after_thirty_seconds() -> None:
    clock = [NOW_MS]
    translator = new_translator(mapping_with("{s: status}"), clock=clock)
    translator.learn_unknown(9, NOW_MS)
    clock[0] += 29_999
    assert not translator.translate([order_message(key=9)]).missing
    clock[0] += 1
    assert translator.translate([order_message(key=9)]).missing == {9}
    translator.learn_unknown(9, clock[0])
    clock[0] += 30_001
    assert translator.translate([order_message(key=9)]).waiting == [0]
    translator.learn_unknown(9, clock[0])
    assert one_fault(translator.translate([order_message(key=9)])).cause is DeadLetterCause.UNKNOWN_SCHEMA


def test_quarantined_record_does_not_wait_for_its_schema() -> None:
    """The records behind it go on waiting, until the directive covers them too or ends."""
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    batch = [order_message(0), order_message(1, key=9), order_message(2), order_message(3, key=9), order_message(4)]
    translator.quarantine({("shop", 0, 1), ("shop", 0, 0), ("shop", 1, 3)})
    out = translator.translate(batch)
    assert [(each.record, each.entry, each.fault.cause) for each in out.faults] == [
        (1, None, DeadLetterCause.QUARANTINED)
    ]
    assert out.columns["vendor"].records == [0, 2]
    assert out.waiting == [3, 4]
    translator.quarantine(())
    assert translator.translate(batch[1:]).waiting == [0, 1, 2, 3]


def test_known_schema_stays_when_reported_unknown() -> None:
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    translator.learn_unknown(1, NOW_MS)
    assert sent_fields(translator.translate([order_message()])) == [{"s": "PAID"}]


def test_number_of_unknown_keys_is_bounded() -> None:
    translator = new_translator(mapping_with("{s: status}"))
    for key in range(10_001):
        translator.learn_unknown(key, NOW_MS)
    assert translator.translate([order_message(key=0)]).missing == {0}
    assert translator.translate([order_message(key=10_000)]).missing == set()


def test_record_with_future_timestamp_waits_only_for_the_grace_time() -> None:
    clock = [NOW_MS]
    translator = new_translator(mapping_with("{s: status}"), clock=clock)
    translator.learn_unknown(9, NOW_MS)
    late = order_message(key=9)
    late.timestamp_ms = NOW_MS + 10**9
    assert translator.translate([late]).waiting == [0]
    clock[0] += 60_000
    translator.learn_unknown(9, clock[0])
    assert one_fault(translator.translate([late])).cause is DeadLetterCause.UNKNOWN_SCHEMA


def test_unknown_fingerprint_waits_and_is_never_requested() -> None:
    clock = [NOW_MS]
    translator = new_translator(mapping_with("{s: status}"), clock=clock)
    message = FakeMessage(b"\xc3\x01" + bytes(8))
    out = translator.translate([message])
    assert (out.waiting, out.missing, translator.schemas_known()) == ([0], set(), 0)
    clock[0] += 60_000
    out = translator.translate([message])
    assert not out.missing
    assert one_fault(out).detail == "no file in the schema directory has this fingerprint"


def test_single_object_encoding_uses_the_schema_directory(tmp_path: Path) -> None:
    (tmp_path / "e.avsc").write_text(json.dumps(SCHEMA))
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    (key,) = schemas.by_fingerprint
    translator = new_translator(mapping_with("{s: status}"), schemas=schemas)
    message = FakeMessage(b"\xc3\x01" + int(key, 16).to_bytes(8, "little") + encode(SCHEMA, EVENT))
    assert sent_fields(translator.translate([message])) == [{"s": "PAID"}]
    assert translator.schema_id(message) == key
    assert translator.schemas_known() == 1
    assert translator.event_type(message) == "shop.E"


# ── Types that no entry uses ──


@pytest.mark.parametrize(
    "schema",
    [
        record("port.Boat", at="port.Nowhere"),
        {"type": "record", "name": "port.Boat"},
        record("port.Boat", deep={"type": "array", "items": "null"}),
        [record("port.Boat", at="port.Nowhere"), "port.Other"],
        "port.Boat",
    ],
    ids=["lost reference", "no fields", "unsafe", "union", "name only"],
)
def test_record_of_an_unused_type_is_skipped(schema: Json) -> None:
    """Neither its schema nor its bytes matter."""
    translator = new_translator(mapping_with("{s: status}"), schema)
    out = translator.translate([FakeMessage(with_schema_id(1, content)) for content in (b"\x00", b"\x00\xff")])
    assert out.skipped == {("", "port.Boat", SkipReason.NO_MAPPING): 2}
    assert not out.faults
    assert not out.waiting
    assert not translator.uses_schema(json.dumps(schema))


def test_union_without_used_branch_is_skipped_whatever_its_branch() -> None:
    translator = new_translator(mapping_with("{s: status}"), ["null", record("port.Boat")])
    out = translator.translate([FakeMessage(with_schema_id(1, content)) for content in (b"\x06", b"\x02")])
    assert out.skipped == {("", "", SkipReason.NO_MAPPING): 1, ("", "port.Boat", SkipReason.NO_MAPPING): 1}
    assert not out.faults


def test_used_schema_with_a_lost_reference_is_a_fault() -> None:
    translator = new_translator(mapping_with("{s: status}"))
    fault = translator.learn(1, json.dumps(record("shop.E", at="port.Nowhere")), {})
    assert fault is not None
    assert fault.detail == "the schema cannot be used: it refers to a type that is not defined: port.Nowhere"
    assert translator.uses_schema('"shop.E"')


# ── A single entry, and results without decoding ──


def test_one_translates_a_single_entry() -> None:
    text = mapping_with("{s: status}") + "      - to: vendor.add\n        label: other\n        fields: {t: status}\n"
    translator = new_translator(text, SCHEMA)
    whole = translator.translate([order_message(3)]).columns["vendor"]
    alone = translator.one(order_message(3), whole.entries[1]).columns["vendor"]
    assert alone.bodies == whole.bodies[1:]
    assert alone.identities == whole.identities[1:]


def test_one_has_no_faults_or_skips_of_other_entries() -> None:
    text = mapping_with("{s: status}", event_lines="id: items")
    text += "      - to: vendor.add\n        label: b\n        fields: {s: status}\n"
    text += "      - to: other.add\n        label: c\n        fields: {s: status}\n"
    destinations = {"vendor": FakeDestination(), "other": FakeDestination("other")}
    translator = new_translator(text, SCHEMA, destinations=destinations, disabled=["other"])
    whole = translator.translate([order_message()])
    first, second = [each.entry for each in whole.faults]
    assert whole.skipped == {("other", "shop.E", SkipReason.DISABLED): 1}
    assert second is not None
    alone = translator.one(order_message(), second)
    assert [each.entry for each in alone.faults] == [second] != [first]
    assert not alone.skipped


def test_schema_id_and_event_type_are_known_without_decoding() -> None:
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    assert (translator.schema_id(order_message()), translator.event_type(order_message())) == ("1", "shop.E")
    assert (translator.schema_id(order_message(key=9)), translator.event_type(order_message(key=9))) == ("9", None)
    assert (translator.schema_id(FakeMessage(b"x")), translator.event_type(FakeMessage(b"x"))) == (None, None)
