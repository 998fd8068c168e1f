"""Checks of an expression before any event is read: syntax errors, functions and their arguments, literals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from jmespath.exceptions import IncompleteExpressionError, JMESPathError, LexerError, ParseError

from consumer.model.findings import did_you_mean
from consumer.translation.expressions.functions import META_NAMES, Functions
from consumer.translation.expressions.jmespath_functions import MAX_EXPONENT
from consumer.translation.expressions.parser import BAD_LITERAL, Ast, bare_literal

_FUNCTIONS = Functions.FUNCTION_TABLE
_LITERAL_ARGUMENTS = {"is": 1, "meta": 0, "header": 0}
"""Functions with an argument that must be a literal text, and the argument's index."""

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
_OPERATORS = {"=": "==", "and": "&&", "or": "||", "&": "&&"}
"""What other languages write, and JMESPath's operator for it."""

_ARITHMETIC = "+-/%"
_SHOWN = 20  # characters of an expression that a message repeats


@dataclass(frozen=True, slots=True)
class Problem:
    """Why an expression cannot be compiled."""

    message: str
    position: int
    """Characters from the beginning of the expression."""
    hint: str = ""


def syntax_problem(error: JMESPathError, text: str) -> Problem:
    """Return a syntax error of the library as a problem with a hint."""
    match error:
        case IncompleteExpressionError():
            return Problem("is incomplete JMESPath", len(text), "finish the expression, or close its brackets")
        case LexerError(message=message, lexer_position=position) if message == BAD_LITERAL:
            return Problem(f"is not JMESPath: {BAD_LITERAL}", position, "write text in 'single quotes'")
        case LexerError(message=message, lexer_position=position) if str(message).lower().startswith("unclosed"):
            return Problem("is not JMESPath: a quote or backtick is not closed", position, "close it")
        case LexerError(lexer_position=position):
            found = text[position : position + 1]
            hint = (
                _hint(text, position) or "write text in 'single quotes', and special field names in \"double quotes\""
            )
            return Problem(f"is not JMESPath: unexpected character `{found}`", position, hint)
        case _:
            position = error.lex_position if isinstance(error, ParseError) else 0
            return Problem(f"is not JMESPath at `{text[position:][:_SHOWN]}`", position, _hint(text, position))


def bare_literal_problem(text: str) -> Problem | None:
    """Return the problem of an unquoted `true`, `false` or `null`; `None` if there is none.

    JMESPath reads it as the name of a field, so it is valid there. In a mapping it is meant as a value.
    """
    found = bare_literal(text)
    if found is None:
        return None
    word, position = found
    hint = f'write the value in backticks: `{word}`; write a field of that name in double quotes: "{word}"'
    return Problem(f"names a field {word}, and not the value {word}", position, hint)


def _hint(text: str, position: int) -> str:
    """Return what to write instead of the number, character or word at `position`; "" if there is no good guess."""
    rest = text[position:]
    number = _NUMBER.match(rest)
    if number is not None:
        return f"write a number in backticks: `{number[0][:_SHOWN]}`"
    word = re.match(r"[a-z]+|.", rest)
    operator = _OPERATORS.get(word[0]) if word is not None else None
    if operator is not None:
        return f"did you mean `{operator}`?"
    if rest[:1] in _ARITHMETIC:
        return 'write a field name with special characters in "double quotes"; JMESPath has no arithmetic'
    return ""


def check_ast(node: Ast, text: str, tested_types: set[str]) -> Ast | Problem:
    """Check a parsed expression.

    Args:
        node: the syntax tree.
        text: the expression it was parsed from, for positions.
        tested_types: receives the record types that `is()` tests for.

    Returns:
        A copy of the tree, because the library caches the trees it parsed; or the first problem.
    """
    kind = node["type"]
    if kind == "literal":
        if not _is_too_large(node["value"]):
            return node
        hint = f"use at most {MAX_EXPONENT} digits before or after the point"
        return Problem("holds a number that is too large", text.find("`"), hint)
    if kind == "slice" and node["children"][2] == 0:
        return Problem("holds a slice with a step of zero", text.find("["), "use a step of at least 1")
    children = []
    for child in node["children"]:
        if isinstance(child, dict):
            inner = check_ast(child, text, tested_types)
            if isinstance(inner, Problem):
                return inner
            children.append(inner)
        else:
            children.append(child)
    if kind == "function_expression":
        problem = _check_call(node["value"], children, text, tested_types)
        if problem is not None:
            return problem
    return {**node, "children": children}


def _check_call(name: str, arguments: Sequence[Ast], text: str, tested_types: set[str]) -> Problem | None:
    found = re.search(rf"\b{re.escape(name)}\s*\(", text)
    position = found.start() if found else 0
    if name not in _FUNCTIONS:
        hint = did_you_mean(name, _FUNCTIONS, at_most=None)
        return Problem(f"calls the unknown function {name}()", position, hint)
    parameters: Sequence[dict[str, Any]] = _FUNCTIONS[name]["signature"]
    variadic = bool(parameters) and bool(parameters[-1].get("variadic"))
    least = sum(not each.get("optional") for each in parameters)
    if len(arguments) < least or (len(arguments) > len(parameters) and not variadic):
        most = " or more" if variadic else f" or {len(parameters)}" if least < len(parameters) else ""
        plural = "" if least == 1 and not most else "s"
        message = f"calls {name}() with {len(arguments)}, but it takes {least}{most} argument{plural}"
        return Problem(message, position)
    for index, argument in enumerate(arguments):
        types = parameters[min(index, len(parameters) - 1)]["types"]
        if ("expref" in types) != (argument["type"] == "expref"):
            expected = "an expression with `&` before it" if "expref" in types else "a value, without `&`"
            return Problem(f"calls {name}(), but its argument {index + 1} must be {expected}", position)
    return _check_literal_argument(name, arguments, position, tested_types)


def _check_literal_argument(
    name: str, arguments: Sequence[Ast], position: int, tested_types: set[str]
) -> Problem | None:
    index = _LITERAL_ARGUMENTS.get(name)
    if index is None:
        return None
    argument = arguments[index]
    if argument["type"] != "literal" or not isinstance(argument["value"], str):
        message = f"calls {name}() with a name that is not literal text"
        return Problem(message, position, "write the name in 'single quotes'")
    if name == "is":
        tested_types.add(argument["value"])
    elif name == "meta" and argument["value"] not in META_NAMES:
        hint = did_you_mean(argument["value"], META_NAMES)
        return Problem(f"calls meta() with the unknown name '{argument['value']}'", position, hint)
    return None


def _is_too_large(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_is_too_large, value.values()))
    if isinstance(value, list):
        return any(map(_is_too_large, value))
    return isinstance(value, Decimal) and abs(value.adjusted()) > MAX_EXPONENT
