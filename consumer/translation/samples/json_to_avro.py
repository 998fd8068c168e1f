"""Events written by hand: plain JSON, or Avro's own JSON, to the bytes a producer would have written.

Plain JSON needs no `{"string": …}` around the branch of a union, knows times as ISO 8601 text, decimals as numbers or
text, and may leave out fields that have a default or may be null. What is ambiguous reads as the branch of the value's
own JSON type. Bytes are text with a character (up to U+00FF) for each.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from consumer.model.findings import did_you_mean
from consumer.translation.samples.avro_primitives import (
    PRIMITIVES,
    UnfitError,
    content_of,
    primitive,
    text_bytes,
    typed,
    write_long,
)
from consumer.translation.samples.json_logical_types import LOGICAL, decimal_bytes

Json: TypeAlias = Any

_DEEPEST = 64
_OWN_TYPE: Mapping[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("int", "long", "decimal", "double", "float"),
    Decimal: ("decimal", "double", "float"),
    str: ("string", "uuid", "enum"),
    list: ("array",),
    dict: ("record", "map"),
}


@dataclass(frozen=True, slots=True)
class Unfit:
    """Why a value is no such event: where in it, and what is wrong. The value itself is not repeated."""

    path: str
    message: str

    def text(self) -> str:
        """Return both as one sentence."""
        return f"{self.path}: {self.message}" if self.path else self.message


def parse_json(text: str) -> Json:
    """Parse JSON with exact numbers.

    Raises:
        ValueError: it is no JSON.
    """
    return json.loads(text, parse_float=Decimal, parse_constant=_no_constant)


def _no_constant(name: str) -> Json:
    raise ValueError(f"{name} is no JSON number")


class JsonToAvro:
    """Writes values of one schema."""

    def __init__(self, text: str, references: Mapping[str, str]) -> None:
        """Take the schema's JSON, and that of every schema it refers to, as `Translator.learn` does."""
        self._names: dict[str, tuple[Json, str]] = {}
        for each in references.values():
            self._collect(json.loads(each), "")
        self._schema = json.loads(text)
        self._collect(self._schema, "")

    def write(self, value: Json) -> bytes | Unfit:
        """Return the value's Avro bytes, or why it is none of this schema."""
        try:
            return self._write(value, self._schema, "", "", 0)
        except UnfitError as error:
            return Unfit(error.path, error.message)

    def _collect(self, schema: Json, namespace: str) -> None:
        if isinstance(schema, list):
            for branch in schema:
                self._collect(branch, namespace)
        if not isinstance(schema, dict):
            return
        if "name" in schema:
            full = _full_name(schema, namespace)
            namespace = full.rpartition(".")[0]
            self._names[full] = (schema, namespace)
            for field in schema.get("fields", ()):
                self._collect(field["type"], namespace)
        for inner in ("type", "items", "values"):
            if not isinstance(schema.get(inner), str):
                self._collect(schema.get(inner), namespace)

    def _write(self, value: Json, schema: Json, namespace: str, path: str, depth: int) -> bytes:
        if depth > _DEEPEST:
            raise UnfitError(path, "is nested too deeply")
        if isinstance(schema, str):
            if schema in PRIMITIVES:
                return primitive(value, schema, path)
            found = self._find(schema, namespace)
            if found is None:
                raise UnfitError(path, f"its schema refers to `{schema}`, which is not there")
            return self._write(value, *found, path, depth + 1)
        if isinstance(schema, list):
            return self._union(value, schema, namespace, path, depth)
        kind, logical = schema["type"], schema.get("logicalType")
        if not isinstance(kind, str):
            return self._write(value, kind, namespace, path, depth + 1)
        if logical == "decimal" and kind in {"bytes", "fixed"}:
            return decimal_bytes(value, schema, path)
        if (kind, logical) in LOGICAL:
            value = LOGICAL[kind, logical](value, path)
        return self._inside(value, schema, namespace, path, depth)

    def _inside(self, value: Json, schema: Json, namespace: str, path: str, depth: int) -> bytes:
        match schema["type"]:
            case "record" | "error":
                return self._record(value, schema, _full_name(schema, namespace).rpartition(".")[0], path, depth)
            case "array":
                return self._blocks(typed(value, list, path, "a list"), schema["items"], namespace, path, depth)
            case "map":
                pairs = typed(value, dict, path, "an object")
                return self._blocks(pairs, schema["values"], namespace, path, depth)
            case "enum":
                if not isinstance(value, str) or value not in schema["symbols"]:
                    raise UnfitError(path, f"must be one of {', '.join(schema['symbols'])}")
                return write_long(schema["symbols"].index(value))
            case "fixed":
                content = content_of(value, path)
                if len(content) != schema["size"]:
                    raise UnfitError(path, f"must be exactly {schema['size']} bytes")
                return content
            case other:
                return self._write(value, other, namespace, path, depth + 1)

    def _find(self, name: str, namespace: str) -> tuple[Json, str] | None:
        within = name if "." in name or not namespace else f"{namespace}.{name}"
        return self._names.get(within) or self._names.get(name)

    def _record(self, value: Json, schema: Json, namespace: str, path: str, depth: int) -> bytes:
        fields = typed(value, dict, path, "an object")
        known = [field["name"] for field in schema["fields"]]
        for name in fields:
            if name not in known:
                raise UnfitError(_below(path, name), f"is no field of it; {did_you_mean(name, known)}".rstrip("; "))
        written = []
        for field in schema["fields"]:
            name, inner = field["name"], _below(path, field["name"])
            if name in fields:
                written.append(self._write(fields[name], field["type"], namespace, inner, depth + 1))
            elif "default" in field:
                written.append(self._default(field, namespace, inner, depth + 1))
            elif field["type"] == "null" or (isinstance(field["type"], list) and "null" in field["type"]):
                written.append(self._write(None, field["type"], namespace, inner, depth + 1))
            else:
                raise UnfitError(inner, "is missing")
        return b"".join(written)

    def _default(self, field: Json, namespace: str, path: str, depth: int) -> bytes:
        """Write a field's default: of a union it is a value of the first branch, without its name."""
        kind = field["type"]
        default = parse_json(json.dumps(field["default"]))
        if isinstance(kind, list) and default is not None:
            return write_long(0) + self._write(default, kind[0], namespace, path, depth)
        return self._write(default, kind, namespace, path, depth)

    def _blocks(self, values: Json, inner: Json, namespace: str, path: str, depth: int) -> bytes:
        if not values:
            return b"\0"
        written = [write_long(len(values))]
        if isinstance(values, dict):
            for name, value in values.items():
                written.append(text_bytes(name))
                written.append(self._write(value, inner, namespace, _below(path, name), depth + 1))
        else:
            for index, value in enumerate(values):
                written.append(self._write(value, inner, namespace, f"{path}[{index}]", depth + 1))
        return b"".join([*written, b"\0"])

    def _union(self, value: Json, branches: list[Json], namespace: str, path: str, depth: int) -> bytes:
        names = [self._name(branch, namespace) for branch in branches]
        failures = []
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in names:
            [(name, inner)] = value.items()
            index = names.index(name)
            try:
                return write_long(index) + self._write(inner, branches[index], namespace, path, depth + 1)
            except UnfitError as error:
                failures.append(error)
        own = next((kinds for type_, kinds in _OWN_TYPE.items() if type(value) is type_), ())

        def rank(index: int) -> int:
            kind = self._kind(branches[index], namespace)
            return own.index(kind) if kind in own else len(own)

        for index in sorted(range(len(branches)), key=rank):
            if (names[index] == "null") != (value is None):
                continue
            try:
                return write_long(index) + self._write(value, branches[index], namespace, path, depth + 1)
            except UnfitError as error:
                failures.append(error)
        if failures:
            raise max(failures, key=lambda error: len(error.path))
        raise UnfitError(path, "may not be null" if value is None else f"must be {' or '.join(names)}")

    def _name(self, branch: Json, namespace: str) -> str:
        if isinstance(branch, str):
            return branch if branch in PRIMITIVES or "." in branch else f"{namespace}.{branch}".strip(".")
        return _full_name(branch, namespace) if "name" in branch else str(branch["type"])

    def _kind(self, branch: Json, namespace: str) -> str:
        if isinstance(branch, str):
            found = self._find(branch, namespace)
            if found is None:
                return branch
            branch = found[0]
        logical = branch.get("logicalType")
        return str(logical if logical is not None else branch["type"])


def _full_name(schema: Json, namespace: str) -> str:
    name = str(schema["name"])
    own = schema.get("namespace", namespace)
    return name if "." in name or not own else f"{own}.{name}"


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
