"""A validator for the part of JSON Schema 2020-12 that the published schemas use, and YAML as the JSON it checks.

No validator is among the development requirements. An unknown keyword raises, so that none is silently ignored.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from consumer.yaml_document import Items, Node, Scalar, Table, read_text

Json = Any

_ANNOTATIONS = frozenset({"$schema", "$defs", "title", "description", "then", "else"})
_TYPES: Mapping[str, Callable[[Json], bool]] = {
    "null": lambda value: value is None,
    "boolean": lambda value: isinstance(value, bool),
    "integer": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float | Decimal) and not isinstance(value, bool),
    "string": lambda value: isinstance(value, str),
    "array": lambda value: isinstance(value, list),
    "object": lambda value: isinstance(value, dict),
}


def from_yaml(text: str) -> Json:
    """Return a YAML document as JSON."""
    node, findings = read_text(text, "example.yaml")
    assert node is not None, findings
    return _plain(node)


def _plain(node: Node) -> Json:
    match node:
        case Table():
            return {key.text: _plain(inner) for key, inner in node.entries}
        case Items():
            return [_plain(item) for item in node.items]
        case Scalar():
            return node.value


def errors(schema: Json, value: Json) -> list[str]:
    """Return the paths at which the value does not match the schema."""
    return list(_errors(schema, value, schema, "$"))


def _errors(schema: Json, value: Json, root: Json, path: str) -> Iterator[str]:
    if isinstance(schema, bool):
        if not schema:
            yield f"{path}: nothing is allowed here"
        return
    for keyword, argument in schema.items():
        if keyword not in _ANNOTATIONS:
            yield from _KEYWORDS[keyword](argument, value, root, path, schema)


def _matches(schema: Json, value: Json, root: Json) -> bool:
    return next(_errors(schema, value, root, ""), None) is None


def _ref(argument: str, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    yield from _errors(root["$defs"][argument.removeprefix("#/$defs/")], value, root, path)


def _type(argument: str | list[str], value: Json, _root: Json, path: str, _: Json) -> Iterator[str]:
    names = [argument] if isinstance(argument, str) else argument
    if not any(_TYPES[name](value) for name in names):
        yield f"{path}: is not of type {names}"


def _properties(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    for name, inner in argument.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _errors(inner, value[name], root, f"{path}.{name}")


def _additional(argument: Json, value: Json, root: Json, path: str, schema: Json) -> Iterator[str]:
    for name in value.keys() - schema.get("properties", {}).keys() if isinstance(value, dict) else ():
        yield from _errors(argument, value[name], root, f"{path}.{name}")


def _required(argument: list[str], value: Json, _root: Json, path: str, _: Json) -> Iterator[str]:
    for name in argument if isinstance(value, dict) else ():
        if name not in value:
            yield f"{path}: misses {name}"


def _dependent(argument: Json, value: Json, root: Json, path: str, schema: Json) -> Iterator[str]:
    for name, needed in argument.items() if isinstance(value, dict) else ():
        if name in value:
            yield from _required(needed, value, root, path, schema)


def _names(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    for name in value if isinstance(value, dict) else ():
        yield from _errors(argument, name, root, f"{path}.{name}")


def _items(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    for index, item in enumerate(value) if isinstance(value, list) else ():
        yield from _errors(argument, item, root, f"{path}[{index}]")


def _all_of(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    for each in argument:
        yield from _errors(each, value, root, path)


def _any_of(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    if not any(_matches(each, value, root) for each in argument):
        yield f"{path}: matches none of {len(argument)}"


def _one_of(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    if sum(_matches(each, value, root) for each in argument) != 1:
        yield f"{path}: matches not exactly one of {len(argument)}"


def _not(argument: Json, value: Json, root: Json, path: str, _: Json) -> Iterator[str]:
    if _matches(argument, value, root):
        yield f"{path}: matches the schema under `not`"


def _if(argument: Json, value: Json, root: Json, path: str, schema: Json) -> Iterator[str]:
    branch = "then" if _matches(argument, value, root) else "else"
    yield from _errors(schema.get(branch, True), value, root, path)


def _check(applies: Callable[[Json, Json], bool], passes: Callable[[Json, Json], bool]) -> Callable[..., Iterator[str]]:
    def check(argument: Json, value: Json, _root: Json, path: str, _: Json) -> Iterator[str]:
        if applies(argument, value) and not passes(argument, value):
            yield f"{path}: does not satisfy {argument!r}"

    return check


def _is(kind: str) -> Callable[[Json, Json], bool]:
    return lambda _, value: _TYPES[kind](value)


_KEYWORDS: Mapping[str, Callable[..., Iterator[str]]] = {
    "$ref": _ref,
    "type": _type,
    "properties": _properties,
    "additionalProperties": _additional,
    "required": _required,
    "dependentRequired": _dependent,
    "propertyNames": _names,
    "items": _items,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "if": _if,
    "const": _check(lambda _, __: True, lambda argument, value: argument == value),
    "enum": _check(lambda _, __: True, lambda argument, value: value in argument),
    "pattern": _check(_is("string"), lambda argument, value: re.search(argument, value) is not None),
    "minimum": _check(_is("number"), lambda argument, value: value >= argument),
    "maximum": _check(_is("number"), lambda argument, value: value <= argument),
    "minItems": _check(_is("array"), lambda argument, value: len(value) >= argument),
    "minProperties": _check(_is("object"), lambda argument, value: len(value) >= argument),
}
