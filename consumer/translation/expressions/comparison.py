"""Equality and order of normalised values: exact, total, and never an exception."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from typing import Any, TypeGuard

from consumer.model.values import Instant

_ORDER: dict[str, Callable[[Any, Any], bool]] = {
    "lt": operator.lt,
    "gt": operator.gt,
    "lte": operator.le,
    "gte": operator.ge,
}

EXACT = Context(prec=4_000, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[])
"""Room for every decimal that Avro or a mapping can hold: Python's default context rounds at 28 digits."""


def is_number(value: object) -> TypeGuard[int | Decimal | float]:
    """Tell whether a value is a number: a boolean is not one, and neither is an instant."""
    kind = type(value)
    return kind is int or kind is Decimal or kind is float


def exact(value: float | Decimal) -> int | Decimal:
    """Return a number exactly; a binary float is what its shortest text says."""
    return Decimal(repr(value)) if isinstance(value, float) else value


def equal(left: object, right: object) -> bool:
    """Tell whether two values are the same; values of different kinds never are."""
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
    return _family(left) is _family(right) and left == right


def ordered(name: str, left: object, right: object) -> bool | None:
    """Compare by `lt`, `gt`, `lte` or `gte`: numbers, texts or instants, each with its own kind; else null."""
    if is_number(left) and is_number(right):
        left, right = exact(left), exact(right)
        if math.isnan(left) or math.isnan(right):
            return None
    elif not (isinstance(left, str) and isinstance(right, str)) and not (
        isinstance(left, Instant) and isinstance(right, Instant)
    ):
        return None
    return _ORDER[name](left, right)


def _family(value: object) -> type:
    return Instant if isinstance(value, Instant) else type(value)
