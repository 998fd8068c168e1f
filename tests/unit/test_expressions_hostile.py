"""Values that would exhaust memory or stack make an expression unmappable or null."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model.values import Instant, Value
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.unmappable import UnmappableError
from tests.unit.translator_harness import FakeMessage


def nested(levels: int) -> Value:
    value: Value = 1
    for _ in range(levels):
        value = [value]
    return value


def value_of(text: str, event: Value) -> Value:
    compiled = compile_expression(text)
    assert isinstance(compiled, Expression)
    return compiled.evaluate(event, Scope(FakeMessage(b""), event))


@pytest.mark.parametrize(
    ("text", "event", "reason"),
    [
        ("to_string(@)", 1 << 100_000, "a number has too many digits"),
        ("to_string(@)", Decimal("1e999999"), "a number is not finite, or has too many digits"),
        ("sum(@)", [Decimal("0.5"), Decimal("1e999999")], "a number has too many digits"),
        ("to_string(@)", nested(100_000), "the value is nested too deeply"),
    ],
    ids=["a whole number", "a fraction", "a sum", "a list"],
)
def test_too_large_value_is_unmappable(text: str, event: Value, reason: str) -> None:
    with pytest.raises(UnmappableError) as caught:
        value_of(text, event)
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ["1e999999999", "1e-999999999", "9" * 2000])
def test_text_with_too_many_digits_is_not_a_number(text: str) -> None:
    assert value_of(f"to_number('{text}')", None) is None


@pytest.mark.parametrize("text", ["a", "a.b", "a.b.c"])
@pytest.mark.parametrize("event", [None, "text", 5, [1], {"a": "text"}, {"a": {"b": 5}}, {"a": {"b": {"c": 1}}}])
def test_path_through_a_non_object_is_null(text: str, event: Value) -> None:
    """A path through objects ends in the value there, whatever its type."""
    expected = event
    for name in text.split("."):
        expected = expected.get(name) if isinstance(expected, dict) else None
    assert value_of(text, event) == expected


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (None, "null"),
        (True, "boolean"),
        (Instant(0), "time"),
        (0, "number"),
        (Decimal(0), "number"),
        (0.0, "number"),
        ("", "string"),
        (b"", "bytes"),
        ([], "array"),
        ({}, "object"),
        (len, "expression"),
    ],
)
def test_every_value_has_a_type_name(value: object, name: str) -> None:
    assert type_name(value) == name
