"""Decoding agrees with fastavro's reader for every schema. Bytes and schemas of any kind never raise."""

from __future__ import annotations

import io
import json
import math
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

from fastavro import parse_schema, schemaless_reader, schemaless_writer
from fastavro.schema import to_parsing_canonical_form
from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.model import Fault
from consumer.model.values import Instant
from consumer.translation.avro.decoder import WriterSchema, decode, read_schema
from consumer.translation.avro.float32 import shortest_float32
from consumer.translation.avro.schema_link import DefinitionIndex, canonical_form, link
from consumer.translation.avro.schema_text import read_schema_text
from tests.examples import examples
from tests.unit.translator_harness import Json

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONG = st.integers(-(2**63), 2**63 - 1)

# Each leaf: a schema without a name, and values as fastavro's writer accepts them.
_LEAVES: list[tuple[Json, st.SearchStrategy[Json]]] = [
    ("null", st.none()),
    ("boolean", st.booleans()),
    ("int", st.integers(-(2**31), 2**31 - 1)),
    ("long", _LONG),
    ("double", st.floats()),
    ("float", st.floats(width=32)),
    ("string", st.text()),
    ("bytes", st.binary()),
    ({"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 3}, st.decimals(-(10**8), 10**8, places=3)),
    ({"type": "string", "logicalType": "uuid"}, st.uuids()),
    ({"type": "int", "logicalType": "date"}, st.dates()),
    ({"type": "int", "logicalType": "time-millis"}, st.integers(0, 86_399_999)),
    ({"type": "long", "logicalType": "time-micros"}, st.times()),
    (
        {"type": "long", "logicalType": "timestamp-millis"},
        st.integers(-62_135_596_800_000, 253_402_300_799_999),
    ),
    ({"type": "long", "logicalType": "timestamp-micros"}, st.datetimes(timezones=st.just(UTC))),
    ({"type": "long", "logicalType": "local-timestamp-micros"}, st.datetimes()),
    ({"type": "long", "logicalType": "timestamp-nanos"}, _LONG),
]


@st.composite
def schemas_and_values(draw: st.DrawFn, depth: int = 3, name: str = "N") -> tuple[Json, st.SearchStrategy[Json]]:
    """Return a schema with distinct names, and a strategy for its values."""
    kind = draw(st.sampled_from(["leaf"] * 4 + ["record", "array", "map", "optional", "enum", "fixed", "several"]))
    if depth == 0 or kind == "leaf":
        return draw(st.sampled_from(_LEAVES))
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B", "C"]}, st.sampled_from("ABC")
    if kind == "fixed":
        return {"type": "fixed", "name": name, "size": 5}, st.binary(min_size=5, max_size=5)
    inner, values = draw(schemas_and_values(depth=depth - 1, name=name + "i"))
    if kind == "array":
        return {"type": "array", "items": inner}, st.lists(values, max_size=3)
    if kind == "map":
        return {"type": "map", "values": inner}, st.dictionaries(st.text(), values, max_size=3)
    if kind == "optional" and inner != "null" and not isinstance(inner, list):
        return ["null", inner], st.one_of(st.none(), values)
    fields = [
        (f"f{n}", *draw(schemas_and_values(depth=depth - 1, name=f"{name}{n}"))) for n in range(draw(st.integers(0, 3)))
    ]
    schema = {"type": "record", "name": name, "fields": [{"name": field, "type": each} for field, each, _ in fields]}
    records = st.fixed_dictionaries({field: each for field, _, each in fields})
    if kind != "several":
        return schema, records
    other = {"type": "record", "name": name + "b", "fields": [{"name": "only", "type": "int"}]}
    mine = st.tuples(st.just(name), records)
    theirs = st.tuples(st.just(name + "b"), st.fixed_dictionaries({"only": st.integers(0, 5)}))
    return [schema, other], st.one_of(mine, theirs)


def normalized(value: Json, schema: Json) -> Json:
    """Return the result of fastavro's reader in the types of `consumer.model.values`, independently of the product."""
    if isinstance(schema, list):
        return None if value is None else normalized(value, _branch_of(value, schema))
    kind, means = (schema["type"], schema.get("logicalType")) if isinstance(schema, dict) else (schema, None)
    if kind == "record":
        return {each["name"]: normalized(value[each["name"]], each["type"]) for each in schema["fields"]}
    if kind == "array":
        return [normalized(each, schema["items"]) for each in value]
    if kind == "map":
        return {name: normalized(each, schema["values"]) for name, each in value.items()}
    if kind == "float":
        return shortest_float32(value)
    return Instant(value) if means == "timestamp-nanos" else _plain(value)


def _branch_of(value: Json, union: list[Json]) -> Json:
    branches = [each for each in union if each != "null"]
    if len(branches) == 1:
        return branches[0]
    return next(each for each in branches if {field["name"] for field in each["fields"]} == set(value))


def _plain(value: Json) -> Json:
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, datetime):
        if value.tzinfo is None:
            return _moment(value.replace(tzinfo=UTC)).iso().removesuffix("Z")
        return _moment(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time):
        return value.isoformat("milliseconds" if value.microsecond and not value.microsecond % 1000 else "auto")
    return value


def _moment(value: datetime) -> Instant:
    passed = value - _EPOCH
    return Instant(((passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds) * 1000)


def comparable(value: Json) -> Json:
    """Return a decoded value with its types, so that 1 differs from true and not-a-number equals itself."""
    if isinstance(value, dict):
        return {name: comparable(each) for name, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    if isinstance(value, float) and math.isnan(value):
        return "nan"
    return (type(value).__name__, value, str(value) if isinstance(value, Decimal | float) else "")


@settings(max_examples=examples(300), deadline=None)
@given(st.data())
def test_decoded_datum_equals_fastavros_reading(data: st.DataObject) -> None:
    """The values are those of fastavro, in the types of `consumer.model.values`."""
    schema, values = data.draw(schemas_and_values())
    value = data.draw(values)
    parsed = parse_schema(schema)
    stream = io.BytesIO()
    schemaless_writer(stream, parsed, value)
    datum = stream.getvalue()
    ours = read_schema(json.dumps(schema), {})
    assert isinstance(ours, WriterSchema)
    found = ours.branch(datum, 0)
    assert not isinstance(found, Fault)
    result = decode(ours.branches[found[0]], datum, found[1])
    theirs = schemaless_reader(io.BytesIO(datum), parsed, None)
    assert not isinstance(result, Fault), result
    assert comparable(result) == comparable(normalized(theirs, schema))


@settings(max_examples=examples(200), deadline=None)
@given(schemas_and_values())
def test_canonical_form_equals_fastavros(drawn: tuple[Json, object]) -> None:
    schema, _ = drawn
    text = read_schema_text(schema)
    assert canonical_form(link(text.top, text, DefinitionIndex([]))) == to_parsing_canonical_form(schema)


@settings(max_examples=examples(500), deadline=None)
@given(st.data(), st.binary(max_size=200))
def test_any_bytes_are_decoded_or_a_fault(data: st.DataObject, junk: bytes) -> None:
    schema, _ = data.draw(schemas_and_values())
    ours = read_schema(json.dumps(schema), {})
    assert isinstance(ours, WriterSchema)
    found = ours.branch(junk, 0)
    if not isinstance(found, Fault):
        result = decode(ours.branches[found[0]], junk, found[1])
        if isinstance(result, Fault):
            assert result.detail


@settings(max_examples=examples(300), deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_of_recursive_schema_are_decoded_or_a_fault(junk: bytes) -> None:
    schema = {
        "type": "record",
        "name": "Node",
        "fields": [
            {
                "name": "next",
                "type": ["null", "Node", {"type": "array", "items": "Node"}, {"type": "map", "values": "Node"}],
            },
            {"name": "none", "type": {"type": "array", "items": "null"}},
        ],
    }
    ours = read_schema(json.dumps(schema), {})
    assert isinstance(ours, WriterSchema)
    assert isinstance(decode(ours.branches[0], junk, 0), dict | Fault)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(
                ["type", "name", "fields", "items", "values", "symbols", "size", "logicalType", "precision"]
            )
            | st.text(max_size=3),
            inner | st.sampled_from(["record", "array", "map", "enum", "fixed", "int", "decimal"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=examples(300), deadline=None)
@given(_JSON)
def test_any_json_as_schema_is_read_or_a_fault(schema: Json) -> None:
    assert isinstance(read_schema(json.dumps(schema), {}), WriterSchema | Fault)
