"""Batches of records to columns of deliveries: deliveries and skips."""

from __future__ import annotations

from consumer.model import DeadLetterCause, SkipReason
from consumer.translation import delivery_id
from tests.unit.order_event import EVENT, SCHEMA, order_message, sent_fields
from tests.unit.translator_harness import (
    NOW_MS,
    FakeDestination,
    FakeMessage,
    encode,
    mapping_with,
    new_translator,
    record,
    with_schema_id,
)

# ── Deliveries ──


def test_record_becomes_one_delivery() -> None:
    translator = new_translator(mapping_with("{s: status}", event_lines="id: id\ntime: at\nkey: status"), SCHEMA)
    out = translator.translate([order_message(7)])
    column = out.columns["vendor"]
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), delivery_id.own_id("e-1"))
    assert sent_fields(out) == [{"s": "PAID"}]
    assert column.identities == [f"1000-{digest.hex()}"]
    assert column.times_ms == [1000]
    assert column.keys == [hash(("shop", 0, "PAID"))]
    assert [each.label for each in column.entries] == ["add"]
    assert column.records == [0]
    assert column.envelopes[0].endpoint.name == "add"
    assert out.decoded == {"shop.E": 1}
    assert not out.faults
    assert not out.skipped


def test_missing_id_time_and_key_use_the_records_own() -> None:
    """Its position, its timestamp and its key."""
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    column = translator.translate([order_message(7)]).columns["vendor"]
    event_id = delivery_id.position(delivery_id.partition_prefix("shop", 0), 7)
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), event_id)
    assert column.identities == [f"{NOW_MS}-{digest.hex()}"]
    assert column.times_ms == [NOW_MS]
    assert column.keys == [hash(("shop", 0, b"k"))]


def test_record_without_any_key_has_a_unique_ordering_key() -> None:
    translator = new_translator(mapping_with("{s: status}"), SCHEMA)
    first, second = order_message(1), order_message(2)
    first.key_bytes = second.key_bytes = None
    keys = translator.translate([first, second]).columns["vendor"].keys
    assert keys[0] != keys[1]
    assert translator.translate([first]).columns["vendor"].keys == keys[:1]


def test_event_time_is_text_or_milliseconds_and_null_is_timestamp() -> None:
    for time, expected in (("total", None), ("'1970-01-01T00:00:02Z'", 2000), ("`3000`", 3000), ("nothing", NOW_MS)):
        out = new_translator(mapping_with("{s: status}", event_lines=f"time: {time!r}"), SCHEMA).translate(
            [order_message()]
        )
        assert out.columns["vendor"].times_ms == ([] if expected is None else [expected])


def test_nulls_and_empty_objects_are_left_out_at_every_depth() -> None:
    fields = """{a: nothing, b: more, c: {d: nothing}, e: "[nothing, status]", f: {value: null}, g: [nothing, status],
          h: {each: items, fields: {n: n, x: x}}, i: {each: items, fields: {x: x}}, j: "{k: nothing}",
          l: {value: {m: null}}, o: {p: {value: 1.10}}, q: total}"""
    out = new_translator(mapping_with(fields), SCHEMA).translate([order_message()])
    assert sent_fields(out) == [
        {
            "b": {"y": "z"},
            "e": ["PAID"],
            "f": None,
            "g": ["PAID"],
            "h": [{"n": 1}, {"n": 2}],
            "i": [],
            "l": {"m": None},
            "o": {"p": "1.10"},
            "q": "12.34",
        }
    ]


def test_mandatory_object_is_sent_when_empty() -> None:
    text = mapping_with("{user: status, extra: {city: nothing}, mail: nothing}").replace("vendor.add", "vendor.strict")
    assert sent_fields(new_translator(text, SCHEMA).translate([order_message()])) == [{"user": "PAID", "extra": {}}]


def test_is_tests_a_union_by_full_name() -> None:
    schema = record("shop.E", customer=[record("shop.A", a="string"), record("shop.B", b="string")])
    translator = new_translator(mapping_with("{s: customer}", entry_lines="when: is(customer, 'shop.B')"), schema)
    batch = [
        FakeMessage(with_schema_id(1, encode(schema, {"customer": customer})))
        for customer in (("shop.A", {"a": "x"}), ("shop.B", {"b": "y"}))
    ]
    out = translator.translate(batch)
    assert sent_fields(out) == [{"s": {"b": "y"}}]
    assert out.columns["vendor"].records == [1]


def test_each_element_becomes_a_delivery() -> None:
    """`event()` reads the whole event within it."""
    entry_lines = "each: items\nid: sku\nwhen: n > `0`"
    out = new_translator(
        mapping_with("{sku: sku, status: event().status}", entry_lines=entry_lines, event_lines="id: id"), SCHEMA
    ).translate([order_message()])
    entry = delivery_id.entry_hash("shop.E", "vendor", "add")
    assert sent_fields(out) == [{"sku": "a", "status": "PAID"}, {"sku": "b", "status": "PAID"}]
    assert out.columns["vendor"].records == [0, 0]
    assert out.columns["vendor"].identities == [
        f"{NOW_MS}-{delivery_id.digest(entry, delivery_id.own_id('e-1'), sku).hex()}" for sku in ("a", "b")
    ]


def test_repeated_element_is_refused_but_not_its_first() -> None:
    items = [{"sku": sku, "n": n} for sku, n in (("a", 1), ("a", 2), ("a", 3), (None, 4), ("b", 5))]
    out = new_translator(mapping_with("{n: n}", entry_lines="each: items\nid: sku"), SCHEMA).translate(
        [order_message(items=items)]
    )
    assert sent_fields(out) == [{"n": 1}, {"n": 5}]
    assert [each.fault.cause for each in out.faults] == [
        DeadLetterCause.REPEATED_ELEMENT,
        DeadLetterCause.REPEATED_ELEMENT,
        DeadLetterCause.UNMAPPABLE,
    ]
    assert len({each.identity for each in out.faults} | set(out.columns["vendor"].identities)) == 5


def test_element_without_id_does_not_affect_others() -> None:
    items = [{"sku": sku, "n": 1} for sku in ("1970-01-01T00:00:00Z", "never")]
    out = new_translator(mapping_with("{n: n}", entry_lines="each: items\nid: time(sku)"), SCHEMA).translate(
        [order_message(items=items)]
    )
    assert sent_fields(out) == [{"n": 1}]
    assert [each.fault.detail for each in out.faults] == [
        "add: id: time() needs ISO 8601 with an offset, or whole epoch milliseconds"
    ]


def test_null_element_is_ignored() -> None:
    schema = record("shop.E", items={"type": "array", "items": ["null", record("shop.Item", sku="string")]})
    translator = new_translator(
        mapping_with("{sku: sku, all: event().items}", entry_lines="each: items\nid: sku"), schema
    )
    out = translator.translate([FakeMessage(with_schema_id(1, encode(schema, {"items": [None, {"sku": "a"}]})))])
    assert sent_fields(out) == [{"sku": "a", "all": [{"sku": "a"}]}]
    assert not out.faults


def test_no_elements_give_no_deliveries() -> None:
    for path in ("items", "nothing"):
        out = new_translator(mapping_with("{n: n}", entry_lines=f"each: {path}\nid: sku"), SCHEMA).translate(
            [order_message(items=[])]
        )
        assert sum(out.decoded.values()) == 1
        assert not out.faults
        assert not out.columns["vendor"].bodies


# ── Skips ──


def test_when_and_consent_skips_are_counted() -> None:
    for entry_lines, changes, reason in (
        ("when: status == 'OPEN'", {}, SkipReason.FILTERED),
        ("consent: ok", {"ok": False}, SkipReason.NO_CONSENT),
        ("consent: ok", {"ok": None}, SkipReason.NO_CONSENT),
        ("consent: status", {}, SkipReason.NO_CONSENT),
    ):
        out = new_translator(mapping_with("{s: status}", entry_lines=entry_lines), SCHEMA).translate(
            [order_message(**changes)]
        )
        assert out.skipped == {("vendor", "shop.E", reason): 1}
        assert not out.columns["vendor"].bodies
        assert not out.faults


def test_tombstone_is_skipped_and_empty_value_is_undecodable() -> None:
    out = new_translator(mapping_with("{s: status}"), SCHEMA).translate([FakeMessage(None), FakeMessage(b"", 1)])
    assert out.skipped == {("", "", SkipReason.TOMBSTONE): 1}
    assert [(each.record, each.entry, each.fault.cause) for each in out.faults] == [
        (1, None, DeadLetterCause.UNDECODABLE)
    ]


def test_unmapped_event_type_is_skipped_without_decoding() -> None:
    translator = new_translator(mapping_with("{s: status}"), record("shop.Other", a="string"))
    out = translator.translate([FakeMessage(with_schema_id(1, b"\xff\xff"))])
    assert out.skipped == {("", "shop.Other", SkipReason.NO_MAPPING): 1}
    assert not out.decoded


def test_unmapped_branch_of_top_level_union_is_skipped() -> None:
    union = ["null", record("shop.Other", a="string"), SCHEMA]
    translator = new_translator(mapping_with("{s: status}"), union)
    batch = [
        FakeMessage(with_schema_id(1, b"\x00")),
        FakeMessage(with_schema_id(1, b"\x02\xff\xff")),
        FakeMessage(with_schema_id(1, encode(union, ("shop.E", EVENT)))),
        FakeMessage(with_schema_id(1, b"\x08")),
    ]
    out = translator.translate(batch)
    assert out.skipped == {("", "null", SkipReason.NO_MAPPING): 1, ("", "shop.Other", SkipReason.NO_MAPPING): 1}
    assert out.columns["vendor"].records == [2]
    assert [each.record for each in out.faults] == [3]


def test_disabled_destination_is_counted_without_decoding() -> None:
    translator = new_translator(mapping_with("{s: status}"), SCHEMA, disabled=["vendor"])
    out = translator.translate([order_message()])
    assert out.skipped == {("vendor", "shop.E", SkipReason.DISABLED): 1}
    assert not out.decoded
    assert not out.columns["vendor"].bodies


def test_disabled_destination_does_not_affect_another() -> None:
    text = mapping_with("{s: status}") + "      - to: other.add\n        label: b\n        fields: {s: status}\n"
    destinations = {"vendor": FakeDestination(), "other": FakeDestination("other")}
    out = new_translator(text, SCHEMA, destinations=destinations, disabled=["other"]).translate([order_message()])
    assert out.skipped == {("other", "shop.E", SkipReason.DISABLED): 1}
    assert len(out.columns["vendor"].bodies) == 1
    assert not out.columns["other"].bodies
