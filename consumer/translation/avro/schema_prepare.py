"""Prepares a parsed schema for fastavro's reader and the datum check. Each named type is copied once and shared.

A schema of a megabyte can refer to one large type ten thousand times, or have ten thousand branches that share ten
thousand types. A copy for each reference would exhaust the memory. The names that the branches need are counted and
limited.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from consumer.translation.avro.datum_check import UnsafeDatumError
from consumer.translation.avro.logical_types import NAMED_RECORD, Json

MAX_NAMES = 200_000
"""Named types that all branches of a schema may need in sum: 500 event types with 400 named types each."""


class Symbols(dict[int, str]):
    """An enum's symbols by number. With a list, fastavro would read number -1 as the last symbol."""

    def __missing__(self, number: int) -> NoReturn:
        """Raise what a list raises: there is no such symbol."""
        raise IndexError(number)


class SchemaPreparation:
    """Prepares the branches of one schema; `types` are the named types found so far, by full name."""

    def __init__(self, names: Mapping[str, Json], named_records: Collection[str]) -> None:
        """Keep fastavro's parsed `names`, and the full names of the records that are decoded with their name."""
        self.types: dict[str, Json] = {}
        self._names = names
        self._named_records = named_records
        self._uses: dict[str, dict[str, None]] = {}
        self._names_needed = 0

    def branch(self, parsed: Json) -> tuple[Json, dict[str, Json]]:
        """Return a copy with our marks instead of fastavro's, and the named types that its data need.

        Raises:
            UnsafeDatumError: all branches together need more than `MAX_NAMES` types.
        """
        uses: dict[str, None] = {}
        schema = self._prepare(parsed, uses)
        needed: dict[str, Json] = {}
        waiting = list(uses)
        while waiting:
            name = waiting.pop()
            if name in needed:
                continue
            self._names_needed += 1
            if self._names_needed > MAX_NAMES:
                raise UnsafeDatumError(f"its branches need more than {MAX_NAMES} named types")
            needed[name] = self.types[name]
            waiting.extend(self._uses[name])
        return schema, needed

    def _prepare(self, node: Json, uses: dict[str, None]) -> Json:
        if isinstance(node, list):
            return [self._prepare(each, uses) for each in node]
        if isinstance(node, str):
            if node in self._names:
                uses[node] = None
                if node not in self.types:
                    self._prepare(self._names[node], {})
            return node
        name = node.get("name")
        if name is None:
            return self._copy(node, {}, uses)
        if name not in self.types:
            copy = self.types[name] = {}  # set first, because a type that contains itself gets here again
            self._copy(node, copy, self._uses.setdefault(name, {}))
        uses.update(self._uses[name])
        return self.types[name]

    def _copy(self, node: Json, copy: dict[str, Json], uses: dict[str, None]) -> Json:
        copy.update((key, value) for key, value in node.items() if not key.startswith("__"))
        kind = copy["type"]
        if kind in {"record", "error"}:
            copy["type"] = "record"
            copy["fields"] = [{**each, "type": self._prepare(each["type"], uses)} for each in copy["fields"]]
            if copy["name"] in self._named_records:
                copy["logicalType"] = NAMED_RECORD
        elif kind == "array":
            copy["items"] = self._prepare(copy["items"], uses)
        elif kind == "map":
            copy["values"] = self._prepare(copy["values"], uses)
        elif kind == "enum":
            copy["symbols"] = Symbols(enumerate(copy["symbols"]))
        return copy
