"""Events in plain JSON or in Avro's own JSON, encoded to the bytes a producer would have written.

Plain JSON needs no `{"string": …}` around a union's branch. Times are ISO 8601 text, decimals are numbers or text, and
fields that have a default or may be null may be left out. If several branches fit, the one of the value's own JSON type
is used. Bytes are text with one character (up to U+00FF) for each byte.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeAlias

from consumer.model.findings import did_you_mean
from consumer.translation.avro.schema_link import DefinitionIndex, LinkedSchema, UndefinedTypeError, link
from consumer.translation.avro.schema_text import TypeName, read_schema_text
from consumer.translation.samples.avro_primitives import (
    InvalidValueError,
    encode_long,
    encode_primitive,
    encode_text,
    require_type,
    to_bytes,
)
from consumer.translation.samples.json_logical_types import LOGICAL, encode_decimal

Json: TypeAlias = Any

_MAX_DEPTH = 64
_BRANCHES_OF: Mapping[type, tuple[str, ...]] = {
    bool: ("boolean",),
    int: ("int", "long", "decimal", "double", "float"),
    Decimal: ("decimal", "double", "float"),
    str: ("string", "uuid", "enum"),
    list: ("array",),
    dict: ("record", "map"),
}


@dataclass(frozen=True, slots=True)
class InvalidEvent:
    """Why a value is not an event of a schema: the path within it, and what is wrong. The value is not repeated."""

    path: str
    message: str

    def text(self) -> str:
        """Return both as one line."""
        return f"{self.path}: {self.message}" if self.path else self.message


def parse_json(text: str) -> Json:
    """Parse JSON with exact numbers.

    Raises:
        ValueError: the text is not JSON.
    """
    return json.loads(text, parse_float=Decimal, parse_constant=_refuse_constant)


def _refuse_constant(name: str) -> Json:
    raise ValueError(f"{name} is not a JSON number")


class JsonToAvro:
    """Encodes values of one schema."""

    def __init__(self, text: str, references: Mapping[str, str]) -> None:
        """Keep the JSON of the schema and of every schema it refers to, as given to `Translator.learn`."""
        home = read_schema_text(json.loads(text))
        others = DefinitionIndex(read_schema_text(json.loads(each), name) for name, each in references.items())
        try:
            self._schema: LinkedSchema | InvalidEvent = link(home.top, home, others)
        except UndefinedTypeError as error:
            self._schema = InvalidEvent("", f"its schema refers to `{error.name}`, which is not defined")

    def write(self, value: Json) -> bytes | InvalidEvent:
        """Return the value's Avro bytes, or why it does not fit the schema."""
        if isinstance(self._schema, InvalidEvent):
            return self._schema
        try:
            return _Writer(self._schema.types).write(value, self._schema.top, "", 0)
        except InvalidValueError as error:
            return InvalidEvent(error.path, error.message)


class _Writer:
    """Writes values; `types` are the schema's named types by full name."""

    def __init__(self, types: Mapping[str, Json]) -> None:
        self._types = types

    def write(self, value: Json, schema: Json, path: str, depth: int) -> bytes:
        if depth > _MAX_DEPTH:
            raise InvalidValueError(path, "is nested too deeply")
        if isinstance(schema, TypeName):
            return self.write(value, self._types[schema], path, depth + 1)
        if isinstance(schema, str):
            return encode_primitive(value, schema, path)
        if isinstance(schema, list):
            return self._union(value, schema, path, depth)
        kind, logical = schema["type"], schema.get("logicalType")
        if logical == "decimal" and kind in {"bytes", "fixed"}:
            return encode_decimal(value, schema, path)
        if (kind, logical) in LOGICAL:
            value = LOGICAL[kind, logical](value, path)
        return self._inside(value, schema, path, depth)

    def _inside(self, value: Json, schema: Json, path: str, depth: int) -> bytes:
        match schema["type"]:
            case "record" | "error":
                return self._record(value, schema, path, depth)
            case "array":
                return self._blocks(require_type(value, list, path, "a list"), schema["items"], path, depth)
            case "map":
                pairs = require_type(value, dict, path, "an object")
                return self._blocks(pairs, schema["values"], path, depth)
            case "enum":
                if not isinstance(value, str) or value not in schema["symbols"]:
                    raise InvalidValueError(path, f"must be one of {', '.join(schema['symbols'])}")
                return encode_long(schema["symbols"].index(value))
            case "fixed":
                content = to_bytes(value, path)
                if len(content) != schema["size"]:
                    raise InvalidValueError(path, f"must be exactly {schema['size']} bytes")
                return content
            case other:
                return self.write(value, other, path, depth + 1)

    def _record(self, value: Json, schema: Json, path: str, depth: int) -> bytes:
        fields = require_type(value, dict, path, "an object")
        known = [field["name"] for field in schema["fields"]]
        for name in fields:
            if name not in known:
                raise InvalidValueError(
                    _below(path, name), f"is not a field of the record; {did_you_mean(name, known)}".rstrip("; ")
                )
        written = []
        for field in schema["fields"]:
            name, inner = field["name"], _below(path, field["name"])
            if name in fields:
                written.append(self.write(fields[name], field["type"], inner, depth + 1))
            elif "default" in field:
                written.append(self._default(field, inner, depth + 1))
            elif field["type"] == "null" or (isinstance(field["type"], list) and "null" in field["type"]):
                written.append(self.write(None, field["type"], inner, depth + 1))
            else:
                raise InvalidValueError(inner, "is missing")
        return b"".join(written)

    def _default(self, field: Json, path: str, depth: int) -> bytes:
        """Encode a field's default. For a union it is a value of the first branch, without the branch's name."""
        kind = field["type"]
        default = parse_json(json.dumps(field["default"]))
        if isinstance(kind, list) and default is not None:
            return encode_long(0) + self.write(default, kind[0], path, depth)
        return self.write(default, kind, path, depth)

    def _blocks(self, values: Json, inner: Json, path: str, depth: int) -> bytes:
        if not values:
            return b"\0"
        written = [encode_long(len(values))]
        if isinstance(values, dict):
            for name, value in values.items():
                written.append(encode_text(name))
                written.append(self.write(value, inner, _below(path, name), depth + 1))
        else:
            for index, value in enumerate(values):
                written.append(self.write(value, inner, f"{path}[{index}]", depth + 1))
        return b"".join([*written, b"\0"])

    def _union(self, value: Json, branches: list[Json], path: str, depth: int) -> bytes:
        names = [_name(branch) for branch in branches]
        failures = []
        if isinstance(value, dict) and len(value) == 1 and next(iter(value)) in names:
            [(name, inner)] = value.items()
            index = names.index(name)
            try:
                return encode_long(index) + self.write(inner, branches[index], path, depth + 1)
            except InvalidValueError as error:
                failures.append(error)
        own = next((kinds for type_, kinds in _BRANCHES_OF.items() if type(value) is type_), ())

        def rank(index: int) -> int:
            kind = self._kind(branches[index])
            return own.index(kind) if kind in own else len(own)

        for index in sorted(range(len(branches)), key=rank):
            if (names[index] == "null") != (value is None):
                continue
            try:
                return encode_long(index) + self.write(value, branches[index], path, depth + 1)
            except InvalidValueError as error:
                failures.append(error)
        if failures:
            raise max(failures, key=lambda error: len(error.path))
        raise InvalidValueError(path, "must not be null" if value is None else f"must be {' or '.join(names)}")

    def _kind(self, branch: Json) -> str:
        definition = self._types[branch] if isinstance(branch, TypeName) else branch
        if isinstance(definition, str):
            return definition
        logical = definition.get("logicalType")
        return str(logical if logical is not None else definition["type"])


def _name(branch: Json) -> str:
    return str(branch if isinstance(branch, str) else branch["type"])


def _below(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
