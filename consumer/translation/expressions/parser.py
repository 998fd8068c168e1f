"""The published parser with exact literals: a decimal in backticks never becomes a binary float."""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any, NoReturn, TypeAlias

from jmespath.exceptions import LexerError, ParseError
from jmespath.lexer import Lexer
from jmespath.parser import ParsedResult, Parser

Ast: TypeAlias = dict[str, Any]
"""A node of the syntax tree, in the library's form."""

_LITERALS = frozenset({"true", "false", "null"})

BAD_LITERAL = "a literal in backticks is not JSON"


class _ExactLexer(Lexer):  # type: ignore[misc]  # published without types
    """Reads decimals in literals as `Decimal`. A literal that is not JSON is an error; the library only warns."""

    def _consume_literal(self) -> dict[str, Any]:
        start = self._position
        lexeme = self._consume_until("`").replace("\\`", "`")
        try:
            value = json.loads(lexeme, parse_float=Decimal, parse_constant=_refuse_constant)
        except ValueError:
            raise LexerError(lexer_position=start, lexer_value=lexeme, message=BAD_LITERAL) from None
        return {"type": "literal", "value": value, "start": start, "end": self._position - start}


class ExactParser(Parser):  # type: ignore[misc]  # published without types
    """The library's parser over those tokens. Its own cache, because the library's cache holds trees with floats."""

    _CACHE: dict[str, ParsedResult] = {}  # noqa: RUF012 - declared as the library declares it

    def _parse(self, expression: str) -> ParsedResult:
        self.tokenizer = _ExactLexer().tokenize(expression)
        self._tokens = list(self.tokenizer)
        self._index = 0
        parsed = self._expression(binding_power=0)
        if self._current_token() != "eof":
            token = self._lookahead_token(0)
            raise ParseError(token["start"], token["value"], token["type"], "unexpected")
        return ParsedResult(expression, parsed)


def bare_literal(text: str) -> tuple[str, int] | None:
    """Return the first unquoted `true`, `false` or `null` that begins a path, and its position; `None` if none does.

    In JMESPath it names a field: `agreed == true` compares two fields, and is true if both are missing.

    Args:
        text: an expression that parses.
    """
    before = ""
    tokens = list(_ExactLexer().tokenize(text))
    for token, after in pairwise(tokens):
        is_name = before == "dot" or after["type"] in {"colon", "lparen"}  # `a.true`, `{true: a}`, `true(a)`
        if token["type"] == "unquoted_identifier" and token["value"] in _LITERALS and not is_name:
            return token["value"], token["start"]
        before = token["type"]
    return None


def _refuse_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
