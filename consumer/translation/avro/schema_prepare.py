"""Prepares a linked schema for fastavro's reader. Each named type is one dictionary, and each use of it is that one.

A schema of a megabyte can refer to one large type ten thousand times: a copy for each reference would exhaust the
memory. And fastavro would look up each name for each value, and copy the dictionary of the names for each datum.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consumer.translation.avro.logical_types import (
    NAMED_RECORD,
    TOLERANT_RECORD,
    OutOfRangeError,
    Unreadable,
    decoding_form,
    tolerant_type,
)
from consumer.translation.avro.schema_text import Json, TypeName

_NO_SYMBOL = "a number of an enum has no symbol in its schema"


class Symbols(dict[int, str]):
    """An enum's symbols by number. With a list, fastavro would read number -1 as the last symbol."""

    def __missing__(self, number: int) -> str:
        """Raise an error: there is no such symbol."""
        raise OutOfRangeError(_NO_SYMBOL)


class TolerantSymbols(dict[int, str | Unreadable]):
    """An enum's symbols by number, and something unreadable for every other number."""

    def __missing__(self, number: int) -> Unreadable:
        """Return that there is no such symbol."""
        return Unreadable(_NO_SYMBOL)


class SchemaPreparation:
    """Prepares the branches of one schema; `types` are their named types by full name.

    Args:
        types: the definitions of the named types, linked.
        named_records: full names of the records that are decoded with their name.
        tolerant: whether a value that its type does not allow is left to the record around it.
    """

    def __init__(self, types: Mapping[str, Json], named_records: Collection[str], *, tolerant: bool = False) -> None:
        self._named_records = named_records
        self._tolerant = tolerant
        self._types: dict[str, Json] = {name: {} for name in types}  # all, because types can contain each other
        for name, node in types.items():
            self._types[name].update(self._prepare(decoding_form(node)))

    def schema(self, node: Json) -> Json:
        """Return a linked schema as fastavro reads it. Named types in it are shared, and may contain themselves."""
        return self._prepare(decoding_form(node))

    def _prepare(self, node: Json) -> Json:
        if isinstance(node, list):
            return [self._prepare(each) for each in node]
        if isinstance(node, TypeName):
            return self._types[node]
        if isinstance(node, str):
            return node
        for name in {"array": ("items",), "map": ("values",)}.get(node["type"], ()):
            node[name] = self._prepare(node[name])
        if node["type"] == "record":
            node["fields"] = [{**each, "type": self._prepare(each["type"])} for each in node["fields"]]
        if node["type"] == "enum":
            node["symbols"] = (TolerantSymbols if self._tolerant else Symbols)(enumerate(node["symbols"]))
        if (logical := self._logical_type(node)) is not None:
            node["logicalType"] = logical
        return node

    def _logical_type(self, node: Json) -> str | None:
        if node["type"] == "record":
            if self._tolerant:
                return TOLERANT_RECORD
            return NAMED_RECORD if node["name"] in self._named_records else None
        logical: str | None = node.get("logicalType")
        return tolerant_type(logical) if self._tolerant and logical is not None else logical
