"""Decoding: from bytes and their writer's schema to normalised values."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from io import BytesIO

from fastavro import schemaless_reader

from consumer.model import DeadLetterCause, Fault
from consumer.model.values import Value
from consumer.translation.avro.datum_check import DatumChecker, UnsafeDatumError, read_long
from consumer.translation.avro.logical_types import OutOfRangeError
from consumer.translation.avro.schema_cost import SchemaCost
from consumer.translation.avro.schema_link import DefinitionIndex, link
from consumer.translation.avro.schema_prepare import SchemaPreparation
from consumer.translation.avro.schema_text import (
    InvalidSchemaError,
    Json,
    TypeName,
    read_schema_text,
    top_names,
)

MAX_SCHEMA_CHARS = 1024 * 1024
"""Characters of a schema with its references. Confluent's registry keeps each schema in one Kafka message, by default
of at most a megabyte. Parsing takes a hundred times as much memory for a moment, and a second of the loop's time."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One possible schema of a record's value: the whole schema, or one branch of a top-level union."""

    name: str
    """Full name of a named type, else the name of the Avro type."""
    is_record: bool = False
    schema: Json = None
    """The schema for fastavro; `None` if it is not used, and was not read."""
    tolerant: Callable[[], Json] = lambda: None
    """Returns the schema with which a value that its type does not allow costs only the field it is in."""
    checker: DatumChecker | None = None
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
    """Decode the datum that fills `value` from `start` to its end; its types are those of `consumer.model.values`.

    A field whose value its type does not allow, such as a time after the year 9999 or a text that is not UTF-8, has no
    value: its record is a `PartialRecord`.
    """
    stream = BytesIO(value)
    stream.seek(start)
    try:
        if branch.checker is not None:
            branch.checker.check(value, start)
        try:
            datum: Value = schemaless_reader(stream, branch.schema, None)
        except (OutOfRangeError, UnicodeDecodeError):
            if not branch.is_record:
                raise
            stream.seek(start)
            datum = schemaless_reader(stream, branch.tolerant(), None, handle_unicode_errors="surrogateescape")
    except Exception as error:  # noqa: BLE001 - damaged bytes make fastavro raise any exception
        return _undecodable(error)
    if stream.tell() != len(value):
        return Fault(DeadLetterCause.UNDECODABLE, "there are bytes left over after the datum")
    return datum


def read_schema(
    text: str,
    references: Mapping[str, str],
    named_records: Collection[str] = (),
    used: Container[str] | None = None,
) -> WriterSchema | Fault:
    """Parse a schema and the schemas it refers to.

    Args:
        text: the schema's JSON.
        references: name → JSON of every schema it refers to, directly or not, in any order.
        named_records: full names of the records that are decoded as `AvroRecord`, with their name.
        used: full names of the types that are decoded; `None` = all. Other branches have only their name, and nothing
            that is wrong with them matters.

    Returns:
        The schema, or a fault of cause `undecodable`: no record written with it can be read.
    """
    try:
        schema = json.loads(text)
        names = top_names(schema)
        if used is not None and not any(name in used for name in names):
            return WriterSchema(tuple(map(Branch, names)), isinstance(schema, list))
        if len(text) + sum(map(len, references.values())) > MAX_SCHEMA_CHARS:
            reason = f"the schema with its references is longer than {MAX_SCHEMA_CHARS} characters"
            return Fault(DeadLetterCause.UNDECODABLE, reason)
        branches = tuple(_branches(schema, references, named_records, used))
    except Exception as error:  # noqa: BLE001 - any JSON may be given, and each kind fails in its own way
        reason = _reason(error, "it is not a valid Avro schema")
        return Fault(DeadLetterCause.UNDECODABLE, f"the schema cannot be used: {reason}")
    return WriterSchema(branches, isinstance(schema, list))


def is_used(text: str, used: Container[str]) -> bool:
    """Return False if the schema's top-level types are known and none of them is used.

    Args:
        text: the schema's JSON, without the schemas it refers to.
        used: full names of the types that are used.
    """
    try:
        return any(name in used for name in top_names(json.loads(text)))
    except (ValueError, RecursionError):
        return True


def _branches(
    schema: Json,
    references: Mapping[str, str],
    named_records: Collection[str],
    used: Container[str] | None,
) -> Iterator[Branch]:
    text = read_schema_text(schema, used=used)
    others = DefinitionIndex(read_schema_text(json.loads(each), name) for name, each in references.items())
    is_needed = [used is None or name in used for name in top_names(schema)]
    tops = text.top if isinstance(text.top, list) else [text.top]
    linked = link([top for top, needed in zip(tops, is_needed, strict=True) if needed], text, others)
    preparation = SchemaPreparation(linked.types, named_records)
    tolerant = cache(lambda: SchemaPreparation(linked.types, named_records, tolerant=True))
    cost = SchemaCost()
    needed_tops = iter(linked.top)
    for name, needed in zip(top_names(schema), is_needed, strict=True):
        yield _branch(name, next(needed_tops), preparation, tolerant, cost) if needed else Branch(name)


def _branch(
    name: str,
    top: Json,
    preparation: SchemaPreparation,
    tolerant: Callable[[], SchemaPreparation],
    cost: SchemaCost,
) -> Branch:
    schema = preparation.schema(top)
    if isinstance(schema, str):
        return Branch(name, schema=schema)
    checker = DatumChecker(schema) if cost.needs_check(schema) else None
    return Branch(
        top if isinstance(top, TypeName) else name,
        is_record=schema["type"] == "record",
        schema=_marked(schema),
        tolerant=lambda: _marked(tolerant().schema(top)),
        checker=checker,
    )


def _marked(schema: Json) -> Json:
    """Return a prepared schema with fastavro's mark of a parsed one. It needs no names: each use is the type itself."""
    return {**schema, "__fastavro_parsed": True, "__named_schemas": {}}


def _undecodable(error: Exception) -> Fault:
    return Fault(
        DeadLetterCause.UNDECODABLE, f"the value cannot be decoded: {_reason(error, 'it does not fit the schema')}"
    )


def _reason(error: Exception, otherwise: str) -> str:
    """Return why decoding failed, without anything of the value; `otherwise` for an unexpected exception."""
    match error:
        case UnsafeDatumError() | OutOfRangeError():
            return str(error)
        case InvalidSchemaError():
            return f"it {error}"
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
