"""The shop's Avro: its schemas as a registry has them, and events as bytes in both of the usual wrappings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any

from fastavro import parse_schema, schemaless_writer
from fastavro.schema import UnknownType, fingerprint, to_parsing_canonical_form

from consumer.demo.events import NAMESPACE

_FIRST_ID = 100_001
_SINGLE_OBJECT = b"\xc3\x01"

UNMAPPED = json.dumps(
    {
        "type": "record",
        "namespace": NAMESPACE,
        "name": "StockCounted",
        "doc": "A shelf was counted. No destination wants to know.",
        "fields": [{"name": "sku", "type": "string"}, {"name": "count", "type": "int"}],
    }
)
"""A type that stands in the registry and in no mapping."""


class SchemasMissingError(Exception):
    """The shop's schemas are not where they were looked for; the text says where that was."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One schema as the registry has it; `references` are the subjects whose types it uses."""

    id: int
    subject: str
    text: str
    references: tuple[str, ...]


@dataclass(slots=True)
class Schemas:
    """The shop's schemas by kind, ready to write with."""

    registered: dict[str, Registered] = field(default_factory=dict)
    """By subject, which is the record's full name."""
    _parsed: dict[str, Any] = field(default_factory=dict)
    _prefixes: dict[str, bytes] = field(default_factory=dict)

    def confluent(self, kind: str, event: Mapping[str, Any]) -> bytes:
        """Return an event in the registry's wire format: 0, the schema's id, the datum."""
        number = self.registered[f"{NAMESPACE}.{kind}"].id
        return b"\0" + number.to_bytes(4, "big") + self._datum(kind, event)

    def single_object(self, kind: str, event: Mapping[str, Any]) -> bytes:
        """Return an event in Avro's single-object encoding: C3 01, the schema's fingerprint, the datum."""
        if kind not in self._prefixes:
            canonical = to_parsing_canonical_form(self._parsed[kind])
            self._prefixes[kind] = _SINGLE_OBJECT + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO"))
        return self._prefixes[kind] + self._datum(kind, event)

    def _datum(self, kind: str, event: Mapping[str, Any]) -> bytes:
        out = BytesIO()
        schemaless_writer(out, self._parsed[kind], event)
        return out.getvalue()

    def _add(self, text: str, parsed: dict[str, Any], references: tuple[str, ...]) -> None:
        subject = parsed["name"]
        self.registered[subject] = Registered(_FIRST_ID + len(self.registered), subject, text, references)
        self._parsed[subject.removeprefix(f"{NAMESPACE}.")] = parsed


def avro_directory() -> Path:
    """Return the folder of the shop's schemas and mapping: beside the package in a clone, within it once installed.

    Raises:
        SchemasMissingError: neither is there.
    """
    within = Path(__file__).parent / "avro"
    beside = Path(__file__).parents[2] / "avro"
    for folder in (beside, within):
        if (folder / "mapping.yaml").is_file():
            return folder
    raise SchemasMissingError(f"the shop's schemas and mapping.yaml are neither in {beside} nor in {within}")


def read_schemas(folder: Path) -> Schemas:
    """Read every schema of a folder, each after those whose types it uses.

    Raises:
        SchemasMissingError: a file uses a type that no file defines.
    """
    waiting = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.avsc"))}
    named: dict[str, Any] = {}
    home: dict[str, str] = {}
    schemas = Schemas()
    while waiting:
        before = len(waiting)
        for name, text in tuple(waiting.items()):
            attempt = dict(named)
            try:
                parsed: Any = parse_schema(json.loads(text), attempt)
            except UnknownType:
                continue
            used = {home[each] for each in _names_used(parsed) if each in home}
            schemas._add(text, parsed, tuple(sorted(used)))  # noqa: SLF001 - the one who fills it
            home |= {each: parsed["name"] for each in attempt if each not in named}
            named = attempt
            del waiting[name]
        if len(waiting) == before:
            raise SchemasMissingError(f"in {folder} no file defines what these use: {', '.join(waiting)}")
    schemas._add(UNMAPPED, parse_schema(json.loads(UNMAPPED)), ())  # type: ignore[arg-type]  # noqa: SLF001
    return schemas


def _names_used(node: Any) -> set[str]:  # noqa: ANN401 - whatever JSON holds
    if isinstance(node, str):
        return {node}
    if isinstance(node, list):
        return set().union(*map(_names_used, node))
    if isinstance(node, dict):
        inner = [node.get(key) for key in ("type", "items", "values")] + [f["type"] for f in node.get("fields", ())]
        return set().union(*map(_names_used, inner))
    return set()
