"""JSON events are encoded to the bytes a producer would have written."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.translation.samples.json_to_avro import InvalidEvent, JsonToAvro, parse_json


def encoded(schema: Any, value: Any, references: dict[str, Any] | None = None) -> bytes | InvalidEvent:  # noqa: ANN401 - JSON
    texts = {name: json.dumps(each) for name, each in (references or {}).items()}
    return JsonToAvro(json.dumps(schema), texts).write(parse_json(json.dumps(value)))


def read_back(schema: Any, value: Any, references: dict[str, Any] | None = None) -> Any:  # noqa: ANN401 - JSON
    content = encoded(schema, value, references)
    assert isinstance(content, bytes), content
    names: dict[str, Any] = {}
    for each in (references or {}).values():
        fastavro.parse_schema(each, names)
    stream = io.BytesIO(content)
    datum = fastavro.schemaless_reader(stream, fastavro.parse_schema(schema, names), None)
    assert stream.read() == b""
    return datum


def logical(kind: str, meaning: str, /, **more: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"type": kind, "logicalType": meaning, **more}


NOON = datetime(2026, 11, 1, 12, 0, 0, 250_000, tzinfo=UTC)
ENUM = {"type": "enum", "name": "a.E", "symbols": ["X", "Y"]}
POINT = {"type": "record", "name": "a.Point", "fields": [{"name": "x", "type": "int"}]}
NAMED = {"type": "record", "name": "a.Named", "fields": [{"name": "name", "type": "string"}]}


@pytest.mark.parametrize(
    ("schema", "value", "expected"),
    [
        ("null", None, None),
        ("boolean", True, True),
        ("int", -5, -5),
        ("int", 5.0, 5),
        ("long", 2**63 - 1, 2**63 - 1),
        ("double", 1.5, 1.5),
        ("float", 2, 2.0),
        ("double", "Infinity", math.inf),
        ("string", "ü", "ü"),
        ("bytes", "\u00ff\u0000", b"\xff\x00"),
        ({"type": "fixed", "name": "F", "size": 2}, "ab", b"ab"),
        (ENUM, "Y", "Y"),
        ({"type": "array", "items": "int"}, [1, 2], [1, 2]),
        ({"type": "array", "items": "int"}, [], []),
        ({"type": "map", "values": "string"}, {"a": "b"}, {"a": "b"}),
        (logical("bytes", "decimal", precision=9, scale=2), 12.34, Decimal("12.34")),
        (logical("bytes", "decimal", precision=9, scale=2), "-0.10", Decimal("-0.10")),
        (logical("bytes", "decimal", precision=9, scale=2), -128, Decimal("-128.00")),
        (logical("bytes", "decimal", precision=9, scale=2), "\u0004\u00d2", Decimal("12.34")),
        (logical("fixed", "decimal", name="D", size=8, precision=9, scale=2), 12.34, Decimal("12.34")),
        (logical("string", "uuid"), "00000000-0000-0000-0000-000000000001", UUID(int=1)),
        (logical("long", "timestamp-millis"), "2026-11-01T12:00:00.25Z", NOON),
        (logical("long", "timestamp-millis"), "2026-11-01T14:00:00.250+02:00", NOON),
        (logical("long", "timestamp-millis"), int(NOON.timestamp() * 1000), NOON),
        (logical("long", "timestamp-micros"), "2026-11-01 12:00:00.250Z", NOON),
        (logical("long", "local-timestamp-millis"), "2026-11-01T12:00:00.250", NOON.replace(tzinfo=None)),
        (logical("int", "date"), "2026-11-01", date(2026, 11, 1)),
        (logical("int", "date"), 0, date(1970, 1, 1)),
        (logical("int", "time-millis"), "12:30:01.5", time(12, 30, 1, 500_000)),
        (logical("long", "time-micros"), "12:30", time(12, 30)),
        (logical("fixed", "duration", name="D", size=12), "P1Y2M3DT4.5S",
         bytes([14, 0, 0, 0, 3, 0, 0, 0, 148, 17, 0, 0])),
        (logical("fixed", "uuid", name="U", size=16), "00000000-0000-0000-0000-000000000001", bytes(15) + b"\1"),
        (logical("fixed", "uuid", name="U", size=16), "\u0000" * 15 + "\u00ff", bytes(15) + b"\xff"),
        (logical("string", "unknown"), "x", "x"),
        (["null", "string"], None, None),
        (["null", "string"], "x", "x"),
        (["null", "string"], {"string": "x"}, "x"),
        (["null", "long", "string"], 7, 7),
        (["null", logical("bytes", "decimal", precision=9, scale=2), "string"], "12.34", "12.34"),
        (["null", "string", logical("bytes", "decimal", precision=9, scale=2)], 12.34, Decimal("12.34")),
        (["string", "double", "long"], 7, 7),
        ([ENUM, "string"], "Z", "Z"),
        (["null", POINT, NAMED], {"name": "n"}, {"name": "n"}),
        (["null", POINT, NAMED], {"a.Named": {"name": "n"}}, {"name": "n"}),
        ([{"type": "map", "values": "int"}, "null"], {"a.Point": 1}, {"a.Point": 1}),
        ([POINT, {"type": "map", "values": "int"}], {"a.Point": 1}, {"a.Point": 1}),
        (logical("int", "time-millis"), 1000, time(0, 0, 1)),
    ],
)  # fmt: skip
def test_encoded_value_reads_back(schema: Any, value: Any, expected: Any) -> None:  # noqa: ANN401 - JSON
    assert read_back(schema, value) == expected


def test_type_wrapped_in_type_is_that_type() -> None:
    assert encoded({"type": {"type": "string"}}, "x") == encoded("string", "x") == b"\x02x"


ORDER = {
    "type": "record",
    "name": "Order",
    "namespace": "a",
    "fields": [
        {"name": "id", "type": "long"},
        {"name": "note", "type": ["null", "string"]},
        {"name": "kind", "type": ENUM, "default": "X"},
        {"name": "tags", "type": {"type": "array", "items": "string"}, "default": []},
        {"name": "first", "type": ["string", "null"], "default": "none"},
        {"name": "parent", "type": ["null", "Order"], "default": None},
        {"name": "where", "type": ["null", "b.Place"], "default": None},
    ],
}
PLACE = {"type": "record", "name": "b.Place", "fields": [{"name": "city", "type": "string"}]}


def test_missing_fields_have_their_defaults_or_null() -> None:
    value = {"id": 1, "parent": {"id": 0, "note": "n"}, "where": {"city": "Rome"}}
    empty: dict[str, Any] = {"note": None, "kind": "X", "tags": [], "first": "none", "parent": None, "where": None}
    assert read_back(ORDER, value, {"b.Place": PLACE}) == {
        **empty, "id": 1, "parent": {**empty, "id": 0, "note": "n"}, "where": {"city": "Rome"},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("schema", "value", "problem"),
    [
        ("int", 2**31, "must be a whole number of 32 bits"),
        ("int", True, "must be a whole number of 32 bits"),
        ("int", 1.5, "must be a whole number of 32 bits"),
        ("boolean", 1, "must be true or false"),
        ("string", 1, "must be text"),
        ("double", "one", "must be a number"),
        ("double", True, "must be a number"),
        ("float", 10**50, "is too large for a float"),
        ("null", 0, "must be null"),
        ("bytes", "€", "has a character above U+00FF, which is not a byte"),
        ({"type": "fixed", "name": "F", "size": 2}, "abc", "must be exactly 2 bytes"),
        (ENUM, "Z", "must be one of X, Y"),
        ({"type": "array", "items": "int"}, {}, "must be a list"),
        ({"type": "array", "items": "int"}, [1, "x"], "[1]: must be a whole number of 32 bits"),
        ({"type": "map", "values": "int"}, {"a": "x"}, "a: must be a whole number of 32 bits"),
        (POINT, {}, "x: is missing"),
        (POINT, {"x": 1, "xx": 2}, "xx: is not a field of the record; did you mean `x`?"),
        (POINT, [], "must be an object"),
        (["int", "string"], None, "must not be null"),
        (["null", "int"], "x", "must be a whole number of 32 bits"),
        (["null"], 1, "must be null"),
        ("a.Missing", 1, "its schema refers to `a.Missing`, which is not defined"),
        (logical("bytes", "decimal", precision=3, scale=1), 1.25, "has more than 1 digits after the point"),
        (logical("bytes", "decimal", precision=3, scale=1), 1000, "has more than 3 digits"),
        (logical("bytes", "decimal", precision=3, scale=1), True, "must be a number, or a number as text"),
        (logical("bytes", "decimal", precision=3, scale=1), 10**1001, "has more than 1000 digits"),
        (logical("fixed", "decimal", name="D", size=1, precision=9), 999, "does not fit into 1 bytes"),
        (logical("fixed", "decimal", name="D", size=4, precision=9), "x", "must be a number, or exactly 4 bytes"),
        (logical("long", "timestamp-millis"), "2026-11-01", "must be a number or an ISO 8601 time"),
        (logical("long", "timestamp-millis"), "2026-11-01T00:00:00", "must be a time with a zone"),
        (logical("long", "timestamp-millis"), "2026-13-01T00:00:00Z", "is not a valid time"),
        (logical("long", "timestamp-millis"), "2026-11-01T00:00:00.0001Z", "has more digits than its schema allows"),
        (logical("long", "local-timestamp-micros"), "2026-11-01T00:00:00Z", "must be a time without a zone"),
        (logical("int", "date"), "November", "must be a number of days or a date such as 2026-11-01"),
        (logical("int", "time-millis"), "25:00", "must be a number or a time of day such as 12:30:00"),
        (logical("fixed", "uuid", name="U", size=16), "no", "must be a UUID"),
        (logical("fixed", "duration", name="D", size=12), "P9999999999D", "is too long for a duration"),
        (logical("fixed", "duration", name="D", size=12), "P1DT", "must be exactly 12 bytes"),
    ],
)
def test_value_that_does_not_fit_has_path_and_reason(schema: Any, value: Any, problem: str) -> None:  # noqa: ANN401 - JSON
    invalid = encoded(schema, value)
    assert isinstance(invalid, InvalidEvent)
    assert invalid.text() == problem


def test_deeply_nested_value_is_refused() -> None:
    value: dict[str, Any] = {"id": 1}
    for _ in range(100):
        value = {"id": 1, "parent": value}
    invalid = encoded(ORDER, value, {"b.Place": PLACE})
    assert isinstance(invalid, InvalidEvent)
    assert invalid.message == "is nested too deeply"


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["id", "note", "x", "where"]), inner),
    max_leaves=8,
)
SCHEMAS = st.sampled_from(
    [
        ORDER,
        POINT,
        ["null", "string", "long", POINT],
        logical("bytes", "decimal", precision=9, scale=2),
        logical("long", "timestamp-nanos"),
        {"type": "map", "values": ["int", "string"]},
    ]
)


@given(SCHEMAS, JSON_VALUES)
def test_any_json_is_encoded_or_refused(schema: Any, value: Any) -> None:  # noqa: ANN401 - JSON
    assert isinstance(encoded(schema, value, {"b.Place": PLACE}), bytes | InvalidEvent)


@pytest.mark.parametrize("text", ["", "{", "NaN", "[Infinity]", "{'a': 1}"])
def test_text_that_is_not_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_json(text)
