"""The interpreter by itself gives the same results as compiled expressions."""

from __future__ import annotations

import pytest

from consumer.model.values import Value
from consumer.translation.expressions.interpreter import Interpreter
from consumer.translation.expressions.parser import ExactParser
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.unmappable import UnmappableError
from tests.unit.test_expressions import CASES, EVENT, UNMAPPABLE, value_of
from tests.unit.translator_harness import FakeMessage


def interpreted(text: str, event: Value = EVENT) -> Value:
    return Interpreter().evaluate(ExactParser().parse(text).parsed, event, Scope(FakeMessage(b""), event))


@pytest.mark.parametrize(("text", "expected"), CASES, ids=[text for text, _ in CASES])
def test_interpreter_gives_the_compiled_result(text: str, expected: Value) -> None:
    found = interpreted(text)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(("text", "reason"), UNMAPPABLE, ids=[text for text, _ in UNMAPPABLE])
def test_interpreter_gives_the_compiled_reason(text: str, reason: str) -> None:
    with pytest.raises(UnmappableError) as caught:
        interpreted(text)
    assert reason in caught.value.reason


@pytest.mark.parametrize("text", ["a[0]", "a[1]", "a[-1]", "a[-2]", "a[0].b", "b[0]", "c[0]"])
def test_index_outside_a_list_is_null_in_both(text: str) -> None:
    event: Value = {"a": [{"b": 1}], "b": "text"}
    assert value_of(text, event) == interpreted(text, event)
    assert (value_of(text, event) is None) == (text in {"a[1]", "a[-2]", "b[0]", "c[0]"})
