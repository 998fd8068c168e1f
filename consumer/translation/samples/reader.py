"""Events a person gives, as records: JSON lines `{type, value, key, headers, timestamp}`, or an Avro container file."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, BinaryIO

from fastavro import block_reader, parse_schema, schemaless_reader

from consumer.model.findings import Finding, did_you_mean
from consumer.translation.avro.schema_directory import Schema
from consumer.translation.samples.avro_primitives import UnfitError
from consumer.translation.samples.json_logical_types import LOGICAL
from consumer.translation.samples.json_to_avro import JsonToAvro, Unfit, parse_json

_KEYS = ("type", "value", "key", "headers", "timestamp")
_CREATE_TIME = 1
_FRAME = b"\0"

Learn = Callable[[int, str, Mapping[str, str]], object]
"""(schema id, its text, what it refers to): the translator is told of each schema before a record of it."""


@dataclass(frozen=True, slots=True)
class SampleRecord:
    """A record that came from no broker; it has every method of a message."""

    where: str
    """File and line, or file and number of the record."""
    place: tuple[str, int, int]
    frame: bytes | None
    named: bytes | None = None
    at_ms: int = 0
    described: list[tuple[str, bytes | None]] = field(default_factory=list)

    def topic(self) -> str:
        """Return the topic it is said to come from."""
        return self.place[0]

    def partition(self) -> int:
        """Return the partition it is said to come from."""
        return self.place[1]

    def offset(self) -> int:
        """Return its number within its file."""
        return self.place[2]

    def key(self) -> bytes | None:
        """Return the key's bytes."""
        return self.named

    def value(self) -> bytes | None:
        """Return the value's bytes, in the Confluent wire format."""
        return self.frame

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Return the headers in order."""
        return self.described

    def timestamp(self) -> tuple[int, int]:
        """Return its time as a producer would have stamped it."""
        return _CREATE_TIME, self.at_ms


class SampleSchemas:
    """Numbers the schemas of given events, as a registry would, and tells a translator of them."""

    def __init__(self, by_name: Mapping[str, Schema], learn: Learn) -> None:
        """Know schemas by the full names of their events."""
        self._by_name = by_name
        self._learn = learn
        self._writers: dict[str, tuple[int, JsonToAvro]] = {}
        self._count = 0

    def number(self, text: str, references: Mapping[str, str]) -> int:
        """Tell the translator of one more schema, and return its id."""
        self._count += 1
        self._learn(self._count, text, references)
        return self._count

    def frame(self, name: str, value: Any) -> bytes | Unfit:  # noqa: ANN401 - a JSON value
        """Return an event's value as a producer would have written it."""
        if name not in self._writers:
            schema = self._by_name.get(name)
            if schema is None:
                hint = did_you_mean(name, self._by_name)
                return Unfit("type", f"no schema of that name in `schemas.directory`; {hint}".rstrip("; "))
            number = self.number(schema.text, schema.references)
            self._writers[name] = number, JsonToAvro(schema.text, schema.references)
        number, writer = self._writers[name]
        written = writer.write(value)
        if isinstance(written, Unfit):
            return Unfit(f"value.{written.path}".rstrip("."), written.message)
        return _FRAME + number.to_bytes(4, "big") + written


def read_lines(
    lines: BinaryIO, file: str, topic: str, schemas: SampleSchemas, now_ms: int
) -> Iterator[SampleRecord | Finding]:
    """Read one event a line; empty lines are passed over. What is no event is a finding, and the rest goes on."""
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        record = _record(line, (topic, 0, number - 1), f"{file}:{number}", schemas, now_ms)
        yield record if isinstance(record, SampleRecord) else _complaint(file, number, record)


def _record(
    line: bytes, place: tuple[str, int, int], where: str, schemas: SampleSchemas, now_ms: int
) -> SampleRecord | Unfit:
    try:
        event = parse_json(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        column = f" (column {error.colno})" if hasattr(error, "colno") else ""
        return Unfit("", f"is not a line of JSON{column}")
    if not isinstance(event, dict):
        return Unfit("", "must be an object: {type, value, key, headers, timestamp}")
    for name in event:
        if name not in _KEYS:
            return Unfit(name, f"is not part of an event; {did_you_mean(name, _KEYS)}".rstrip("; "))
    kind, value, key = event.get("type"), event.get("value"), event.get("key")
    if not isinstance(kind, str):
        return Unfit("type", "must be the event's full name")
    if key is not None and not isinstance(key, str):
        return Unfit("key", "must be text or null")
    headers = _headers(event.get("headers"))
    at_ms = _timestamp(event.get("timestamp"), now_ms)
    if isinstance(headers, Unfit):
        return headers
    if isinstance(at_ms, Unfit):
        return at_ms
    frame = schemas.frame(kind, value) if value is not None else None
    if isinstance(frame, Unfit):
        return frame
    return SampleRecord(where, place, frame, _bytes(key), at_ms, headers)


def _headers(said: Any) -> list[tuple[str, bytes | None]] | Unfit:  # noqa: ANN401 - a JSON value
    pairs = list(said.items()) if isinstance(said, dict) else (said or [])
    if not isinstance(pairs, list):
        return Unfit("headers", "must be an object, or a list of [name, text]")
    headers = []
    for pair in pairs:
        match pair:
            case [str(name), str() | None as text] | (str(name), str() | None as text):
                headers.append((name, _bytes(text)))
            case _:
                return Unfit("headers", "each must have a name, and text or null")
    return headers


def _timestamp(said: Any, now_ms: int) -> int | Unfit:  # noqa: ANN401 - a JSON value
    try:
        at_ms = LOGICAL["long", "timestamp-millis"](said, "timestamp")
    except UnfitError as error:
        return Unfit(error.path, error.message)
    if at_ms is None:
        return now_ms
    if type(at_ms) is not int or not 0 <= at_ms < 1 << 62:
        return Unfit("timestamp", "must be epoch milliseconds or an ISO 8601 time")
    return at_ms


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode("utf-8", "surrogatepass")


def read_container(
    stream: BinaryIO, file: str, topic: str, schemas: SampleSchemas, now_ms: int
) -> Iterator[SampleRecord | Finding]:
    """Read an Avro container file: its records keep the very bytes they have there, and its own writer schema."""
    count = 0
    try:
        # fastavro notes where each block begins, which a pipe cannot tell
        blocks = block_reader(stream if stream.seekable() else BytesIO(stream.read()))
        text = str(blocks.metadata["avro.schema"])
        number, bare = schemas.number(text, {}), parse_schema(_bare(json.loads(text)))
        for block in blocks:
            content: BytesIO = block.bytes_  # type: ignore[attr-defined]  # the published types leave it out
            for _ in range(block.num_records):
                start = content.tell()
                schemaless_reader(content, bare, None)
                raw = content.getvalue()[start : content.tell()]
                frame = _FRAME + number.to_bytes(4, "big") + raw
                count += 1
                yield SampleRecord(f"{file}:record {count}", (topic, 0, count - 1), frame, None, now_ms)
    except Exception as error:  # noqa: BLE001 - a damaged file leads fastavro into exceptions of every kind
        after = f" after record {count}" if count else ""
        hint = "is it an Avro container file, whole, and of a codec that is installed?"
        yield Finding("error", file, None, None, "", f"cannot be read{after} ({type(error).__name__})", hint)


def _bare(schema: Any) -> Any:  # noqa: ANN401 - a schema's JSON
    """Return the schema without logical types: where a record ends does not depend on what its values mean."""
    if isinstance(schema, list):
        return [_bare(each) for each in schema]
    if isinstance(schema, dict):
        return {name: _bare(each) for name, each in schema.items() if name not in {"logicalType", "default"}}
    return schema


def _complaint(file: str, line: int, unfit: Unfit) -> Finding:
    return Finding("error", file, line, None, unfit.path, unfit.message)
