"""What of an expression can be checked before any event is seen: syntax errors in words, functions, literals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError

from consumer.model.findings import did_you_mean
from consumer.translation.expressions.functions import META, Functions
from consumer.translation.expressions.parser import LITERAL, Ast

_TABLE = Functions.FUNCTION_TABLE
_MOST_EXPONENT = 3_000
_LITERAL_ARGUMENT = {"is": 1, "meta": 0, "header": 0}
"""Functions with an argument that must be a text as it stands, and which."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot be compiled."""

    message: str
    at: int
    """Where: characters from the expression's beginning."""
    hint: str = ""


def says_where(error: JMESPathError, text: str) -> Problem:
    """Return a syntax error of the library in words of ours."""
    match error:
        case IncompleteExpressionError():
            return Problem("is not a whole expression: something is missing at its end", len(text))
        case LexerError(message=message) if message == LITERAL:
            return Problem(f"is not JMESPath: {LITERAL}", error.lexer_position, "text stands in 'single quotes'")
        case LexerError():
            what = str(error.message).partition(" ")[0].lower()
            found = "a quote or backtick is not closed" if what == "unclosed" else "a character has no meaning there"
            return Problem(f"is not JMESPath: {found}", error.lexer_position)
        case _:
            at = error.lex_position if isinstance(error, ParseError) else 0
            return Problem(f"is not JMESPath at `{text[at:][:20]}`", at)


def checked(node: Ast, text: str, asks_about: set[str]) -> Ast | Problem:
    """Check a parsed expression; return it (a copy: the library caches what it parsed).

    Args:
        node: the syntax tree.
        text: what it was parsed from, for places.
        asks_about: receives the record names that `is()` mentions.
    """
    kind = node["type"]
    if kind == "literal":
        return Problem("holds a number that is too large", text.find("`")) if _too_large(node["value"]) else node
    if kind == "slice" and node["children"][2] == 0:
        return Problem("holds a slice with a step of zero", text.find("["))
    children = []
    for child in node["children"]:
        if isinstance(child, dict):
            inner = checked(child, text, asks_about)
            if isinstance(inner, Problem):
                return inner
            children.append(inner)
        else:
            children.append(child)
    if kind == "function_expression":
        problem = _call(node["value"], children, text, asks_about)
        if problem is not None:
            return problem
    return {**node, "children": children}


def _call(name: str, arguments: Sequence[Ast], text: str, asks_about: set[str]) -> Problem | None:
    found = re.search(rf"\b{re.escape(name)}\s*\(", text)
    at = found.start() if found else 0
    if name not in _TABLE:
        return Problem(f"calls {name}(), which is no function here", at, did_you_mean(name, _TABLE))
    wanted: Sequence[dict[str, Any]] = _TABLE[name]["signature"]
    variadic = bool(wanted) and bool(wanted[-1].get("variadic"))
    least = sum(not each.get("optional") for each in wanted)
    if len(arguments) < least or (len(arguments) > len(wanted) and not variadic):
        most = " or more" if variadic else f" or {len(wanted)}" if least < len(wanted) else ""
        plural = "" if least == 1 and not most else "s"
        return Problem(f"calls {name}() with {len(arguments)}, but it takes {least}{most} argument{plural}", at)
    for index, argument in enumerate(arguments):
        types = wanted[min(index, len(wanted) - 1)]["types"]
        if ("expref" in types) != (argument["type"] == "expref"):
            said = "an expression with `&` before it" if "expref" in types else "a value: no `&` before it"
            return Problem(f"calls {name}(), whose argument {index + 1} is {said}", at)
    return _literal_argument(name, arguments, at, asks_about)


def _literal_argument(name: str, arguments: Sequence[Ast], at: int, asks_about: set[str]) -> Problem | None:
    index = _LITERAL_ARGUMENT.get(name)
    if index is None:
        return None
    argument = arguments[index]
    if argument["type"] != "literal" or not isinstance(argument["value"], str):
        return Problem(f"calls {name}() with a name that is not a text in 'single quotes'", at)
    if name == "is":
        asks_about.add(argument["value"])
    elif name == "meta" and argument["value"] not in META:
        return Problem(f"calls meta('{argument['value']}')", at, did_you_mean(argument["value"], META))
    return None


def _too_large(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_too_large, value.values()))
    if isinstance(value, list):
        return any(map(_too_large, value))
    return isinstance(value, Decimal) and abs(value.adjusted()) > _MOST_EXPONENT
