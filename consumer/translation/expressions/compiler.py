"""The commonest expressions as nested functions: paths, indexes, defaults, choices, comparisons.

They mean exactly what the interpreter makes of them (a test holds every kind against it); they only skip its looking up
of each node by name, which costs more than most expressions themselves. Whatever else stands in an expression is left
to the interpreter, part by part.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from consumer.model.values import Value
from consumer.translation.expressions.comparison import equal, ordered
from consumer.translation.expressions.interpreter import Interpreter
from consumer.translation.expressions.parser import Ast
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of

Run: TypeAlias = Callable[[Value, Scope], Value]
"""(the value the expression is about, the record at hand) → its value. Raises `UnmappableError`, nothing else."""

_TWO = 2
_DEEPEST = 40
"""Levels of functions within functions; deeper expressions are the interpreter's, which knows when to stop."""


def runner(ast: Ast) -> Run:
    """Return the function of a checked expression."""
    return _of(ast, 0)


def _of(ast: Ast, depth: int) -> Run:
    make = _KINDS.get(ast["type"])
    made = make(ast, depth + 1) if make is not None and depth < _DEEPEST else None
    return _interpreted(ast) if made is None else made


def _interpreted(ast: Ast) -> Run:
    interpreter = Interpreter()
    return lambda value, scope: interpreter.run(ast, value, scope)


def _field(ast: Ast, _depth: int) -> Run:
    name = ast["value"]
    return lambda value, _scope: value.get(name) if isinstance(value, dict) else None


def _current(_ast: Ast, _depth: int) -> Run:
    return lambda value, _scope: value


def _literal(ast: Ast, _depth: int) -> Run:
    constant = ast["value"]
    return lambda _value, _scope: constant


def _index(ast: Ast, _depth: int) -> Run:
    at = ast["value"]

    def run(value: Value, _scope: Scope) -> Value:
        if not isinstance(value, list):
            return None
        try:
            return value[at]
        except IndexError:
            return None

    return run


def _chain(ast: Ast, depth: int) -> Run:
    """Return the function of a path: each part is about what the one before it came to."""
    children = ast["children"]
    if all(child["type"] == "field" for child in children):
        names = [child["value"] for child in children]
        return _path_of_two(*names) if len(names) == _TWO else _path(names)
    first, *rest = [_of(child, depth) for child in children]

    def run(value: Value, scope: Scope) -> Value:
        value = first(value, scope)
        for part in rest:
            value = part(value, scope)
        return value

    return run


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


def _or(ast: Ast, depth: int) -> Run:
    left, right = (_of(child, depth) for child in ast["children"])

    def run(value: Value, scope: Scope) -> Value:
        found = left(value, scope)
        return right(value, scope) if _is_false(found) else found

    return run


def _and(ast: Ast, depth: int) -> Run:
    left, right = (_of(child, depth) for child in ast["children"])

    def run(value: Value, scope: Scope) -> Value:
        found = left(value, scope)
        return found if _is_false(found) else right(value, scope)

    return run


def _not(ast: Ast, depth: int) -> Run:
    inner = _of(ast["children"][0], depth)
    return lambda value, scope: _is_false(inner(value, scope))


def _comparison(ast: Ast, depth: int) -> Run:
    left, right = (_of(child, depth) for child in ast["children"])
    operator = ast["value"]
    if operator == "eq":
        return lambda value, scope: equal(left(value, scope), right(value, scope))
    if operator == "ne":
        return lambda value, scope: not equal(left(value, scope), right(value, scope))
    return lambda value, scope: ordered(operator, left(value, scope), right(value, scope))


def _function(ast: Ast, depth: int) -> Run | None:
    """Return the function of an `if`, of which only one branch is evaluated; the others are the interpreter's."""
    if ast["value"] != "if":
        return None
    condition, then, *rest = [_of(child, depth) for child in ast["children"]]
    otherwise = rest[0] if rest else None

    def run(value: Value, scope: Scope) -> Value:
        chosen = condition(value, scope)
        if chosen is True:
            return then(value, scope)
        if chosen is False or chosen is None:
            return None if otherwise is None else otherwise(value, scope)
        raise UnmappableError(f"if() takes a boolean condition, not {kind_of(chosen)}")

    return run


def _is_false(value: Value) -> bool:
    """Tell whether JMESPath takes a value for false: null, `false`, and what is empty; never a number."""
    return value is None or value is False or (isinstance(value, str | list | dict) and not value)


_KINDS: dict[str, Callable[[Ast, int], Run | None]] = {
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
