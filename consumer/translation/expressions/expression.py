"""An expression's text becomes something that can be called for each event, or a problem with its place."""

from __future__ import annotations

from dataclasses import dataclass

from jmespath.exceptions import JMESPathError

from consumer.translation.expressions.compiler import Run, runner
from consumer.translation.expressions.parser import Ast, ExactParser
from consumer.translation.expressions.static_checks import Problem, checked, says_where

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
    return Expression(text, runner(result), frozenset(names))
