"""The published parser, reading literals exactly: a decimal in backticks never passes through a binary float."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any, NoReturn, TypeAlias

from jmespath.exceptions import LexerError, ParseError
from jmespath.lexer import Lexer
from jmespath.parser import ParsedResult, Parser

Ast: TypeAlias = dict[str, Any]
"""A node of the syntax tree, as the library has it."""

LITERAL = "a literal in backticks is not JSON"


class _ExactLexer(Lexer):  # type: ignore[misc]  # published without types
    """Tokens whose literals hold `Decimal`; what is not JSON is an error, not text with a warning."""

    def _consume_literal(self) -> dict[str, Any]:
        start = self._position
        lexeme = self._consume_until("`").replace("\\`", "`")
        try:
            value = json.loads(lexeme, parse_float=Decimal, parse_constant=_no_constant)
        except ValueError:
            raise LexerError(lexer_position=start, lexer_value=lexeme, message=LITERAL) from None
        return {"type": "literal", "value": value, "start": start, "end": self._position - start}


class ExactParser(Parser):  # type: ignore[misc]  # published without types
    """The library's parser over those tokens, with a cache of its own: the library's holds trees with floats."""

    _CACHE: dict[str, ParsedResult] = {}  # noqa: RUF012 - the library's own way

    def _parse(self, expression: str) -> ParsedResult:
        self.tokenizer = _ExactLexer().tokenize(expression)
        self._tokens = list(self.tokenizer)
        self._index = 0
        parsed = self._expression(binding_power=0)
        if self._current_token() != "eof":
            token = self._lookahead_token(0)
            raise ParseError(token["start"], token["value"], token["type"], "unexpected")
        return ParsedResult(expression, parsed)


def _no_constant(_name: str) -> NoReturn:
    raise ValueError("NaN and Infinity are not JSON")
