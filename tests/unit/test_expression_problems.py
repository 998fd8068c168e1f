"""Problems of expressions that cannot be compiled, with position and hint; and the parsing of timestamps."""

from __future__ import annotations

import pytest

from consumer.translation.expressions.expression import Expression, compile_expression
from consumer.translation.expressions.static_checks import Problem, bare_literal_problem
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
    (f"a[{'1' * 5000}]", 0, "is not valid JMESPath"),
    ("!" * 5_000 + "a", 0, "is nested too deeply"),
    ('`[{"a": [1e4000]}]`', 0, "too large"),
]


@pytest.mark.parametrize(
    ("text", "position", "message"), PROBLEMS, ids=[text[:20] or "empty" for text, _, _ in PROBLEMS]
)
def test_invalid_expression_has_message_and_position(text: str, position: int, message: str) -> None:
    problem = compile_expression(text)
    assert isinstance(problem, Problem)
    assert message in problem.message
    assert problem.position == position


BARE = [
    ("agreed == true", 10),
    ("false != agreed", 0),
    ("a[?deleted == null].b", 14),
    ("if(a, true, `false`)", 6),
    ("to_array(false)", 9),
    ("true", 0),
    ("true.a", 0),
    ("!false", 1),
    ("a | null", 4),
    ("a.[true]", 3),
    ("a.{x: true}", 6),
    ("[a, null]", 4),
    ("map(&true, a)", 5),
    ("a && (b || true)", 11),
    ("'true' == true", 10),
]


@pytest.mark.parametrize(("text", "position"), BARE, ids=[text for text, _ in BARE])
def test_bare_true_false_or_null_is_refused_with_the_cure(text: str, position: int) -> None:
    """JMESPath reads it as a field's name: `agreed == true` is true for an event without either field."""
    assert isinstance(compile_expression(text), Expression), "it is valid JMESPath"
    problem = bare_literal_problem(text)
    assert problem is not None
    word = next(word for word in ("true", "false", "null") if text.startswith(word, position))
    assert problem == Problem(
        f"names a field {word}, and not the value {word}",
        position,
        f'write the value in backticks: `{word}`; write a field of that name in double quotes: "{word}"',
    )


@pytest.mark.parametrize(
    "text", ["a == `true`", 'a == "true"', "a.true", "*.null", "{true: a}", "a == 'null'", "is_true", "trueish == `1`"]
)
def test_literals_quoted_names_and_members_are_no_bare_literals(text: str) -> None:
    assert isinstance(compile_expression(text), Expression)
    assert bare_literal_problem(text) is None


def test_misspelt_function_has_nearest_name_as_hint() -> None:
    problem = compile_expression("cent(total)")
    assert isinstance(problem, Problem)
    assert "`cents`" in problem.hint


def test_unknown_function_without_a_near_name_lists_all() -> None:
    problem = compile_expression("upper(name)")
    assert isinstance(problem, Problem)
    assert problem.message == "calls the unknown function upper()"
    assert problem.hint.startswith("known here: `abs`, `avg`, ")
    for name in ("`cents`", "`concat`", "`if`", "`to_string`"):
        assert name in problem.hint


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ("a = b", "is not JMESPath: unexpected character `=`", "did you mean `==`?"),
        ("a =", "is not JMESPath: unexpected character `=`", "did you mean `==`?"),
        ("a > 100", "is not JMESPath at `100`", "write a number in backticks: `100`"),
        ("a[?b > -1.5]", "is not JMESPath at `-1.5]`", "write a number in backticks: `-1.5`"),
        ("a and b", "is not JMESPath at `and b`", "did you mean `&&`?"),
        ("a or b", "is not JMESPath at `or b`", "did you mean `||`?"),
        ("a & b", "is not JMESPath at `& b`", "did you mean `&&`?"),
        ("user-id", "is not JMESPath: unexpected character `-`", '"double quotes"'),
        ("a + b", "is not JMESPath: unexpected character `+`", "JMESPath has no arithmetic"),
        ("a # b", "is not JMESPath: unexpected character `#`", "'single quotes'"),
        ("a ==", "is incomplete JMESPath", "finish the expression"),
        ("a == 'b", "a quote or backtick is not closed", "close it"),
    ],
)
def test_frequent_mistake_has_a_hint(text: str, message: str, hint: str) -> None:
    problem = compile_expression(text)
    assert isinstance(problem, Problem)
    assert message in problem.message
    assert hint in problem.hint


def test_expression_lists_the_record_types_it_tests_for() -> None:
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
def test_timestamp_text_is_parsed_exactly_or_refused(text: str, nanos: int | None) -> None:
    assert parse_instant(text) == nanos


def test_epoch_milliseconds_outside_the_calendar_are_refused() -> None:
    assert parse_instant(253_402_300_800_000) is None
    assert parse_instant(-62_135_596_800_001) is None
