"""The corpus: every event type of the shop's mapping and of `corpus/more.yaml`, and a bad record for each cause."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

from fastavro import parse_schema, schemaless_writer
from fastavro.schema import fingerprint, to_parsing_canonical_form

from tests.record.clock import START_MS

ROOT = Path(__file__).parents[2]
CORPUS = Path(__file__).parent / "corpus"
SHOP = "com.acme.shop"
EXTRA = "com.acme.record"

FIRST_CUSTOMER = "plug"
"""Customer of the first order. Every server keeps its request open until all other records are queued."""
POISON = "made-to-fail"
"""Two servers respond 400 to a request with this text, without naming the event."""
INVALID_MODEL = "prototype"
"""Copilot lists a device of this model in `invalid_events`."""
BUSY, THROTTLED, UNAUTHORIZED = "busy-once", "throttled-once", "unauthorized-twice"
"""Texts that make a server respond 503, 429 and 401."""
QUARANTINED_KEY = "c-quarantined"

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_TIMESTAMP_MS = START_MS - _HOUR_MS
_UNKNOWN_ID = 999_999_999

Json = Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One record: an event of a type, or raw bytes if there is no type."""

    topic: str
    key: str | None
    type: str | None
    value: Mapping[str, Any] | bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = _TIMESTAMP_MS


@dataclass(slots=True)
class Encoder:
    """The schemas of the corpus, and the encoding of its events."""

    schemas: dict[str, Json] = field(default_factory=dict)
    """Schemas by full name of the record, each after the schemas whose types it uses."""
    _parsed: dict[str, Json] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Read the schemas."""
        named: dict[str, Any] = {}
        shop, ours = ROOT / "avro", CORPUS / "avro"
        order = ["CustomerSignedUp", "ProductViewed"]
        order += sorted(path.stem for path in shop.glob("*.avsc") if path.stem not in order)
        for path in [*(shop / f"{name}.avsc" for name in order), *sorted(ours.glob("*.avsc"))]:
            schema = json.loads(path.read_text(encoding="utf-8"))
            name = f"{schema['namespace']}.{schema['name']}"
            self.schemas[name] = schema
            self._parsed[name] = parse_schema(schema, named)

    def encode(self, sample: Sample) -> bytes | None:
        """Return the record's value, in single-object encoding for `DeviceStatusChanged`, else in Confluent's."""
        if sample.type is None or not isinstance(sample.value, Mapping):
            return sample.value if isinstance(sample.value, bytes) else None
        out = io.BytesIO()
        value = {name: each.bytes if isinstance(each, UUID) else each for name, each in sample.value.items()}
        schemaless_writer(out, self._parsed[sample.type], value)
        if sample.type.endswith("DeviceStatusChanged"):
            canonical = to_parsing_canonical_form(self._parsed[sample.type])
            return b"\xc3\x01" + bytes.fromhex(fingerprint(canonical, "CRC-64-AVRO")) + out.getvalue()
        return b"\0" + self.schema_id(sample.type).to_bytes(4, "big") + out.getvalue()

    def schema_id(self, name: str) -> int:
        """Return the id of a record type in the registry."""
        return 100_001 + list(self.schemas).index(name)


def json_line(sample: Sample) -> str:
    """Return the event as a line for `translate`."""
    return json.dumps(
        {
            "type": sample.type,
            "value": None if sample.value is None else _json_value(sample.value),
            "key": sample.key,
            "headers": {name: content.decode() for name, content in sample.headers},
            "timestamp": sample.timestamp_ms,
        }
    )


def _json_value(value: Json) -> Json:
    match value:
        case Mapping():
            return {name: _json_value(each) for name, each in value.items()}
        case list():
            return [_json_value(each) for each in value]
        case (str() as name, branch):
            return {name: _json_value(branch)}
        case Decimal() | UUID():
            return str(value)
        case datetime() | date():
            return value.isoformat()
        case bytes():
            return value.decode("latin-1")
        case _:
            return value


# ── the events ──


class _Ids:
    def __init__(self) -> None:
        self._count = 0

    def __call__(self) -> UUID:
        self._count += 1
        return UUID(int=(0x5EED << 112) | (4 << 76) | (2 << 62) | self._count)


def _customer(name: str, **more: Json) -> dict[str, Json]:
    return {
        "id": name,
        "email": f"{name}@example.com",
        "phone": "+4930123456",
        "first_name": "Ada",
        "last_name": "Müller",
        "birthday": date(1990, 2, 28),
        "marketing_ok": True,
        **more,
    }


def _product(sku: str = "A-1", title: str = "Tea, green", price: str = "9.95") -> dict[str, Json]:
    return {"sku": sku, "title": title, "price": Decimal(price), "categories": ["tea", "green"]}


def _item(line: str, *, gift: bool = False, **product: str) -> dict[str, Json]:
    return {"line_id": line, "product": _product(**product), "quantity": 2, "gift": gift}


class _Shop:
    """Makes samples whose ids and times are the same in every run."""

    def __init__(self) -> None:
        self._id = _Ids()
        self._at_ms = _TIMESTAMP_MS

    def _id_and_time(self) -> dict[str, Json]:
        self._at_ms += 1_001
        return {"event_id": str(self._id()), "occurred_at": datetime.fromtimestamp(self._at_ms / 1000, UTC)}

    def order(
        self, customer_id: str, *, status: str = "PAID", marketing_ok: bool | None = True, **more: Json
    ) -> Sample:
        value = {
            **self._id_and_time(),
            "number": 1001,
            "status": status,
            "currency": "EUR",
            "total": Decimal("59.90"),
            "coupon": None,
            "customer": _customer(customer_id, marketing_ok=marketing_ok),
            "items": [_item("1"), _item("2", gift=True, sku="B-2", title="Pot", price="40.00")],
            "deliver_on": date(2026, 11, 24),
            **more,
        }
        return Sample("shop.orders", customer_id, f"{SHOP}.OrderPlaced", value)

    def signed_up(self, customer_id: str, headers: tuple[tuple[str, bytes], ...] = (), **customer: Json) -> Sample:
        value = {
            **self._id_and_time(),
            "customer": _customer(customer_id, **customer),
            "channel": "WEB",
            "referrer": "ads",
        }
        return Sample("shop.customers", customer_id, f"{SHOP}.CustomerSignedUp", value, headers)

    def updated(self, customer_id: str, tier: str = "GOLD", **attributes: str) -> Sample:
        value = {
            **self._id_and_time(),
            "customer": _customer(customer_id, phone=None),
            "tier": tier,
            "attributes": attributes,
        }
        return Sample("shop.customers", customer_id, f"{SHOP}.CustomerUpdated", value)

    def consent(self, customer_id: str, purpose: str, *, granted: bool) -> Sample:
        value = {**self._id_and_time(), "customer_id": customer_id, "purpose": purpose, "granted": granted}
        return Sample("shop.customers", customer_id, f"{SHOP}.ConsentChanged", value)

    def viewed(self, customer_id: str | None, **product: str) -> Sample:
        visitor = (
            (f"{SHOP}.KnownVisitor", {"customer_id": customer_id})
            if customer_id
            else (f"{SHOP}.AnonymousVisitor", {"cookie": "v-1"})
        )
        fields = self._id_and_time()
        value = {
            **fields,
            "event_id": UUID(fields["event_id"]),
            "visitor": visitor,
            "product": _product(**product),
            "url": "https://shop.example/p/a-1?q=1",
        }
        return Sample("shop.views", customer_id or "v-1", f"{SHOP}.ProductViewed", value)

    def registered(self, customer_id: str, device: str, model: str = "kettle") -> Sample:
        document = {"id": device, "model": model, "platform": "IOS", "push_token": None}
        return Sample(
            "shop.devices",
            customer_id,
            f"{SHOP}.DeviceRegistered",
            {**self._id_and_time(), "customer_id": customer_id, "device": document},
        )

    def status(self, customer_id: str, device: str, status: str, battery: str | None = None) -> Sample:
        value = {
            "occurred_at": self._id_and_time()["occurred_at"],
            "device_id": device,
            "customer_id": customer_id,
            "status": status,
            "battery": None if battery is None else Decimal(battery),
            "firmware": "1.2.3",
        }
        return Sample("shop.devices", customer_id, f"{SHOP}.DeviceStatusChanged", value)

    def everything(self, customer_id: str, number: int) -> Sample:
        value = {
            **self._id_and_time(),
            "user": customer_id,
            "other": f"other-{number}",
            "mail": f"{customer_id}@example.com",
            "text": 'grün and "quoted"',
            "digits": "12.50",
            "instant": "2026-11-20T09:30:00+02:00",
            "number": number,
            "ratio": 0.1,
            "amount": Decimal("1234567890.50"),
            "day": date(2024, 2, 29),
            "blob": b"\x00\xff",
            "kind": "CAPSULE",
            "labels": {"a": "1", "b": "2"},
        }
        return Sample("shop.more", customer_id, f"{EXTRA}.Everything", value, (("trace", b"t-1"),))

    def unmappable(self, customer_id: str) -> Sample:
        value = {**self._id_and_time(), "user": customer_id, "text": "no time", "amount": Decimal("1.2345")}
        return Sample("shop.more", customer_id, f"{EXTRA}.Unmappable", value)


def first_order() -> Sample:
    """Return the first record of the corpus."""
    sample = _Shop().order(FIRST_CUSTOMER, items=[_item("1")])
    return Sample("shop.plug", FIRST_CUSTOMER, sample.type, {**sample.value, "event_id": str(UUID(int=7))})  # type: ignore[dict-item]


def events() -> list[Sample]:
    """Return all records with an event, by topic in the order of production."""
    shop = _Shop()
    line = _item("1", gift=True)
    long_ago = datetime.fromtimestamp((_TIMESTAMP_MS - 31 * _DAY_MS) / 1000, UTC)
    return [
        shop.signed_up("c-1", (("campaign", b"autumn"), ("trace", b"x"))),
        shop.signed_up("c-2", marketing_ok=None, email=None, birthday=None),
        shop.signed_up("c-3", marketing_ok=False),
        shop.signed_up("c-4", last_name="O'Neill", email="o'neill@example.com"),
        shop.signed_up("c-5", email="c-5@localhost"),
        shop.updated("c-1", shoe="42", city="Köln"),
        shop.updated("c-2", tier="BASIC"),
        shop.updated("c-6", note=BUSY),
        Sample("shop.customers", "c-1", f"{SHOP}.CustomerUpdated", None),
        shop.consent("c-1", "ANALYSIS", granted=False),
        shop.consent("c-1", "MARKETING", granted=False),
        shop.consent("c-2", "ANALYSIS", granted=True),
        shop.consent("no such/ID", "ANALYSIS", granted=True),
        shop.consent("c-3", "MARKETING", granted=True),
        shop.viewed("c-1"),
        shop.viewed(None, sku="B-2", title="Pot", price="40.00"),
        shop.viewed("c-2", sku=f"{POISON}-1"),
        shop.viewed("c-3", price="0.01"),
        shop.viewed("c-7", sku=THROTTLED),
        shop.viewed("c-8", sku=UNAUTHORIZED),
        shop.viewed("c-9", price="-3.00"),
        shop.order("c-1"),
        shop.order("c-2", status="PENDING"),
        shop.order("c-3", marketing_ok=False),
        shop.order("c-4", marketing_ok=None, status="CANCELLED"),
        shop.order("c-5", items=[], coupon="WELCOME", deliver_on=None),
        shop.order("c-6", occurred_at=long_ago),
        shop.order("c-7", coupon="7" * 40_000),
        shop.order("c-8", currency="EUR" * 100),
        shop.order("c-9", items=[line, {**line, "quantity": 1}]),
        shop.order(QUARANTINED_KEY),
        shop.order("c-10", currency=UNAUTHORIZED),
        shop.order("c-11", currency=BUSY),
        shop.order("c-12", number=2**60, total=Decimal("9999999999.99")),
        shop.registered("c-1", "d-1"),
        shop.registered("c-2", "d-2", model=INVALID_MODEL),
        shop.status("c-1", "d-1", "ONLINE", "19.99"),
        shop.status("c-1", "d-1", "FAULTY", "20.00"),
        shop.status("c-2", "d-2", "FAULTY"),
        shop.status("c-2", "d-2", "OFFLINE", "100.00"),
        shop.everything("c-1", 5),
        shop.everything("c-2", 7),
        shop.unmappable("c-1"),
        shop.everything("bad id/", 9),
    ]


def raw(encoder: Encoder) -> list[Sample]:
    """Return records without an event: undecodable bytes, no value, and unknown schemas."""
    shop = _Shop()
    order = encoder.encode(shop.order("c-1")) or b""
    old_ms = START_MS - 2 * _DAY_MS
    unknown = b"\0" + _UNKNOWN_ID.to_bytes(4, "big") + b"\x02"
    return [
        Sample("shop.raw", "c-1", None, order[: len(order) // 2], (("trace", b"kept"), ("cdp-cause", b"replaced"))),
        Sample("shop.raw", None, None, b'{"sku": "KET-BL-00"}'),
        Sample("shop.raw", "c-2", None, b""),
        Sample("shop.raw", "c-3", None, None),
        Sample("shop.raw", "c-4", None, unknown, timestamp_ms=old_ms),
        Sample("shop.raw", "c-5", None, b"\xc3\x01" + bytes(8) + b"\x02", timestamp_ms=old_ms),
        Sample("shop.raw", "c-6", None, order + b"\0"),
    ]


def topics(encoder: Encoder) -> Iterator[tuple[str, list[Sample]]]:
    """Yield each topic with its records, in the order of production."""
    samples = [*events(), *raw(encoder)]
    for topic in dict.fromkeys(sample.topic for sample in samples):
        yield topic, [sample for sample in samples if sample.topic == topic]
