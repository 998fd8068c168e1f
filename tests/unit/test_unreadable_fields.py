"""A value that its type does not allow costs only the expressions that read its field."""

from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model import DeadLetterCause, Fault, SkipReason
from consumer.model.translated_batch import Translation
from consumer.translation.avro import decoder
from consumer.translation.avro.decoder import decode, read_schema
from consumer.translation.avro.named_record import AvroRecord, PartialRecord
from consumer.translation.unmappable import UnmappableError
from tests.unit.order_event import sent_fields
from tests.unit.translator_harness import (
    FakeMessage,
    Json,
    encode,
    mapping_with,
    new_translator,
    record,
    with_schema_id,
    writer_schema,
)


def logical(kind: str, means: str, **more: Json) -> Json:
    return {"type": kind, "logicalType": means, **more}


KIND: Json = {"type": "enum", "name": "Kind", "symbols": ["SAIL", "ROW"]}

# (schema of the field, schema that its value is written with, value, reason)
UNREADABLE: list[tuple[Json, Json, Json, str]] = [
    (logical("long", "timestamp-millis"), "long", 2**63 - 1, "a timestamp is outside the years 1 to 9999"),
    (logical("long", "timestamp-millis"), "long", 253_402_300_800_000, "a timestamp is outside the years 1 to 9999"),
    (logical("long", "timestamp-micros"), "long", -(2**63), "a timestamp is outside the years 1 to 9999"),
    (logical("long", "local-timestamp-millis"), "long", 2**63 - 1, "a timestamp is outside the years 1 to 9999"),
    (logical("long", "local-timestamp-micros"), "long", 2**63 - 1, "a timestamp is outside the years 1 to 9999"),
    (logical("int", "time-millis"), "int", 86_400_000, "a time of day is outside 00:00 to 24:00"),
    (logical("long", "time-micros"), "long", -1, "a time of day is outside 00:00 to 24:00"),
    (logical("int", "date"), "int", 2**31 - 1, "a date is outside the years 1 to 9999"),
    (logical("bytes", "decimal", precision=9), "bytes", bytes(600), "a decimal is longer than 512 bytes"),
    ("string", "bytes", b"caf\xe9", "a text is not UTF-8"),
    (logical("string", "uuid"), "bytes", b"\xff", "a text is not UTF-8"),
    (KIND, "int", 2, "a number of an enum has no symbol in its schema"),
    (KIND, "int", -1, "a number of an enum has no symbol in its schema"),
    (["null", "string"], ["null", "bytes"], b"\xff", "a text is not UTF-8"),
    ({"type": "array", "items": "string"}, {"type": "array", "items": "bytes"}, [b"a", b"\xff"], "a text is not UTF-8"),
    ({"type": "map", "values": "string"}, {"type": "map", "values": "bytes"}, {"a": b"\xff"}, "a text is not UTF-8"),
]
IDS = [f"{number} {reason[:24]}" for number, (*_, reason) in enumerate(UNREADABLE)]
READERS = ["bad", "@", "[bad]", "{a: bad}", "to_string(@)", "values(@)", "merge(@, @)", "bad || name", "not_null(bad)"]


def translated(mapping: str, schema: Json, written: Json, value: Json) -> Translation:
    datum = with_schema_id(1, encode(written, value))
    return new_translator(mapping, schema).translate([FakeMessage(datum)])


def boat(bad: Json) -> Json:
    return record("shop.E", name="string", bad=bad)


@pytest.mark.parametrize(("kind", "base", "value", "reason"), UNREADABLE, ids=IDS)
def test_unreadable_value_costs_only_what_reads_its_field(kind: Json, base: Json, value: Json, reason: str) -> None:
    written = {"name": "Ada", "bad": value}
    out = translated(mapping_with("{n: name, k: keys(@)}"), boat(kind), boat(base), written)
    assert sent_fields(out) == [{"n": "Ada", "k": ["name", "bad"]}]
    assert not out.faults
    [failure] = translated(mapping_with("{until: bad}"), boat(kind), boat(base), written).faults
    assert failure.fault.cause is DeadLetterCause.UNMAPPABLE
    assert failure.fault.detail == f"add: fields.until: bad: {reason}"


@pytest.mark.parametrize("expression", READERS)
def test_every_way_to_read_an_unreadable_field_is_unmappable(expression: str) -> None:
    out = translated(
        mapping_with(json.dumps({"x": expression})), boat("string"), boat("bytes"), {"name": "a", "bad": b"\xff"}
    )
    [failure] = out.faults
    assert failure.fault.cause is DeadLetterCause.UNMAPPABLE
    assert failure.fault.detail.endswith("bad: a text is not UTF-8")


def test_field_that_is_not_reached_is_not_judged() -> None:
    text = mapping_with("{x: \"if(name == 'a', name, bad)\"}", entry_lines="when: name != 'b' && bad")
    value = {"name": "b", "bad": b"\xff"}
    assert translated(text, boat("string"), boat("bytes"), value).skipped == {
        ("vendor", "shop.E", SkipReason.FILTERED): 1
    }
    text = mapping_with("{x: \"if(name == 'b', name, bad)\"}")
    assert sent_fields(translated(text, boat("string"), boat("bytes"), value)) == [{"x": "b"}]


def test_one_entry_fails_and_the_other_is_delivered() -> None:
    text = mapping_with("{x: bad}") + "      - to: vendor.add\n        label: other\n        fields: {n: name}\n"
    out = translated(text, boat("string"), boat("bytes"), {"name": "a", "bad": b"\xff"})
    assert sent_fields(out) == [{"n": "a"}]
    assert len(out.faults) == 1
    assert out.decoded == {"shop.E": 1}


@pytest.mark.parametrize("stage", ["id", "time", "key"])
def test_unreadable_id_time_or_key_is_unmappable(stage: str) -> None:
    text = mapping_with("{n: name}", event_lines=f"{stage}: bad")
    [failure] = translated(text, boat("string"), boat("bytes"), {"name": "a", "bad": b"\xff"}).faults
    assert failure.fault.detail == f"add: {stage}: bad: a text is not UTF-8"


def crew(name: Json) -> Json:
    sailor = record("shop.Sailor", name=name, rank="int")
    return record("shop.E", crew={"type": "array", "items": sailor}, captain="shop.Sailor")


def test_unreadable_field_of_an_element_costs_only_that_element() -> None:
    value = {
        "crew": [{"name": b"Eve", "rank": 1}, {"name": b"\xff", "rank": 2}],
        "captain": {"name": b"\xff", "rank": 3},
    }
    text = mapping_with("{n: name, r: rank}", entry_lines="each: crew\nid: rank")
    out = translated(text, crew("string"), crew("bytes"), value)
    assert sent_fields(out) == [{"n": "Eve", "r": 1}]
    assert [failure.fault.detail for failure in out.faults] == ["add: fields.n: name: a text is not UTF-8"]
    ranks = mapping_with("{r: 'crew[*].rank', c: captain.rank, t: \"crew[?rank > `1`].rank\"}")
    assert sent_fields(translated(ranks, crew("string"), crew("bytes"), value)) == [{"r": [1, 2], "c": 3, "t": [2]}]


def test_map_with_an_unreadable_name_has_no_value() -> None:
    schema = record("shop.E", name="string", notes={"type": "map", "values": "int"})
    datum = with_schema_id(1, b"\x02a" + b"\x02\x02\xff\x0e\x00")
    out = new_translator(mapping_with("{n: name}"), schema).translate([FakeMessage(datum)])
    assert sent_fields(out) == [{"n": "a"}]
    out = new_translator(mapping_with("{x: notes.a}"), schema).translate([FakeMessage(datum)])
    assert [each.fault.detail for each in out.faults] == ["add: fields.x: notes: a text is not UTF-8"]


def test_type_test_works_beside_an_unreadable_field() -> None:
    schema = record("shop.E", of=[record("shop.A", bad="string"), record("shop.B", bad="string")])
    written = record("shop.E", of=[record("shop.A", bad="bytes"), record("shop.B", bad="bytes")])
    text = mapping_with("{a: \"is(of, 'shop.A')\", b: \"is(of, 'shop.B')\"}")
    assert sent_fields(translated(text, schema, written, {"of": ("shop.B", {"bad": b"\xff"})})) == [
        {"a": False, "b": True}
    ]


def test_structure_is_judged_whatever_is_used() -> None:
    """A datum that ends too early or has bytes left over is not of this schema, though a text in it is not UTF-8."""
    schema = boat("string")
    for datum in (b"\x02\xff\x04a", b"\x02\xff\x02aa"):
        [failure] = (
            new_translator(mapping_with("{n: name}"), schema).translate([FakeMessage(with_schema_id(1, datum))]).faults
        )
        assert failure.fault.cause is DeadLetterCause.UNDECODABLE


@given(st.dictionaries(st.sampled_from("abc"), st.binary(max_size=3), min_size=3))
def test_readable_fields_equal_those_of_a_record_of_bytes(value: dict[str, bytes]) -> None:
    """Each text is the bytes as UTF-8; the others refuse every access."""
    branch = writer_schema(record("R", a="string", b="string", c="string")).branches[0]
    read = decode(branch, encode(record("R", a="bytes", b="bytes", c="bytes"), value), 0)
    assert isinstance(read, dict)
    assert len(read) == len(list(read)) == 3
    for name, content in value.items():
        try:
            expected = content.decode()
        except UnicodeDecodeError:
            assert isinstance(read, PartialRecord)
            for access in (
                read.get,
                read.__getitem__,
                lambda _: read.items(),
                lambda _: read.values(),
                lambda _: dict(read),
            ):
                with pytest.raises(UnmappableError):
                    access(name)
        else:
            assert read.get(name) == read[name] == expected


def test_partial_record_is_a_record_with_its_name() -> None:
    partial = PartialRecord({"a": Decimal(1), "b": None}, "port.Boat", {"b": "reason"})
    assert isinstance(partial, AvroRecord)
    assert partial.full_name == "port.Boat"
    assert partial.get("c", 5) == 5


def test_partial_record_yields_its_names_and_other_texts() -> None:
    schema = json.dumps(
        {
            "type": "record",
            "name": "quay.Boat",
            "fields": [{"name": name, "type": "string"} for name in ("bad", "good")],
        }
    )
    read = read_schema(schema, {})
    assert not isinstance(read, Fault)
    decoded = decode(read.branches[-1], b"\x02\xff\x04\xc3\xbc", 0)
    assert isinstance(decoded, PartialRecord)
    assert list(decoded) == ["bad", "good"]
    assert decoded["good"] == "\u00fc"


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "invalid"), "a text in it is not UTF-8"),
        (MemoryError(), "a length in it is impossible"),
        (KeyError("canary"), "it is odd (KeyError)"),
    ],
)
def test_reason_of_a_failed_decoding_has_no_value(error: Exception, reason: str) -> None:
    assert decoder._reason(error, "it is odd") == reason
