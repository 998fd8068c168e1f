"""Links a schema text to the texts it refers to: from names to the definitions that it uses.

A name resolves first in the text that has it, then to the one definition in the other texts. Definitions that are not
used are not looked at: nothing that is missing or contradictory there matters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from consumer.translation.avro.logical_types import decoding_form
from consumer.translation.avro.schema_text import InvalidSchemaError, Json, Reference, SchemaText, TypeName


class UndefinedTypeError(InvalidSchemaError):
    """A name that no text defines."""

    def __init__(self, name: str) -> None:
        super().__init__(f"refers to a type that is not defined: {name[:200]}")
        self.name = name


class DifferingDefinitionsError(InvalidSchemaError):
    """A type that is used by two definitions that differ."""

    def __init__(self, name: str, sources: tuple[str, str]) -> None:
        super().__init__(f"uses two different definitions of the type {name[:200]}")
        self.name = name
        self.sources = sources


class DefinitionIndex:
    """The definitions of many texts by full name."""

    def __init__(self, texts: Iterable[SchemaText]) -> None:
        """Index the definitions. Each must be of a text of its own."""
        self._texts: dict[str, list[SchemaText]] = {}
        for text in texts:
            for name in text.types:
                self._texts.setdefault(name, []).append(text)

    def texts_of(self, name: str) -> list[SchemaText]:
        """Return the texts that define a type."""
        return self._texts.get(name, [])

    def names(self) -> Iterable[str]:
        """Return the full names of all types."""
        return self._texts.keys()


@dataclass(frozen=True, slots=True)
class LinkedSchema:
    """A schema with all definitions it uses; each named type in them is a `TypeName`."""

    top: Json
    types: Mapping[str, Json] = field(default_factory=dict)
    """The definitions by full name."""
    texts: Mapping[str, SchemaText] = field(default_factory=dict)
    """The text that each definition was taken from, by full name."""


def link(top: Json, home: SchemaText, others: DefinitionIndex) -> LinkedSchema:
    """Return a schema with the definitions it uses.

    Args:
        top: the schema, or a part of it.
        home: the text it is from.
        others: the definitions of the other texts; those of `home` may be among them.

    Raises:
        UndefinedTypeError: a type that it uses is not defined.
        DifferingDefinitionsError: it uses two definitions of a type that differ.
    """
    linker = _Linker(others)
    linked = linker.link(top, home)
    linker.link_waiting()
    return LinkedSchema(linked, linker.types, linker.texts)


class _Linker:
    def __init__(self, others: DefinitionIndex) -> None:
        self.types: dict[str, Json] = {}
        self.texts: dict[str, SchemaText] = {}
        self._others = others
        self._found_elsewhere: set[str] = set()
        self._seen: set[tuple[int, str]] = set()
        self._waiting: list[tuple[str, SchemaText]] = []

    def link(self, node: Json, text: SchemaText) -> Json:
        if isinstance(node, TypeName):
            return self._use(node, text)
        if isinstance(node, Reference):
            return self._resolve(node, text)
        if isinstance(node, list):
            return [self.link(each, text) for each in node]
        if isinstance(node, str):
            return node
        linked = dict(node)
        if "fields" in linked:
            linked["fields"] = [{**each, "type": self.link(each["type"], text)} for each in linked["fields"]]
        for name in {"array": ("items",), "map": ("values",)}.get(linked["type"], ()):
            linked[name] = self.link(linked[name], text)
        return linked

    def link_waiting(self) -> None:
        """Link the definitions that are used. A loop: chains of types can be longer than Python's stack."""
        while self._waiting:
            name, text = self._waiting.pop()
            linked = self.link(text.types[name], text)
            if name not in self.types:
                self.types[name], self.texts[name] = linked, text
            elif decoding_form(self.types[name]) != decoding_form(linked):
                raise DifferingDefinitionsError(name, (self.texts[name].source, text.source))

    def _use(self, name: str, text: SchemaText) -> TypeName:
        if (id(text), name) not in self._seen:
            self._seen.add((id(text), name))
            self._waiting.append((name, text))
        return TypeName(name)

    def _resolve(self, reference: Reference, text: SchemaText) -> TypeName:
        for name in reference.candidates:
            if name in text.types:
                return self._use(name, text)
        for name in reference.candidates:
            if name in self._found_elsewhere:
                return TypeName(name)
            if texts := self._others.texts_of(name):
                self._found_elsewhere.add(name)
                for each in reversed(texts):  # the first is linked first
                    self._use(name, each)
                return TypeName(name)
        raise UndefinedTypeError(reference.candidates[0])


def canonical_form(schema: LinkedSchema) -> str:
    """Return the parsing canonical form, from which writers compute the fingerprint."""
    return _canonical(schema.top, schema.types, set())


def _canonical(node: Json, types: Mapping[str, Json], written: set[str]) -> str:
    if isinstance(node, list):
        return "[" + ",".join(_canonical(each, types, written) for each in node) + "]"
    if isinstance(node, TypeName):
        if node in written:
            return f'"{node}"'
        written.add(node)
        return _canonical_type(types[node], types, written)
    kind = node if isinstance(node, str) else node["type"]
    if kind == "array":
        return f'{{"type":"array","items":{_canonical(node["items"], types, written)}}}'
    if kind == "map":
        return f'{{"type":"map","values":{_canonical(node["values"], types, written)}}}'
    return f'"{kind}"'


def _canonical_type(node: Json, types: Mapping[str, Json], written: set[str]) -> str:
    head = f'{{"name":"{node["name"]}","type":'
    if node["type"] == "enum":
        symbols = ",".join(f'"{each}"' for each in node["symbols"])
        return f'{head}"enum","symbols":[{symbols}]}}'
    if node["type"] == "fixed":
        return f'{head}"fixed","size":{node["size"]}}}'
    fields = (
        f'{{"name":"{each["name"]}","type":{_canonical(each["type"], types, written)}}}' for each in node["fields"]
    )
    return f'{head}"record","fields":[{",".join(fields)}]}}'
