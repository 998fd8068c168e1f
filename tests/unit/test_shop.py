"""The example mapping in `avro/`: it loads without findings, and every event maps to its deliveries."""

from __future__ import annotations

import io
import json
from decimal import Decimal
from pathlib import Path

import pytest
from fastavro import parse_schema, schemaless_writer

from consumer.destinations import Destination
from consumer.destinations.copilot import Copilot, CopilotOptions
from consumer.destinations.customerio.destination import Customerio, CustomerioOptions
from consumer.destinations.yotpo import Yotpo, YotpoOptions
from consumer.model import SkipReason
from consumer.model.translated_batch import Translation
from consumer.translation.avro.schema_directory import load_schemas
from consumer.translation.mapping.loader import load_mapping
from consumer.translation.translator import Translator
from tests.unit.translator_harness import NOW_MS, FakeMessage, Json, with_schema_id

AVRO = Path(__file__).parents[2] / "avro"
DESTINATIONS: dict[str, Destination] = {
    "copilot": Copilot(CopilotOptions(url="https://acme.example")),
    "customerio": Customerio(CustomerioOptions(url="https://cdp.example/v1")),
    "yotpo": Yotpo(YotpoOptions(url="https://yotpo.example/core/v3", store_id="store")),
}
UUID = "0b7c0b0e-9c7e-4a5e-8a3f-2c2d4f8e1a11"
CUSTOMER = {
    "id": "c-1",
    "email": "ada@example.com",
    "phone": None,
    "first_name": "Ada",
    "last_name": None,
    "birthday": 7000,
    "marketing_ok": True,
}
PRODUCT = {"sku": "s-1", "title": "Lamp", "price": Decimal("1.10"), "categories": ["light"]}
HEAD: dict[str, Json] = {"event_id": UUID, "occurred_at": NOW_MS}
EVENTS: dict[str, dict[str, Json]] = {
    "CustomerSignedUp": {**HEAD, "customer": CUSTOMER, "channel": "WEB", "referrer": None},
    "CustomerUpdated": {**HEAD, "customer": CUSTOMER, "tier": "GOLD", "attributes": {"size": "M"}},
    "ProductViewed": {
        "event_id": bytes.fromhex(UUID.replace("-", "")),
        "occurred_at": NOW_MS * 1000,
        "visitor": ("com.acme.shop.KnownVisitor", {"customer_id": "c-1"}),
        "product": PRODUCT,
        "url": None,
    },
    "OrderPlaced": {
        **HEAD,
        "number": 77,
        "status": "PAID",
        "currency": "EUR",
        "total": Decimal("12.34"),
        "coupon": None,
        "customer": CUSTOMER,
        "items": [{"line_id": f"l{n}", "product": PRODUCT, "quantity": n, "gift": n == 1} for n in (1, 2)],
        "deliver_on": 20_758,
    },
    "ConsentChanged": {**HEAD, "customer_id": "c-1", "purpose": "ANALYSIS", "granted": False},
    "DeviceRegistered": {
        **HEAD,
        "customer_id": "c-1",
        "device": {"id": "d-1", "model": "Lamp-2", "platform": "IOS", "push_token": None},
    },
    "DeviceStatusChanged": {
        "occurred_at": NOW_MS,
        "device_id": "d-1",
        "customer_id": "c-1",
        "status": "FAULTY",
        "battery": Decimal("12.50"),
        "firmware": "1.2",
    },
}
EXPECTED: dict[str, list[str]] = {
    "CustomerSignedUp": ["user_created", "identify", "track:Account Created", "event:signed_up"],
    "CustomerUpdated": ["user_updated", "identify"],
    "ProductViewed": ["custom_event:product_viewed", "track:Product Viewed"],
    "OrderPlaced": ["custom_event:order_placed", "track:Order Completed", "track:Gift Bought", "event:order_placed"],
    "ConsentChanged": ["consent"],
    "DeviceRegistered": ["thing_created", "user_thing_associated", "track:Device Registered"],
    "DeviceStatusChanged": ["thing_status_changed", "track:Device Faulty"],
}


def translated(name: str, **changes: Json) -> Translation:
    mapping, findings = load_mapping([AVRO / "mapping.yaml"], DESTINATIONS)
    assert [finding.text() for finding in findings] == []
    assert mapping is not None
    schemas, findings = load_schemas(AVRO)
    assert [finding.text() for finding in findings] == []
    translator = Translator(mapping, DESTINATIONS, schemas=schemas, grace_s=60, clock_ms=lambda: NOW_MS)
    (schema,) = schemas.by_name[f"com.acme.shop.{name}"]
    assert translator.learn(1, schema.text, schema.references) is None
    return translator.translate([FakeMessage(with_schema_id(1, encoded(name, {**EVENTS[name], **changes})))])


def encoded(name: str, value: Json) -> bytes:
    """Encode an event with fastavro alone. The files that define shared types are parsed first."""
    names: dict[str, Json] = {}
    parsed = {
        each: parse_schema(json.loads((AVRO / f"{each}.avsc").read_text()), names)
        for each in dict.fromkeys(["CustomerSignedUp", "ProductViewed", name])
    }
    stream = io.BytesIO()
    schemaless_writer(stream, parsed[name], value)
    return stream.getvalue()


def bodies(out: Translation, label: str) -> list[Json]:
    return [
        json.loads(body)
        for column in out.columns.values()
        for body, entry in zip(column.bodies, column.entries, strict=True)
        if entry.label == label
    ]


@pytest.mark.parametrize("name", EVENTS)
def test_every_event_has_its_deliveries(name: str) -> None:
    out = translated(name)
    assert not out.faults
    labels = [entry.label for column in out.columns.values() for entry in column.entries]
    assert labels == EXPECTED[name]


def test_every_schema_is_mapped() -> None:
    mapping, _ = load_mapping([AVRO / "mapping.yaml"], DESTINATIONS)
    assert mapping is not None
    assert set(mapping.events) == {f"com.acme.shop.{path.stem}" for path in AVRO.glob("*.avsc")}
    assert set(mapping.events) == {f"com.acme.shop.{name}" for name in EVENTS}


def test_bodies_of_an_order_are_exact() -> None:
    out = translated("OrderPlaced")
    (order,) = bodies(out, "track:Order Completed")
    assert order["properties"] == {
        "order_id": "77",
        "currency": "EUR",
        "total": 12.34,
        "deliver_on": "2026-11-01",
        "source": "shop",
        "products": [{"product_id": "s-1", "name": "Lamp", "price": 1.1, "quantity": n} for n in (1, 2)],
    }
    (copilot,) = bodies(out, "custom_event:order_placed")
    assert copilot["payload"] == {
        "subtype": "order_placed",
        "user_id": "c-1",
        "total_cents": 1234,
        "paid": True,
        "items": 2,
        "status": "paid",
    }


def test_order_without_marketing_consent_skips_yotpo() -> None:
    out = translated("OrderPlaced", customer={**CUSTOMER, "marketing_ok": None})
    assert not out.columns["yotpo"].bodies
    assert out.skipped["yotpo", "com.acme.shop.OrderPlaced", SkipReason.NO_CONSENT] == 1


def test_unpaid_order_is_no_completed_order() -> None:
    out = translated("OrderPlaced", status="PENDING")
    assert [entry.label for entry in out.columns["customerio"].entries] == ["track:Gift Bought"]


def test_anonymous_view_skips_copilot() -> None:
    out = translated("ProductViewed", visitor=("com.acme.shop.AnonymousVisitor", {"cookie": "k"}))
    assert not out.columns["copilot"].bodies
    assert bodies(out, "track:Product Viewed")[0]["anonymousId"] == "k"


def test_withdrawn_consent_is_delivered() -> None:
    (consent,) = bodies(translated("ConsentChanged"), "consent")
    assert consent["consent_value"] is False
    (person,) = bodies(translated("ConsentChanged", purpose="MARKETING"), "identify")
    assert person["traits"] == {"unsubscribed": True}
