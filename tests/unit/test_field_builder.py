"""A delivery's fields: nulls are left out, and a failure names its field."""

from __future__ import annotations

import pytest

from consumer.model.values import Value
from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.field_builder import compile_field, explain_failure, without_nulls
from consumer.translation.mapping.rules import ConstantField, EachField, ObjectField
from tests.unit.translator_harness import FakeMessage


def expression(text: str) -> Expression:
    compiled = compile_expression(text)
    assert isinstance(compiled, Expression)
    return compiled


def built(source: EachField | ObjectField, event: Value) -> Value:
    return compile_field(source)(event, Scope(FakeMessage(b""), event))


def test_null_list_is_left_out_and_empty_list_is_sent() -> None:
    products = ObjectField({"products": EachField(expression("items"), ObjectField({"n": expression("n")}))})
    assert built(products, {"items": None}) is None
    assert built(products, {"items": []}) == {"products": []}


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
def test_nulls_are_removed_at_every_depth(value: dict[str, Value] | list[Value], expected: Value) -> None:
    assert without_nulls(value) == expected


def test_failure_names_the_inner_field_that_raises() -> None:
    """There is none if no field raises again."""
    wrong = ObjectField(
        {
            "first": ObjectField({"fine": ConstantField(1)}),
            "outer": ObjectField({"fine": expression("a"), "inner": expression("cents(a)")}),
        }
    )
    event: Value = {"a": "x"}
    scope = Scope(FakeMessage(b""), event)
    assert (explain_failure(wrong, event, scope) or "").startswith("fields.outer.inner: cents() takes")
    assert explain_failure(ObjectField({"fine": expression("a")}), event, scope) is None
