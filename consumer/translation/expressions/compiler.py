"""The most frequent expressions as nested functions: paths, indexes, defaults, `if`, comparisons.

Each has exactly the interpreter's result (a test compares every node type). It only saves the interpreter's lookup of
each node by its name, which costs more than most expressions themselves. Nodes of other types stay with the
interpreter, also within a compiled expression.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from consumer.model.values import Value
from consumer.translation.expressions.comparison import compare, equal
from consumer.translation.expressions.interpreter import Interpreter
from consumer.translation.expressions.parser import Ast
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.unmappable import UnmappableError

Evaluator: TypeAlias = Callable[[Value, Scope], Value]
"""(input value, current record) → result. Raises `UnmappableError`, nothing else."""

_TWO = 2
_MAX_DEPTH = 40
"""Levels of nested functions. Deeper expressions go to the interpreter, which handles a `RecursionError`."""


def compile_ast(ast: Ast) -> Evaluator:
    """Return the function that evaluates a checked expression."""
    return _compile(ast, 0)


def _compile(ast: Ast, depth: int) -> Evaluator:
    make = _COMPILERS.get(ast["type"])
    made = make(ast, depth + 1) if make is not None and depth < _MAX_DEPTH else None
    return _interpret(ast) if made is None else made


def _interpret(ast: Ast) -> Evaluator:
    interpreter = Interpreter()
    return lambda value, scope: interpreter.evaluate(ast, value, scope)


def _field(ast: Ast, _depth: int) -> Evaluator:
    name = ast["value"]
    return lambda value, _scope: value.get(name) if isinstance(value, dict) else None


def _current(_ast: Ast, _depth: int) -> Evaluator:
    return lambda value, _scope: value


def _literal(ast: Ast, _depth: int) -> Evaluator:
    constant = ast["value"]
    return lambda _value, _scope: constant


def _index(ast: Ast, _depth: int) -> Evaluator:
    at = ast["value"]

    def run(value: Value, _scope: Scope) -> Value:
        if not isinstance(value, list):
            return None
        try:
            return value[at]
        except IndexError:
            return None

    return run


def _chain(ast: Ast, depth: int) -> Evaluator:
    """Return the function of a path: the result of each part is the input of the next."""
    children = ast["children"]
    if all(child["type"] == "field" for child in children):
        names = [child["value"] for child in children]
        return _path_of_two(*names) if len(names) == _TWO else _path(names)
    first, *rest = [_compile(child, depth) for child in children]

    def run(value: Value, scope: Scope) -> Value:
        value = first(value, scope)
        for part in rest:
            value = part(value, scope)
        return value

    return run


def _path_of_two(first: str, second: str) -> Evaluator:
    def run(value: Value, _scope: Scope) -> Value:
        if not isinstance(value, dict):
            return None
        inner = value.get(first)
        return inner.get(second) if isinstance(inner, dict) else None

    return run


def _path(names: list[str]) -> Evaluator:
    def run(value: Value, _scope: Scope) -> Value:
        for name in names:
            if not isinstance(value, dict):
                return None
            value = value.get(name)
        return value

    return run


def _or(ast: Ast, depth: int) -> Evaluator:
    left, right = (_compile(child, depth) for child in ast["children"])

    def run(value: Value, scope: Scope) -> Value:
        found = left(value, scope)
        return right(value, scope) if _is_false(found) else found

    return run


def _and(ast: Ast, depth: int) -> Evaluator:
    left, right = (_compile(child, depth) for child in ast["children"])

    def run(value: Value, scope: Scope) -> Value:
        found = left(value, scope)
        return found if _is_false(found) else right(value, scope)

    return run


def _not(ast: Ast, depth: int) -> Evaluator:
    inner = _compile(ast["children"][0], depth)
    return lambda value, scope: _is_false(inner(value, scope))


def _comparison(ast: Ast, depth: int) -> Evaluator:
    left, right = (_compile(child, depth) for child in ast["children"])
    operator = ast["value"]
    if operator == "eq":
        return lambda value, scope: equal(left(value, scope), right(value, scope))
    if operator == "ne":
        return lambda value, scope: not equal(left(value, scope), right(value, scope))
    return lambda value, scope: compare(operator, left(value, scope), right(value, scope))


def _function(ast: Ast, depth: int) -> Evaluator | None:
    """Return the function of an `if`, which evaluates only one branch; `None` for every other function."""
    if ast["value"] != "if":
        return None
    condition, then, *rest = [_compile(child, depth) for child in ast["children"]]
    otherwise = rest[0] if rest else None

    def run(value: Value, scope: Scope) -> Value:
        chosen = condition(value, scope)
        if chosen is True:
            return then(value, scope)
        if chosen is False or chosen is None:
            return None if otherwise is None else otherwise(value, scope)
        raise UnmappableError(f"if() takes a boolean condition, not {type_name(chosen)}")

    return run


def _is_false(value: Value) -> bool:
    """Return True if JMESPath treats a value as false: null, `false`, an empty text, list or object; never a number."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


_COMPILERS: dict[str, Callable[[Ast, int], Evaluator | None]] = {
    "field": _field,
    "current": _current,
    "literal": _literal,
    "index": _index,
    "subexpression": _chain,
    "index_expression": _chain,
    "pipe": _chain,
    "or_expression": _or,
    "and_expression": _and,
    "not_expression": _not,
    "comparator": _comparison,
    "function_expression": _function,
}
