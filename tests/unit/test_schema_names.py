"""Names in schemas mean what they mean to Avro's Java library."""

from __future__ import annotations

import json

import pytest

from consumer.model import Fault
from consumer.translation.avro.decoder import WriterSchema, decode, is_used, read_schema
from consumer.translation.avro.schema_text import top_names
from consumer.translation.samples.json_to_avro import JsonToAvro
from tests.unit.translator_harness import Json, encode, record, writer_schema


def in_space(namespace: Json, name: str, **fields: Json) -> Json:
    return {**record(name, **fields), "namespace": namespace}


def decoded(schema: Json, datum: bytes, references: dict[str, Json] | None = None) -> Json:
    return decode(writer_schema(schema, references).branches[0], datum, 0)


def test_bare_name_means_the_null_namespace_if_there_is_no_other() -> None:
    schema = record("port.Change", before=["null", in_space("", "line", berth="int")], after=["null", "line"])
    assert decoded(schema, b"\x00\x02\x0e") == {"before": None, "after": {"berth": 7}}


def test_bare_name_means_the_enclosing_namespace_first() -> None:
    schema = record("port.C", a=in_space("", "line", x="int"), b=in_space("port", "line", y="int", z="int"), c="line")
    assert decoded(schema, b"\x02\x04\x06\x08\x0a") == {"a": {"x": 1}, "b": {"y": 2, "z": 3}, "c": {"y": 4, "z": 5}}


def test_bare_name_means_the_definition_before_it() -> None:
    """The type of the enclosing namespace comes only later: Java has not read it yet."""
    schema = record("port.C", a=in_space("", "line", x="int"), b="line", c=in_space("port", "line", y="int", z="int"))
    assert decoded(schema, b"\x02\x04\x06\x08") == {"a": {"x": 1}, "b": {"x": 2}, "c": {"y": 3, "z": 4}}


@pytest.mark.parametrize("namespace", [None, "port"])
def test_namespace_null_is_the_enclosing_one(namespace: str | None) -> None:
    schema = record("port.Change", a=in_space(namespace, "Line", x="int"), b="port.Line")
    assert decoded(schema, b"\x02\x04") == {"a": {"x": 1}, "b": {"x": 2}}


def test_top_level_type_may_have_no_namespace() -> None:
    for namespace in (None, ""):
        branch = writer_schema(in_space(namespace, "Boat", next=["null", "Boat"])).branches[0]
        assert branch.name == "Boat"
        assert decode(branch, b"\x02\x00", 0) == {"next": {"next": None}}


def test_reference_without_namespace_is_found_by_bare_name() -> None:
    line = {"type": "enum", "name": "line", "namespace": "", "symbols": ["A"]}
    assert decoded(record("port.Change", a="line"), b"\x00", {"any": line}) == {"a": "A"}


def test_names_and_symbols_may_have_hyphens_and_umlauts() -> None:
    kind = {"type": "enum", "name": "größe-art", "symbols": ["groß", "sehr-klein"]}
    branch = writer_schema(record("häfen.an-kunft", größe=kind, noch="größe-art")).branches[0]
    assert branch.name == "häfen.an-kunft"
    assert decode(branch, b"\x00\x02", 0) == {"größe": "groß", "noch": "sehr-klein"}


def test_sample_of_a_null_namespace_type_is_encoded() -> None:
    schema = record("port.Change", before=["null", in_space("", "line", berth="int")], after=["null", "line"])
    writer = JsonToAvro(json.dumps(schema), {})
    for after in ({"berth": 7}, {"line": {"berth": 7}}):
        assert writer.write({"after": after}) == b"\x00\x02\x0e"


# ── Types that are not used ──

BROKEN: Json = {"type": "record", "name": "port.Broken"}
LOST = record("port.Lost", at="port.Nowhere")


@pytest.mark.parametrize("schema", [BROKEN, LOST, "port.Nowhere", {"type": LOST}, ["null", BROKEN, LOST]])
def test_schema_of_an_unused_type_has_only_its_name(schema: Json) -> None:
    text = json.dumps(schema)
    read = read_schema(text, {"any": "{"}, used=["port.Boat"])
    assert isinstance(read, WriterSchema)
    assert all(branch.schema is None for branch in read.branches)
    assert not is_used(text, ["port.Boat"])
    assert isinstance(read_schema(text, {}), Fault)


def test_unused_branches_of_a_union_may_be_broken() -> None:
    boat = record("port.Boat", name="string", kind="port.Kind")
    kind = {"type": "enum", "name": "port.Kind", "symbols": ["SAIL"]}
    union = [LOST, record("port.Other", kind=kind), boat, {**BROKEN, "fields": [{"name": "k", "type": kind}, 5]}]
    read = read_schema(json.dumps(union), {}, used=["port.Boat"])
    assert isinstance(read, WriterSchema)
    assert [branch.name for branch in read.branches] == ["port.Lost", "port.Other", "port.Boat", "port.Broken"]
    assert read.branch(b"\x04\x02a\x00", 0) == (2, 1)
    assert decode(read.branches[2], b"\x04\x02a\x00", 1) == {"name": "a", "kind": "SAIL"}


def test_references_that_are_not_needed_may_contradict_each_other() -> None:
    references = {
        "a": record("port.A", x=record("port.Both", a="int")),
        "b": record("port.B", x=record("port.Both", b="string")),
    }
    assert decoded(record("port.Boat", only="port.A"), b"\x02", references) == {"only": {"x": {"a": 1}}}
    both = read_schema(
        json.dumps(record("port.Boat", a="port.A", b="port.B")), {k: json.dumps(v) for k, v in references.items()}
    )
    assert isinstance(both, Fault)
    assert both.detail == "the schema cannot be used: it uses two different definitions of the type port.Both"


def test_schema_whose_name_cannot_be_read_counts_as_used() -> None:
    for text in ("", "{", "5", '{"type": "record"}', "[" * 100_000):
        assert is_used(text, ["port.Boat"])


def test_type_that_contains_itself_in_every_way_is_decoded() -> None:
    schema = record(
        "port.Node",
        children={"type": "array", "items": "port.Node"},
        named={"type": "map", "values": "Node"},
        other=["null", {"type": "port.Node"}],
    )
    leaf: Json = {"children": [], "named": {}, "other": None}
    value = {"children": [leaf], "named": {"a": leaf}, "other": leaf}
    plain = record(
        "port.Node",
        children={"type": "array", "items": "port.Node"},
        named={"type": "map", "values": "port.Node"},
        other=["null", "port.Node"],
    )
    assert decoded(schema, encode(plain, value)) == value


def test_record_that_contains_itself_is_decoded_by_its_name() -> None:
    link = {"type": "record", "name": "quay.Link", "fields": [{"name": "next", "type": ["null", "quay.Link"]}]}
    assert decoded(link, b"\x02\x02\x00") == {"next": {"next": {"next": None}}}


def test_name_may_be_used_before_its_definition() -> None:
    berth = {"type": "record", "name": "quay.Berth", "fields": [{"name": "at", "type": "int"}]}
    fields = [{"name": "first", "type": "quay.Berth"}, {"name": "second", "type": berth}]
    schema = {"type": "record", "name": "quay.Pair", "fields": fields}
    assert decoded(schema, b"\x02\x04") == {"first": {"at": 1}, "second": {"at": 2}}


@pytest.mark.parametrize(
    "schema", [[["null"]], {"type": "record", "name": "A", "fields": [{"name": "x", "type": ["null", ["int"]]}]}]
)
def test_union_directly_within_a_union_is_refused(schema: Json) -> None:
    read = read_schema(json.dumps(schema), {})
    assert isinstance(read, Fault)
    assert "a union directly within a union" in read.detail


def test_top_level_type_that_wraps_a_union_is_named_union() -> None:
    assert top_names({"type": ["null", "int"]}) == ("union",)
