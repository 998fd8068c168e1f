"""A lot of records in, columns of deliveries out: what is delivered, and what is skipped."""

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
    record,
    translator,
    with_schema_id,
)

# ── What is delivered ──


def test_a_record_becomes_one_row_of_its_column() -> None:
    made = translator(mapping_with("{s: status}", event_lines="id: id\ntime: at\nkey: status"), SCHEMA)
    out = made.translate([order_message(7)])
    column = out.columns["vendor"]
    who = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), delivery_id.own_id("e-1"))
    assert sent_fields(out) == [{"s": "PAID"}]
    assert column.identities == [f"1000-{who.hex()}"]
    assert column.times_ms == [1000]
    assert column.keys == [hash(("shop", 0, "PAID"))]
    assert [each.label for each in column.entries] == ["add"]
    assert column.records == [0]
    assert column.envelopes[0].endpoint.name == "add"
    assert out.decoded == {"shop.E": 1}
    assert not out.faults
    assert not out.skipped


def test_without_id_time_and_key_the_place_the_timestamp_and_the_records_key_stand_in() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA)
    column = made.translate([order_message(7)]).columns["vendor"]
    who = delivery_id.position(delivery_id.partition_prefix("shop", 0), 7)
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), who)
    assert column.identities == [f"{NOW_MS}-{digest.hex()}"]
    assert column.times_ms == [NOW_MS]
    assert column.keys == [hash(("shop", 0, b"k"))]


def test_a_record_without_any_key_is_its_own_key() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA)
    first, second = order_message(1), order_message(2)
    first.key_bytes = second.key_bytes = None
    keys = made.translate([first, second]).columns["vendor"].keys
    assert keys[0] != keys[1]
    assert made.translate([first]).columns["vendor"].keys == keys[:1]


def test_a_time_may_be_text_or_milliseconds_and_null_means_the_records() -> None:
    for time, expected in (("total", None), ("'1970-01-01T00:00:02Z'", 2000), ("`3000`", 3000), ("nothing", NOW_MS)):
        out = translator(mapping_with("{s: status}", event_lines=f"time: {time!r}"), SCHEMA).translate(
            [order_message()]
        )
        assert out.columns["vendor"].times_ms == ([] if expected is None else [expected])


def test_nulls_are_left_out_at_every_depth_and_so_are_objects_left_empty() -> None:
    fields = """{a: nothing, b: more, c: {d: nothing}, e: "[nothing, status]", f: {value: null}, g: [nothing, status],
          h: {each: items, fields: {n: n, x: x}}, i: {each: items, fields: {x: x}}, j: "{k: nothing}",
          l: {value: {m: null}}, o: {p: {value: 1.10}}, q: total}"""
    out = translator(mapping_with(fields), SCHEMA).translate([order_message()])
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


def test_an_object_that_the_target_insists_on_stays_when_it_is_empty() -> None:
    text = mapping_with("{user: status, extra: {city: nothing}, mail: nothing}").replace("vendor.add", "vendor.strict")
    assert sent_fields(translator(text, SCHEMA).translate([order_message()])) == [{"user": "PAID", "extra": {}}]


def test_a_union_of_records_is_narrowed_by_its_full_name() -> None:
    schema = record("shop.E", who=[record("shop.A", a="string"), record("shop.B", b="string")])
    made = translator(mapping_with("{s: who}", entry_lines="when: is(who, 'shop.B')"), schema)
    lot = [
        FakeMessage(with_schema_id(1, encode(schema, {"who": who})))
        for who in (("shop.A", {"a": "x"}), ("shop.B", {"b": "y"}))
    ]
    out = made.translate(lot)
    assert sent_fields(out) == [{"s": {"b": "y"}}]
    assert out.columns["vendor"].records == [1]


def test_each_element_becomes_a_delivery_with_the_event_in_reach() -> None:
    beside = "each: items\nid: sku\nwhen: n > `0`"
    out = translator(
        mapping_with("{sku: sku, status: event().status}", entry_lines=beside, event_lines="id: id"), SCHEMA
    ).translate([order_message()])
    begun = delivery_id.entry_hash("shop.E", "vendor", "add")
    assert sent_fields(out) == [{"sku": "a", "status": "PAID"}, {"sku": "b", "status": "PAID"}]
    assert out.columns["vendor"].records == [0, 0]
    assert out.columns["vendor"].identities == [
        f"{NOW_MS}-{delivery_id.digest(begun, delivery_id.own_id('e-1'), sku).hex()}" for sku in ("a", "b")
    ]


def test_an_element_repeated_in_a_record_is_refused_and_its_first_is_not() -> None:
    items = [{"sku": sku, "n": n} for sku, n in (("a", 1), ("a", 2), ("a", 3), (None, 4), ("b", 5))]
    out = translator(mapping_with("{n: n}", entry_lines="each: items\nid: sku"), SCHEMA).translate(
        [order_message(items=items)]
    )
    assert sent_fields(out) == [{"n": 1}, {"n": 5}]
    assert [each.fault.cause for each in out.faults] == [
        DeadLetterCause.REPEATED_ELEMENT,
        DeadLetterCause.REPEATED_ELEMENT,
        DeadLetterCause.UNMAPPABLE,
    ]
    assert len({each.identity for each in out.faults} | set(out.columns["vendor"].identities)) == 5


def test_an_element_whose_id_has_no_value_costs_no_other() -> None:
    items = [{"sku": sku, "n": 1} for sku in ("1970-01-01T00:00:00Z", "never")]
    out = translator(mapping_with("{n: n}", entry_lines="each: items\nid: time(sku)"), SCHEMA).translate(
        [order_message(items=items)]
    )
    assert sent_fields(out) == [{"n": 1}]
    assert [each.fault.detail for each in out.faults] == [
        "add: id: time() needs ISO 8601 with an offset, or whole epoch milliseconds"
    ]


def test_a_null_among_elements_is_nobody() -> None:
    schema = record("shop.E", items={"type": "array", "items": ["null", record("shop.Item", sku="string")]})
    made = translator(mapping_with("{sku: sku, all: event().items}", entry_lines="each: items\nid: sku"), schema)
    out = made.translate([FakeMessage(with_schema_id(1, encode(schema, {"items": [None, {"sku": "a"}]})))])
    assert sent_fields(out) == [{"sku": "a", "all": [{"sku": "a"}]}]
    assert not out.faults


def test_no_elements_are_no_deliveries() -> None:
    for path in ("items", "nothing"):
        out = translator(mapping_with("{n: n}", entry_lines=f"each: {path}\nid: sku"), SCHEMA).translate(
            [order_message(items=[])]
        )
        assert sum(out.decoded.values()) == 1
        assert not out.faults
        assert not out.columns["vendor"].bodies


# ── What is skipped ──


def test_when_and_consent_skip_and_are_counted() -> None:
    for beside, changes, why in (
        ("when: status == 'OPEN'", {}, SkipReason.FILTERED),
        ("consent: ok", {"ok": False}, SkipReason.NO_CONSENT),
        ("consent: ok", {"ok": None}, SkipReason.NO_CONSENT),
        ("consent: status", {}, SkipReason.NO_CONSENT),
    ):
        out = translator(mapping_with("{s: status}", entry_lines=beside), SCHEMA).translate([order_message(**changes)])
        assert out.skipped == {("vendor", "shop.E", why): 1}
        assert not out.columns["vendor"].bodies
        assert not out.faults


def test_a_tombstone_is_skipped_and_an_empty_value_is_not() -> None:
    out = translator(mapping_with("{s: status}"), SCHEMA).translate([FakeMessage(None), FakeMessage(b"", 1)])
    assert out.skipped == {("", "", SkipReason.TOMBSTONE): 1}
    assert [(each.record, each.entry, each.fault.cause) for each in out.faults] == [
        (1, None, DeadLetterCause.UNDECODABLE)
    ]


def test_a_type_nobody_speaks_of_is_skipped_without_a_look_at_its_bytes() -> None:
    made = translator(mapping_with("{s: status}"), record("shop.Other", a="string"))
    out = made.translate([FakeMessage(with_schema_id(1, b"\xff\xff"))])
    assert out.skipped == {("", "shop.Other", SkipReason.NO_MAPPING): 1}
    assert not out.decoded


def test_a_top_level_union_is_skipped_by_its_branch() -> None:
    union = ["null", record("shop.Other", a="string"), SCHEMA]
    made = translator(mapping_with("{s: status}"), union)
    lot = [
        FakeMessage(with_schema_id(1, b"\x00")),
        FakeMessage(with_schema_id(1, b"\x02\xff\xff")),
        FakeMessage(with_schema_id(1, encode(union, ("shop.E", EVENT)))),
        FakeMessage(with_schema_id(1, b"\x08")),
    ]
    out = made.translate(lot)
    assert out.skipped == {("", "null", SkipReason.NO_MAPPING): 1, ("", "shop.Other", SkipReason.NO_MAPPING): 1}
    assert out.columns["vendor"].records == [2]
    assert [each.record for each in out.faults] == [3]


def test_a_disabled_destination_gets_nothing_and_is_counted_without_decoding() -> None:
    made = translator(mapping_with("{s: status}"), SCHEMA, disabled=["vendor"])
    out = made.translate([order_message()])
    assert out.skipped == {("vendor", "shop.E", SkipReason.DISABLED): 1}
    assert not out.decoded
    assert not out.columns["vendor"].bodies


def test_a_disabled_destination_beside_another_is_skipped_alone() -> None:
    text = mapping_with("{s: status}") + "      - to: other.add\n        label: b\n        fields: {s: status}\n"
    destinations = {"vendor": FakeDestination(), "other": FakeDestination("other")}
    out = translator(text, SCHEMA, destinations=destinations, disabled=["other"]).translate([order_message()])
    assert out.skipped == {("other", "shop.E", SkipReason.DISABLED): 1}
    assert len(out.columns["vendor"].bodies) == 1
    assert not out.columns["other"].bodies
