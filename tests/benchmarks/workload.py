"""What the benchmark feeds in: a schema, 5 000 distinct records of it from a fixed seed, and a mapping for each API."""

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
"""Where the 36 letters of `event_id` stand in a record: after the 5 bytes of the wire format and one of length."""

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
    """Make records: the same for the same hour, because times lie in the days before it (Copilot takes only 30)."""
    dice = Random(20_261_121)
    parsed = parse_schema(SCHEMA)
    now_ms = int(time.time() * 1000) // _HOUR_MS * _HOUR_MS
    made = []
    for _ in range(count):
        event = _event(dice, now_ms)
        out = BytesIO()
        out.write(b"\0" + SCHEMA_ID.to_bytes(4, "big"))
        schemaless_writer(out, parsed, event)
        made.append(Record(event["customer"]["id"].encode(), out.getvalue()))
    return made


def repeated(base: list[Record], count: int) -> Iterator[tuple[int, bytes, bytes]]:
    """Repeat records up to `count`, each with an `event_id` of its own: (partition, key, value).

    A key always meets the same partition, as with a producer that hashes keys.
    """
    for number in range(count):
        record = base[number % len(base)]
        event_id = str(uuid.UUID(int=(0xB0A7 << 112) | 4 << 76 | 2 << 62 | number)).encode()
        value = record.value[:EVENT_ID_AT] + event_id + record.value[EVENT_ID_AT + 36 :]
        yield int(record.key[-4:]) % PARTITIONS, record.key, value


def _event(dice: Random, now_ms: int) -> dict[str, Any]:
    prices = [(dice.randint(1, 5), Decimal(dice.randint(199, 29_999)).scaleb(-2)) for _ in range(dice.randint(1, 3))]
    return {
        "event_id": str(uuid.UUID(int=dice.getrandbits(128), version=4)),
        "occurred_at": _moment(now_ms - dice.randint(1, 20 * 24) * _HOUR_MS + dice.randint(0, _HOUR_MS - 1)),
        "status": dice.choice(("OPEN", "PAID", "SHIPPED", "CANCELLED")),
        "customer": {
            "id": f"customer-{dice.randint(0, 9_999):04d}",
            "email": f"{dice.choice(_WORDS)}.{dice.choice(_WORDS)}@example.com" if dice.random() < 0.8 else None,
            "registered_at": _moment(now_ms - dice.randint(100, 9_000) * _HOUR_MS),
            "address": {"street": f"{dice.choice(_WORDS)} street {dice.randint(1, 99)}", "city": dice.choice(_CITIES)},
            "loyalty": {"tier": dice.choice(_TIERS), "points": dice.randint(0, 9_999)} if dice.random() < 0.6 else None,
        },
        "items": [
            {
                "sku": f"SKU-{dice.randint(0, 99_999):05d}",
                "title": " ".join(dice.choices(_WORDS, k=5)),
                "quantity": quantity,
                "price": price,
            }
            for quantity, price in prices
        ],
        "total": sum((quantity * price for quantity, price in prices), Decimal(0)),
        "coupon": f"WELCOME{dice.randint(1, 99)}" if dice.random() < 0.4 else None,
        "attributes": {
            "channel": dice.choice(("web", "app", "store")),
            "device": f"{dice.choice(_WORDS)}-{dice.choice(_WORDS)}-{dice.randint(1, 20)}",
            "campaign": f"{dice.choice(_WORDS)}-{dice.choice(_WORDS)}-{dice.choice(_WORDS)}-{dice.randint(2020, 2026)}",
            "session": f"{dice.getrandbits(176):044x}",
            "referrer": f"https://{dice.choice(_WORDS)}.example.com/{dice.choice(_WORDS)}/{dice.choice(_WORDS)}",
        },
    }


def _moment(epoch_ms: int) -> datetime:
    return datetime.fromtimestamp(epoch_ms / 1000, UTC)


# Twelve leaves with the person: two- and three-level paths, an array's element, a path that may be null, a default, a
# choice of three, a time, a decimal, a UUID, two constants.
_LEAVES = """
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
          properties:{_LEAVES}""",
    "copilot": f"""{_EVENT}
      - to: copilot.custom_event
        name: bench_order
        fields:
            user_id: customer.id{_LEAVES}""",
    "yotpo": f"""{_EVENT}
      - to: yotpo.event
        name: bench_order
        fields:
          customer: {{external_id: customer.id}}
          properties:{_LEAVES}""",
}
"""By kind of destination: the same twelve leaves, as each API takes them."""
