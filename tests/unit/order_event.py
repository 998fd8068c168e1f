"""An order event with its schema and its messages, for tests of the translator."""

from __future__ import annotations

import json
from decimal import Decimal

from consumer.model import Fault
from consumer.model.translated_batch import Translation
from tests.unit.translator_harness import FakeMessage, Json, encode, record, with_schema_id

SCHEMA = record(
    "shop.E",
    id=["null", "string"],
    ok=["null", "boolean"],
    status="string",
    total={"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2},
    at={"type": "long", "logicalType": "timestamp-millis"},
    items={"type": "array", "items": record("shop.Item", sku=["null", "string"], n="int")},
    more={"type": "map", "values": ["null", "string"]},
)
EVENT: dict[str, Json] = {
    "id": "e-1",
    "ok": True,
    "status": "PAID",
    "total": Decimal("12.34"),
    "at": 1000,
    "items": [{"sku": "a", "n": 1}, {"sku": "b", "n": 2}],
    "more": {"x": None, "y": "z"},
}


def order_message(offset: int = 0, key: int = 1, **changes: Json) -> FakeMessage:
    return FakeMessage(with_schema_id(key, encode(SCHEMA, {**EVENT, **changes})), offset)


def sent_fields(out: Translation) -> list[Json]:
    return [json.loads(body)["fields"] for body in out.columns["vendor"].bodies]


def one_fault(out: Translation) -> Fault:
    assert len(out.faults) == 1
    assert not out.columns["vendor"].bodies
    return out.faults[0].fault
