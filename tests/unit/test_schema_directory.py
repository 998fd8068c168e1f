"""The schema directory: files in any order, by fingerprint and by name, and findings of invalid files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumer.model import Fault
from consumer.translation.avro.decoder import read_schema
from consumer.translation.avro.schema_directory import load_schemas
from tests.unit.translator_harness import Json, record

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
    for schema in schemas.by_name.values():
        assert not isinstance(read_schema(schema.text, schema.references), Fault)
    assert len(schemas.by_name["shop.A"].references) == 2
    assert schemas.by_name["shop.A"].file.endswith("/a.avsc")


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
    write_schemas(tmp_path, u=[record("shop.A", x="int"), record("shop.B", x="shop.A")])
    schemas, findings = load_schemas(tmp_path)
    assert not findings
    schema = schemas.by_name["shop.B"]
    result = read_schema(schema.text, schema.references)
    assert not isinstance(result, Fault)
    assert result.branches[0].name == "shop.B"


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
    assert messages["avro/fieldless.avsc"] == "is not an Avro schema"
    assert messages["avro/latin.avsc"] == "cannot be read as UTF-8 text"
    assert messages["avro/lost.avsc"] == "refers to shop.Goood, which no file here defines"
    assert messages["avro/nameless.avsc"].startswith("is not an Avro schema")
    assert messages["avro/twice.avsc"] == "defines shop.Good again, after avro/good.avsc"
    assert set(schemas.by_name) == {"shop.Good"}
    places = {finding.file: (finding.line, finding.column) for finding in findings}
    assert places["avro/bad.avsc"] == (2, 3)
    assert next(finding.hint for finding in findings if "lost" in finding.file) == "did you mean `shop.Good`?"
