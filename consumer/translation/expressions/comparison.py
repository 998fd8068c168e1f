"""Exact equality and order of normalised values. Defined for every pair of values; nothing raises."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, TypeGuard

from consumer.model.values import Instant

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "gt": operator.gt,
    "lte": operator.le,
    "gte": operator.ge,
}

EXACT_CONTEXT = Context(prec=4_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Exact for every decimal that Avro or a mapping can hold. Python's default context rounds at 28 digits."""


def is_number(value: object) -> TypeGuard[int | Decimal | float]:
    """Return True for a number; booleans and instants are not numbers."""
    kind = type(value)
    return kind is int or kind is Decimal or kind is float


def exact(value: float | Decimal) -> int | Decimal:
    """Return a number as an exact one; a binary float becomes the decimal of its shortest text."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def equal(left: object, right: object) -> bool:
    """Return True if two values are equal; values of different types never are."""
    if is_number(left):
        return is_number(right) and exact(left) == exact(right)
    if isinstance(left, list):
        return (
            isinstance(right, list)
            and len(left) == len(right)
            and all(equal(one, other) for one, other in zip(left, right, strict=True))
        )
    if isinstance(left, dict):
        return (
            isinstance(right, dict)
            and left.keys() == right.keys()
            and all(equal(inner, right[name]) for name, inner in left.items())
        )
    return _comparable_type(left) is _comparable_type(right) and left == right


def compare(name: str, left: object, right: object) -> bool | None:
    """Compare by `lt`, `gt`, `lte` or `gte`. Two numbers, two texts or two instants have an order; else null."""
    if is_number(left) and is_number(right):
        left, right = exact(left), exact(right)
        if math.isnan(left) or math.isnan(right):
            return None
    elif not (isinstance(left, str) and isinstance(right, str)) and not (
        isinstance(left, Instant) and isinstance(right, Instant)
    ):
        return None
    return _OPERATORS[name](left, right)


def _comparable_type(value: object) -> type:
    return Instant if isinstance(value, Instant) else type(value)
