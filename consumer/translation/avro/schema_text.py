"""The text of one schema with all names in full, read as Avro's Java library reads it.

fastavro's own parser is stricter than Java's: it looks up a name only in the enclosing namespace, and refuses symbols
with umlauts. Java writes and reads a type of the null namespace by its bare name, wherever it is used.
"""

from __future__ import annotations

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Json: TypeAlias = Any
"""A schema's JSON, of any type."""

_PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
_NAMED = frozenset({"record", "error", "enum", "fixed"})
_NOT_READ = frozenset({"namespace", "aliases", "doc"})
_NESTED_UNION = "has a union directly within a union"


class InvalidSchemaError(ValueError):
    """A text that is not an Avro schema. The message is for people and follows "the schema"."""


class TypeName(str):
    """Full name of a named type that the text defines. A plain `str` in a schema is a primitive type."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Reference:
    """A name that the text did not define before it: the full names it can mean, the most likely first."""

    candidates: tuple[str, ...]


@dataclass(frozen=True, slots=True, eq=False)
class SchemaText:
    """One schema text."""

    source: str
    """What it was read from, for messages: a file, or the name of a registry's reference."""
    top: Json
    """The schema. Named types are `TypeName` or `Reference`; their definitions are in `types`."""
    types: Mapping[str, Json]
    """The definitions of the named types by full name, each with `TypeName` and `Reference` within."""


def top_names(schema: Json) -> tuple[str, ...]:
    """Return the names of a schema's branches without reading what is in them.

    Returns:
        One name, or one for each branch of a top-level union: the full name of a named type, else the name of the Avro
        type.

    Raises:
        InvalidSchemaError: a branch has no name and no type.
    """
    return tuple(_top_name(each) for each in (schema if isinstance(schema, list) else [schema]))


def _top_name(node: Json) -> str:
    if isinstance(node, str):
        return node
    if isinstance(node, list):
        raise InvalidSchemaError(_NESTED_UNION)
    kind = _attribute(node, "type", (str, dict, list))
    if isinstance(kind, list):
        return "union"
    if isinstance(kind, dict):
        return _top_name(kind)
    return _full_name(node, "") if kind in _NAMED else str(kind)


def read_schema_text(schema: Json, source: str = "", used: Container[str] | None = None) -> SchemaText:
    """Return a schema with its names in full.

    Args:
        schema: the schema's JSON.
        source: what it was read from, for messages.
        used: names of the branches of a top-level union that must be valid; `None` = all.

    Raises:
        InvalidSchemaError: it is not an Avro schema.
    """
    reader = _Reader()
    if used is None or not isinstance(schema, list):
        return SchemaText(source, reader.read(schema, ""), reader.types)
    branches = zip(schema, top_names(schema), strict=True)
    top = [reader.read(each, "") if name in used else reader.try_read(each) for each, name in branches]
    return SchemaText(source, top, reader.types)


class _Reader:
    """Reads one text in document order: a name means the last definition before it, as Java reads it."""

    def __init__(self) -> None:
        self.types: dict[str, Json] = {}

    def read(self, node: Json, namespace: str) -> Json:
        if isinstance(node, list):
            if any(isinstance(each, list) for each in node):
                raise InvalidSchemaError(_NESTED_UNION)
            return [self.read(each, namespace) for each in node]
        if isinstance(node, str):
            return node if node in _PRIMITIVES else self._named(node, namespace)
        kind = _attribute(node, "type", (str, dict, list))
        if not isinstance(kind, str):
            return self.read(kind, namespace)
        if kind in _NAMED:
            return self._define(node, kind, namespace)
        if kind not in {"array", "map"} and kind not in _PRIMITIVES:
            return self._named(kind, namespace)
        kept = {name: each for name, each in node.items() if name not in _NOT_READ}
        for name in {"array": ("items",), "map": ("values",)}.get(kind, ()):
            kept[name] = self.read(_attribute(node, name, (str, dict, list)), namespace)
        return kept

    def try_read(self, node: Json) -> Json:
        """Read a branch that is not used, for the types it defines. Without these if it is not valid."""
        before = len(self.types)
        try:
            return self.read(node, "")
        except InvalidSchemaError:
            for name in list(self.types)[before:]:
                del self.types[name]
            return None

    def _named(self, name: str, namespace: str) -> TypeName | Reference:
        candidates = (name,) if "." in name or not namespace else (f"{namespace}.{name}", name)
        found = next((each for each in candidates if each in self.types), None)
        return Reference(candidates) if found is None else TypeName(found)

    def _define(self, node: Json, kind: str, namespace: str) -> TypeName:
        name = _full_name(node, namespace)
        if name in self.types:
            raise InvalidSchemaError(f"defines the type {name} twice")
        kept = self.types[name] = {key: each for key, each in node.items() if key not in _NOT_READ}
        kept["name"] = name
        if kind == "enum":
            _attribute(node, "symbols", (list,))
        elif kind == "fixed":
            _attribute(node, "size", (int,))
        else:
            fields = _attribute(node, "fields", (list,))
            kept["fields"] = [self._field(each, name.rpartition(".")[0]) for each in fields]
        return TypeName(name)

    def _field(self, field: Json, namespace: str) -> Json:
        name = _attribute(field, "name", (str,))
        kind = self.read(_attribute(field, "type", (str, dict, list)), namespace)
        return {**{key: each for key, each in field.items() if key not in _NOT_READ}, "name": name, "type": kind}


def _full_name(node: Json, namespace: str) -> str:
    """Return the full name of a definition. A namespace that is null is that of the enclosing type; "" is none."""
    name = str(_attribute(node, "name", (str,)))
    own = node.get("namespace")
    space = namespace if own is None else own
    if not isinstance(space, str):
        raise InvalidSchemaError(f"has a `namespace` of the type {name} that is not text")
    return name.removeprefix(".") if "." in name or not space else f"{space}.{name}"


def _attribute(node: Json, name: str, types: tuple[type, ...]) -> Json:
    if not isinstance(node, dict):
        raise InvalidSchemaError("has a type that is neither text, nor an object, nor a list")
    if not isinstance(node.get(name), types):
        label = node.get("name")
        where = f"the type or field {label[:200]}" if isinstance(label, str) else "a type or field"
        raise InvalidSchemaError(f"has no valid `{name}` in {where}")
    return node[name]
