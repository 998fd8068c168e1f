"""Sample events as records: from JSON lines `{type, value, key, headers, timestamp}` or an Avro container file.

The directory can have several versions of a type's schema. A line may name the file with `schema`; else the last file
that fits is used, in the natural order of their names.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from fastavro import block_reader, parse_schema, schemaless_reader

from consumer.model.findings import Finding, did_you_mean
from consumer.translation.avro.schema_directory import Schema
from consumer.translation.samples.avro_primitives import InvalidValueError
from consumer.translation.samples.json_logical_types import LOGICAL
from consumer.translation.samples.json_to_avro import InvalidEvent, JsonToAvro, parse_json

_KEYS = ("type", "value", "key", "headers", "timestamp", "schema")
_CREATE_TIME = 1
_MAGIC_BYTE = b"\0"

Learn = Callable[[int, str, Mapping[str, str]], object]
"""Called with (schema id, text, references) before the first record of each schema."""


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """A record that does not come from Kafka, with every method of a message."""

    where: str
    """File and line, or file and the record's number."""
    position: tuple[str, int, int]
    """Topic, partition, offset."""
    value_bytes: bytes | None
    key_bytes: bytes | None = None
    timestamp_ms: int = 0
    header_list: list[tuple[str, bytes | None]] = field(default_factory=list)
    schema_file: str | None = None
    """The file of the schema directory that the value was encoded with; `None` if there is no value or no file."""

    def topic(self) -> str:
        """Return the topic of the sample record."""
        return self.position[0]

    def partition(self) -> int:
        """Return the partition of the sample record."""
        return self.position[1]

    def offset(self) -> int:
        """Return the sample record's index within its file."""
        return self.position[2]

    def key(self) -> bytes | None:
        """Return the key's bytes."""
        return self.key_bytes

    def value(self) -> bytes | None:
        """Return the value's bytes, in the Confluent wire format."""
        return self.value_bytes

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Return the headers in order."""
        return self.header_list

    def timestamp(self) -> tuple[int, int]:
        """Return its timestamp, of the type that producers set."""
        return _CREATE_TIME, self.timestamp_ms


class SampleSchemas:
    """Gives ids to the schemas of sample events, as a registry would, and passes them to a translator."""

    def __init__(self, by_name: Mapping[str, Sequence[Schema]], learn: Learn) -> None:
        """Keep the schemas by full name of their events."""
        self._by_name = by_name
        self._learn = learn
        self._encoders: dict[tuple[str, str], tuple[int, JsonToAvro]] = {}
        self._last_id = 0

    def register(self, text: str, references: Mapping[str, str]) -> int:
        """Pass one more schema to the translator, and return its id."""
        self._last_id += 1
        self._learn(self._last_id, text, references)
        return self._last_id

    def encode(self, name: str, file: str | None, value: Any) -> tuple[bytes, str] | InvalidEvent:  # noqa: ANN401 - a JSON value
        """Return an event's value in the bytes a producer would have written, and the schema's file.

        Args:
            name: full name of the event type.
            file: the end of the path of the schema's file; `None` = the last file that fits.
            value: the value.
        """
        schemas = self._by_name.get(name)
        if schemas is None:
            hint = did_you_mean(name, self._by_name)
            return InvalidEvent("type", f"has no schema in `schemas.directory`; {hint}".rstrip("; "))
        if file is not None:
            files = [schema.file for schema in schemas]
            schemas = [schema for schema in schemas if f"/{schema.file}".endswith(f"/{file}")]
            if not schemas:
                return InvalidEvent("schema", f"is none of the files with this type: {', '.join(files)}")
        failures: list[InvalidEvent] = []
        for schema in reversed(schemas):
            encoded = self._encode(schema, value)
            if not isinstance(encoded, InvalidEvent):
                return encoded, schema.file
            failures.append(encoded)
        return failures[0]

    def _encode(self, schema: Schema, value: Any) -> bytes | InvalidEvent:  # noqa: ANN401 - a JSON value
        key = schema.name, schema.file
        if key not in self._encoders:
            schema_id = self.register(schema.text, schema.references)
            self._encoders[key] = schema_id, JsonToAvro(schema.text, schema.references)
        schema_id, encoder = self._encoders[key]
        written = encoder.write(value)
        if isinstance(written, InvalidEvent):
            return InvalidEvent(f"value.{written.path}".rstrip("."), written.message)
        return _MAGIC_BYTE + schema_id.to_bytes(4, "big") + written


def read_lines(
    lines: BinaryIO, file: str, topic: str, schemas: SampleSchemas, now_ms: int
) -> Iterator[SampleRecord | Finding]:
    """Read one event from each line that is not empty. A line that is not an event becomes a finding."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(line, (topic, 0, number - 1), f"{file}:{number}", schemas, now_ms)
        yield record if isinstance(record, SampleRecord) else _finding(file, number, record)


def _record(
    line: bytes, position: tuple[str, int, int], where: str, schemas: SampleSchemas, now_ms: int
) -> SampleRecord | InvalidEvent:
    try:
        event = parse_json(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        column = f" (column {error.colno})" if hasattr(error, "colno") else ""
        return InvalidEvent("", f"is not a line of JSON{column}")
    if not isinstance(event, dict):
        return InvalidEvent("", "must be an object: {type, value, key, headers, timestamp, schema}")
    for each in event:
        if each not in _KEYS:
            return InvalidEvent(each, f"is not a key of an event; {did_you_mean(each, _KEYS)}".rstrip("; "))
    name: Any = event.get("type")
    value, key, file = map(event.get, ("value", "key", "schema"))
    for field_name, message, valid in (
        ("type", "must be the full name of the event type", isinstance(name, str)),
        ("key", "must be text or null", isinstance(key, str | None)),
        ("schema", "must be the name of a file in `schemas.directory`", isinstance(file, str | None)),
    ):
        if not valid:
            return InvalidEvent(field_name, message)
    headers = _headers(event.get("headers"))
    timestamp_ms = _timestamp(event.get("timestamp"), now_ms)
    if isinstance(headers, InvalidEvent):
        return headers
    if isinstance(timestamp_ms, InvalidEvent):
        return timestamp_ms
    encoded = schemas.encode(name, file, value) if value is not None else (None, None)
    if isinstance(encoded, InvalidEvent):
        return encoded
    content, schema_file = encoded
    return SampleRecord(where, position, content, _bytes(key), timestamp_ms, headers, schema_file)


def _headers(given: Any) -> list[tuple[str, bytes | None]] | InvalidEvent:  # noqa: ANN401 - a JSON value
    pairs = list(given.items()) if isinstance(given, dict) else (given or [])
    if not isinstance(pairs, list):
        return InvalidEvent("headers", "must be an object, or a list of [name, text]")
    headers = []
    for pair in pairs:
        match pair:
            case [str(name), str() | None as text] | (str(name), str() | None as text):
                headers.append((name, _bytes(text)))
            case _:
                return InvalidEvent("headers", "each must have a name, and text or null")
    return headers


def _timestamp(given: Any, now_ms: int) -> int | InvalidEvent:  # noqa: ANN401 - a JSON value
    try:
        timestamp_ms = LOGICAL["long", "timestamp-millis"](given, "timestamp")
    except InvalidValueError as error:
        return InvalidEvent(error.path, error.message)
    if timestamp_ms is None:
        return now_ms
    if type(timestamp_ms) is not int or not 0 <= timestamp_ms < 1 << 62:
        return InvalidEvent("timestamp", "must be epoch milliseconds or an ISO 8601 time")
    return timestamp_ms


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogatepass")


def read_container(
    stream: BinaryIO, file: str, topic: str, schemas: SampleSchemas, now_ms: int
) -> Iterator[SampleRecord | Finding]:
    """Read an Avro container file. Its records keep their bytes, and the file's own writer schema."""
    count = 0
    try:
        # fastavro asks for the position of each block, which a pipe does not have
        blocks = block_reader(stream if stream.seekable() else BytesIO(stream.read()))
        text = str(blocks.metadata["avro.schema"])
        schema_id = schemas.register(text, {})
        plain = parse_schema(_without_logical_types(json.loads(text)))
        for block in blocks:
            content: BytesIO = block.bytes_  # type: ignore[attr-defined]  # missing in the published types
            for _ in range(block.num_records):
                start = content.tell()
                schemaless_reader(content, plain, None)
                datum = content.getvalue()[start : content.tell()]
                value = _MAGIC_BYTE + schema_id.to_bytes(4, "big") + datum
                count += 1
                yield SampleRecord(f"{file}:record {count}", (topic, 0, count - 1), value, None, now_ms)
    except Exception as error:  # noqa: BLE001 - a damaged file makes fastavro raise any exception
        after = f" after record {count}" if count else ""
        hint = "check that it is a complete Avro container file, and that its codec is installed"
        yield Finding("error", file, None, None, "", f"cannot be read{after} ({type(error).__name__})", hint)


def _without_logical_types(schema: Any) -> Any:  # noqa: ANN401 - a schema's JSON
    """Return the schema without logical types: the end of a record does not depend on them."""
    if isinstance(schema, list):
        return [_without_logical_types(each) for each in schema]
    if isinstance(schema, dict):
        return {
            name: _without_logical_types(each)
            for name, each in schema.items()
            if name not in {"logicalType", "default"}
        }
    return schema


def _finding(file: str, line: int, problem: InvalidEvent) -> Finding:
    return Finding("error", file, line, None, problem.path, problem.message)
