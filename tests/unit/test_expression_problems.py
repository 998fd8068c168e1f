"""What is said of an expression that cannot be compiled, and how times are read."""

from __future__ import annotations

import pytest

from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.static_checks import Problem
from consumer.translation.expressions.timestamps import parse_instant

PROBLEMS = [
    ("", 0, "is empty"),
    ("a.b..c", 4, "is not JMESPath at `.c`"),
    ("a ==", 4, "is incomplete JMESPath"),
    ("'abc", 0, "a quote or backtick is not closed"),
    ("a # b", 2, "unexpected character `#`"),
    ("a b", 2, "is not JMESPath at `b`"),
    ("`foo`", 0, "a literal in backticks is not JSON"),
    ("a == `NaN`", 5, "a literal in backticks is not JSON"),
    ("`1e4000`", 0, "a number that is too large"),
    ("a || nope(x)", 5, "calls the unknown function nope()"),
    ("cents()", 0, "calls cents() with 0, but it takes 1 argument"),
    ("if(a)", 0, "it takes 2 or 3 arguments"),
    ("concat()", 0, "it takes 1 or more arguments"),
    ("event(a)", 0, "it takes 0 arguments"),
    ("sort_by(a, b)", 0, "argument 2 must be an expression with `&`"),
    ("length(&a)", 0, "argument 1 must be a value, without `&`"),
    ("meta('topics')", 0, "calls meta() with the unknown name 'topics'"),
    ("is(a, b)", 0, "is() with a name that is not literal text"),
    ("header(a)", 0, "header() with a name that is not literal text"),
    ("a[::0]", 1, "a step of zero"),
    ("a" * 10_001, 0, "longer than"),
    ("!" * 5_000 + "a", 0, "is nested too deeply"),
    ('`[{"a": [1e4000]}]`', 0, "too large"),
]


@pytest.mark.parametrize(("text", "at", "said"), PROBLEMS, ids=[text[:20] or "empty" for text, _, _ in PROBLEMS])
def test_an_expression_that_cannot_be_compiled_says_where_and_why(text: str, at: int, said: str) -> None:
    problem = compile_expression(text)
    assert isinstance(problem, Problem)
    assert said in problem.message
    assert problem.position == at


def test_an_unknown_function_is_told_its_nearest_name() -> None:
    problem = compile_expression("cent(total)")
    assert isinstance(problem, Problem)
    assert "`cents`" in problem.hint


def test_an_expression_knows_which_records_it_asks_about() -> None:
    expression = compile_expression("is(a, 'shop.A') || b[?is(@, 'shop.B')]")
    assert isinstance(expression, Expression)
    assert expression.tested_types == {"shop.A", "shop.B"}


@pytest.mark.parametrize(
    ("text", "nanos"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01 00:00Z", 0),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T23:00:00-0100", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
        ("2026-13-01T00:00:00Z", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-01-01T00:00:00+25:00", None),
        ("0001-01-01T00:00:00+01:00", None),
        ("2026-01-01", None),
        ("١٩٧٠-01-01T00:00:00Z", None),
    ],
)
def test_a_time_is_read_exactly_or_not_at_all(text: str, nanos: int | None) -> None:
    assert parse_instant(text) == nanos


def test_epoch_milliseconds_far_from_any_calendar_are_no_time() -> None:
    assert parse_instant(253_402_300_800_000) is None
    assert parse_instant(-62_135_596_800_001) is None
