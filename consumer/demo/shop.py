"""A simulated shop: customers sign up, browse, order, consent and own devices. The same seed gives the same events."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from consumer.demo.events import CUSTOMERS, DEVICES, ORDERS, VIEWS, ShopEvent
from consumer.demo.expected_deliveries import owed_deliveries

_FIRST = ("Ada", "Bruno", "Chiara", "Dmitri", "Elif", "Femi", "Greta", "Hugo", "Ines", "Jonas", "Kaya", "Lukas", "Mina")
_LAST = ("Almeida", "Berg", "Costa", "Dubois", "Eriksen", "Fischer", "Garcia", "Haas", "Ito", "Jansen", "Kowalski")
_GOODS = (
    ("Kettle", "kitchen", 3990),
    ("Moka pot", "kitchen", 2950),
    ("Desk lamp", "light", 5400),
    ("Floor lamp", "light", 12900),
    ("Wool blanket", "living", 7900),
    ("Cushion", "living", 2490),
    ("Smart plug", "devices", 1990),
    ("Thermostat", "devices", 14900),
    ("Notebook", "paper", 890),
    ("Fountain pen", "paper", 4200),
)
_MODELS = ("plug-2", "thermo-3", "lamp-7")
_OLDEST = date(1950, 1, 1)
CONSENTING = 0.3
"""Share of customers who consent to marketing. Only their events go to Yotpo: at 5 requests a second it would lag
behind with more."""

_MIN_CUSTOMERS = 12
"""Customers who sign up before any other event: every other event needs a customer."""


@dataclass(slots=True)
class Device:
    """A customer's device."""

    id: str
    model: str
    platform: str
    push_token: str | None
    battery: Decimal

    def as_avro(self) -> dict[str, Any]:
        """Return the datum for the schema `Device`."""
        return {"id": self.id, "model": self.model, "platform": self.platform, "push_token": self.push_token}


@dataclass(slots=True)
class Customer:
    """A customer with an account."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    birthday: date | None
    marketing_ok: bool | None
    tier: str = "BASIC"
    analysis: list[bool] = field(default_factory=list)
    """The consents to analysis given so far: at first True, later perhaps False, never a third."""
    devices: list[Device] = field(default_factory=list)

    def as_avro(self) -> dict[str, Any]:
        """Return the datum for the schema `Customer`, with the current data."""
        return {
            "id": self.id,
            "email": self.email,
            "phone": self.phone,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "birthday": self.birthday,
            "marketing_ok": self.marketing_ok,
        }


def new_customer(rng: Random, number: int) -> Customer:
    """Return a customer with random data."""
    first, last = rng.choice(_FIRST), rng.choice(_LAST)
    return Customer(
        id=f"c-{number:06d}",
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{number}@example.com".lower(),
        phone=f"+4915{rng.randrange(10**9):09d}" if rng.random() < 0.5 else None,  # noqa: PLR2004 - one half
        birthday=_OLDEST + timedelta(days=rng.randrange(20_000)) if rng.random() < 0.4 else None,  # noqa: PLR2004
        marketing_ok=True if rng.random() < CONSENTING else rng.choice((False, None)),
    )


def new_device(rng: Random, number: int) -> Device:
    """Return a device with random data."""
    return Device(
        id=f"d-{number:06d}",
        model=rng.choice(_MODELS),
        platform=rng.choice(("IOS", "ANDROID")),
        push_token=f"{rng.getrandbits(64):016x}" if rng.random() < 0.8 else None,  # noqa: PLR2004 - most
        battery=Decimal(100),
    )


def catalogue() -> tuple[Mapping[str, Any], ...]:
    """Return the products, each as a datum for the schema `Product`."""
    colours = ("black", "white", "oak", "blue")
    return tuple(
        {
            "sku": f"{name[:3].upper()}-{colour[:2].upper()}-{number:02d}",
            "title": f"{name}, {colour}",
            "price": Decimal(cents + 100 * shade).scaleb(-2),
            "categories": [category, "home"],
        }
        for number, (name, category, cents) in enumerate(_GOODS)
        for shade, colour in enumerate(colours)
    )


class Shop:
    """Makes one event after another. A customer acts after signing up, a device reports after its registration."""

    def __init__(self, seed: int) -> None:
        """Start without customers."""
        self.rng = Random(seed)
        self.products = catalogue()
        self.customers: list[Customer] = []
        self._owners: list[tuple[Customer, Device]] = []
        self._customer_count = self._device_count = self._order_count = 0
        self._activities: tuple[tuple[Callable[[int], ShopEvent], float], ...] = (
            (self.view, 0.712),
            (self.report, 0.14),
            (self.consent, 0.04),
            (self.update, 0.035),
            (self.order, 0.025),
            (self.register, 0.03),
            (self.sign_up, 0.018),
        )

    def next(self, now_ms: int) -> ShopEvent:
        """Return the next event, with the time `now_ms` (epoch milliseconds)."""
        if not self.is_open:
            return self.sign_up(now_ms)
        activities, weights = zip(*self._activities, strict=True)
        activity: Callable[[int], ShopEvent] = self.rng.choices(activities, weights)[0]
        return activity(now_ms)

    # ── kinds of events ──

    def sign_up(self, now_ms: int) -> ShopEvent:
        """Sign up a new customer."""
        customer = self.unregistered_customer()
        self.customers.append(customer)
        return self.signed_up(customer, now_ms)

    def signed_up(self, customer: Customer, now_ms: int) -> ShopEvent:
        """Return the sign-up event of `customer`."""
        event = {"customer": customer.as_avro(), "channel": self.rng.choice(("WEB", "APP", "STORE")), "referrer": None}
        signed_up = self._event(CUSTOMERS, customer.id, "CustomerSignedUp", event, now_ms)
        if self.rng.random() < 0.3:  # noqa: PLR2004 - some come by a campaign
            return replace(signed_up, headers=(("campaign", b"autumn"),))
        return signed_up

    def unregistered_customer(self) -> Customer:
        """Return a new customer who takes part in no other event."""
        self._customer_count += 1
        return new_customer(self.rng, self._customer_count)

    def view(self, now_ms: int) -> ShopEvent:
        """A customer or an anonymous visitor views a product."""
        product = self.rng.choice(self.products)
        if self.rng.random() < 0.6:  # noqa: PLR2004 - most are known
            return self.viewed(self.any_customer(), product, now_ms)
        return self.viewed(None, product, now_ms)

    def viewed(self, customer: Customer | None, product: Mapping[str, Any], now_ms: int, query: str = "") -> ShopEvent:
        """Return the event of a viewed product. Without a customer the visitor is known by a cookie."""
        if customer is not None:
            key = customer.id
            visitor: tuple[str, dict[str, str]] = ("com.acme.shop.KnownVisitor", {"customer_id": key})
        else:
            key = f"v-{self.rng.randrange(400):04d}"
            visitor = ("com.acme.shop.AnonymousVisitor", {"cookie": key})
        event = {
            "event_id": self._event_id().bytes,
            "occurred_at": now_ms * 1000 + self.rng.randrange(1000),
            "visitor": visitor,
            "product": product,
            "url": f"https://shop.example/p/{product['sku'].lower()}{query}",
        }
        return self._event(VIEWS, key, "ProductViewed", event, now_ms)

    def order(self, now_ms: int) -> ShopEvent:
        """A customer places an order."""
        return self.ordered(self.any_customer(), now_ms)

    def ordered(self, customer: Customer, now_ms: int, **overrides: object) -> ShopEvent:
        """Return the event of an order by `customer`. `overrides` replaces fields of the event."""
        self._order_count += 1
        items: list[dict[str, Any]] = [
            {
                "line_id": f"{self._order_count}-{line}",
                "product": self.rng.choice(self.products),
                "quantity": self.rng.randrange(1, 4),
                "gift": self.rng.random() < 0.2,  # noqa: PLR2004 - one in five
            }
            for line in range(self.rng.choice((1, 1, 2, 3)))
        ]
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        event = {
            "number": self._order_count,
            "status": self.rng.choices(("PAID", "PENDING", "CANCELLED"), (75, 20, 5))[0],
            "currency": "EUR",
            "total": sum((item["quantity"] * item["product"]["price"] for item in items), Decimal(0)),
            "coupon": "WELCOME" if self.rng.random() < 0.2 else None,  # noqa: PLR2004 - one in five
            "customer": customer.as_avro(),
            "items": items,
            "deliver_on": today + timedelta(days=2) if self.rng.random() < 0.5 else None,  # noqa: PLR2004 - one half
            **overrides,
        }
        return self._event(ORDERS, customer.id, "OrderPlaced", event, now_ms)

    def update(self, now_ms: int) -> ShopEvent:
        """A customer changes personal data."""
        customer = self.any_customer()
        customer.tier = self.rng.choice(("BASIC", "SILVER", "GOLD"))
        attributes = {"size": self.rng.choice("SML")} if self.rng.random() < 0.5 else {}  # noqa: PLR2004 - one half
        event = {"customer": customer.as_avro(), "tier": customer.tier, "attributes": attributes}
        return self._event(CUSTOMERS, customer.id, "CustomerUpdated", event, now_ms)

    def consent(self, now_ms: int) -> ShopEvent:
        """A customer gives or withdraws a consent."""
        customer = self.any_customer()
        # Copilot's consent endpoint takes no id: the same consent sent twice would look like one there.
        if len(customer.analysis) < 2 and self.rng.random() < 0.5:  # noqa: PLR2004 - given once, withdrawn once
            purpose, granted = "ANALYSIS", not customer.analysis
            customer.analysis.append(granted)
        else:
            purpose, granted = "MARKETING", self.rng.random() < CONSENTING
            customer.marketing_ok = granted
        event = {"customer_id": customer.id, "purpose": purpose, "granted": granted}
        return self._event(CUSTOMERS, customer.id, "ConsentChanged", event, now_ms)

    def register(self, now_ms: int) -> ShopEvent:
        """A customer registers a device."""
        customer, device = self.any_customer(), self.unregistered_device()
        customer.devices.append(device)
        self._owners.append((customer, device))
        return self.registered(customer, device, now_ms)

    def unregistered_device(self) -> Device:
        """Return a new device without an owner."""
        self._device_count += 1
        return new_device(self.rng, self._device_count)

    def registered(self, customer: Customer, device: Device, now_ms: int) -> ShopEvent:
        """Return the event of a registered device."""
        event = {"customer_id": customer.id, "device": device.as_avro()}
        return self._event(CUSTOMERS, customer.id, "DeviceRegistered", event, now_ms)

    def report(self, now_ms: int) -> ShopEvent:
        """A device reports its status. If there is no device yet, one is registered."""
        if not self._owners:
            return self.register(now_ms)
        customer, device = self.rng.choice(self._owners)
        device.battery = (device.battery - Decimal(self.rng.randrange(100)).scaleb(-2)) % 100
        event = {
            "occurred_at": now_ms,
            "device_id": device.id,
            "customer_id": customer.id,
            "status": self.rng.choices(("ONLINE", "OFFLINE", "FAULTY"), (80, 15, 5))[0],
            "battery": device.battery.quantize(Decimal("0.01")) if self.rng.random() < 0.9 else None,  # noqa: PLR2004
            "firmware": f"1.{len(customer.devices)}.0",
        }
        return ShopEvent(
            DEVICES, customer.id, "DeviceStatusChanged", event, now_ms, owed_deliveries("DeviceStatusChanged", event)
        )

    # ── parts of events ──

    @property
    def is_open(self) -> bool:
        """Whether enough customers have signed up for other events."""
        return len(self.customers) >= _MIN_CUSTOMERS

    def any_customer(self) -> Customer:
        """Return any customer who has signed up."""
        return self.rng.choice(self.customers)

    def _event_id(self) -> UUID:
        return UUID(int=self.rng.getrandbits(128), version=4)

    def _event(self, topic: str, key: str, kind: str, event: Mapping[str, Any], now_ms: int) -> ShopEvent:
        datum = {"event_id": str(self._event_id()), "occurred_at": now_ms, **event}
        return ShopEvent(topic, key, kind, datum, now_ms, owed_deliveries(kind, datum))
