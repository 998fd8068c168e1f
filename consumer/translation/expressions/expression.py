"""An expression's text becomes something that can be called for each event, or a problem with its place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from jmespath.exceptions import JMESPathError

from consumer.shape import Value
from consumer.translation.expressions.checking import Problem, checked, says_where
from consumer.translation.expressions.grammar import Ast, ExactParser
from consumer.translation.expressions.interpreter import Interpreter
from consumer.translation.expressions.scope import Scope

Run: TypeAlias = Callable[[Value, Scope], Value]
"""(the value the expression is about, the record at hand) → its value. Raises `UnmappableError`, nothing else."""

_TWO = 2
_LONGEST = 10_000  # characters; the parser recurses


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression."""

    text: str
    run: Run
    asks_about: frozenset[str]
    """Full names of the records that an `is()` in it asks about."""


def compile_expression(text: str) -> Expression | Problem:
    """Compile a JMESPath expression. Syntax, function names and numbers of arguments are checked here, once."""
    if not text.strip():
        return Problem("is empty", 0, "write an expression")
    if len(text) > _LONGEST:
        return Problem(f"is longer than {_LONGEST} characters", 0, "")
    try:
        ast: Ast = ExactParser().parse(text).parsed
    except JMESPathError as error:
        return says_where(error, text)
    except (RecursionError, ValueError, LookupError, TypeError):
        return Problem("is not a JMESPath expression", 0, "")
    names: set[str] = set()
    result = checked(ast, text, names)
    if isinstance(result, Problem):
        return result
    return Expression(text, _quick(result) or _interpreted(result), frozenset(names))


def _interpreted(ast: Ast) -> Run:
    interpreter = Interpreter()
    return lambda value, scope: interpreter.run(ast, value, scope)


def _quick(ast: Ast) -> Run | None:
    """Return a function for a plain dotted path, by far the commonest expression; `None` for anything else."""
    if ast["type"] == "field":
        return _path_of_one(ast["value"])
    if ast["type"] == "current":
        return lambda value, _scope: value
    if ast["type"] != "subexpression" or any(child["type"] != "field" for child in ast["children"]):
        return None
    names = [child["value"] for child in ast["children"]]
    if len(names) == _TWO:
        return _path_of_two(*names)
    return _path(names)


def _path_of_one(name: str) -> Run:
    return lambda value, _scope: value.get(name) if isinstance(value, dict) else None


def _path_of_two(first: str, second: str) -> Run:
    def run(value: Value, _scope: Scope) -> Value:
        if not isinstance(value, dict):
            return None
        inner = value.get(first)
        return inner.get(second) if isinstance(inner, dict) else None

    return run


def _path(names: list[str]) -> Run:
    def run(value: Value, _scope: Scope) -> Value:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return run
