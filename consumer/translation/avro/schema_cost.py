"""The most that a schema's data can cost beyond their bytes. Only data of the few unsafe schemas are checked.

Results are kept for each named type: types that contain each other twice would otherwise be computed 2^n times.
"""

from __future__ import annotations

from typing import NamedTuple

from consumer.translation.avro.schema_text import Json

MAX_EMPTY_VALUES = 256
"""Values without bytes that may come with one byte. Data of schemas that allow more are checked."""

MAX_UNCHECKED_DEPTH = 100
"""Levels of nested types. Data of schemas that allow more are checked, because types can contain themselves."""

_UNBOUNDED = float("inf")


class _Cost(NamedTuple):
    """The most that one datum can cost. Items of arrays and maps count as data of their own, except for their depth."""

    empty: bool
    """Whether it takes no bytes."""
    values: float
    """Number of values within it that take no bytes."""
    depth: float


_BYTES = _Cost(empty=False, values=0, depth=0)
_EMPTY = _Cost(empty=True, values=1, depth=0)
# The cost of a type that contains itself, while it is computed.
_RECURSIVE = _Cost(empty=True, values=_UNBOUNDED, depth=_UNBOUNDED)


class SchemaCost:
    """Computes costs of prepared schemas: each use of a named type is the type itself."""

    def __init__(self) -> None:
        """Start without any result."""
        self._unsafe_items: dict[str, bool] = {}
        self._costs: dict[str, _Cost] = {}

    def needs_check(self, schema: Json) -> bool:
        """Return True if data can be endless, or far larger than their bytes.

        This is so if a type contains itself or a long chain of others, if array items take no bytes, or if many
        values without bytes come with one byte.
        """
        cost = self._cost(schema)
        return cost.depth > MAX_UNCHECKED_DEPTH or cost.values > MAX_EMPTY_VALUES or self._has_unsafe_items(schema)

    def _has_unsafe_items(self, schema: Json) -> bool:
        """Return True if the items of an array or map within are unsafe. Recursion is found by its depth."""
        if isinstance(schema, list):
            return any([self._has_unsafe_items(each) for each in schema])  # noqa: C419 - a generator takes twice the stack
        if isinstance(schema, str):
            return False
        kind = schema["type"]
        if kind == "array":
            cost = self._cost(schema["items"])
            return cost.empty or cost.values > MAX_EMPTY_VALUES or self._has_unsafe_items(schema["items"])
        if kind == "map":
            return self._cost(schema["values"]).values > MAX_EMPTY_VALUES or self._has_unsafe_items(schema["values"])
        if kind != "record":
            return False
        name = schema["name"]
        if name not in self._unsafe_items:
            self._unsafe_items[name] = any([self._has_unsafe_items(field["type"]) for field in schema["fields"]])  # noqa: C419 - as above
        return self._unsafe_items[name]

    def _cost(self, schema: Json) -> _Cost:
        if isinstance(schema, list):  # the byte of the branch's number counts for one of the values
            branches = [self._cost(each) for each in schema]
            values = max(0, max((each.values for each in branches), default=0) - 1)
            return _Cost(empty=False, values=values, depth=1 + max((each.depth for each in branches), default=0))
        if isinstance(schema, str):
            return _EMPTY if schema == "null" else _BYTES
        match schema["type"]:
            case "record":
                return self._record(schema)
            case "array":
                return _Cost(empty=False, values=0, depth=1 + self._cost(schema["items"]).depth)
            case "map":
                return _Cost(empty=False, values=0, depth=1 + self._cost(schema["values"]).depth)
            case "fixed":
                return _EMPTY if schema["size"] == 0 else _BYTES
            case _:
                return _BYTES

    def _record(self, schema: Json) -> _Cost:
        name = schema["name"]
        if name not in self._costs:
            self._costs[name] = _RECURSIVE
            fields = [self._cost(field["type"]) for field in schema["fields"]]
            empty = all(each.empty for each in fields)
            values = sum(each.values for each in fields) + empty
            self._costs[name] = _Cost(empty, values, 1 + max((each.depth for each in fields), default=0))
        return self._costs[name]
