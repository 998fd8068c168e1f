"""JMESPath's own functions over exact numbers and times."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from typing import Any, Protocol, TypeVar, cast

import orjson
from jmespath import functions
from jmespath.exceptions import JMESPathTypeError

from consumer.model.values import Instant, Value
from consumer.translation.expressions.comparison import EXACT, equal, exact, is_number
from consumer.translation.expressions.record_scope import UnmappableError, kind_of

_MOST_EXPONENT = 3_000
_ORDERABLE = {"number", "string", "time"}
_MEAN = Context(prec=34, traps=[])  # an average need not end

Number = int | Decimal | float


class ByExpression(Protocol):
    """The library's own value of `&expression`."""

    expression: dict[str, Any]

    def visit(self, node: dict[str, Any], value: Value) -> Value:
        """Evaluate for one element."""


_Function = TypeVar("_Function", bound=Callable[..., Value])


def takes(*arguments: Mapping[str, object]) -> Callable[[_Function], _Function]:
    """Declare a function's arguments to the library: for each the `types` it may have, and whether it repeats."""
    return cast("Callable[[_Function], _Function]", functions.signature(*arguments))


class StandardFunctions(functions.Functions):  # type: ignore[misc]  # published without types
    """The published functions; those that count, order or print know decimals and instants."""

    def _type_check_single(self, current: object, types: Iterable[str], function_name: str) -> None:
        allowed = {each.partition("-")[0] for each in types}
        actual = _jmespath_kind(current)
        if actual not in allowed:
            raise JMESPathTypeError(function_name, None, actual, sorted(allowed))
        inner = {each.partition("-")[2] for each in types if each.startswith(f"{actual}-")}
        if inner and isinstance(current, list) and current:
            kinds = {_jmespath_kind(each) for each in current}
            if len(kinds) > 1 or not kinds <= inner:
                raise JMESPathTypeError(function_name, None, f"array of {' and '.join(sorted(kinds))}", sorted(types))

    @takes({"types": ["number"]})
    def _func_abs(self, arg: Number) -> Number:
        return arg.copy_abs() if isinstance(arg, Decimal) else abs(arg)

    @takes({"types": ["array-number"]})
    def _func_avg(self, arg: list[Number]) -> Number | None:
        if not arg:
            return None
        total = _sum(arg)
        if isinstance(total, int) and total % len(arg) == 0:
            return total // len(arg)
        return _MEAN.divide(Decimal(total), len(arg))

    @takes({"types": ["array-number"]})
    def _func_sum(self, arg: list[Number]) -> Number:
        return _sum(arg)

    @takes({"types": ["number"]})
    def _func_ceil(self, arg: Number) -> Number:
        return _whole(arg, ROUND_CEILING)

    @takes({"types": ["number"]})
    def _func_floor(self, arg: Number) -> Number:
        return _whole(arg, ROUND_FLOOR)

    @takes({"types": ["array", "string"]}, {"types": []})
    def _func_contains(self, subject: list[Value] | str, search: Value) -> bool:
        if isinstance(subject, str):
            return isinstance(search, str) and search in subject
        return any(equal(each, search) for each in subject)

    @takes({"types": ["array-number", "array-string", "array-time"]})
    def _func_max(self, arg: list[Any]) -> Value:
        return max(arg, key=_order) if arg else None

    @takes({"types": ["array-number", "array-string", "array-time"]})
    def _func_min(self, arg: list[Any]) -> Value:
        return min(arg, key=_order) if arg else None

    @takes({"types": ["array-number", "array-string", "array-time"]})
    def _func_sort(self, arg: list[Any]) -> list[Value]:
        return sorted(arg, key=_order)

    @takes({"types": ["array"]}, {"types": ["expref"]})
    def _func_sort_by(self, array: list[Value], expref: ByExpression) -> list[Value]:
        return [value for _, value in sorted(_keyed("sort_by", array, expref), key=lambda pair: pair[0])]

    @takes({"types": ["array"]}, {"types": ["expref"]})
    def _func_min_by(self, array: list[Value], expref: ByExpression) -> Value:
        return min(_keyed("min_by", array, expref), key=lambda pair: pair[0], default=(None, None))[1]

    @takes({"types": ["array"]}, {"types": ["expref"]})
    def _func_max_by(self, array: list[Value], expref: ByExpression) -> Value:
        return max(_keyed("max_by", array, expref), key=lambda pair: pair[0], default=(None, None))[1]

    @takes({"types": []})
    def _func_to_number(self, arg: Value) -> Number | None:
        if is_number(arg):
            return arg
        return number_in(arg) if isinstance(arg, str) else None

    @takes({"types": []})
    def _func_to_string(self, arg: Value) -> str:
        return text_of(arg)

    @takes({"types": []})
    def _func_type(self, arg: Value) -> str:
        return kind_of(arg)


def number_in(text: str) -> Number | None:
    """Read the JSON number that a text holds, exactly; `None` if it holds none."""
    try:
        number = orjson.loads(text) if len(text) <= _MOST_EXPONENT else None
    except orjson.JSONDecodeError:
        return None
    if not is_number(number):
        return None
    decimal = Decimal(text.strip())
    if abs(decimal.adjusted()) > _MOST_EXPONENT:
        return None
    return int(decimal) if text.strip().lstrip("-").isdigit() else decimal


def text_of(value: Value) -> str:
    """Return a text as it is and everything else as JSON: numbers exact, times in ISO 8601, bytes in base64."""
    if isinstance(value, str):
        return value
    if isinstance(value, Instant):
        return value.iso()
    return _json(value)


def plain(number: Number) -> str:
    """Return a number in digits, without an exponent.

    Raises:
        UnmappableError: it has too many digits, or is not finite.
    """
    value = exact(number)
    if isinstance(value, int):
        if value.bit_length() > 4 * _MOST_EXPONENT:
            raise UnmappableError("a number has too many digits")
        return str(value)
    if not value.is_finite() or abs(value.adjusted()) > _MOST_EXPONENT:
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
            raise UnmappableError("bytes have no JSON")
        case None | bool() | str():
            return orjson.dumps(value).decode()
        case _:
            return plain(value)


def _sum(numbers: list[Number]) -> Number:
    whole = [exact(each) for each in numbers]
    if all(isinstance(each, int) for each in whole):
        return sum(whole)
    total = Decimal(0)
    for each in whole:
        if isinstance(each, Decimal) and each.is_finite() and abs(each.adjusted()) > _MOST_EXPONENT:
            raise UnmappableError("a number has too many digits")
        total = EXACT.add(total, Decimal(each))
    return total


def _whole(number: Number, rounding: str) -> int:
    value = Decimal(exact(number))
    if not value.is_finite() or abs(value.adjusted()) > _MOST_EXPONENT:
        raise UnmappableError("a number is not finite, or has too many digits")
    return int(value.to_integral_value(rounding))


def _order(value: Any) -> Any:  # noqa: ANN401 - whatever can be ordered
    return exact(value) if is_number(value) else value


def _keyed(function: str, array: list[Value], expref: ByExpression) -> list[tuple[Any, Value]]:
    pairs = [(expref.visit(expref.expression, value), value) for value in array]
    kinds = {kind_of(key) for key, _ in pairs}
    if len(kinds) > 1 or not kinds <= _ORDERABLE:
        raise JMESPathTypeError(function, None, " and ".join(sorted(kinds)), sorted(_ORDERABLE))
    return [(_order(key), value) for key, value in pairs]


def _jmespath_kind(value: object) -> str:
    kind = kind_of(value)
    return "expref" if kind == "expression" else kind
