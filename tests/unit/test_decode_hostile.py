"""Decoding of unsafe input: endless, too deep, damaged or invalid bytes and schemas."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from consumer.model import DeadLetterCause, Fault
from consumer.translation.avro.decoder import decode, read_schema
from tests.unit.translator_harness import Json, encode, record, writer_schema


def test_deeply_nested_record_is_undecodable() -> None:
    """The reader of fastavro would end the process with a segmentation fault."""
    chain = writer_schema(record("Chain", next=["null", "Chain"])).branches[0]
    result = decode(chain, b"\x02" * 200_000 + b"\x00", 0)
    assert result == Fault(
        DeadLetterCause.UNDECODABLE, "the value cannot be decoded: it is nested more than 200 levels deep"
    )


def test_record_that_contains_only_itself_is_undecodable() -> None:
    endless = writer_schema(record("Endless", next="Endless")).branches[0]
    assert isinstance(decode(endless, b"", 0), Fault)


@pytest.mark.parametrize("items", ["null", record("Empty"), {"type": "fixed", "name": "Zero", "size": 0}])
def test_endless_array_of_items_without_bytes_is_undecodable(items: Json) -> None:
    unsafe = writer_schema({"type": "array", "items": items}).branches[0]
    result = decode(unsafe, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", 0)
    assert isinstance(result, Fault)
    assert "values that take no bytes" in result.detail


def test_short_array_of_nulls_is_decoded() -> None:
    schema = {"type": "array", "items": "null"}
    assert decode(writer_schema(schema).branches[0], encode(schema, [None] * 3), 0) == [None] * 3


def test_undefined_type_in_reference_is_a_fault() -> None:
    result = read_schema('"shop.A"', {"a": json.dumps(record("shop.A", b="shop.B"))})
    assert isinstance(result, Fault)
    assert "a type that is not defined" in result.detail


def test_datum_check_accepts_valid_data_of_every_type() -> None:
    """It also refuses every truncated copy of them."""
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
    datum = encode(schema, value)
    branch = writer_schema(schema).branches[0]
    assert branch.checker is not None
    assert decode(branch, datum, 0) == value
    for end in range(len(datum)):
        assert isinstance(decode(branch, datum[:end], 0), Fault)
    blocks = b"\x01\x02\x04"  # one item in two bytes, with a negative count and its size
    assert decode(writer_schema({"type": "array", "items": "int"}).branches[0], blocks + b"\x00", 0) == [2]
    checked = writer_schema(record("G", n={"type": "array", "items": "int"}, me=["null", "G"])).branches[0]
    assert decode(checked, blocks + b"\x00\x00", 0) == {"n": [2], "me": None}


def test_branch_number_outside_the_union_is_undecodable() -> None:
    schema = writer_schema(["null", record("shop.A", a="int")])
    for value in (b"\x04", b"\x01", b"", b"\xff" * 20):
        assert isinstance(schema.branch(value, 0), Fault)


def test_checked_datum_with_unknown_branch_is_undecodable() -> None:
    schema = record("G", e={"type": "enum", "name": "E", "symbols": ["A"]}, me=["null", "G"])
    branch = writer_schema(schema).branches[0]
    assert branch.checker is not None
    assert decode(branch, b"\x00\x00", 0) == {"e": "A", "me": None}
    for damaged in (b"\x00\x04", b"\x00\x01"):
        result = decode(branch, damaged, 0)
        assert isinstance(result, Fault)
        assert "a branch that the schema does not have" in result.detail


def test_only_recursive_type_has_a_checker() -> None:
    """A type that is only used several times has none."""
    place = record("Place", city="string")
    assert writer_schema(record("R", a=place, b="Place", c="Place")).branches[0].checker is None
    assert writer_schema(record("R", a=place, b="Place", c=["null", "R"])).branches[0].checker is not None


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda datum: datum[:-1], "ends too early"),
        (lambda datum: datum + b"\x00", "left over"),
        (lambda _: b"", "ends too early"),
        (lambda _: b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f", "ends too early"),
    ],
    ids=["cut", "longer", "empty", "huge length"],
)
def test_damaged_bytes_are_undecodable_with_the_reason(damage: Callable[[bytes], bytes], reason: str) -> None:
    schema = record("R", s="string", e={"type": "enum", "name": "E", "symbols": ["A"]})
    result = decode(writer_schema(schema).branches[0], damage(encode(schema, {"s": "secret", "e": "A"})), 0)
    assert isinstance(result, Fault)
    assert result.cause is DeadLetterCause.UNDECODABLE
    assert reason in result.detail
    assert "secret" not in result.detail


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("{", "not JSON"),
        ('"shop.Missing"', "a type that is not defined"),
        ("5", "it has a type that is neither text, nor an object, nor a list"),
        ('{"type": "record", "name": "R"}', "it has no valid `fields` in the type or field R"),
        ('{"type": "record", "name": "R", "fields": [{"name": "a"}]}', "it has no valid `type` in the type or field a"),
        ('{"type": "enum", "name": "E"}', "it has no valid `symbols`"),
        ('{"type": "fixed", "name": "F"}', "it has no valid `size`"),
        (
            '{"type": "record", "name": "R", "namespace": 5, "fields": []}',
            "a `namespace` of the type R that is not text",
        ),
        ('["null", ["int"]]', "a union directly within a union"),
        ("[" * 5000 + "]" * 5000, "too deeply"),
    ],
    ids=["cut", "missing", "number", "no fields", "no type", "no symbols", "no size", "namespace", "union", "deep"],
)
def test_unusable_schema_is_a_fault(text: str, reason: str) -> None:
    result = read_schema(text, {})
    assert isinstance(result, Fault)
    assert reason in result.detail


@pytest.mark.parametrize("size", [1 << 63, 1 << 70])
def test_fixed_of_impossible_size_is_undecodable(size: int) -> None:
    schema = writer_schema({"type": "fixed", "name": "F", "size": size})
    result = decode(schema.branches[0], b"abc", 0)
    assert result == Fault(DeadLetterCause.UNDECODABLE, "the value cannot be decoded: a length in it is impossible")


def test_invalid_default_does_not_prevent_decoding() -> None:
    schema = {"type": "record", "name": "R", "fields": [{"name": "a", "type": "int", "default": "sloppy"}]}
    assert decode(writer_schema(schema).branches[0], b"\x02", 0) == {"a": 1}
