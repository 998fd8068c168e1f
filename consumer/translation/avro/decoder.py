"""Decoding: from bytes and their writer's schema to normalised values."""

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
from consumer.translation.avro.logical_types import Json, OutOfRangeError, adapt_schema
from consumer.translation.avro.schema_cost import SchemaCost
from consumer.translation.avro.schema_prepare import SchemaPreparation

MAX_SCHEMA_CHARS = 1024 * 1024
"""Characters of a schema with its references. Confluent's registry keeps each schema in one Kafka message, by default
of at most a megabyte. Parsing takes a hundred times as much memory for a moment, and a second of the loop's time."""

_MAX_WORK = 1_000_000
"""Named types that may be visited, repeatedly, while references are put into order. This many take 0.1 s."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One possible schema of a record's value: the whole schema, or one branch of a top-level union."""

    name: str
    """Full name of a named type, else the name of the Avro type."""
    is_record: bool
    schema: Json
    checker: DatumChecker | None
    """`None` if no data of this schema can be unsafe."""


@dataclass(frozen=True, slots=True)
class WriterSchema:
    """A schema that records were written with, prepared for decoding."""

    branches: tuple[Branch, ...]
    is_union: bool

    def branch(self, value: bytes, start: int) -> tuple[int, int] | Fault:
        """Return the index of the branch of the datum at `start`, and where the datum's own bytes begin."""
        if not self.is_union:
            return 0, start
        try:
            index, start = read_long(value, start)
        except UnsafeDatumError as error:
            return _undecodable(error)
        if 0 <= index < len(self.branches):
            return index, start
        return Fault(DeadLetterCause.UNDECODABLE, "the value selects a branch that its schema does not have")


def decode(branch: Branch, value: bytes, start: int) -> Value | Fault:
    """Decode the datum that fills `value` from `start` to its end; its types are those of `consumer.model.values`."""
    stream = BytesIO(value)
    stream.seek(start)
    try:
        if branch.checker is not None:
            branch.checker.check(value, start)
        datum: Value = schemaless_reader(stream, branch.schema, None)
    except Exception as error:  # noqa: BLE001 - damaged bytes make fastavro raise any exception
        return _undecodable(error)
    if stream.tell() != len(value):
        return Fault(DeadLetterCause.UNDECODABLE, "there are bytes left over after the datum")
    return datum


def read_schema(text: str, references: Mapping[str, str], named_records: Collection[str] = ()) -> WriterSchema | Fault:
    """Parse a schema and the schemas it refers to.

    Args:
        text: the schema's JSON.
        references: name → JSON of every schema it refers to, directly or not, in any order.
        named_records: full names of the records that are decoded as `AvroRecord`, with their name.

    Returns:
        The schema, or a fault of cause `undecodable`: no record written with it can be read.
    """
    if len(text) + sum(map(len, references.values())) > MAX_SCHEMA_CHARS:
        return Fault(
            DeadLetterCause.UNDECODABLE,
            f"the schema with its references is longer than {MAX_SCHEMA_CHARS} characters",
        )
    try:
        parsed, names = _parse(adapt_schema(json.loads(text)), _named_types(references))
        schemas = parsed if isinstance(parsed, list) else [parsed]
        preparation = SchemaPreparation(names, frozenset(named_records))
        cost = SchemaCost(preparation.types)
        branches = tuple(_branch(schema, names, preparation, cost) for schema in schemas)
    except Exception as error:  # noqa: BLE001 - any JSON may be given, and each kind fails in its own way
        reason = _reason(error, "it is not a valid Avro schema")
        return Fault(DeadLetterCause.UNDECODABLE, f"the schema cannot be used: {reason}")
    return WriterSchema(branches, isinstance(parsed, list))


def _named_types(references: Mapping[str, str]) -> dict[str, Json]:
    """Parse all references, each after those it needs itself. Return their named types."""
    names: dict[str, Json] = {}
    waiting = {name: adapt_schema(json.loads(text)) for name, text in references.items()}
    work = 0
    while waiting:
        later: dict[str, Json] = {}
        missing: Exception | None = None
        for name, schema in waiting.items():
            work += 1 + len(names)
            if work > _MAX_WORK:
                raise UnsafeDatumError("it has too many references to put into order")
            try:
                names = _parse(schema, names)[1]
            except UnknownType as error:
                later[name], missing = schema, error
        if missing is not None and len(later) == len(waiting):
            raise missing
        waiting = dict(reversed(later.items()))  # the worst order becomes the best one
    return names


def _parse(schema: Json, names: Mapping[str, Json]) -> tuple[Json, dict[str, Json]]:
    """Parse a schema that may refer to these named types. Return it with all named types, new ones included."""
    more = dict(names)  # a failed parse leaves some of its types behind
    parsed = parse_schema(schema, more)
    if any(more[name] is not known and more[name] != known for name, known in names.items()):
        # fastavro would use the last one for every reference, earlier ones included.
        raise UnsafeDatumError("two of its types have the same name")
    return parsed, more


def _branch(parsed: Json, names: Mapping[str, Json], preparation: SchemaPreparation, cost: SchemaCost) -> Branch:
    whole = names[parsed] if isinstance(parsed, str) and parsed in names else parsed
    if isinstance(whole, str):
        return Branch(whole, is_record=False, schema=whole, checker=None)
    schema, needed = preparation.branch(whole)
    guard = DatumChecker(schema, needed) if cost.needs_check(schema) else None
    # fastavro's mark of a parsed schema. Only the names needed: fastavro copies them for every datum.
    schema = {**schema, "__fastavro_parsed": True, "__named_schemas": needed}
    kind = schema["type"]
    return Branch(schema.get("name", kind), is_record=kind == "record", schema=schema, checker=guard)


def _undecodable(error: Exception) -> Fault:
    return Fault(
        DeadLetterCause.UNDECODABLE, f"the value cannot be decoded: {_reason(error, 'it does not fit the schema')}"
    )


def _reason(error: Exception, otherwise: str) -> str:
    """Return why decoding failed, without anything of the value; `otherwise` for an unexpected exception."""
    match error:
        case UnsafeDatumError() | OutOfRangeError():
            return str(error)
        case UnknownType():
            return "it refers to a type that is not defined"
        case json.JSONDecodeError():
            return "it is not JSON"
        case EOFError() | IndexError():
            return "it ends too early, or selects a branch or symbol that the schema does not have"
        case UnicodeError():
            return "a text in it is not UTF-8"
        case RecursionError():
            return "it is nested too deeply"
        case MemoryError() | OverflowError():
            return "a length in it is impossible"
        case _:
            return f"{otherwise} ({type(error).__name__})"
