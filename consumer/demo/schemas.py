"""The shop's Avro schemas with their registry ids, and the encoding of events in both wire formats."""

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
        "doc": "A shelf was counted. No destination takes this event.",
        "fields": [{"name": "sku", "type": "string"}, {"name": "count", "type": "int"}],
    }
)
"""An event type that is registered but not mapped."""


class SchemasMissingError(Exception):
    """The shop's schemas were not found. The text names the folders."""


@dataclass(frozen=True, slots=True)
class Registered:
    """One registered schema. `references` are the subjects of the types it uses."""

    id: int
    subject: str
    text: str
    references: tuple[str, ...]


@dataclass(slots=True)
class Schemas:
    """The shop's schemas. Encodes events by kind: the event type's name without the namespace."""

    registered: dict[str, Registered] = field(default_factory=dict)
    """By subject, which is the full name of the record type."""
    _parsed: dict[str, Any] = field(default_factory=dict)
    _prefixes: dict[str, bytes] = field(default_factory=dict)

    def confluent(self, kind: str, event: Mapping[str, Any]) -> bytes:
        """Return an event in Confluent's wire format: 0, the schema's id, the datum."""
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

    def add(self, text: str, parsed: dict[str, Any], references: tuple[str, ...]) -> None:
        """Register a schema under its full name, with the next id."""
        subject = parsed["name"]
        self.registered[subject] = Registered(_FIRST_ID + len(self.registered), subject, text, references)
        self._parsed[subject.removeprefix(f"{NAMESPACE}.")] = parsed


def avro_directory() -> Path:
    """Return the folder of the shop's schemas and mapping: beside the package in a clone, inside it once installed.

    Raises:
        SchemasMissingError: neither folder has them.
    """
    inside = Path(__file__).parent / "avro"
    beside = Path(__file__).parents[2] / "avro"
    for folder in (beside, inside):
        if (folder / "mapping.yaml").is_file():
            return folder
    raise SchemasMissingError(
        f"demo schemas: mapping.yaml is neither in {beside} nor in {inside}. Reinstall the package."
    )


def read_schemas(folder: Path) -> Schemas:
    """Read every schema of a folder, each after those whose types it uses.

    Raises:
        SchemasMissingError: a file uses a type that no file defines.
    """
    unread = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.avsc"))}
    named: dict[str, Any] = {}
    home: dict[str, str] = {}
    schemas = Schemas()
    while unread:
        before = len(unread)
        for name, text in tuple(unread.items()):
            attempt = dict(named)
            try:
                parsed: Any = parse_schema(json.loads(text), attempt)
            except UnknownType:
                continue
            used = {home[each] for each in _names_used(parsed) if each in home}
            schemas.add(text, parsed, tuple(sorted(used)))
            home |= {each: parsed["name"] for each in attempt if each not in named}
            named = attempt
            del unread[name]
        if len(unread) == before:
            raise SchemasMissingError(
                f"demo schemas: no file in {folder} defines a type that these files use: {', '.join(unread)}."
            )
    schemas.add(UNMAPPED, parse_schema(json.loads(UNMAPPED)), ())  # type: ignore[arg-type]
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
