"""Schemas whose data are checked before decoding. The check costs more than decoding, so they should be few."""

from __future__ import annotations

import pytest

from consumer.translation.avro.schema_cost import MAX_EMPTY_VALUES, SchemaCost
from tests.unit.avro_bomb import Json, array, record


def fields(count: int, kind: Json) -> Json:
    """Return a record with `count` fields of one type."""
    return record("R", **{f"f{number}": kind for number in range(count)})


def is_checked(schema: Json) -> bool:
    """Return True if data of this schema are checked."""
    return SchemaCost().needs_check(schema)


def within_itself() -> Json:
    """Return a record with a field of its own type, prepared: its use is the record itself."""
    schema = fields(1, [])
    schema["fields"][0]["type"] = ["null", schema]
    return schema


SAFE = {
    "many unions": fields(10 * MAX_EMPTY_VALUES, ["null", "string"]),
    "many unions whose null comes last": fields(10 * MAX_EMPTY_VALUES, ["string", "null"]),
    "items with many unions": array(fields(10 * MAX_EMPTY_VALUES, ["null", "int"])),
    "values with many unions": {"type": "map", "values": fields(10 * MAX_EMPTY_VALUES, ["null", "int"])},
    "many unions of an empty record": fields(10 * MAX_EMPTY_VALUES, ["null", record("Empty")]),
    "items that are unions": array(["null", "int"]),
    "a union of nothing": [],
    "few nulls": fields(MAX_EMPTY_VALUES - 1, "null"),
}

UNSAFE = {
    "many nulls": fields(MAX_EMPTY_VALUES + 1, "null"),
    "items with many nulls": array(fields(MAX_EMPTY_VALUES + 1, "null")),
    "items that are nulls": array("null"),
    "items that are unions of many nulls": array(["null", fields(MAX_EMPTY_VALUES + 1, "null")]),
    "a union of many nulls": ["null", fields(MAX_EMPTY_VALUES + 1, "null")],
    "many unions of more than one null": fields(MAX_EMPTY_VALUES, ["null", record("Two", a="null", b="null")]),
    "a record within itself": within_itself(),
}


@pytest.mark.parametrize("name", SAFE)
def test_safe_schema_needs_no_check(name: str) -> None:
    """The null of a union has one byte, its branch index."""
    assert not is_checked(SAFE[name])


@pytest.mark.parametrize("name", UNSAFE)
def test_schema_with_many_values_without_bytes_needs_a_check(name: str) -> None:
    """Also behind a branch index, which has only one byte."""
    assert is_checked(UNSAFE[name])
