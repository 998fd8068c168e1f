"""Avro's `float` is the number of its shortest 32-bit text, wherever it stands and whatever reads it."""

from __future__ import annotations

import ctypes
import json
import math
import struct
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from consumer.destinations.encoding import dumps
from consumer.model.values import Value
from consumer.translation.avro.decoder import decode
from consumer.translation.avro.float32 import shortest_float32
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope
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

FLOATS = st.floats(width=32, allow_nan=False, allow_infinity=False)
LARGEST = 3.4028234663852886e38
SMALLEST = 1.401298464324817e-45


def as_float32(value: float) -> float:
    """Return the nearest 32-bit number, as a producer stores it."""
    return ctypes.c_float(value).value


@given(FLOATS)
@example(LARGEST)
@example(-LARGEST)
@example(SMALLEST)
@example(2.0**-126)
@example(2.0**24)
@example(-0.0)
def test_shortest_text_rounds_back_and_no_shorter_one_does(value: float) -> None:
    shortest = shortest_float32(value)
    assert as_float32(shortest) == value
    assert math.copysign(1, shortest) == math.copysign(1, value)
    digits = len(Decimal(repr(shortest)).normalize().as_tuple().digits)
    assert digits <= 9
    assert all(as_float32(float(f"{value:.{fewer}g}")) != value for fewer in range(1, digits))


@given(st.decimals(-(10**6), 10**6, places=2).filter(lambda number: len(number.normalize().as_tuple().digits) <= 6))
@example(Decimal("19.99"))
@example(Decimal("0.1"))
def test_text_of_six_digits_survives(number: Decimal) -> None:
    assert Decimal(repr(shortest_float32(as_float32(float(number))))) == number


@pytest.mark.parametrize("exponent", range(-149, 128))
def test_power_of_two_rounds_back(exponent: int) -> None:
    """The numbers below a power of two are closer than those above it."""
    assert as_float32(shortest_float32(2.0**exponent)) == 2.0**exponent


@pytest.mark.parametrize("value", [math.inf, -math.inf, math.nan])
def test_number_that_is_not_finite_stays(value: float) -> None:
    assert repr(shortest_float32(value)) == repr(value)


# ── In a record ──

PLACES: list[tuple[str, Json, Json, str]] = [
    ("field", "float", 19.99, "p"),
    ("object", {"type": "float"}, 19.99, "p"),
    ("logical type that is unknown", {"type": "float", "logicalType": "metres"}, 19.99, "p"),
    ("union", ["null", "float"], 19.99, "p"),
    ("array", {"type": "array", "items": "float"}, [0.5, 19.99], "p[1]"),
    ("map", {"type": "map", "values": "float"}, {"k": 19.99}, "p.k"),
    ("array of unions", {"type": "array", "items": ["null", "float"]}, [None, 19.99], "p[1]"),
    ("record", record("hut.Price", amount="float"), {"amount": 19.99}, "p.amount"),
    ("double", "double", 19.99, "p"),
]


def evaluated(text: str, event: Value) -> Value:
    expression = compile_expression(text)
    assert isinstance(expression, Expression)
    return expression.evaluate(event, Scope(FakeMessage(b""), event))


@pytest.mark.parametrize(("kind", "value", "path"), [row[1:] for row in PLACES], ids=[row[0] for row in PLACES])
def test_float_is_its_text_wherever_it_stands(kind: Json, value: Json, path: str) -> None:
    schema = record("hut.Stay", p=kind)
    event = decode(writer_schema(schema).branches[0], encode(schema, {"p": value}), 0)
    assert isinstance(event, dict)
    texts = (f"{path} == `19.99`", path, f"cents({path})", f"to_string({path})", f"concat({path}, '')")
    results = [evaluated(text, event) for text in texts]
    assert results == [True, 19.99, 1999, "19.99", "19.99"]
    assert dumps({"p": evaluated(path, event)}) == b'{"p":19.99}'
    assert evaluated(f"contains([{path}], `19.99`) && {path} < `19.990001` && sum([{path}]) == `19.99`", event) is True


def test_float_of_a_top_level_union_branch_is_its_text() -> None:
    schema = ["string", "float"]
    writer = writer_schema(schema)
    assert [branch.name for branch in writer.branches] == ["string", "float"]
    assert decode(writer.branches[1], struct.pack("<f", 19.99), 0) == 19.99


def test_float_is_sent_filtered_and_counted_as_its_text() -> None:
    schema = record("shop.E", price="float", prices={"type": "array", "items": ["null", "float"]})
    text = mapping_with("{price: price, all: prices, cents: cents(price)}", entry_lines="when: price == `19.99`")
    datum = encode(schema, {"price": 19.99, "prices": [0.1, None, 1e10, 16777216.0]})
    out = new_translator(text, schema).translate([FakeMessage(with_schema_id(1, datum))])
    assert sent_fields(out) == [{"price": 19.99, "all": [0.1, 10000000000.0, 16777216.0], "cents": 1999}]
    assert json.dumps(sent_fields(out)[0]["all"][0]) == "0.1"
