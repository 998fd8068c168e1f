"""An Avro bomb: a schema with a datum that costs far more than its bytes. And random schemas with nearly valid data."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from consumer.model import Fault
from consumer.translation.avro.decoder import decode, read_schema

Json = Any
DECODED = "fine"
"""The outcome of a datum that is decoded."""

HUGE = b"\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"
"""2^62 - 1 as an Avro long."""

LOWEST = b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"
"""-2^63 as an Avro long."""


@dataclass(frozen=True)
class Bomb:
    """One schema, one datum of its last or only branch, and the expected outcome.

    Args:
        name: description of the case.
        schema: the schema's JSON, or its text.
        expected: part of the fault's detail; `DECODED` = the datum is decoded.
        datum: the bytes.
        references: name → schema, as a registry returns them.
    """

    name: str
    schema: Json
    expected: str
    datum: bytes = b""
    references: Mapping[str, Json] = field(default_factory=dict)

    def outcome(self) -> str:
        """Read the schema, then decode the datum. Return the fault's detail, or `DECODED`."""
        texts = {name: json.dumps(each) for name, each in self.references.items()}
        read = read_schema(self.schema if isinstance(self.schema, str) else json.dumps(self.schema), texts)
        if isinstance(read, Fault):
            return read.detail
        datum = decode(read.branches[-1], self.datum, 0)
        return datum.detail if isinstance(datum, Fault) else DECODED


def record(name: str, /, **fields: Json) -> Json:
    """Return a record's schema; each argument is a field's type."""
    return {"type": "record", "name": name, "fields": [{"name": field, "type": kind} for field, kind in fields.items()]}


def array(items: Json) -> Json:
    """Return an array's schema."""
    return {"type": "array", "items": items}


def _schema(random_: random.Random, names: list[str], depth: int) -> Json:
    """Return a random schema. It may be recursive, empty or very large."""
    kind = random_.choice(("leaf", "leaf", "record", "array", "map", "union", "enum", "fixed", "name"))
    if kind == "name" and names:
        return random_.choice(names)
    if depth == 0 or kind in {"leaf", "name"}:
        return random_.choice(("null", "boolean", "int", "long", "float", "double", "bytes", "string"))
    name = f"N{len(names)}"
    if kind == "record":
        names.append(name)
        fields = [{"name": f"f{n}", "type": _schema(random_, names, depth - 1)} for n in range(random_.randrange(4))]
        return {"type": "record", "name": name, "fields": fields}
    if kind == "array":
        return array(_schema(random_, names, depth - 1))
    if kind == "map":
        return {"type": "map", "values": _schema(random_, names, depth - 1)}
    if kind == "union":
        branches = {json.dumps(each): each for each in (_schema(random_, names, 0) for _ in range(3))}
        return list(branches.values())
    names.append(name)
    if kind == "enum":
        return {"type": "enum", "name": name, "symbols": ["A", "B"]}
    return {"type": "fixed", "name": name, "size": random_.randrange(4)}


def _datum(random_: random.Random, schema: Json, types: dict[str, Json], depth: int = 12) -> bytes:
    """Return bytes that nearly fit this schema: one value in ten is replaced."""
    if depth == 0 or random_.random() < 0.1:
        return random_.choice(
            (b"", b"\x00", b"\x01", b"\x03", b"\xff", HUGE, LOWEST, random_.randbytes(3), b"\x02" * 3000)
        )
    inner = depth - 1
    if isinstance(schema, list):
        chosen = random_.randrange(len(schema))
        return bytes([2 * chosen]) + _datum(random_, schema[chosen], types, inner)
    if isinstance(schema, str):
        plain = {"null": b"", "boolean": b"\x01", "float": b"abcd", "double": b"abcdefgh", "string": b"\x02a"}
        return _datum(random_, types[schema], types, inner) if schema in types else plain.get(schema, b"\x02")
    match schema["type"]:
        case "record":
            types[schema["name"]] = schema
            return b"".join(_datum(random_, each["type"], types, inner) for each in schema["fields"])
        case "array":
            items = [_datum(random_, schema["items"], types, inner) for _ in range(random_.randrange(3))]
            return b"".join(b"\x02" + each for each in items) + b"\x00"
        case "map":
            values = [_datum(random_, schema["values"], types, inner) for _ in range(random_.randrange(3))]
            return b"".join(b"\x01\x02\x02k" + each for each in values) + b"\x00"
        case "fixed":
            types[schema["name"]] = schema
            return random_.randbytes(schema["size"])
        case _:
            types[schema["name"]] = schema
            return random_.choice((b"\x00", b"\x02", b"\x04"))


def noise(seed: int, count: int) -> Iterator[Bomb]:
    """Yield random schemas, each with bytes that nearly fit it."""
    random_ = random.Random(seed)
    for _ in range(count):
        schema = _schema(random_, [], 5)
        yield Bomb("noise", schema, "", _datum(random_, schema, {}))
