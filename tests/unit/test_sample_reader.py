"""Sample events become records as a producer writes them. Invalid ones become findings, and reading continues."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from typing import Any

import fastavro
import pytest

from consumer.model.findings import Finding
from consumer.translation.avro.schema_directory import Schema
from consumer.translation.samples.reader import SampleRecord, SampleSchemas, read_container, read_lines
from tests.unit.translator_harness import NOW_MS, Json, encode, record, with_schema_id

POINT = record("shop.Point", x="int")
NAMED = record("shop.Named", name="string", at={"type": "long", "logicalType": "timestamp-millis"})
BOTH = [POINT, NAMED]


class ReaderHarness:
    """Reads samples, and records the schemas passed to the translator by id."""

    def __init__(self) -> None:
        self.learned: list[tuple[int, Json, Mapping[str, str]]] = []
        known = {each["name"]: [Schema(each["name"], json.dumps(each), {}, "f.avsc")] for each in BOTH}
        self.schemas = SampleSchemas(known, lambda id_, text, more: self.learned.append((id_, json.loads(text), more)))

    def lines(self, *events: object) -> list[SampleRecord | Finding]:
        text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in events)
        return list(read_lines(io.BytesIO(text.encode()), "f", "topic", self.schemas, NOW_MS))

    def container(self, content: bytes, *, pipe: bool = False) -> list[SampleRecord | Finding]:
        stream = Pipe(content) if pipe else io.BytesIO(content)
        return list(read_container(stream, "f", "topic", self.schemas, NOW_MS))


class Pipe(io.BytesIO):
    """A stream that cannot seek, such as standard input."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def only(found: list[SampleRecord | Finding]) -> SampleRecord:
    [record] = found
    assert isinstance(record, SampleRecord), record.text()
    return record


def test_line_becomes_a_complete_record() -> None:
    reader = ReaderHarness()
    event = {"type": "shop.Point", "value": {"x": 3}, "key": "k", "headers": {"a": "b", "c": None}}
    sample = only(reader.lines({**event, "timestamp": "1970-01-01T00:00:02Z"}))
    assert sample.value() == with_schema_id(1, encode(POINT, {"x": 3}))
    assert (sample.topic(), sample.partition(), sample.offset(), sample.where) == ("topic", 0, 0, "f:1")
    assert (sample.key(), sample.timestamp()) == (b"k", (1, 2000))
    assert sample.headers() == [("a", b"b"), ("c", None)]
    assert reader.learned == [(1, POINT, {})]


def test_missing_parts_of_a_line_have_defaults() -> None:
    sample = only(ReaderHarness().lines({"type": "shop.Point"}))
    assert (sample.value(), sample.key(), sample.headers(), sample.timestamp()) == (None, None, [], (1, NOW_MS))


def test_header_list_may_repeat_a_name() -> None:
    sample = only(ReaderHarness().lines({"type": "shop.Point", "headers": [["a", "1"], ["a", None]]}))
    assert sample.headers() == [("a", b"1"), ("a", None)]


def test_each_schema_is_learned_once_and_line_numbers_count_blanks() -> None:
    reader = ReaderHarness()
    point = {"type": "shop.Point", "value": {"x": 1}}
    found = reader.lines(point, "", point, {"type": "shop.Named", "value": {"name": "n", "at": 0}})
    assert [each.where for each in found if isinstance(each, SampleRecord)] == ["f:1", "f:3", "f:4"]
    assert [(number, schema["name"]) for number, schema, _ in reader.learned] == [
        (1, "shop.Point"),
        (2, "shop.Named"),
    ]


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("nope", "", "is not a line of JSON (column 1)"),
        ("[" * 100_000, "", "is not a line of JSON"),
        ("[]", "", "must be an object: {type, value, key, headers, timestamp, schema}"),
        ({"typ": "x"}, "typ", "is not a key of an event; did you mean `type`?"),
        ({"value": {}}, "type", "must be the full name of the event type"),
        ({"type": "shop.Point", "key": 1}, "key", "must be text or null"),
        ({"type": "shop.Point", "headers": 5}, "headers", "must be an object, or a list of [name, text]"),
        ({"type": "shop.Point", "headers": {"a": 1}}, "headers", "each must have a name, and text or null"),
        ({"type": "shop.Point", "timestamp": "noon"}, "timestamp", "must be a number or an ISO 8601 time"),
        ({"type": "shop.Point", "timestamp": -1}, "timestamp", "must be epoch milliseconds or an ISO 8601 time"),
        ({"type": "shop.Pint", "value": {}}, "type",
         "has no schema in `schemas.directory`; did you mean `shop.Point`?"),
        ({"type": "shop.Point", "value": {}}, "value.x", "is missing"),
        ({"type": "shop.Point", "value": 5}, "value", "must be an object"),
    ],
)  # fmt: skip
def test_invalid_line_is_a_finding_and_the_next_is_read(line: object, path: str, message: str) -> None:
    finding, good = ReaderHarness().lines(line, {"type": "shop.Point"})
    assert isinstance(finding, Finding)
    assert (finding.file, finding.line, finding.path) == ("f", 1, path)
    assert finding.message.startswith(message)
    assert isinstance(good, SampleRecord)
    assert good.offset() == 1


def read_boats(*events: Json) -> list[SampleRecord | Finding]:
    """Read events of a type that has three versions."""
    versions = [
        record("port.Boat", name="string"),
        record("port.Boat", name="string", sails="int"),
        record("port.Boat"),
    ]
    schemas = [Schema("port.Boat", json.dumps(each), {}, f"avro/boat-{n}.avsc") for n, each in enumerate(versions)]
    known = SampleSchemas({"port.Boat": schemas}, lambda *_: None)
    lines = "\n".join(json.dumps({"type": "port.Boat", **event}) for event in events)
    return list(read_lines(io.BytesIO(lines.encode()), "f", "topic", known, NOW_MS))


def test_last_version_that_fits_encodes_the_event() -> None:
    found = read_boats({"value": {"name": "n", "sails": 3}}, {"value": {"name": "n"}}, {"value": {}}, {})
    files = [each.schema_file for each in found if isinstance(each, SampleRecord)]
    assert files == ["avro/boat-1.avsc", "avro/boat-0.avsc", "avro/boat-2.avsc", None]


def test_event_names_the_file_of_its_version() -> None:
    found = read_boats({"value": {}, "schema": "boat-2.avsc"}, {"value": {"name": "n"}, "schema": "avro/boat-0.avsc"})
    files = [each.schema_file for each in found if isinstance(each, SampleRecord)]
    assert files == ["avro/boat-2.avsc", "avro/boat-0.avsc"]


@pytest.mark.parametrize(
    ("event", "path", "message"),
    [
        ({"schema": 5}, "schema", "must be the name of a file in `schemas.directory`"),
        ({"schema": "oat-1.avsc", "value": {}}, "schema", "is none of the files with this type: avro/boat-0.avsc, "),
        ({"schema": "boat-1.avsc", "value": {"name": "n"}}, "value.sails", "is missing"),
        ({"value": {"mast": 1}}, "value.mast", "is not a field of the record"),
    ],
)
def test_event_that_fits_no_version_is_a_finding(event: Json, path: str, message: str) -> None:
    [finding] = read_boats(event)
    assert isinstance(finding, Finding)
    assert finding.path == path
    assert finding.message.startswith(message)


def contained(schema: Json, *values: Any, codec: str = "null") -> bytes:  # noqa: ANN401 - Avro data
    stream = io.BytesIO()
    fastavro.writer(stream, schema, values, codec=codec, sync_interval=1)
    return stream.getvalue()


@pytest.mark.parametrize("pipe", [False, True], ids=["a file", "a pipe"])
@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_container_records_keep_their_bytes(codec: str, *, pipe: bool) -> None:
    reader = ReaderHarness()
    values = [{"name": "a", "at": 1}, {"name": "b", "at": 2}]
    found = reader.container(contained(NAMED, *values, codec=codec), pipe=pipe)
    records = [each for each in found if isinstance(each, SampleRecord)]
    assert [each.value() for each in records] == [with_schema_id(1, encode(NAMED, value)) for value in values]
    assert [(each.where, each.offset()) for each in records] == [("f:record 1", 0), ("f:record 2", 1)]
    assert len(found) == 2
    assert len(reader.learned) == 1


def test_container_with_a_union_is_read() -> None:
    found = ReaderHarness().container(contained(BOTH, {"x": 1}, {"name": "n", "at": 5}))
    expected = [with_schema_id(1, encode(BOTH, value)) for value in ({"x": 1}, {"name": "n", "at": 5})]
    assert [each.value() for each in found if isinstance(each, SampleRecord)] == expected


def test_damaged_container_gives_the_records_before_the_damage() -> None:
    whole = contained(POINT, {"x": 1}, {"x": 2})
    first, finding = ReaderHarness().container(whole[:-3])
    assert isinstance(first, SampleRecord)
    assert isinstance(finding, Finding)
    assert finding.message.startswith("cannot be read after record 1 (")
    [finding] = ReaderHarness().container(b"Obj\x01")
    assert isinstance(finding, Finding)
    assert finding.message.startswith("cannot be read (")
