"""A delivery's fields out of an event: nothing to say says nothing, and a fault names its field."""

from __future__ import annotations

import pytest

from consumer.model.values import Value
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.field_builder import compile_field, explain_failure, without_nulls
from consumer.translation.mapping.rules import ConstantField, EachField, ObjectField
from tests.unit.translator_harness import FakeMessage


def expression(text: str) -> Expression:
    made = compile_expression(text)
    assert isinstance(made, Expression)
    return made


def made(making: EachField | ObjectField, event: Value) -> Value:
    return compile_field(making)(event, Scope(FakeMessage(b""), event))


def test_a_list_that_is_not_there_is_left_out_and_an_empty_one_is_said() -> None:
    products = ObjectField({"products": EachField(expression("items"), ObjectField({"n": expression("n")}))})
    assert made(products, {"items": None}) is None
    assert made(products, {"items": []}) == {"products": []}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"a": None}, None),
        ({"a": {"b": {"c": None}}}, None),
        ({"a": [None, {"b": None}, 1], "c": {"d": 0}}, {"a": [1], "c": {"d": 0}}),
        ([], []),
        ([[None], None, "x"], [[], "x"]),
    ],
)
def test_null_and_absent_are_the_same_at_every_depth(value: dict[str, Value] | list[Value], expected: Value) -> None:
    assert without_nulls(value) == expected


def test_blame_finds_the_field_within_objects_and_is_general_where_none_is_to_blame() -> None:
    wrong = ObjectField(
        {
            "first": ObjectField({"fine": ConstantField(1)}),
            "outer": ObjectField({"fine": expression("a"), "inner": expression("cents(a)")}),
        }
    )
    event: Value = {"a": "x"}
    scope = Scope(FakeMessage(b""), event)
    assert explain_failure(wrong, event, scope).startswith("fields.outer.inner: cents() takes")
    assert explain_failure(ObjectField({"fine": expression("a")}), event, scope) == "fields"
