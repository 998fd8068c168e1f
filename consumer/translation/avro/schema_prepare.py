"""A parsed schema made ready for fastavro's reader and the guard, each named type once, however often it is spoken of.

A schema of a megabyte can speak of one wide type ten thousand times, or let ten thousand branches share ten thousand
types: copied for each, that would fill the memory. Types are shared, and what remains of such a product is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NoReturn

from consumer.translation.avro.datum_check import UnsafeDatumError
from consumer.translation.avro.logical_types import NAMED_RECORD, Json

MOST_NAMES = 200_000
"""Names that all branches of a schema may need together: 500 event types of 400 named types each."""


class Symbols(dict[int, str]):
    """An enum's symbols by number: of a list fastavro takes number -1 for the last one."""

    def __missing__(self, number: int) -> NoReturn:
        """Say that there is no such symbol, as a list does."""
        raise IndexError(number)


class SchemaPreparation:
    """Finishes the branches of one schema; `types` are the named types met so far, by full name."""

    def __init__(self, names: Mapping[str, Json], named: Collection[str]) -> None:
        """Keep fastavro's parsed `names`, and which records (`named`) must know what they are called."""
        self.types: dict[str, Json] = {}
        self._names = names
        self._named = named
        self._uses: dict[str, dict[str, None]] = {}
        self._asked = 0

    def branch(self, parsed: Json) -> tuple[Json, dict[str, Json]]:
        """Return a copy without fastavro's own marks and with ours, and the named types that its data need.

        Raises:
            HostileError: all branches together need more than `MOST_NAMES`.
        """
        uses: dict[str, None] = {}
        schema = self._finished(parsed, uses)
        needed: dict[str, Json] = {}
        waiting = list(uses)
        while waiting:
            name = waiting.pop()
            if name in needed:
                continue
            self._asked += 1
            if self._asked > MOST_NAMES:
                raise UnsafeDatumError(f"its branches need more than {MOST_NAMES} named types")
            needed[name] = self.types[name]
            waiting.extend(self._uses[name])
        return schema, needed

    def _finished(self, node: Json, uses: dict[str, None]) -> Json:
        if isinstance(node, list):
            return [self._finished(each, uses) for each in node]
        if isinstance(node, str):
            if node in self._names:
                uses[node] = None
                if node not in self.types:
                    self._finished(self._names[node], {})
            return node
        name = node.get("name")
        if name is None:
            return self._copy(node, {}, uses)
        if name not in self.types:
            copy = self.types[name] = {}  # a type that contains itself comes back here before it is finished
            self._copy(node, copy, self._uses.setdefault(name, {}))
        uses.update(self._uses[name])
        return self.types[name]

    def _copy(self, node: Json, copy: dict[str, Json], uses: dict[str, None]) -> Json:
        copy.update((key, value) for key, value in node.items() if not key.startswith("__"))
        kind = copy["type"]
        if kind in {"record", "error"}:
            copy["type"] = "record"
            copy["fields"] = [{**each, "type": self._finished(each["type"], uses)} for each in copy["fields"]]
            if copy["name"] in self._named:
                copy["logicalType"] = NAMED_RECORD
        elif kind == "array":
            copy["items"] = self._finished(copy["items"], uses)
        elif kind == "map":
            copy["values"] = self._finished(copy["values"], uses)
        elif kind == "enum":
            copy["symbols"] = Symbols(enumerate(copy["symbols"]))
        return copy
