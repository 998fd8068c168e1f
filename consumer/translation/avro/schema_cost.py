"""What a schema's data may cost beyond their bytes: asked once, so that only the few that can hurt are guarded.

Every answer about a named type is kept: types that hold each other twice would otherwise be asked 2^n times.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from consumer.translation.avro.logical_types import Json

HEAVY = 256
"""Values without bytes that may come with one byte before the data are looked at first."""

DEEP = 100
"""Levels from which on they are looked at, too: the types of a schema can stand in each other without end."""

_ENDLESS = float("inf")


class _Cost(NamedTuple):
    """What one datum costs at most. Items of arrays and maps are data of their own, but for their depth."""

    empty: bool
    """Whether it takes no bytes."""
    values: float
    """How many values it holds that take none."""
    depth: float


_BYTES = _Cost(empty=False, values=0, depth=0)
_NOTHING = _Cost(empty=True, values=1, depth=0)
# What a type that holds itself finds of itself.
_UNKNOWN = _Cost(empty=True, values=_ENDLESS, depth=_ENDLESS)


class SchemaCost:
    """Questions about schemas; `types` are their named types by full name."""

    def __init__(self, types: Mapping[str, Json]) -> None:
        """Know no answer yet."""
        self._types = types
        self._hurt: dict[str, bool] = {}
        self._costs: dict[str, _Cost] = {}

    def needs_guard(self, schema: Json) -> bool:
        """Tell whether data can be endless or far larger than their bytes.

        They can where a type holds itself or many others in a row, where the items of an array take no bytes, and where
        many values that take none come together.
        """
        cost = self._cost(schema)
        return cost.depth > DEEP or cost.values > HEAVY or self._hurts(schema)

    def _hurts(self, schema: Json) -> bool:
        """Tell whether items within hurt; whatever holds itself was found to be deep."""
        if isinstance(schema, list):
            return any([self._hurts(each) for each in schema])  # noqa: C419 - a generator takes twice the stack
        if isinstance(schema, str):
            return schema in self._types and self._hurts(self._types[schema])
        kind = schema["type"]
        if kind == "array":
            cost = self._cost(schema["items"])
            return cost.empty or cost.values > HEAVY or self._hurts(schema["items"])
        if kind == "map":
            return self._cost(schema["values"]).values > HEAVY or self._hurts(schema["values"])
        if kind != "record":
            return False
        name = schema["name"]
        if name not in self._hurt:
            self._hurt[name] = any([self._hurts(field["type"]) for field in schema["fields"]])  # noqa: C419 - as above
        return self._hurt[name]

    def _cost(self, schema: Json) -> _Cost:
        if isinstance(schema, list):  # the branch's number takes a byte, which pays for one of the values
            branches = [self._cost(each) for each in schema]
            values = max(0, max((each.values for each in branches), default=0) - 1)
            return _Cost(empty=False, values=values, depth=1 + max((each.depth for each in branches), default=0))
        if isinstance(schema, str):
            if schema in self._types:
                return self._cost(self._types[schema])
            return _NOTHING if schema == "null" else _BYTES
        match schema["type"]:
            case "record":
                return self._record(schema)
            case "array":
                return _Cost(empty=False, values=0, depth=1 + self._cost(schema["items"]).depth)
            case "map":
                return _Cost(empty=False, values=0, depth=1 + self._cost(schema["values"]).depth)
            case "fixed":
                return _NOTHING if schema["size"] == 0 else _BYTES
            case _:
                return _BYTES

    def _record(self, schema: Json) -> _Cost:
        name = schema["name"]
        if name not in self._costs:
            self._costs[name] = _UNKNOWN
            fields = [self._cost(field["type"]) for field in schema["fields"]]
            empty = all(each.empty for each in fields)
            values = sum(each.values for each in fields) + empty
            self._costs[name] = _Cost(empty, values, 1 + max((each.depth for each in fields), default=0))
        return self._costs[name]
