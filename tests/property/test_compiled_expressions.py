"""Compiled expressions give the same result as the interpreter, for any expression and any value."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.model import Message
from consumer.model.values import Instant, Value
from consumer.translation.avro.named_record import AvroRecord
from consumer.translation.expressions.expression import compile_expression
from consumer.translation.expressions.interpreter import Interpreter
from consumer.translation.expressions.parser import ExactParser
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.expressions.static_checks import Problem
from consumer.translation.unmappable import UnmappableError

NAMES = st.sampled_from(["a", "b", "c"])
LITERALS = st.sampled_from(["'x'", "''", "`1`", "`1.5`", "`0`", "`true`", "`false`", "`null`", "`[]`", '`{"a": 1}`'])


def _joined(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return nested expressions of all node types that are compiled, and of some that are not."""
    return st.one_of(
        st.tuples(parts, NAMES).map(lambda two: f"({two[0]}).{two[1]}"),
        st.tuples(parts, st.integers(-2, 2)).map(lambda two: f"({two[0]})[{two[1]}]"),
        st.tuples(parts, parts).map(lambda two: f"({two[0]}) | ({two[1]})"),
        st.tuples(parts, st.sampled_from(["||", "&&", "==", "!=", "<", ">="]), parts).map(
            lambda three: f"({three[0]}) {three[1]} ({three[2]})"
        ),
        parts.map(lambda one: f"!({one})"),
        st.tuples(parts, parts, parts).map(lambda three: f"if({three[0]}, {three[1]}, {three[2]})"),
        st.tuples(parts, parts).map(lambda two: f"if({two[0]}, {two[1]})"),
        parts.map(lambda one: f"({one})[*].a"),
        parts.map(lambda one: f"to_array({one})"),
        parts.map(lambda one: f"length({one})"),
        parts.map(lambda one: f"concat({one}, 'x')"),
    )


EXPRESSIONS = st.recursive(
    st.one_of(
        NAMES,
        LITERALS,
        st.just("@"),
        st.tuples(NAMES, NAMES, NAMES).map(".".join),
        st.tuples(NAMES, NAMES).map(lambda two: f"{two[0]}[0].{two[1]}"),
    ),
    _joined,
    max_leaves=6,
)
LEAVES: st.SearchStrategy[Value] = st.sampled_from(
    [None, True, False, 0, 1, Decimal("1.5"), Decimal(0), 0.0, 1.5, "", "x", b"", b"x", Instant(0), Instant(7), [], {}]
)
VALUES: st.SearchStrategy[Value] = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=3),
        st.dictionaries(NAMES, inner, max_size=2).map(lambda fields: AvroRecord(fields, "shop.Thing")),
    ),
    max_leaves=8,
)
NOTHING = cast("Message", None)


def _outcome(evaluate: Any, value: Value) -> tuple[str, object]:  # noqa: ANN401 - either evaluator
    try:
        found = evaluate(value, Scope(NOTHING, value))
    except UnmappableError as error:
        return "unmappable", error.reason
    return type(found).__name__, found


@given(EXPRESSIONS, VALUES)
def test_compiled_expression_gives_interpreter_result(text: str, value: Value) -> None:
    expression = compile_expression(text)
    assert not isinstance(expression, Problem)
    ast = ExactParser().parse(text).parsed
    interpreter = Interpreter()
    assert _outcome(expression.evaluate, value) == _outcome(lambda v, scope: interpreter.evaluate(ast, v, scope), value)


@pytest.mark.parametrize("text", ["(" * 60 + "a" + ")" * 60, "!" * 60 + "a", "a" + " || a" * 90, "a" + ".a" * 300])
def test_deep_expression_gives_interpreter_result(text: str) -> None:
    test_compiled_expression_gives_interpreter_result.hypothesis.inner_test(text, {"a": {"a": False}})  # type: ignore[attr-defined]
