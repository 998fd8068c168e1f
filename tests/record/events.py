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
OURS = "com.acme.record"

PLUG = "plug"
"""The customer of the first order. Every server keeps its request open until all other records are in the queues."""
POISON = "made-to-fail"
"""Two servers answer 400 to a request with this text, and do not name the event."""
LISTED = "prototype"
"""Copilot lists a device of this model among the invalid events."""
BUSY, THROTTLED, UNAUTHORIZED = "busy-once", "throttled-once", "unauthorized-twice"
"""Texts that make a server answer 503, 429 and 401."""
QUARANTINED_KEY = "c-quarantined"

_HOUR_MS = 3_600_000
_DAY_MS = 24 * _HOUR_MS
_MADE_MS = START_MS - _HOUR_MS
_UNKNOWN_ID = 999_999_999

Json = Any


@dataclass(frozen=True, slots=True)
class Sample:
    """One record: an event of a type, or, without a type, raw bytes."""

    topic: str
    key: str | None
    type: str | None
    value: Mapping[str, Any] | bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()
    timestamp_ms: int = _MADE_MS


@dataclass(slots=True)
class Encoder:
    """The corpus's schemas, and events as bytes."""

    schemas: dict[str, Json] = field(default_factory=dict)
    """The files' content by the record's full name, each after those whose types it uses."""
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

    def wire(self, sample: Sample) -> bytes | None:
        """Return the record's value: single-object encoding for devices' status, Confluent's prefix for the rest."""
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
        """Return the id the registry gives to a record type."""
        return 100_001 + list(self.schemas).index(name)


def as_line(sample: Sample) -> str:
    """Return the event as a line for `translate`."""
    return json.dumps(
        {
            "type": sample.type,
            "value": None if sample.value is None else _plain(sample.value),
            "key": sample.key,
            "headers": {name: content.decode() for name, content in sample.headers},
            "timestamp": sample.timestamp_ms,
        }
    )


def _plain(value: Json) -> Json:
    match value:
        case Mapping():
            return {name: _plain(each) for name, each in value.items()}
        case list():
            return [_plain(each) for each in value]
        case (str() as name, branch):
            return {name: _plain(branch)}
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
    """Makes samples with ids and instants that are the same in every run."""

    def __init__(self) -> None:
        self._id = _Ids()
        self._at_ms = _MADE_MS

    def _head(self) -> dict[str, Json]:
        self._at_ms += 1_001
        return {"event_id": str(self._id()), "occurred_at": datetime.fromtimestamp(self._at_ms / 1000, UTC)}

    def order(self, who: str, *, status: str = "PAID", ok: bool | None = True, **more: Json) -> Sample:
        value = {
            **self._head(),
            "number": 1001,
            "status": status,
            "currency": "EUR",
            "total": Decimal("59.90"),
            "coupon": None,
            "customer": _customer(who, marketing_ok=ok),
            "items": [_item("1"), _item("2", gift=True, sku="B-2", title="Pot", price="40.00")],
            "deliver_on": date(2026, 11, 24),
            **more,
        }
        return Sample("shop.orders", who, f"{SHOP}.OrderPlaced", value)

    def signed_up(self, who: str, headers: tuple[tuple[str, bytes], ...] = (), **customer: Json) -> Sample:
        value = {**self._head(), "customer": _customer(who, **customer), "channel": "WEB", "referrer": "ads"}
        return Sample("shop.customers", who, f"{SHOP}.CustomerSignedUp", value, headers)

    def updated(self, who: str, tier: str = "GOLD", **attributes: str) -> Sample:
        value = {**self._head(), "customer": _customer(who, phone=None), "tier": tier, "attributes": attributes}
        return Sample("shop.customers", who, f"{SHOP}.CustomerUpdated", value)

    def consent(self, who: str, purpose: str, *, granted: bool) -> Sample:
        value = {**self._head(), "customer_id": who, "purpose": purpose, "granted": granted}
        return Sample("shop.customers", who, f"{SHOP}.ConsentChanged", value)

    def viewed(self, who: str | None, **product: str) -> Sample:
        visitor = (
            (f"{SHOP}.KnownVisitor", {"customer_id": who}) if who else (f"{SHOP}.AnonymousVisitor", {"cookie": "v-1"})
        )
        head = self._head()
        value = {
            **head,
            "event_id": UUID(head["event_id"]),
            "visitor": visitor,
            "product": _product(**product),
            "url": "https://shop.example/p/a-1?q=1",
        }
        return Sample("shop.views", who or "v-1", f"{SHOP}.ProductViewed", value)

    def registered(self, who: str, device: str, model: str = "kettle") -> Sample:
        thing = {"id": device, "model": model, "platform": "IOS", "push_token": None}
        return Sample(
            "shop.devices", who, f"{SHOP}.DeviceRegistered", {**self._head(), "customer_id": who, "device": thing}
        )

    def status(self, who: str, device: str, status: str, battery: str | None = None) -> Sample:
        value = {
            "occurred_at": self._head()["occurred_at"],
            "device_id": device,
            "customer_id": who,
            "status": status,
            "battery": None if battery is None else Decimal(battery),
            "firmware": "1.2.3",
        }
        return Sample("shop.devices", who, f"{SHOP}.DeviceStatusChanged", value)

    def everything(self, who: str, number: int) -> Sample:
        value = {
            **self._head(),
            "user": who,
            "other": f"other-{number}",
            "mail": f"{who}@example.com",
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
        return Sample("shop.more", who, f"{OURS}.Everything", value, (("trace", b"t-1"),))

    def unmappable(self, who: str) -> Sample:
        value = {**self._head(), "user": who, "text": "no time", "amount": Decimal("1.2345")}
        return Sample("shop.more", who, f"{OURS}.Unmappable", value)


def plug() -> Sample:
    """Return the first record of all."""
    sample = _Shop().order(PLUG, items=[_item("1")])
    return Sample("shop.plug", PLUG, sample.type, {**sample.value, "event_id": str(UUID(int=7))})  # type: ignore[dict-item]


def events() -> list[Sample]:
    """Return everything that can be written as an event, by topic in the order of production."""
    shop = _Shop()
    line = _item("1", gift=True)
    long_ago = datetime.fromtimestamp((_MADE_MS - 31 * _DAY_MS) / 1000, UTC)
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
        shop.order("c-3", ok=False),
        shop.order("c-4", ok=None, status="CANCELLED"),
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
        shop.registered("c-2", "d-2", model=LISTED),
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
    """Return what is no event: bytes that cannot be decoded, schemas nobody knows, a type nobody maps."""
    shop = _Shop()
    whole = encoder.wire(shop.order("c-1")) or b""
    old_ms = START_MS - 2 * _DAY_MS
    unknown = b"\0" + _UNKNOWN_ID.to_bytes(4, "big") + b"\x02"
    return [
        Sample("shop.raw", "c-1", None, whole[: len(whole) // 2], (("trace", b"kept"), ("cdp-cause", b"replaced"))),
        Sample("shop.raw", None, None, b'{"sku": "KET-BL-00"}'),
        Sample("shop.raw", "c-2", None, b""),
        Sample("shop.raw", "c-3", None, None),
        Sample("shop.raw", "c-4", None, unknown, timestamp_ms=old_ms),
        Sample("shop.raw", "c-5", None, b"\xc3\x01" + bytes(8) + b"\x02", timestamp_ms=old_ms),
        Sample("shop.raw", "c-6", None, whole + b"\0"),
    ]


def topics(encoder: Encoder) -> Iterator[tuple[str, list[Sample]]]:
    """Yield each topic with its records, in the order of production."""
    samples = [*events(), *raw(encoder)]
    for topic in dict.fromkeys(sample.topic for sample in samples):
        yield topic, [sample for sample in samples if sample.topic == topic]
