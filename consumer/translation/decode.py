"""Bytes to normalised values with the schema they were written with (fastavro's door, with `schemas` and `logical`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import UnknownType

from consumer.model import Cause, Fault
from consumer.shape import Value
from consumer.translation.guard import Guard, HostileError, needs_guard, read_long
from consumer.translation.logical import NAMED_RECORD, Json, OutOfRangeError, adapted


@dataclass(frozen=True, slots=True)
class Branch:
    """One thing a record's value can be: the schema itself, or one branch of a top-level union."""

    name: str
    """Full name of a named type, else the name of the Avro type."""
    is_record: bool
    schema: Json
    guard: Guard | None


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that records were written with, ready to decode."""

    branches: tuple[Branch, ...]
    is_union: bool

    def branch(self, value: bytes, start: int) -> tuple[int, int] | Fault:
        """Return which branch (by index) the datum at `start` is, and where its own bytes begin."""
        if not self.is_union:
            return 0, start
        try:
            index, start = read_long(value, start)
        except HostileError as error:
            return _undecodable(error)
        if 0 <= index < len(self.branches):
            return index, start
        return Fault(Cause.UNDECODABLE, "the value names a branch that its schema does not have")


def decode(branch: Branch, value: bytes, start: int) -> Value | Fault:
    """Return the datum that fills `value` from `start` to its end, every logical type as `consumer.shape` has it."""
    stream = BytesIO(value)
    stream.seek(start)
    try:
        if branch.guard is not None:
            branch.guard.check(value, start)
        datum: Value = schemaless_reader(stream, branch.schema, None)
    except Exception as error:  # noqa: BLE001 - random bytes lead fastavro into exceptions of every kind
        return _undecodable(error)
    if stream.tell() != len(value):
        return Fault(Cause.UNDECODABLE, "bytes are left over after the datum")
    return datum


def read_schema(text: str, references: Mapping[str, str], named: Collection[str] = ()) -> WriterSchema | Fault:
    """Parse a schema and the schemas it refers to.

    Args:
        text: the schema's JSON.
        references: name → JSON of every schema it refers to, directly or not, in any order.
        named: full names of the records that must know what they are called (`Record`).

    Returns:
        The schema, or a fault of cause `undecodable`: no record written with it can be read.
    """
    try:
        names = _named_types(references)
        parsed = parse_schema(adapted(json.loads(text)), names)
        schemas = parsed if isinstance(parsed, list) else [parsed]
        branches = tuple(_branch(schema, names, frozenset(named)) for schema in schemas)
    except Exception as error:  # noqa: BLE001 - any JSON may stand there, and each kind fails in its own way
        return Fault(Cause.UNDECODABLE, f"the schema cannot be used: {_what_is_wrong(error)}")
    return WriterSchema(branches, isinstance(parsed, list))


def _named_types(references: Mapping[str, str]) -> dict[str, Json]:
    """Parse all references, each after those that it needs itself, and return the named types in them."""
    names: dict[str, Json] = {}
    waiting = {name: adapted(json.loads(text)) for name, text in references.items()}
    while waiting:
        later: dict[str, Json] = {}
        missing: Exception | None = None
        for name, schema in waiting.items():
            if name in names:
                continue
            attempt = dict(names)  # a failed parse leaves half of what it read behind
            try:
                parse_schema(schema, attempt)
            except UnknownType as error:
                later[name], missing = schema, error
            else:
                names = attempt
        if missing is not None and len(later) == len(waiting):
            raise missing
        waiting = later
    return names


def _branch(parsed: Json, names: Mapping[str, Json], named: frozenset[str]) -> Branch:
    whole = names[parsed] if isinstance(parsed, str) and parsed in names else parsed
    if isinstance(whole, str):
        return Branch(whole, is_record=False, schema=whole, guard=None)
    needed: dict[str, Json] = {}
    schema = _finished(whole, names, named, needed)
    guard = Guard(schema, needed) if needs_guard(schema, needed) else None
    # fastavro's mark of a parsed schema; with only the names that are needed, because it copies them for every datum.
    schema = {**schema, "__fastavro_parsed": True, "__named_schemas": needed}
    kind = schema["type"]
    return Branch(schema.get("name", kind), is_record=kind in {"record", "error"}, schema=schema, guard=guard)


def _finished(node: Json, names: Mapping[str, Json], named: frozenset[str], needed: dict[str, Json]) -> Json:
    """Copy a parsed schema without fastavro's own marks, with ours on records that must know their name."""
    if isinstance(node, list):
        return [_finished(each, names, named, needed) for each in node]
    if isinstance(node, str):
        if node in names and node not in needed:
            needed[node] = None  # a type that contains itself comes back here before it is finished
            needed[node] = _finished(names[node], names, named, needed)
        return node
    copy = {key: value for key, value in node.items() if not key.startswith("__")}
    kind = copy["type"]
    if kind in {"record", "error"}:
        copy["type"] = "record"
        copy["fields"] = [{**each, "type": _finished(each["type"], names, named, needed)} for each in copy["fields"]]
        if copy["name"] in named:
            copy["logicalType"] = NAMED_RECORD
    elif kind == "array":
        copy["items"] = _finished(copy["items"], names, named, needed)
    elif kind == "map":
        copy["values"] = _finished(copy["values"], names, named, needed)
    return copy


def _undecodable(error: Exception) -> Fault:
    return Fault(Cause.UNDECODABLE, f"the value does not decode: {_what_is_wrong(error)}")


def _what_is_wrong(error: Exception) -> str:
    """Return what an exception means, in words that hold nothing of the value."""
    match error:
        case HostileError() | OutOfRangeError():
            return str(error)
        case UnknownType():
            return "it refers to a type that is not there"
        case json.JSONDecodeError():
            return "it is not JSON"
        case EOFError() | IndexError():
            return "it ends too early, or names a branch or symbol that the schema does not have"
        case UnicodeError():
            return "text in it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case MemoryError() | OverflowError():
            return "a length in it is impossible"
        case _:
            return f"it is not what the schema says ({type(error).__name__})"
