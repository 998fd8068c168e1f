"""Events a person gives become records as a producer writes them; what is none is said, and the rest goes on."""

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
    """What the translator was told, by schema id."""

    def __init__(self) -> None:
        self.learned: list[tuple[int, Json, Mapping[str, str]]] = []
        known = {each["name"]: Schema(each["name"], json.dumps(each), {}, "f.avsc") for each in BOTH}
        self.schemas = SampleSchemas(known, lambda *told: self.learned.append((told[0], json.loads(told[1]), told[2])))

    def lines(self, *events: object) -> list[SampleRecord | Finding]:
        text = "\n".join(each if isinstance(each, str) else json.dumps(each) for each in events)
        return list(read_lines(io.BytesIO(text.encode()), "f", "topic", self.schemas, NOW_MS))

    def container(self, content: bytes, *, pipe: bool = False) -> list[SampleRecord | Finding]:
        stream = Pipe(content) if pipe else io.BytesIO(content)
        return list(read_container(stream, "f", "topic", self.schemas, NOW_MS))


class Pipe(io.BytesIO):
    """A stream that cannot go back, as standard input mostly is."""

    def seekable(self) -> bool:
        return False

    def tell(self) -> int:
        raise OSError


def only(found: list[SampleRecord | Finding]) -> SampleRecord:
    [given] = found
    assert isinstance(given, SampleRecord), given.text()
    return given


def test_a_line_is_a_record_with_everything_a_message_has() -> None:
    learning = ReaderHarness()
    event = {"type": "shop.Point", "value": {"x": 3}, "key": "k", "headers": {"a": "b", "c": None}}
    given = only(learning.lines({**event, "timestamp": "1970-01-01T00:00:02Z"}))
    assert given.value() == with_schema_id(1, encode(POINT, {"x": 3}))
    assert (given.topic(), given.partition(), given.offset(), given.where) == ("topic", 0, 0, "f:1")
    assert (given.key(), given.timestamp()) == (b"k", (1, 2000))
    assert given.headers() == [("a", b"b"), ("c", None)]
    assert learning.learned == [(1, POINT, {})]


def test_what_is_left_out_is_null_empty_or_now() -> None:
    given = only(ReaderHarness().lines({"type": "shop.Point"}))
    assert (given.value(), given.key(), given.headers(), given.timestamp()) == (None, None, [], (1, NOW_MS))


def test_a_header_may_come_twice_in_a_list() -> None:
    given = only(ReaderHarness().lines({"type": "shop.Point", "headers": [["a", "1"], ["a", None]]}))
    assert given.headers() == [("a", b"1"), ("a", None)]


def test_each_type_is_learnt_once_and_lines_keep_their_numbers() -> None:
    learning = ReaderHarness()
    point = {"type": "shop.Point", "value": {"x": 1}}
    found = learning.lines(point, "", point, {"type": "shop.Named", "value": {"name": "n", "at": 0}})
    assert [each.where for each in found if isinstance(each, SampleRecord)] == ["f:1", "f:3", "f:4"]
    assert [(number, schema["name"]) for number, schema, _ in learning.learned] == [
        (1, "shop.Point"),
        (2, "shop.Named"),
    ]


@pytest.mark.parametrize(
    ("line", "path", "message"),
    [
        ("nope", "", "is not a line of JSON (column 1)"),
        ("[" * 100_000, "", "is not a line of JSON"),
        ("[]", "", "must be an object: {type, value, key, headers, timestamp}"),
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
def test_a_line_that_is_no_event_is_said_and_the_next_is_read(line: object, path: str, message: str) -> None:
    complaint, good = ReaderHarness().lines(line, {"type": "shop.Point"})
    assert isinstance(complaint, Finding)
    assert (complaint.file, complaint.line, complaint.path) == ("f", 1, path)
    assert complaint.message.startswith(message)
    assert isinstance(good, SampleRecord)
    assert good.offset() == 1


def contained(schema: Json, *values: Any, codec: str = "null") -> bytes:  # noqa: ANN401 - Avro data
    stream = io.BytesIO()
    fastavro.writer(stream, schema, values, codec=codec, sync_interval=1)
    return stream.getvalue()


@pytest.mark.parametrize("pipe", [False, True], ids=["a file", "a pipe"])
@pytest.mark.parametrize("codec", ["null", "deflate"])
def test_a_containers_records_keep_their_very_bytes(codec: str, *, pipe: bool) -> None:
    learning = ReaderHarness()
    values = [{"name": "a", "at": 1}, {"name": "b", "at": 2}]
    found = learning.container(contained(NAMED, *values, codec=codec), pipe=pipe)
    records = [each for each in found if isinstance(each, SampleRecord)]
    assert [each.value() for each in records] == [with_schema_id(1, encode(NAMED, value)) for value in values]
    assert [(each.where, each.offset()) for each in records] == [("f:record 1", 0), ("f:record 2", 1)]
    assert len(found) == 2
    assert len(learning.learned) == 1


def test_a_container_of_several_types_is_read_with_its_union() -> None:
    found = ReaderHarness().container(contained(BOTH, {"x": 1}, {"name": "n", "at": 5}))
    expected = [with_schema_id(1, encode(BOTH, value)) for value in ({"x": 1}, {"name": "n", "at": 5})]
    assert [each.value() for each in found if isinstance(each, SampleRecord)] == expected


def test_a_damaged_container_gives_what_came_before_the_damage() -> None:
    whole = contained(POINT, {"x": 1}, {"x": 2})
    first, complaint = ReaderHarness().container(whole[:-3])
    assert isinstance(first, SampleRecord)
    assert isinstance(complaint, Finding)
    assert complaint.message.startswith("cannot be read after record 1 (")
    [complaint] = ReaderHarness().container(b"Obj\x01")
    assert isinstance(complaint, Finding)
    assert complaint.message.startswith("cannot be read (")
