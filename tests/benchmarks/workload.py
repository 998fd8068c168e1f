"""Workload of the benchmark: a schema, 5 000 distinct records from a fixed seed, and a mapping for each API."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from io import BytesIO
from random import Random
from typing import Any

from fastavro import parse_schema, schemaless_writer

SCHEMA_ID = 7
PARTITIONS = 48
DISTINCT = 5_000
EVENT_ID_AT = 6
"""Position of the 36 characters of `event_id` in a record: after 5 bytes of wire format and one byte of length."""

_HOUR_MS = 3_600_000
_TIERS = ("bronze", "silver", "gold", "platinum")
_CITIES = ("Aarhus", "Berlin", "Cork", "Dresden", "Eindhoven", "Firenze", "Göteborg", "Haifa")
_WORDS = ("lamp", "cotton", "oak", "linen", "copper", "wool", "glass", "paper", "steel", "cork", "amber", "slate")


def _named(kind: str, name: str, **more: object) -> dict[str, object]:
    return {"type": kind, "name": name, **more}


def _field(name: str, kind: object) -> dict[str, object]:
    return {"name": name, "type": kind}


_MONEY = {"type": "bytes", "logicalType": "decimal", "precision": 12, "scale": 2}
_MOMENT = {"type": "long", "logicalType": "timestamp-millis"}

SCHEMA: dict[str, Any] = _named(
    "record",
    "OrderPlaced",
    namespace="com.acme.bench",
    fields=[
        _field("event_id", {"type": "string", "logicalType": "uuid"}),
        _field("occurred_at", _MOMENT),
        _field("status", _named("enum", "Status", symbols=["OPEN", "PAID", "SHIPPED", "CANCELLED"])),
        _field(
            "customer",
            _named(
                "record",
                "Customer",
                fields=[
                    _field("id", "string"),
                    _field("email", ["null", "string"]),
                    _field("registered_at", _MOMENT),
                    _field(
                        "address",
                        _named("record", "Address", fields=[_field("street", "string"), _field("city", "string")]),
                    ),
                    _field(
                        "loyalty",
                        [
                            "null",
                            _named("record", "Loyalty", fields=[_field("tier", "string"), _field("points", "int")]),
                        ],
                    ),
                ],
            ),
        ),
        _field(
            "items",
            {
                "type": "array",
                "items": _named(
                    "record",
                    "Item",
                    fields=[
                        _field("sku", "string"),
                        _field("title", "string"),
                        _field("quantity", "int"),
                        _field("price", _MONEY),
                    ],
                ),
            },
        ),
        _field("total", _MONEY),
        _field("coupon", ["null", "string"]),
        _field("attributes", {"type": "map", "values": "string"}),
    ],
)


@dataclass(frozen=True, slots=True)
class Record:
    """One distinct record in Confluent's wire format."""

    key: bytes
    value: bytes


def records(count: int = DISTINCT) -> list[Record]:
    """Make records from the fixed seed. Their times lie in the 20 days before this hour: Copilot accepts 30 days."""
    random = Random(20_261_121)
    parsed = parse_schema(SCHEMA)
    now_ms = int(time.time() * 1000) // _HOUR_MS * _HOUR_MS
    distinct = []
    for _ in range(count):
        event = _event(random, now_ms)
        out = BytesIO()
        out.write(b"\0" + SCHEMA_ID.to_bytes(4, "big"))
        schemaless_writer(out, parsed, event)
        distinct.append(Record(event["customer"]["id"].encode(), out.getvalue()))
    return distinct


def repeated(base: list[Record], count: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Yield `count` repeated records as (partition, key, value), each with its own `event_id`.

    A key always goes to the same partition, as with a producer that hashes keys.
    """
    for number in range(count):
        record = base[number % len(base)]
        event_id = str(uuid.UUID(int=(0xB0A7 << 112) | 4 << 76 | 2 << 62 | number)).encode()
        value = record.value[:EVENT_ID_AT] + event_id + record.value[EVENT_ID_AT + 36 :]
        yield int(record.key[-4:]) % PARTITIONS, record.key, value


def _event(random: Random, now_ms: int) -> dict[str, Any]:
    prices = [
        (random.randint(1, 5), Decimal(random.randint(199, 29_999)).scaleb(-2)) for _ in range(random.randint(1, 3))
    ]
    return {
        "event_id": str(uuid.UUID(int=random.getrandbits(128), version=4)),
        "occurred_at": _moment(now_ms - random.randint(1, 20 * 24) * _HOUR_MS + random.randint(0, _HOUR_MS - 1)),
        "status": random.choice(("OPEN", "PAID", "SHIPPED", "CANCELLED")),
        "customer": {
            "id": f"customer-{random.randint(0, 9_999):04d}",
            "email": f"{random.choice(_WORDS)}.{random.choice(_WORDS)}@example.com" if random.random() < 0.8 else None,
            "registered_at": _moment(now_ms - random.randint(100, 9_000) * _HOUR_MS),
            "address": {
                "street": f"{random.choice(_WORDS)} street {random.randint(1, 99)}",
                "city": random.choice(_CITIES),
            },
            "loyalty": {"tier": random.choice(_TIERS), "points": random.randint(0, 9_999)}
            if random.random() < 0.6
            else None,
        },
        "items": [
            {
                "sku": f"SKU-{random.randint(0, 99_999):05d}",
                "title": " ".join(random.choices(_WORDS, k=5)),
                "quantity": quantity,
                "price": price,
            }
            for quantity, price in prices
        ],
        "total": sum((quantity * price for quantity, price in prices), Decimal(0)),
        "coupon": f"WELCOME{random.randint(1, 99)}" if random.random() < 0.4 else None,
        "attributes": {
            "channel": random.choice(("web", "app", "store")),
            "device": f"{_words(random)}-{random.randint(1, 20)}",
            "campaign": f"{_words(random)}-{random.choice(_WORDS)}-{random.randint(2020, 2026)}",
            "session": f"{random.getrandbits(176):044x}",
            "referrer": f"https://{random.choice(_WORDS)}.example.com/{random.choice(_WORDS)}/{random.choice(_WORDS)}",
        },
    }


def _words(random: Random) -> str:
    return f"{random.choice(_WORDS)}-{random.choice(_WORDS)}"


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


# Eleven fields, and the customer id beside them: paths of two and three levels, an array element, a nullable path, a
# default, a choice of three, a time, a decimal, a UUID, two constants.
_FIELDS = """
            event: event_id
            total: total
            email: customer.email
            tier: customer.loyalty.tier
            city: customer.address.city
            first_sku: items[0].sku
            coupon: coupon || 'none'
            state: "if(status == 'PAID', 'paid', if(status == 'SHIPPED', 'sent', 'open'))"
            placed_at: occurred_at
            source: {value: shop}
            channel: {value: bench}
"""

_EVENT = """\
version: 1
events:
  com.acme.bench.OrderPlaced:
    id: event_id
    time: occurred_at
    key: customer.id
    deliver:
"""

MAPPINGS = {
    "customerio": f"""{_EVENT}
      - to: customerio.track
        name: Bench Order
        fields:
          userId: customer.id
          properties:{_FIELDS}""",
    "copilot": f"""{_EVENT}
      - to: copilot.custom_event
        name: bench_order
        fields:
            user_id: customer.id{_FIELDS}""",
    "yotpo": f"""{_EVENT}
      - to: yotpo.event
        name: bench_order
        fields:
          customer: {{external_id: customer.id}}
          properties:{_FIELDS}""",
}
"""By kind of destination: the same twelve values, in the structure that each API accepts."""
