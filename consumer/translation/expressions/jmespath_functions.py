"""JMESPath's standard functions, for exact numbers and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Protocol, TypeVar, cast

import orjson
from jmespath import functions
from jmespath.exceptions import JMESPathTypeError

from consumer.model.values import Instant, Value
from consumer.translation.expressions.comparison import EXACT_CONTEXT, equal, exact, is_number
from consumer.translation.expressions.record_scope import type_name
from consumer.translation.unmappable import UnmappableError

MAX_EXPONENT = 3_000
"""Digits before or after the point that a function still handles; more would cost too much time and memory."""

_ORDERABLE = {"number", "string", "time"}
_MEAN_CONTEXT = Context(prec=34, traps=[])  # the digits of an average need not end

Number = int | Decimal | float


class ExpressionReference(Protocol):
    """The library's value of `&expression`."""

    expression: dict[str, Any]

    def visit(self, node: dict[str, Any], value: Value) -> Value:
        """Evaluate the expression for one element."""


_Function = TypeVar("_Function", bound=Callable[..., Value])


def signature(*arguments: Mapping[str, object]) -> Callable[[_Function], _Function]:
    """Declare a function's arguments to the library: for each its `types`, and `optional` or `variadic`."""
    return cast("Callable[[_Function], _Function]", functions.signature(*arguments))


class StandardFunctions(functions.Functions):  # type: ignore[misc]  # published without types
    """The published functions. Those that calculate, order or print values also handle decimals and instants."""

    def _type_check_single(self, current: object, types: Iterable[str], function_name: str) -> None:
        allowed = {each.partition("-")[0] for each in types}
        actual = _jmespath_type(current)
        if actual not in allowed:
            raise JMESPathTypeError(function_name, None, actual, sorted(allowed))
        inner = {each.partition("-")[2] for each in types if each.startswith(f"{actual}-")}
        if inner and isinstance(current, list) and current:
            kinds = {_jmespath_type(each) for each in current}
            if len(kinds) > 1 or not kinds <= inner:
                raise JMESPathTypeError(function_name, None, f"array of {' and '.join(sorted(kinds))}", sorted(types))

    @signature({"types": ["number"]})
    def _func_abs(self, arg: Number) -> Number:
        return arg.copy_abs() if isinstance(arg, Decimal) else abs(arg)

    @signature({"types": ["array-number"]})
    def _func_avg(self, arg: list[Number]) -> Number | None:
        if not arg:
            return None
        total = _sum(arg)
        if isinstance(total, int) and total % len(arg) == 0:
            return total // len(arg)
        return _MEAN_CONTEXT.divide(Decimal(total), len(arg))

    @signature({"types": ["array-number"]})
    def _func_sum(self, arg: list[Number]) -> Number:
        return _sum(arg)

    @signature({"types": ["number"]})
    def _func_ceil(self, arg: Number) -> Number:
        return _round(arg, ROUND_CEILING)

    @signature({"types": ["number"]})
    def _func_floor(self, arg: Number) -> Number:
        return _round(arg, ROUND_FLOOR)

    @signature({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: list[Value] | str, search: Value) -> bool:
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(equal(each, search) for each in subject)

    @signature({"types": ["array-number", "array-string", "array-time"]})
    def _func_max(self, arg: list[Any]) -> Value:
        return max(arg, key=_sort_key) if arg else None

    @signature({"types": ["array-number", "array-string", "array-time"]})
    def _func_min(self, arg: list[Any]) -> Value:
        return min(arg, key=_sort_key) if arg else None

    @signature({"types": ["array-number", "array-string", "array-time"]})
    def _func_sort(self, arg: list[Any]) -> list[Value]:
        return sorted(arg, key=_sort_key)

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_sort_by(self, array: list[Value], expref: ExpressionReference) -> list[Value]:
        return [value for _, value in sorted(_with_keys("sort_by", array, expref), key=lambda pair: pair[0])]

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_min_by(self, array: list[Value], expref: ExpressionReference) -> Value:
        return min(_with_keys("min_by", array, expref), key=lambda pair: pair[0], default=(None, None))[1]

    @signature({"types": ["array"]}, {"types": ["expref"]})
    def _func_max_by(self, array: list[Value], expref: ExpressionReference) -> Value:
        return max(_with_keys("max_by", array, expref), key=lambda pair: pair[0], default=(None, None))[1]

    @signature({"types": []})
    def _func_to_number(self, arg: Value) -> Number | None:
        if is_number(arg):
            return arg
        return parse_number(arg) if isinstance(arg, str) else None

    @signature({"types": []})
    def _func_to_string(self, arg: Value) -> str | None:
        """Return a value as text; null stays null, where JMESPath has the text `null`: it would become an id."""
        return None if arg is None else to_text(arg)

    @signature({"types": []})
    def _func_type(self, arg: Value) -> str:
        return type_name(arg)


def parse_number(text: str) -> Number | None:
    """Return a JSON number in a text as an exact number; `None` if the text is not a number."""
    try:
        number = orjson.loads(text) if len(text) <= MAX_EXPONENT else None
    except orjson.JSONDecodeError:
        return None
    if not is_number(number):
        return None
    decimal = Decimal(text.strip())
    if abs(decimal.adjusted()) > MAX_EXPONENT:
        return None
    return int(decimal) if text.strip().lstrip("-").isdigit() else decimal


def to_text(value: Value) -> str:
    """Return a text as it is, and any other value as JSON, with exact numbers and times in ISO 8601.

    Raises:
        UnmappableError: the value is or contains bytes, or a number with too many digits.
    """
    if isinstance(value, str):
        return value
    if isinstance(value, Instant):
        return value.iso()
    return _json(value)


def number_text(number: Number) -> str:
    """Return a number in digits, without an exponent.

    Raises:
        UnmappableError: the number has too many digits, or is not finite.
    """
    value = exact(number)
    if isinstance(value, int):
        if value.bit_length() > 4 * MAX_EXPONENT:
            raise UnmappableError("a number has too many digits")
        return str(value)
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        raise UnmappableError("a number is not finite, or has too many digits")
    return f"{value:f}"


def _json(value: Value) -> str:
    match value:
        case dict():
            return "{" + ",".join(f"{_json(name)}:{_json(inner)}" for name, inner in value.items()) + "}"
        case list():
            return "[" + ",".join(map(_json, value)) + "]"
        case Instant():
            return f'"{value.iso()}"'
        case bytes():
            raise UnmappableError("bytes cannot be written as JSON")
        case None | bool() | str():
            return orjson.dumps(value).decode()
        case _:
            return number_text(value)


def _sum(numbers: list[Number]) -> Number:
    whole = [exact(each) for each in numbers]
    if all(isinstance(each, int) for each in whole):
        return sum(whole)
    total = Decimal(0)
    for each in whole:
        if isinstance(each, Decimal) and each.is_finite() and abs(each.adjusted()) > MAX_EXPONENT:
            raise UnmappableError("a number has too many digits")
        total = EXACT_CONTEXT.add(total, Decimal(each))
    return total


def _round(number: Number, rounding: str) -> int:
    value = Decimal(exact(number))
    if not value.is_finite() or abs(value.adjusted()) > MAX_EXPONENT:
        raise UnmappableError("a number is not finite, or has too many digits")
    return int(value.to_integral_value(rounding))


def _sort_key(value: Any) -> Any:  # noqa: ANN401 - any type that has an order
    return exact(value) if is_number(value) else value


def _with_keys(function: str, array: list[Value], expref: ExpressionReference) -> list[tuple[Any, Value]]:
    pairs = [(expref.visit(expref.expression, value), value) for value in array]
    kinds = {type_name(key) for key, _ in pairs}
    if len(kinds) > 1 or not kinds <= _ORDERABLE:
        raise JMESPathTypeError(function, None, " and ".join(sorted(kinds)), sorted(_ORDERABLE))
    return [(_sort_key(key), value) for key, value in pairs]


def _jmespath_type(value: object) -> str:
    kind = type_name(value)
    return "expref" if kind == "expression" else kind
