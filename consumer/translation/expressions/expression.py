"""Compilation: an expression's text becomes a function of an event, or a problem with its position."""

from __future__ import annotations

from dataclasses import dataclass

from jmespath.exceptions import JMESPathError

from consumer.translation.expressions.compiler import Evaluator, compile_ast
from consumer.translation.expressions.parser import Ast, ExactParser
from consumer.translation.expressions.static_checks import Problem, check_ast, syntax_problem

_MAX_CHARS = 10_000  # characters; the parser recurses


@dataclass(frozen=True, slots=True)
class Expression:
    """One compiled expression."""

    text: str
    evaluate: Evaluator
    tested_types: frozenset[str]
    """Full names of the record types that an `is()` in it tests for."""


def compile_expression(text: str) -> Expression | Problem:
    """Compile a JMESPath expression; check its syntax, function names and numbers of arguments."""
    if not text.strip():
        return Problem("is empty", 0, "write an expression")
    if len(text) > _MAX_CHARS:
        return Problem(f"is longer than {_MAX_CHARS} characters", 0, "split it into shorter expressions")
    try:
        ast: Ast = ExactParser().parse(text).parsed
    except JMESPathError as error:
        return syntax_problem(error, text)
    except RecursionError:
        return Problem("is nested too deeply", 0, "split it into simpler expressions")
    except (ValueError, LookupError, TypeError):
        return Problem("is not valid JMESPath", 0, "check the expression with jmespath.org")
    names: set[str] = set()
    result = check_ast(ast, text, names)
    if isinstance(result, Problem):
        return result
    return Expression(text, compile_ast(result), frozenset(names))
