"""Decoding to normalised values: every Avro type, references, unions, names of records."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Instant
from consumer.translation.avro.decoder import decode
from consumer.translation.avro.named_record import AvroRecord
from tests.unit.translator_harness import Json, encode, record, writer_schema


def logical(kind: str, logical_type: str, /, **more: Json) -> dict[str, Json]:
    return {"type": kind, "logicalType": logical_type, **more}


UUID16 = bytes.fromhex("0b7c0b0e9c7e4a5e8a3f2c2d4f8e1a11")
MS = 1_790_000_000_123

# (schema, base type it is written with, value written, value decoded)
TYPES: list[tuple[Json, Json, Json, Json]] = [
    ("null", "null", None, None),
    ("boolean", "boolean", True, True),
    ("int", "int", -7, -7),
    ("long", "long", 2**62, 2**62),
    ("float", "float", 0.5, 0.5),
    ("double", "double", 0.1, 0.1),
    ("bytes", "bytes", b"\x00\xff", b"\x00\xff"),
    ("string", "string", "Grüße", "Grüße"),
    ({"type": "fixed", "name": "F", "size": 3}, None, b"abc", b"abc"),
    ({"type": "enum", "name": "E", "symbols": ["A", "B"]}, None, "B", "B"),
    ({"type": "array", "items": "int"}, None, [1, 2], [1, 2]),
    ({"type": "map", "values": "string"}, None, {"a": "x"}, {"a": "x"}),
    (logical("bytes", "decimal", precision=10, scale=2), "bytes", b"\x6e", Decimal("1.10")),
    (logical("bytes", "decimal", precision=40, scale=0), "bytes", b"\x7f" * 16, Decimal(int("7f" * 16, 16))),
    (logical("fixed", "decimal", name="D", size=4, precision=9, scale=3), "F4", b"\xff\xff\xff\xff", Decimal("-0.001")),
    (logical("string", "uuid"), "string", "0B7C", "0B7C"),
    (logical("fixed", "uuid", name="U", size=16), "F16", UUID16, "0b7c0b0e-9c7e-4a5e-8a3f-2c2d4f8e1a11"),
    (logical("int", "date"), "int", 20_758, "2026-11-01"),
    (logical("int", "time-millis"), "int", 3_661_005, "01:01:01.005"),
    (logical("int", "time-millis"), "int", 0, "00:00:00"),
    (logical("long", "time-micros"), "long", 86_399_999_999, "23:59:59.999999"),
    (logical("long", "timestamp-millis"), "long", MS, Instant(MS * 10**6)),
    (logical("long", "timestamp-micros"), "long", MS * 1000 + 1, Instant((MS * 1000 + 1) * 1000)),
    (logical("long", "timestamp-nanos"), "long", MS * 10**6 + 1, Instant(MS * 10**6 + 1)),
    (logical("long", "local-timestamp-millis"), "long", MS, "2026-09-21T14:13:20.123"),
    (logical("long", "local-timestamp-micros"), "long", -1, "1969-12-31T23:59:59.999999"),
    (logical("long", "local-timestamp-nanos"), "long", 1, "1970-01-01T00:00:00.000000001"),
    (logical("fixed", "duration", name="P", size=12), "F12", b"\1\0\0\0\2\0\0\0\xbc\x0b\0\0", "P1M2DT3.004S"),
    (logical("fixed", "duration", name="P", size=12), "F12", bytes(12), "PT0S"),
    (logical("fixed", "duration", name="P", size=12), "F12", b"\1\0\0\0" + bytes(8), "P1M"),
]


@pytest.mark.parametrize(("schema", "base", "value", "expected"), TYPES, ids=[str(n) for n in range(len(TYPES))])
def test_avro_type_becomes_normalised_value(schema: Json, base: Json, value: Json, expected: Json) -> None:
    plain = base if base is not None else schema
    if isinstance(plain, str) and plain.startswith("F") and plain[1:].isdigit():
        plain = {"type": "fixed", "name": "F", "size": int(plain[1:])}
    datum = encode(record("R", v=plain), {"v": value})
    result = decode(writer_schema(record("R", v=schema)).branches[0], datum, 0)
    assert isinstance(result, dict)
    assert result == {"v": expected}
    assert type(result["v"]) is type(expected)


@pytest.mark.parametrize(
    ("schema", "base", "value"),
    [
        (logical("bytes", "decimal", precision=0, scale=0), "bytes", b"\x01"),
        (logical("bytes", "decimal", precision=2, scale=3), "bytes", b"\x01"),
        (logical("bytes", "decimal"), "bytes", b"\x01"),
        (logical("string", "decimal", precision=2), "string", "x"),
        (logical("long", "date"), "long", 5),
        (logical("int", "unknown"), "int", 5),
    ],
    ids=["no precision", "scale over precision", "no parameters", "decimal text", "long date", "unknown"],
)
def test_invalid_logical_type_is_ignored(schema: Json, base: str, value: Json) -> None:
    assert decode(writer_schema(schema).branches[0], encode(base, value), 0) == value


@pytest.mark.parametrize(
    ("schema", "base", "value"),
    [
        (logical("long", "timestamp-millis"), "long", 2**63 - 1),
        (logical("long", "local-timestamp-micros"), "long", 2**62),
        (logical("int", "date"), "int", 2**31 - 1),
        (logical("int", "time-millis"), "int", 86_400_000),
        (logical("long", "time-micros"), "long", -1),
        (logical("bytes", "decimal", precision=9, scale=2), "bytes", b"\x7f" * 600),
    ],
    ids=["ms", "local us", "date", "time ms", "time us", "decimal"],
)
def test_value_outside_its_logical_type_is_undecodable(schema: Json, base: str, value: Json) -> None:
    result = decode(writer_schema(schema).branches[0], encode(base, value), 0)
    assert isinstance(result, Fault)
    assert result.cause is DeadLetterCause.UNDECODABLE


@pytest.mark.parametrize("count", [-(2**63), 2**63 - 1])
def test_any_nanosecond_timestamp_has_iso_text(count: int) -> None:
    instant = decode(writer_schema(logical("long", "timestamp-nanos")).branches[0], encode("long", count), 0)
    assert isinstance(instant, Instant)
    assert instant.iso().endswith("Z")


def test_recursive_record_is_decoded() -> None:
    node = record("Node", name="string", children={"type": "array", "items": "Node"})
    tree = {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c", "children": []}]}
    assert decode(writer_schema(node).branches[0], encode(node, tree), 0) == tree


def test_references_are_found_in_any_order() -> None:
    outer = record("shop.Outer", inner="shop.Inner")
    inner = record("shop.Inner", leaf="shop.Leaf")
    leaf = {"type": "enum", "name": "shop.Leaf", "symbols": ["X"]}
    whole = {**outer, "fields": [{"name": "inner", "type": {**inner, "fields": [{"name": "leaf", "type": leaf}]}}]}
    value = {"inner": {"leaf": "X"}}
    for references in ({"i": inner, "l": leaf}, {"l": leaf, "i": inner}):
        assert decode(writer_schema(outer, references).branches[0], encode(whole, value), 0) == value


def test_type_wrapped_in_type_keeps_its_logical_type() -> None:
    wrapped = record("R", at={"type": logical("long", "timestamp-millis")}, either={"type": ["null", "string"]})
    datum = encode(record("R", at="long", either=["null", "string"]), {"at": 1000, "either": "x"})
    assert decode(writer_schema(wrapped).branches[0], datum, 0) == {"at": Instant(1_000_000_000), "either": "x"}


def test_named_type_in_braces_is_resolved() -> None:
    leaf = {"type": "enum", "name": "Leaf", "symbols": ["X"]}
    tree = record("Tree", a=leaf, b={"type": "Leaf"}, c=["null", {"type": "Tree"}])
    value = {"a": "X", "b": "X", "c": {"a": "X", "b": "X", "c": None}}
    assert (
        decode(writer_schema(tree).branches[0], encode(record("Tree", a=leaf, b="Leaf", c=["null", "Tree"]), value), 0)
        == value
    )


def test_same_type_under_two_references_is_accepted() -> None:
    inner = record("shop.Inner", a="int")
    branch = writer_schema(record("R", v="shop.Inner"), {"any": inner, "shop.Inner": inner}).branches[0]
    assert decode(branch, b"\x02", 0) == {"v": {"a": 1}}


def test_schema_that_is_only_a_name_is_the_referenced_type() -> None:
    inner = record("shop.Inner", a="int")
    branch = writer_schema("shop.Inner", {"i": inner}).branches[0]
    assert (branch.name, branch.is_record) == ("shop.Inner", True)
    assert decode(branch, encode(inner, {"a": 1}), 0) == {"a": 1}


def test_top_level_union_names_branch_without_decoding() -> None:
    union = ["null", record("shop.A", a="int"), record("shop.B", b="string"), "string"]
    schema = writer_schema(union)
    assert [branch.name for branch in schema.branches] == ["null", "shop.A", "shop.B", "string"]
    value = encode(union, ("shop.B", {"b": "x"}))
    found = schema.branch(value, 0)
    assert not isinstance(found, Fault)
    assert decode(schema.branches[found[0]], value, found[1]) == {"b": "x"}


def test_record_has_its_name_only_if_requested() -> None:
    union = record("R", v=[record("shop.A", a="int"), record("shop.B", a="int")])
    branch = writer_schema(union, named=("shop.B",)).branches[0]
    plain, named = (decode(branch, encode(union, {"v": (name, {"a": 1})}), 0) for name in ("shop.A", "shop.B"))
    assert plain == named == {"v": {"a": 1}}
    assert isinstance(plain, dict)
    assert isinstance(named, dict)
    assert type(plain["v"]) is dict
    assert isinstance(named["v"], AvroRecord)
    assert named["v"].full_name == "shop.B"
