"""The schema directory: files in any order, by fingerprint and by name, and findings of invalid files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastavro.schema import fingerprint

from consumer.model import Fault
from consumer.translation.avro.decoder import decode, read_schema
from consumer.translation.avro.schema_directory import load_schemas
from tests.unit.translator_harness import Json, encode, record

FINGERPRINTS = [  # of Java's SchemaNormalization, as unsigned numbers
    ('"int"', "7275d51a3f395c8f"),
    ('"string"', "8f014872634503c7"),
    ('"boolean"', "9f42fc78a4d4f764"),
]


def write_schemas(directory: Path, **files: Json) -> None:
    for name, schema in files.items():
        (directory / f"{name}.avsc").write_text(schema if isinstance(schema, str) else json.dumps(schema))


@pytest.mark.parametrize(("text", "expected"), FINGERPRINTS)
def test_fingerprint_equals_javas(text: str, expected: str, tmp_path: Path) -> None:
    write_schemas(tmp_path, it=text)
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    assert list(schemas.by_fingerprint) == [expected]


def test_files_refer_to_each_other_in_any_order(tmp_path: Path) -> None:
    write_schemas(
        tmp_path,
        a=record("shop.A", b="shop.B", c="shop.C"),
        b=record("shop.B", c="shop.C"),
        c={"type": "enum", "name": "shop.C", "symbols": ["X"]},
    )
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    assert set(schemas.by_name) == {"shop.A", "shop.B", "shop.C"}
    for (schema,) in schemas.by_name.values():
        assert not isinstance(read_schema(schema.text, schema.references), Fault)
    assert len(schemas.by_name["shop.A"][0].references) == 2
    assert schemas.by_name["shop.A"][0].file.endswith("/a.avsc")


def test_fingerprint_does_not_depend_on_where_types_are_defined(tmp_path: Path) -> None:
    leaf = {"type": "enum", "name": "shop.Leaf", "symbols": ["X"]}
    apart, together = tmp_path / "apart", tmp_path / "together"
    apart.mkdir()
    together.mkdir()
    write_schemas(apart, a=record("shop.A", one="shop.Leaf", two="shop.Leaf"), leaf=leaf)
    write_schemas(together, a=record("shop.A", one=leaf, two="shop.Leaf"))
    (whole,) = load_schemas(together)[0].by_fingerprint
    assert whole in load_schemas(apart)[0].by_fingerprint


def test_records_of_top_level_union_are_found_by_name(tmp_path: Path) -> None:
    write_schemas(tmp_path, u=["null", record("shop.A", x="int"), record("shop.B", x="shop.A")])
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    assert set(schemas.by_name) == {"shop.A", "shop.B"}
    (schema,) = schemas.by_name["shop.B"]
    result = read_schema(schema.text, schema.references)
    assert not isinstance(result, Fault)
    assert result.branches[0].name == "shop.B"


def test_versions_of_a_type_are_kept_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        write_schemas(tmp_path, **{f"boat-{number}": record("port.Boat", **{f"f{number}": "int"})})
    (tmp_path / "sub").mkdir()
    write_schemas(tmp_path / "sub", boat=record("port.Boat"))
    schemas, findings = load_schemas(tmp_path, shown_name="avro")
    assert not findings
    files = [schema.file for schema in schemas.by_name["port.Boat"]]
    assert files == ["avro/boat-1.avsc", "avro/boat-2.avsc", "avro/boat-10.avsc", "avro/sub/boat.avsc"]
    assert len(schemas.by_fingerprint) == 4


def test_files_with_their_own_copy_of_a_type_are_read(tmp_path: Path) -> None:
    """The copies may even differ: each file uses its own. A file without a copy uses one of the equal ones."""
    berth = record("port.Berth", number="int")
    longer = record("port.Berth", number="int", depth="int")
    write_schemas(tmp_path, a=record("port.Left", berth=berth), b=record("port.Moored", berth=longer))
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    for name, of in (("port.Left", berth), ("port.Moored", longer)):
        (schema,) = schemas.by_name[name]
        assert not schema.references
        read = read_schema(schema.text, schema.references)
        assert not isinstance(read, Fault)
        value = {"berth": dict.fromkeys((field["name"] for field in of["fields"]), 3)}
        assert decode(read.branches[0], encode(record(name, berth=of), value), 0) == value
    write_schemas(tmp_path, b=record("port.Moored", berth=berth), c=record("port.Towed", berth="port.Berth"))
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    assert list(schemas.by_name["port.Towed"][0].references) == [str(tmp_path / "a.avsc")]


def test_only_a_file_that_needs_one_of_two_definitions_is_wrong(tmp_path: Path) -> None:
    write_schemas(
        tmp_path,
        a=record("port.Left", berth=record("port.Berth", number="int")),
        b=record("port.Moored", berth=record("port.Berth", number="string")),
        c=record("port.Towed", berth="port.Berth"),
        d=record("port.Both", left="port.Left", moored="port.Moored"),
    )
    schemas, findings = load_schemas(tmp_path, shown_name="avro")
    assert {finding.file: finding.message for finding in findings} == {
        f"avro/{file}.avsc": "needs port.Berth, which avro/a.avsc and avro/b.avsc define differently"
        for file in ("c", "d")
    }
    assert set(schemas.by_name) == {"port.Left", "port.Moored"}
    assert len(schemas.by_fingerprint) == 2


def test_two_meanings_of_one_fingerprint_are_an_error(tmp_path: Path) -> None:
    """Logical types are not in the fingerprint: records could not be distinguished. Equal copies are no error."""
    at = {"type": "long", "logicalType": "timestamp-millis"}
    write_schemas(
        tmp_path, a=record("port.Boat", at="long"), b=record("port.Boat", at=at), c=record("port.Boat", at="long")
    )
    schemas, findings = load_schemas(tmp_path, shown_name="avro")
    assert [(finding.file, finding.message) for finding in findings] == [
        ("avro/b.avsc", "has the same fingerprint as avro/a.avsc, and other logical types")
    ]
    assert [schema.file for schema in schemas.by_name["port.Boat"]] == ["avro/a.avsc", "avro/c.avsc"]


def test_type_of_the_null_namespace_has_javas_fingerprint(tmp_path: Path) -> None:
    """In the canonical form its name is bare, and no other type of the schema has an empty namespace."""
    change = {
        "type": "record",
        "name": "port.Change",
        "fields": [
            {"name": "a", "type": {"type": "record", "name": "line", "namespace": "", "fields": []}},
            {"name": "b", "type": "line"},
        ],
    }
    write_schemas(tmp_path, change=change)
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    canonical = (
        '{"name":"port.Change","type":"record","fields":[{"name":"a","type":{"name":"line","type":"record","fields":[]}},'
        '{"name":"b","type":"line"}]}'
    )
    assert list(schemas.by_fingerprint) == [bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))[::-1].hex()]


def test_only_a_configured_directory_must_exist(tmp_path: Path) -> None:
    assert load_schemas(None)[1] == []
    assert load_schemas(tmp_path)[1] == []
    _, findings = load_schemas(tmp_path / "missing", shown_name="missing")
    assert [finding.text() for finding in findings] == [
        "missing: error: is not a directory\n    set `schemas.directory` to the folder with the *.avsc files"
    ]


def test_each_invalid_file_is_a_finding_and_valid_ones_are_loaded(tmp_path: Path) -> None:
    write_schemas(
        tmp_path,
        bad='{"type": "record",\n  oops}',
        deep='{"type":"array","items":' * 30_000 + '"int"' + "}" * 30_000,
        fieldless='{"type": "record", "name": "X"}',
        good=record("shop.Good", a="int"),
        lost=record("shop.Lost", a="shop.Goood"),
        nameless='{"type": "record", "fields": []}',
        twice=record("shop.Good", a="string"),
    )
    (tmp_path / "latin.avsc").write_bytes(b'{"doc": "\xff"}')
    schemas, findings = load_schemas(tmp_path, shown_name="avro")
    messages = {finding.file: finding.message for finding in findings}
    assert messages["avro/bad.avsc"].startswith("is not JSON")
    assert messages["avro/fieldless.avsc"] == "is not an Avro schema: it has no valid `fields` in the type or field X"
    assert messages["avro/latin.avsc"] == "cannot be read as UTF-8 text"
    assert messages["avro/lost.avsc"] == "refers to shop.Goood, which no file here defines"
    assert messages["avro/nameless.avsc"] == "is not an Avro schema: it has no valid `name` in a type or field"
    assert messages["avro/deep.avsc"] == "is not an Avro schema: it is nested too deeply"
    assert "avro/twice.avsc" not in messages
    assert set(schemas.by_name) == {"shop.Good"}
    places = {finding.file: (finding.line, finding.column) for finding in findings}
    assert places["avro/bad.avsc"] == (2, 3)
    assert next(finding.hint for finding in findings if "lost" in finding.file) == "did you mean `shop.Good`?"
