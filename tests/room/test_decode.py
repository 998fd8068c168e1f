"""Bytes to normalised values: every Avro type, and every way in which bytes can be wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal

import pytest

from consumer.model import Cause, Fault
from consumer.shape import Instant
from consumer.translation.decode import WriterSchema, decode, read_schema
from consumer.translation.record import Record
from tests.room.translating import Json, record, written


def schema_of(schema: Json, references: dict[str, Json] | None = None, named: tuple[str, ...] = ()) -> WriterSchema:
    texts = {name: json.dumps(each) for name, each in (references or {}).items()}
    result = read_schema(json.dumps(schema), texts, named)
    assert isinstance(result, WriterSchema), result
    return result


def logical(kind: str, means: str, /, **more: Json) -> dict[str, Json]:
    return {"type": kind, "logicalType": means, **more}


UUID16 = bytes.fromhex("0b7c0b0e9c7e4a5e8a3f2c2d4f8e1a11")
MS = 1_790_000_000_123

# (schema, what is written under the underlying type, what is read)
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


@pytest.mark.parametrize(("schema", "under", "value", "expected"), TYPES, ids=[str(n) for n in range(len(TYPES))])
def test_every_type_becomes_its_normal_value(schema: Json, under: Json, value: Json, expected: Json) -> None:
    plain = under if under is not None else schema
    if isinstance(plain, str) and plain.startswith("F") and plain[1:].isdigit():
        plain = {"type": "fixed", "name": "F", "size": int(plain[1:])}
    datum = written(record("R", v=plain), {"v": value})
    result = decode(schema_of(record("R", v=schema)).branches[0], datum, 0)
    assert isinstance(result, dict)
    assert result == {"v": expected}
    assert type(result["v"]) is type(expected)


@pytest.mark.parametrize(
    ("schema", "under", "value"),
    [
        (logical("bytes", "decimal", precision=0, scale=0), "bytes", b"\x01"),
        (logical("bytes", "decimal", precision=2, scale=3), "bytes", b"\x01"),
        (logical("bytes", "decimal"), "bytes", b"\x01"),
        (logical("string", "decimal", precision=2), "string", "x"),
        (logical("long", "date"), "long", 5),
        (logical("int", "unheard-of"), "int", 5),
    ],
    ids=["no precision", "scale over precision", "nothing said", "decimal text", "long date", "unheard of"],
)
def test_a_logical_type_that_is_invalid_is_ignored(schema: Json, under: str, value: Json) -> None:
    assert decode(schema_of(schema).branches[0], written(under, value), 0) == value


@pytest.mark.parametrize(
    ("schema", "under", "value"),
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
def test_a_value_outside_its_logical_type_is_undecodable(schema: Json, under: str, value: Json) -> None:
    result = decode(schema_of(schema).branches[0], written(under, value), 0)
    assert isinstance(result, Fault)
    assert result.cause is Cause.UNDECODABLE


@pytest.mark.parametrize("count", [-(2**63), 2**63 - 1])
def test_every_count_of_nanoseconds_is_an_instant_that_can_be_said(count: int) -> None:
    instant = decode(schema_of(logical("long", "timestamp-nanos")).branches[0], written("long", count), 0)
    assert isinstance(instant, Instant)
    assert instant.iso().endswith("Z")


def test_a_record_that_contains_itself_is_read_to_its_end() -> None:
    node = record("Node", name="string", children={"type": "array", "items": "Node"})
    tree = {"name": "a", "children": [{"name": "b", "children": []}, {"name": "c", "children": []}]}
    assert decode(schema_of(node).branches[0], written(node, tree), 0) == tree


def test_a_chain_of_records_that_would_end_the_process_is_undecodable() -> None:
    chain = schema_of(record("Chain", next=["null", "Chain"])).branches[0]
    result = decode(chain, b"\x02" * 200_000 + b"\x00", 0)
    assert result == Fault(Cause.UNDECODABLE, "the value does not decode: it is nested more than 200 levels deep")


def test_a_record_that_can_have_no_end_is_undecodable() -> None:
    endless = schema_of(record("Endless", next="Endless")).branches[0]
    assert isinstance(decode(endless, b"", 0), Fault)


@pytest.mark.parametrize("items", ["null", record("Empty"), {"type": "fixed", "name": "Zero", "size": 0}])
def test_an_array_that_claims_endless_items_without_bytes_is_undecodable(items: Json) -> None:
    hostile = schema_of({"type": "array", "items": items}).branches[0]
    result = decode(hostile, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", 0)
    assert isinstance(result, Fault)
    assert "items that take no bytes" in result.detail


def test_an_array_of_nulls_within_reason_is_read() -> None:
    schema = {"type": "array", "items": "null"}
    assert decode(schema_of(schema).branches[0], written(schema, [None] * 3), 0) == [None] * 3


def test_types_of_other_schemas_are_found_in_whatever_order_they_are_given() -> None:
    outer = record("shop.Outer", inner="shop.Inner")
    inner = record("shop.Inner", leaf="shop.Leaf")
    leaf = {"type": "enum", "name": "shop.Leaf", "symbols": ["X"]}
    whole = {**outer, "fields": [{"name": "inner", "type": {**inner, "fields": [{"name": "leaf", "type": leaf}]}}]}
    value = {"inner": {"leaf": "X"}}
    for references in ({"i": inner, "l": leaf}, {"l": leaf, "i": inner}):
        assert decode(schema_of(outer, references).branches[0], written(whole, value), 0) == value


def test_a_type_may_be_named_within_braces() -> None:
    leaf = {"type": "enum", "name": "Leaf", "symbols": ["X"]}
    tree = record("Tree", a=leaf, b={"type": "Leaf"}, c=["null", {"type": "Tree"}])
    value = {"a": "X", "b": "X", "c": {"a": "X", "b": "X", "c": None}}
    assert (
        decode(schema_of(tree).branches[0], written(record("Tree", a=leaf, b="Leaf", c=["null", "Tree"]), value), 0)
        == value
    )


def test_a_type_given_under_two_names_is_one_type() -> None:
    inner = record("shop.Inner", a="int")
    branch = schema_of(record("R", v="shop.Inner"), {"any": inner, "shop.Inner": inner}).branches[0]
    assert decode(branch, b"\x02", 0) == {"v": {"a": 1}}


def test_references_that_miss_a_type_are_a_fault() -> None:
    result = read_schema('"shop.A"', {"a": json.dumps(record("shop.A", b="shop.B"))})
    assert isinstance(result, Fault)
    assert "a type that is not there" in result.detail


def test_the_guard_reads_every_type_and_lets_good_data_pass() -> None:
    schema = record(
        "All",
        a="boolean",
        b="long",
        c="double",
        d="bytes",
        e={"type": "fixed", "name": "Four", "size": 4},
        f={"type": "enum", "name": "Two", "symbols": ["A", "B"]},
        g={"type": "map", "values": "string"},
        h={"type": "array", "items": "int"},
        i=["null", "All"],
        j="null",
        k="float",
    )
    leaf = {
        "a": True,
        "b": 1,
        "c": 0.5,
        "d": b"x",
        "e": b"four",
        "f": "B",
        "g": {"x": "y"},
        "h": [1, 2],
        "j": None,
        "k": 1.5,
    }
    value = {**leaf, "i": {**leaf, "i": None}}
    datum = written(schema, value)
    branch = schema_of(schema).branches[0]
    assert branch.guard is not None
    assert decode(branch, datum, 0) == value
    for end in range(len(datum)):
        assert isinstance(decode(branch, datum[:end], 0), Fault)
    blocks = b"\x01\x02\x04"  # two bytes' worth of one item, as writers that know sizes put it
    assert decode(schema_of({"type": "array", "items": "int"}).branches[0], blocks + b"\x00", 0) == [2]
    guarded = schema_of(record("G", n={"type": "array", "items": "int"}, me=["null", "G"])).branches[0]
    assert decode(guarded, blocks + b"\x00\x00", 0) == {"n": [2], "me": None}


def test_a_schema_that_only_names_a_referenced_type_is_that_type() -> None:
    inner = record("shop.Inner", a="int")
    branch = schema_of("shop.Inner", {"i": inner}).branches[0]
    assert (branch.name, branch.is_record) == ("shop.Inner", True)
    assert decode(branch, written(inner, {"a": 1}), 0) == {"a": 1}


def test_a_top_level_union_tells_its_branch_before_decoding() -> None:
    union = ["null", record("shop.A", a="int"), record("shop.B", b="string"), "string"]
    schema = schema_of(union)
    assert [branch.name for branch in schema.branches] == ["null", "shop.A", "shop.B", "string"]
    value = written(union, ("shop.B", {"b": "x"}))
    found = schema.branch(value, 0)
    assert not isinstance(found, Fault)
    assert decode(schema.branches[found[0]], value, found[1]) == {"b": "x"}


def test_a_branch_that_the_union_does_not_have_is_undecodable() -> None:
    schema = schema_of(["null", record("shop.A", a="int")])
    for value in (b"\x04", b"\x01", b"", b"\xff" * 20):
        assert isinstance(schema.branch(value, 0), Fault)


def test_a_record_knows_its_name_only_where_somebody_asks() -> None:
    union = record("R", v=[record("shop.A", a="int"), record("shop.B", a="int")])
    branch = schema_of(union, named=("shop.B",)).branches[0]
    plain, named = (decode(branch, written(union, {"v": (name, {"a": 1})}), 0) for name in ("shop.A", "shop.B"))
    assert plain == named == {"v": {"a": 1}}
    assert isinstance(plain, dict)
    assert isinstance(named, dict)
    assert type(plain["v"]) is dict
    assert isinstance(named["v"], Record)
    assert named["v"].full_name == "shop.B"


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda datum: datum[:-1], "ends too early"),
        (lambda datum: datum + b"\x00", "left over"),
        (lambda _: b"", "ends too early"),
        (lambda _: b"\x02\xff\x02", "not UTF-8"),
        (lambda _: b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", "ends too early"),
        (lambda datum: datum[:-1] + b"\x08", "symbol that the schema does not have"),
    ],
    ids=["cut", "longer", "empty", "not text", "huge length", "no such symbol"],
)
def test_damaged_bytes_are_undecodable_and_the_fault_says_how(damage: Callable[[bytes], bytes], said: str) -> None:
    schema = record("R", s="string", e={"type": "enum", "name": "E", "symbols": ["A"]})
    result = decode(schema_of(schema).branches[0], damage(written(schema, {"s": "secret", "e": "A"})), 0)
    assert isinstance(result, Fault)
    assert result.cause is Cause.UNDECODABLE
    assert said in result.detail
    assert "secret" not in result.detail


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ('"shop.Missing"', "a type that is not there"),
        ("5", "it is not what the schema says"),
        ('{"type": "record", "name": "R"}', "KeyError"),
        ("[" * 5000 + "]" * 5000, "too deeply"),
    ],
    ids=["cut", "missing", "number", "no fields", "deep"],
)
def test_a_schema_that_cannot_be_used_is_a_fault(text: str, said: str) -> None:
    result = read_schema(text, {})
    assert isinstance(result, Fault)
    assert said in result.detail


def test_a_default_that_does_not_fit_its_type_does_not_matter_to_what_was_written() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": "sloppy"}]}
    assert decode(schema_of(schema).branches[0], b"\x02", 0) == {"a": 1}
