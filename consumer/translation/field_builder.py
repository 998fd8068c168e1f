"""The fields of a delivery: each field of the mapping is compiled once into a function of an event."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from consumer.model.values import Fields, Value
from consumer.translation.expressions.compiler import Evaluator
from consumer.translation.expressions.expression import Expression
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.mapping.rules import ConstantField, EachField, FieldSource, ListField, ObjectField
from consumer.translation.unmappable import UnmappableError


def compile_field(source: FieldSource) -> Evaluator:
    """Return the function of one field. Its result is null if there is nothing to send.

    Null and absent are the same. Nulls are left out at every depth, also from lists, and so is an object without
    fields, unless its target requires it. Only a constant null stays.
    """
    match source:
        case Expression():
            return _without_nulls_of(source.evaluate)
        case ConstantField(value):
            return lambda _value, _scope: value
        case EachField():
            return _compile_each(source)
        case ListField():
            return _compile_list(source.items)
        case ObjectField():  # pragma: no branch - mypy proves the match total
            return compile_object(source)


def compile_object(source: ObjectField) -> Evaluator:
    """Return the function of an object."""
    items = tuple((name, *_compile_part(each)) for name, each in source.fields.items())
    mandatory = source.mandatory

    def make(value: Value, scope: Scope) -> Value:
        fields: Fields = {}
        for name, evaluate, may_hold_nulls, keep_null in items:
            inner = evaluate(value, scope)
            if may_hold_nulls and isinstance(inner, dict | list):
                inner = without_nulls(inner)
            if inner is not None or keep_null:
                fields[name] = inner
        return fields if fields or mandatory else None

    return make


def _compile_part(source: FieldSource) -> tuple[Evaluator, bool, bool]:
    """Return a field's function, whether nulls must be removed from its result, and whether a null result is sent."""
    if isinstance(source, Expression):
        return source.evaluate, True, False
    return compile_field(source), False, _is_null_constant(source)


def _without_nulls_of(evaluate: Evaluator) -> Evaluator:
    def make(value: Value, scope: Scope) -> Value:
        result = evaluate(value, scope)
        return without_nulls(result) if isinstance(result, dict | list) else result

    return make


def _compile_each(source: EachField) -> Evaluator:
    list_of, evaluate = source.items.evaluate, compile_field(source.fields)

    def make(value: Value, scope: Scope) -> Value:
        items = list_of(value, scope)
        if items is None:
            return None
        if not isinstance(items, list):
            raise UnmappableError(f"each: must be an array, not {type_name(items)}")
        return _non_null(evaluate(item, scope) for item in items if item is not None)

    return make


def _compile_list(sources: Sequence[FieldSource]) -> Evaluator:
    elements = tuple((compile_field(each), _is_null_constant(each)) for each in sources)

    def make(value: Value, scope: Scope) -> Value:
        results = [(evaluate(value, scope), keep_null) for evaluate, keep_null in elements]
        return [each for each, keep_null in results if each is not None or keep_null]

    return make


def without_nulls(value: Fields | list[Value]) -> Value:
    """Return an object or a list without nulls and empty objects, at any depth; null for an object without fields."""
    if isinstance(value, dict):
        fields: Fields = {}
        for name, inner in value.items():
            kept = without_nulls(inner) if isinstance(inner, dict | list) else inner
            if kept is not None:
                fields[name] = kept
        return fields or None
    return _non_null(without_nulls(inner) if isinstance(inner, dict | list) else inner for inner in value)


def explain_failure(source: ObjectField, value: Value, scope: Scope, path: str = "fields") -> str | None:
    """Return which field has no value that can be sent and why, such as `fields.total: cents() takes …`.

    It raised an `UnmappableError`, or it holds NaN or an infinity; `None` if there is no such field.
    """
    for name, each in source.fields.items():
        inner = f"{path}.{name}"
        if isinstance(each, ObjectField):
            found = explain_failure(each, value, scope, inner)
            if found is not None:
                return found
            continue
        try:
            result = compile_field(each)(value, scope)
        except UnmappableError as error:
            return f"{inner}: {error.reason}"
        if _holds_not_finite(result):
            return f"{inner}: a number is not finite (NaN or infinity)"
    return None


def _holds_not_finite(value: Value) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_not_finite, value.values()))
    if isinstance(value, list):
        return any(map(_holds_not_finite, value))
    return isinstance(value, float | Decimal) and not math.isfinite(value)


def _is_null_constant(source: FieldSource) -> bool:
    return isinstance(source, ConstantField) and source.value is None


def _non_null(values: Iterable[Value]) -> Value:
    return [each for each in values if each is not None]
