"""Bytes to normalised values with the schema they were written with (fastavro's door, with `schemas` and `logical`)."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from io import BytesIO

from fastavro import parse_schema, schemaless_reader
from fastavro.schema import UnknownType

from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Value
from consumer.translation.avro.datum_check import DatumChecker, UnsafeDatumError, read_long
from consumer.translation.avro.logical_types import Json, OutOfRangeError, adapted
from consumer.translation.avro.schema_cost import SchemaCost
from consumer.translation.avro.schema_prepare import SchemaPreparation

LARGEST_SCHEMA = 1024 * 1024
"""Characters of a schema with its references: Confluent's registry keeps each schema in one Kafka message, by default
of at most a megabyte. Reading it takes a hundred times as much memory for a moment, and a second of the loop's time."""

_MOST_WORK = 1_000_000
"""Named types that may be gone through while references are brought into order, over and over: a tenth of a second."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One thing a record's value can be: the schema itself, or one branch of a top-level union."""

    name: str
    """Full name of a named type, else the name of the Avro type."""
    is_record: bool
    schema: Json
    guard: DatumChecker | None


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
        except UnsafeDatumError as error:
            return _undecodable(error)
        if 0 <= index < len(self.branches):
            return index, start
        return Fault(DeadLetterCause.UNDECODABLE, "the value names a branch that its schema does not have")


def decode(branch: Branch, value: bytes, start: int) -> Value | Fault:
    """Return the datum that fills `value` from `start` to its end, logical types as `consumer.model.values`."""
    stream = BytesIO(value)
    stream.seek(start)
    try:
        if branch.guard is not None:
            branch.guard.check(value, start)
        datum: Value = schemaless_reader(stream, branch.schema, None)
    except Exception as error:  # noqa: BLE001 - random bytes lead fastavro into exceptions of every kind
        return _undecodable(error)
    if stream.tell() != len(value):
        return Fault(DeadLetterCause.UNDECODABLE, "bytes are left over after the datum")
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
    if len(text) + sum(map(len, references.values())) > LARGEST_SCHEMA:
        return Fault(
            DeadLetterCause.UNDECODABLE, f"the schema and all it refers to is longer than {LARGEST_SCHEMA} characters"
        )
    try:
        parsed, names = _parsed(adapted(json.loads(text)), _named_types(references))
        schemas = parsed if isinstance(parsed, list) else [parsed]
        finishing = SchemaPreparation(names, frozenset(named))
        burden = SchemaCost(finishing.types)
        branches = tuple(_branch(schema, names, finishing, burden) for schema in schemas)
    except Exception as error:  # noqa: BLE001 - any JSON may stand there, and each kind fails in its own way
        return Fault(DeadLetterCause.UNDECODABLE, f"the schema cannot be used: {_what_is_wrong(error)}")
    return WriterSchema(branches, isinstance(parsed, list))


def _named_types(references: Mapping[str, str]) -> dict[str, Json]:
    """Parse all references, each after those that it needs itself, and return the named types in them."""
    names: dict[str, Json] = {}
    waiting = {name: adapted(json.loads(text)) for name, text in references.items()}
    work = 0
    while waiting:
        later: dict[str, Json] = {}
        missing: Exception | None = None
        for name, schema in waiting.items():
            work += 1 + len(names)
            if work > _MOST_WORK:
                raise UnsafeDatumError("its references are too many to bring into order")
            try:
                names = _parsed(schema, names)[1]
            except UnknownType as error:
                later[name], missing = schema, error
        if missing is not None and len(later) == len(waiting):
            raise missing
        waiting = dict(reversed(later.items()))  # those that stood in the worst order stand in the best one now
    return names


def _parsed(schema: Json, names: Mapping[str, Json]) -> tuple[Json, dict[str, Json]]:
    """Parse a schema that may speak of these named types; return it and the named types there are now."""
    more = dict(names)  # a failed parse leaves half of what it read behind
    parsed = parse_schema(schema, more)
    if any(more[name] is not known and more[name] != known for name, known in names.items()):
        # fastavro takes the last one for all of them, those before it included.
        raise UnsafeDatumError("two of its types have the same name")
    return parsed, more


def _branch(parsed: Json, names: Mapping[str, Json], finishing: SchemaPreparation, burden: SchemaCost) -> Branch:
    whole = names[parsed] if isinstance(parsed, str) and parsed in names else parsed
    if isinstance(whole, str):
        return Branch(whole, is_record=False, schema=whole, guard=None)
    schema, needed = finishing.branch(whole)
    guard = DatumChecker(schema, needed) if burden.needs_guard(schema) else None
    # fastavro's mark of a parsed schema; with only the names that are needed, because it copies them for every datum.
    schema = {**schema, "__fastavro_parsed": True, "__named_schemas": needed}
    kind = schema["type"]
    return Branch(schema.get("name", kind), is_record=kind == "record", schema=schema, guard=guard)


def _undecodable(error: Exception) -> Fault:
    return Fault(DeadLetterCause.UNDECODABLE, f"the value does not decode: {_what_is_wrong(error)}")


def _what_is_wrong(error: Exception) -> str:
    """Return what an exception means, in words that hold nothing of the value."""
    match error:
        case UnsafeDatumError() | OutOfRangeError():
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
