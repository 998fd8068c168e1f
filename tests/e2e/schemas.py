"""The events of the test shop: Avro schemas, wire formats, and the mapping."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import fastavro

from consumer.demo.schemas import Registered

SPACE = "com.acme.system"
ORDER, PROFILE, CONSENT, MERGE, PAGE, BEAT = (
    f"{SPACE}.{name}"
    for name in ("OrderPlaced", "ProfileChanged", "ConsentChanged", "AccountMerged", "PageSeen", "Heartbeat")
)

_ID = {"name": "event_id", "type": {"type": "string", "logicalType": "uuid"}}
_AT = {"name": "occurred_at", "type": {"type": "long", "logicalType": "timestamp-millis"}}
_WHO = {"name": "customer", "type": "string"}
_TAG = {"name": "tag", "type": ["null", "string"], "default": None}
_LINE = {
    "type": "record",
    "name": "Line",
    "fields": [{"name": "line_id", "type": "string"}, {"name": "quantity", "type": "int"}],
}
_FIELDS: dict[str, list[dict[str, Any]]] = {
    ORDER: [
        _ID,
        _AT,
        _WHO,
        _TAG,
        {"name": "note", "type": ["null", "string"], "default": None},
        {"name": "total", "type": {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}},
        {"name": "vip", "type": "boolean"},
        {"name": "lines", "type": {"type": "array", "items": _LINE}},
    ],
    PROFILE: [_ID, _AT, _WHO, _TAG, {"name": "marketing_ok", "type": ["null", "boolean"], "default": None}],
    CONSENT: [_ID, _AT, _WHO, {"name": "subject", "type": "string"}, {"name": "granted", "type": "boolean"}],
    MERGE: [_ID, _AT, _WHO],
    PAGE: [{"name": "cookie", "type": "string"}, {"name": "ref", "type": "string"}],
    BEAT: [_AT],
}
SCHEMAS: dict[str, dict[str, Any]] = {
    name: {"type": "record", "namespace": SPACE, "name": name.rpartition(".")[2], "fields": fields}
    for name, fields in _FIELDS.items()
}
IDS: dict[str, int] = {name: number for number, name in enumerate(SCHEMAS, 1)}
"""The registry's ids."""

_PARSED = {name: fastavro.parse_schema(schema) for name, schema in SCHEMAS.items()}

MAPPING = f"""\
version: 1
events:
  {ORDER}:
    id: event_id
    time: occurred_at
    key: customer
    deliver:
      - to: customerio.track
        name: Order Completed
        fields: {{userId: customer, properties: {{ref: event_id, tag: tag, note: note, total: total}}}}
      - to: customerio.track
        name: Line Bought
        each: lines
        id: line_id
        fields:
          userId: event().customer
          properties: {{ref: "concat(event().event_id, ':', line_id)", quantity: quantity}}
      - to: copilot.custom_event
        name: order_placed
        fields: {{user_id: customer, ref: event_id, tag: tag, total_cents: cents(total)}}
      - to: yotpo.event
        name: order_placed
        when: vip
        fields: {{customer: {{external_id: customer}}, properties: {{ref: event_id, tag: tag, total: total}}}}
  {PROFILE}:
    id: event_id
    time: occurred_at
    key: customer
    deliver:
      - to: customerio.identify
        consent: marketing_ok
        fields: {{userId: customer, traits: {{ref: event_id, tag: tag}}}}
      - to: copilot.user_updated
        fields: {{user_id: customer, custom_properties: {{ref: event_id, tag: tag}}}}
  {CONSENT}:
    id: event_id
    time: occurred_at
    key: customer
    deliver:
      - to: copilot.consent
        fields: {{user_id: subject, consent_value: granted}}
      - to: customerio.identify
        label: unsubscribed
        fields: {{userId: customer, traits: {{ref: event_id, unsubscribed: "!granted"}}}}
  {MERGE}:
    id: event_id
    time: occurred_at
    key: customer
    deliver:
      - to: customerio.alias
        fields: {{previousId: event_id, userId: customer}}
  # No id, time or key: the record's coordinates, timestamp and key are used instead.
  {PAGE}:
    deliver:
      - to: customerio.page
        name: Shop
        fields: {{anonymousId: cookie, properties: {{ref: ref}}}}
"""


def datum(name: str, event: dict[str, Any]) -> bytes:
    """Return an event as a bare Avro datum."""
    out = io.BytesIO()
    fastavro.schemaless_writer(out, _PARSED[name], event)
    return out.getvalue()


def confluent(name: str, event: dict[str, Any]) -> bytes:
    """Return an event in Confluent's wire format."""
    return b"\0" + IDS[name].to_bytes(4, "big") + datum(name, event)


def fingerprint(name: str) -> str:
    """Return the fingerprint of single-object encoding, CRC-64-AVRO, as 16 hex digits."""
    text = fastavro.schema.to_parsing_canonical_form(_PARSED[name])
    little: str = fastavro.schema.fingerprint(text, "CRC-64-AVRO")
    return bytes.fromhex(little)[::-1].hex()


def single_object(name: str, event: dict[str, Any]) -> bytes:
    """Return an event in single-object encoding."""
    return b"\xc3\x01" + bytes.fromhex(fingerprint(name))[::-1] + datum(name, event)


def registered(schemas: Mapping[int, object]) -> dict[str, Registered]:
    """Return schemas, given by id, as the registry takes them: each with a subject of its own."""
    return {
        f"schema-{number}": Registered(number, f"schema-{number}", json.dumps(schema), ())
        for number, schema in schemas.items()
    }


def write(folder: Path) -> None:
    """Write the mapping, and the one schema that is not in the registry."""
    (folder / "mapping.yaml").write_text(MAPPING, encoding="utf-8")
    (folder / "avro").mkdir()
    (folder / "avro" / "AccountMerged.avsc").write_text(json.dumps(SCHEMAS[MERGE]), encoding="utf-8")
