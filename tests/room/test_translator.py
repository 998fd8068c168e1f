"""A lot of records in, columns of deliveries out: what is delivered, skipped, refused, and what waits."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

import pytest

from consumer.model import Cause, Fault, Skip, Translation
from consumer.translation import identity, load_schemas
from tests.room.translating import NOW_MS, Json, Kept, Teller, entry, framed, record, translator, written

SCHEMA = record(
    "shop.E",
    id=["null", "string"],
    ok=["null", "boolean"],
    status="string",
    total={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    at={"type": "long", "logicalType": "timestamp-millis"},
    items={"type": "array", "items": record("shop.Item", sku=["null", "string"], n="int")},
    more={"type": "map", "values": ["null", "string"]},
)
EVENT: dict[str, Json] = {
    "id": "e-1",
    "ok": True,
    "status": "PAID",
    "total": Decimal("12.34"),
    "at": 1000,
    "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
    "more": {"x": None, "y": "z"},
}


def kept(at: int = 0, key: int = 1, **changes: Json) -> Kept:
    return Kept(framed(key, written(SCHEMA, {**EVENT, **changes})), at)


def said(out: Translation) -> list[Json]:
    return [json.loads(body)["fields"] for body in out.columns["teller"].bodies]


def one_fault(out: Translation) -> Fault:
    assert len(out.faults) == 1
    assert not out.columns["teller"].bodies
    return out.faults[0].fault


# ── What is delivered ──


def test_a_record_becomes_one_row_of_its_column() -> None:
    made = translator(entry("{s: status}", event="id: id\ntime: at\nkey: status"), SCHEMA)
    out = made.translate([kept(7)])
    column = out.columns["teller"]
    who = identity.finish(identity.of_entry("shop.E", "teller", "say"), identity.own("e-1"))
    assert said(out) == [{"s": "PAID"}]
    assert column.identities == [who.hex()]
    assert column.times_ms == [1000]
    assert column.keys == [hash(("shop", 0, "PAID"))]
    assert [each.label for each in column.entries] == ["say"]
    assert column.records == [0]
    assert column.shapes[0].endpoint.name == "say"
    assert out.decoded == {"shop.E": 1}
    assert not out.faults
    assert not out.skipped


def test_without_id_time_and_key_the_place_the_timestamp_and_the_records_key_stand_in() -> None:
    made = translator(entry("{s: status}"), SCHEMA)
    column = made.translate([kept(7)]).columns["teller"]
    who = identity.at(identity.place("shop", 0), 7)
    assert column.identities == [identity.finish(identity.of_entry("shop.E", "teller", "say"), who).hex()]
    assert column.times_ms == [NOW_MS]
    assert column.keys == [hash(("shop", 0, b"k"))]


def test_a_record_without_any_key_is_its_own_key() -> None:
    made = translator(entry("{s: status}"), SCHEMA)
    first, second = kept(1), kept(2)
    first.by = second.by = None
    keys = made.translate([first, second]).columns["teller"].keys
    assert keys[0] != keys[1]
    assert made.translate([first]).columns["teller"].keys == keys[:1]


def test_a_time_may_be_text_or_milliseconds_and_null_means_the_records() -> None:
    for time, expected in (("total", None), ("'1970-01-01T00:00:02Z'", 2000), ("`3000`", 3000), ("nothing", NOW_MS)):
        out = translator(entry("{s: status}", event=f"time: {time!r}"), SCHEMA).translate([kept()])
        assert out.columns["teller"].times_ms == ([] if expected is None else [expected])


def test_nulls_are_left_out_at_every_depth_and_so_are_objects_left_empty() -> None:
    fields = """{a: nothing, b: more, c: {d: nothing}, e: "[nothing, status]", f: {value: null}, g: [nothing, status],
          h: {each: items, fields: {n: n, x: x}}, i: {each: items, fields: {x: x}}, j: "{k: nothing}",
          l: {value: {m: null}}, o: {p: {value: 1.10}}, q: total}"""
    out = translator(entry(fields), SCHEMA).translate([kept()])
    assert said(out) == [
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
    text = entry("{user: status, extra: {city: nothing}, mail: nothing}").replace("teller.say", "teller.strict")
    assert said(translator(text, SCHEMA).translate([kept()])) == [{"user": "PAID", "extra": {}}]


def test_a_union_of_records_is_narrowed_by_its_full_name() -> None:
    schema = record("shop.E", who=[record("shop.A", a="string"), record("shop.B", b="string")])
    made = translator(entry("{s: who}", beside="when: is(who, 'shop.B')"), schema)
    lot = [Kept(framed(1, written(schema, {"who": who}))) for who in (("shop.A", {"a": "x"}), ("shop.B", {"b": "y"}))]
    out = made.translate(lot)
    assert said(out) == [{"s": {"b": "y"}}]
    assert out.columns["teller"].records == [1]


def test_each_element_becomes_a_delivery_with_the_event_in_reach() -> None:
    beside = "each: items\nid: sku\nwhen: n > `0`"
    out = translator(entry("{sku: sku, status: event().status}", beside=beside, event="id: id"), SCHEMA).translate(
        [kept()]
    )
    begun = identity.of_entry("shop.E", "teller", "say")
    assert said(out) == [{"sku": "a", "status": "PAID"}, {"sku": "b", "status": "PAID"}]
    assert out.columns["teller"].records == [0, 0]
    assert out.columns["teller"].identities == [
        identity.finish(begun, identity.own("e-1"), sku).hex() for sku in ("a", "b")
    ]


def test_an_element_repeated_in_a_record_is_refused_and_its_first_is_not() -> None:
    items = [{"sku": sku, "n": n} for sku, n in (("a", 1), ("a", 2), ("a", 3), (None, 4), ("b", 5))]
    out = translator(entry("{n: n}", beside="each: items\nid: sku"), SCHEMA).translate([kept(items=items)])
    assert said(out) == [{"n": 1}, {"n": 5}]
    assert [each.fault.cause for each in out.faults] == [
        Cause.REPEATED_ELEMENT,
        Cause.REPEATED_ELEMENT,
        Cause.UNMAPPABLE,
    ]
    assert len({each.identity for each in out.faults} | set(out.columns["teller"].identities)) == 5


def test_an_element_whose_id_has_no_value_costs_no_other() -> None:
    items = [{"sku": sku, "n": 1} for sku in ("1970-01-01T00:00:00Z", "never")]
    out = translator(entry("{n: n}", beside="each: items\nid: time(sku)"), SCHEMA).translate([kept(items=items)])
    assert said(out) == [{"n": 1}]
    assert [each.fault.detail for each in out.faults] == [
        "say: id: time() needs ISO 8601 with an offset, or whole epoch milliseconds"
    ]


def test_a_null_among_elements_is_nobody() -> None:
    schema = record("shop.E", items={"type": "array", "items": ["null", record("shop.Item", sku="string")]})
    made = translator(entry("{sku: sku, all: event().items}", beside="each: items\nid: sku"), schema)
    out = made.translate([Kept(framed(1, written(schema, {"items": [None, {"sku": "a"}]})))])
    assert said(out) == [{"sku": "a", "all": [{"sku": "a"}]}]
    assert not out.faults


def test_no_elements_are_no_deliveries() -> None:
    for path in ("items", "nothing"):
        out = translator(entry("{n: n}", beside=f"each: {path}\nid: sku"), SCHEMA).translate([kept(items=[])])
        assert not out.faults
        assert not out.columns["teller"].bodies


# ── What is skipped ──


def test_when_and_consent_skip_and_are_counted() -> None:
    for beside, changes, why in (
        ("when: status == 'OPEN'", {}, Skip.FILTERED),
        ("consent: ok", {"ok": False}, Skip.NO_CONSENT),
        ("consent: ok", {"ok": None}, Skip.NO_CONSENT),
        ("consent: status", {}, Skip.NO_CONSENT),
    ):
        out = translator(entry("{s: status}", beside=beside), SCHEMA).translate([kept(**changes)])
        assert out.skipped == {("teller", "shop.E", why): 1}
        assert not out.columns["teller"].bodies
        assert not out.faults


def test_a_tombstone_is_skipped_and_an_empty_value_is_not() -> None:
    out = translator(entry("{s: status}"), SCHEMA).translate([Kept(None), Kept(b"", 1)])
    assert out.skipped == {("", "", Skip.TOMBSTONE): 1}
    assert [(each.record, each.entry, each.fault.cause) for each in out.faults] == [(1, None, Cause.UNDECODABLE)]


def test_a_type_nobody_speaks_of_is_skipped_without_a_look_at_its_bytes() -> None:
    made = translator(entry("{s: status}"), record("shop.Other", a="string"))
    out = made.translate([Kept(framed(1, b"\xff\xff"))])
    assert out.skipped == {("", "shop.Other", Skip.NO_MAPPING): 1}
    assert not out.decoded


def test_a_top_level_union_is_skipped_by_its_branch() -> None:
    union = ["null", record("shop.Other", a="string"), SCHEMA]
    made = translator(entry("{s: status}"), union)
    lot = [
        Kept(framed(1, b"\x00")),
        Kept(framed(1, b"\x02\xff\xff")),
        Kept(framed(1, written(union, ("shop.E", EVENT)))),
        Kept(framed(1, b"\x08")),
    ]
    out = made.translate(lot)
    assert out.skipped == {("", "null", Skip.NO_MAPPING): 1, ("", "shop.Other", Skip.NO_MAPPING): 1}
    assert out.columns["teller"].records == [2]
    assert [each.record for each in out.faults] == [3]


def test_a_disabled_destination_gets_nothing_and_is_counted_without_decoding() -> None:
    made = translator(entry("{s: status}"), SCHEMA, disabled=["teller"])
    out = made.translate([kept()])
    assert out.skipped == {("teller", "shop.E", Skip.DISABLED): 1}
    assert not out.decoded
    assert not out.columns["teller"].bodies


def test_a_disabled_destination_beside_another_is_skipped_alone() -> None:
    text = entry("{s: status}") + "      - to: other.say\n        label: b\n        fields: {s: status}\n"
    destinations = {"teller": Teller(), "other": Teller("other")}
    out = translator(text, SCHEMA, destinations=destinations, disabled=["other"]).translate([kept()])
    assert out.skipped == {("other", "shop.E", Skip.DISABLED): 1}
    assert len(out.columns["teller"].bodies) == 1
    assert not out.columns["other"].bodies


# ── What is refused ──


@pytest.mark.parametrize(
    ("fields", "beside", "event", "detail"),
    [
        ("{a: {b: cents(status)}}", "", "", "say: fields.a.b: cents() takes null or number, not string"),
        ("{a: {each: status, fields: {b: c}}}", "", "", "say: fields.a: each takes an array, not string"),
        (
            "{a: {each: items, fields: {b: cents(sku)}}}",
            "",
            "",
            "say: fields.a: cents() takes null or number, not string",
        ),
        ("{a: status}", "when: status", "", "say: when: it must be boolean, not string"),
        ("{a: status}", "when: nothing", "", "say: when: it must be boolean, not null"),
        ("{a: status}", "consent: cents(status)", "", "say: consent: cents() takes null or number, not string"),
        ("{a: status}", "each: status\nid: sku", "", "say: each: it takes an array, not string"),
        ("{a: status}", "each: cents(status)\nid: sku", "", "say: each: cents() takes null or number, not string"),
        ("{a: [cents(status)]}", "", "", "say: fields.a: cents() takes null or number, not string"),
        ("{a: {value: 1}, b: cents(status)}", "", "", "say: fields.b: cents() takes null or number, not string"),
        ("{a: {b: status}, c: cents(status)}", "", "", "say: fields.c: cents() takes null or number, not string"),
        ("{a: status}", "", "id: nothing", "say: id: it is null, which names no event"),
        ("{a: status}", "", "id: items", "say: id: it is array, which names no event"),
        ("{a: status}", "", "id: id\nkey: more", "say: key: it is object, which orders nothing"),
        (
            "{a: status}",
            "",
            "time: status",
            "say: time: time() needs ISO 8601 with an offset, or whole epoch milliseconds",
        ),
    ],
    ids=lambda value: value or "-",
)
def test_what_has_no_value_is_unmappable_and_says_where(fields: str, beside: str, event: str, detail: str) -> None:
    fault = one_fault(translator(entry(fields, beside=beside, event=event), SCHEMA).translate([kept()]))
    assert fault == Fault(Cause.UNMAPPABLE, detail)
    assert "PAID" not in fault.detail


def test_what_the_destination_does_not_take_is_a_fault_of_that_delivery() -> None:
    text = entry("{forbidden: status}") + "      - to: teller.say\n        label: fine\n        fields: {s: status}\n"
    out = translator(text, SCHEMA).translate([kept()])
    assert [(each.fault.cause, each.entry and each.entry.label) for each in out.faults] == [(Cause.CONTRACT, "say")]
    assert [each.label for each in out.columns["teller"].entries] == ["fine"]


def test_an_undecodable_record_has_an_identity_of_its_place_alone() -> None:
    out = translator(entry("{s: status}"), SCHEMA).translate([Kept(framed(1, b"\xff"), 41, ("shop.orders", 3))])
    who = identity.at(identity.place("shop.orders", 3), 41)
    assert out.faults[0].identity == identity.finish(identity.of_entry("", "", ""), who).hex()
    assert out.faults[0].entry is None
    assert out.faults[0].fault.cause is Cause.UNDECODABLE


def test_a_schema_that_cannot_be_used_makes_its_records_undecodable() -> None:
    made = translator(entry("{s: status}"))
    fault = made.learn(1, "{", {})
    assert fault is not None
    assert made.translate([kept()]).faults[0].fault == fault


# ── What waits ──


def test_a_missing_schema_holds_its_partition_and_no_other() -> None:
    made = translator(entry("{s: status}"), SCHEMA)
    lot = [kept(0), kept(1, key=9), kept(2), Kept(None, 3), kept(4)]
    lot[4].of = ("shop", 1)
    out = made.translate(lot)
    assert out.waiting == [1, 2, 3]
    assert out.missing == {9}
    assert out.columns["teller"].records == [0, 4]
    assert made.learn(9, json.dumps(SCHEMA), {}) is None
    again = made.translate([lot[index] for index in out.waiting])
    assert not again.waiting
    assert again.columns["teller"].records == [0, 1]


def test_an_unknown_schema_waits_for_its_grace_and_is_then_refused() -> None:
    clock = [NOW_MS]
    made = translator(entry("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    young, old = kept(1, key=9), kept(0, key=9)
    old.stamp_ms = NOW_MS - 60_000
    young.of = ("shop", 1)
    out = made.translate([old, young])
    assert out.waiting == [1]
    assert not out.missing
    assert [(each.record, each.fault.cause) for each in out.faults] == [(0, Cause.UNKNOWN_SCHEMA)]


def test_the_registrys_no_is_believed_for_thirty_seconds() -> None:
    clock = [NOW_MS]
    made = translator(entry("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    clock[0] += 29_999
    assert not made.translate([kept(key=9)]).missing
    clock[0] += 1
    assert made.translate([kept(key=9)]).missing == {9}
    made.learn_unknown(9, clock[0])
    clock[0] += 30_001
    assert made.translate([kept(key=9)]).waiting == [0]
    made.learn_unknown(9, clock[0])
    assert one_fault(made.translate([kept(key=9)])).cause is Cause.UNKNOWN_SCHEMA


def test_a_schema_that_is_known_is_not_unlearned() -> None:
    made = translator(entry("{s: status}"), SCHEMA)
    made.learn_unknown(1, NOW_MS)
    assert said(made.translate([kept()])) == [{"s": "PAID"}]


def test_millions_of_keys_that_are_none_do_not_fill_the_memory() -> None:
    made = translator(entry("{s: status}"))
    for key in range(10_001):
        made.learn_unknown(key, NOW_MS)
    assert made.translate([kept(key=0)]).missing == {0}
    assert made.translate([kept(key=10_000)]).missing == set()


def test_a_record_from_the_future_does_not_wait_for_it() -> None:
    clock = [NOW_MS]
    made = translator(entry("{s: status}"), clock=clock)
    made.learn_unknown(9, NOW_MS)
    late = kept(key=9)
    late.stamp_ms = NOW_MS + 10**9
    assert made.translate([late]).waiting == [0]
    clock[0] += 60_000
    made.learn_unknown(9, clock[0])
    assert one_fault(made.translate([late])).cause is Cause.UNKNOWN_SCHEMA


def test_a_fingerprint_that_is_not_there_waits_and_is_never_asked_for() -> None:
    clock = [NOW_MS]
    made = translator(entry("{s: status}"), clock=clock)
    message = Kept(b"\xc3\x01" + bytes(8))
    out = made.translate([message])
    assert (out.waiting, out.missing) == ([0], set())
    clock[0] += 60_000
    out = made.translate([message])
    assert not out.missing
    assert one_fault(out).detail == "no file of the schema directory has this fingerprint"


def test_single_object_encoding_is_read_with_the_directory(tmp_path: Path) -> None:
    (tmp_path / "e.avsc").write_text(json.dumps(SCHEMA))
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    (key,) = schemas.by_fingerprint
    made = translator(entry("{s: status}"), schemas=schemas)
    message = Kept(b"\xc3\x01" + int(key, 16).to_bytes(8, "little") + written(SCHEMA, EVENT))
    assert said(made.translate([message])) == [{"s": "PAID"}]
    assert made.schema_id(message) == key
    assert made.event_type(message) == "shop.E"


# ── One at a time, and what is known without decoding ──


def test_one_delivery_of_a_record_can_be_had_alone() -> None:
    text = entry("{s: status}") + "      - to: teller.say\n        label: other\n        fields: {t: status}\n"
    made = translator(text, SCHEMA)
    whole = made.translate([kept(3)]).columns["teller"]
    alone = made.one(kept(3), whole.entries[1]).columns["teller"]
    assert alone.bodies == whole.bodies[1:]
    assert alone.identities == whole.identities[1:]


def test_what_a_dead_letter_says_of_a_record_is_known_without_decoding() -> None:
    made = translator(entry("{s: status}"), SCHEMA)
    assert (made.schema_id(kept()), made.event_type(kept())) == ("1", "shop.E")
    assert (made.schema_id(kept(key=9)), made.event_type(kept(key=9))) == ("9", None)
    assert (made.schema_id(Kept(b"x")), made.event_type(Kept(b"x"))) == (None, None)
