"""A shop that lives: customers sign up, browse, order, consent, own devices; the same life for the same seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any
from uuid import UUID

from consumer.demo.events import CUSTOMERS, DEVICES, ORDERS, VIEWS, ShopEvent
from consumer.demo.expected_deliveries import owed_for

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
"""How many like advertisements. Yotpo hears of nobody else, at five calls a second: of more, it would lag behind."""

_OPENING = 12
"""The first customers: before them there is nobody who could do anything."""


@dataclass(slots=True)
class Device:
    """A device somebody owns."""

    id: str
    model: str
    platform: str
    push_token: str | None
    battery: Decimal

    def said(self) -> dict[str, Any]:
        """Return it as the schema `Device` has it."""
        return {"id": self.id, "model": self.model, "platform": self.platform, "push_token": self.push_token}


@dataclass(slots=True)
class Customer:
    """Somebody with an account."""

    id: str
    first_name: str
    last_name: str
    email: str
    phone: str | None
    birthday: date | None
    marketing_ok: bool | None
    tier: str = "BASIC"
    analysis: list[bool] = field(default_factory=list)
    """The consents to analysis said so far: first yes, later perhaps no, never a third."""
    devices: list[Device] = field(default_factory=list)

    def said(self) -> dict[str, Any]:
        """Return them as the schema `Customer` has them, as they are now."""
        return {
            "id": self.id,
            "email": self.email,
            "phone": self.phone,
            "first_name": self.first_name,
            "last_name": self.last_name,
            "birthday": self.birthday,
            "marketing_ok": self.marketing_ok,
        }


def new_customer(dice: Random, number: int) -> Customer:
    """Return somebody who has never been here."""
    first, last = dice.choice(_FIRST), dice.choice(_LAST)
    return Customer(
        id=f"c-{number:06d}",
        first_name=first,
        last_name=last,
        email=f"{first}.{last}.{number}@example.com".lower(),
        phone=f"+4915{dice.randrange(10**9):09d}" if dice.random() < 0.5 else None,  # noqa: PLR2004 - one half
        birthday=_OLDEST + timedelta(days=dice.randrange(20_000)) if dice.random() < 0.4 else None,  # noqa: PLR2004
        marketing_ok=True if dice.random() < CONSENTING else dice.choice((False, None)),
    )


def new_device(dice: Random, number: int) -> Device:
    """Return a device fresh from its box."""
    return Device(
        id=f"d-{number:06d}",
        model=dice.choice(_MODELS),
        platform=dice.choice(("IOS", "ANDROID")),
        push_token=f"{dice.getrandbits(64):016x}" if dice.random() < 0.8 else None,  # noqa: PLR2004 - most
        battery=Decimal(100),
    )


def catalogue() -> tuple[Mapping[str, Any], ...]:
    """Return what the shop sells, each as the schema `Product` has it."""
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
    """Makes one event after another. Whoever acts has signed up before, and owns what reports."""

    def __init__(self, seed: int) -> None:
        """Open a shop without customers."""
        self.dice = Random(seed)
        self.products = catalogue()
        self.customers: list[Customer] = []
        self._owners: list[tuple[Customer, Device]] = []
        self._people = self._things = self._orders = 0
        self._habits: tuple[tuple[Callable[[int], ShopEvent], float], ...] = (
            (self.view, 0.712),
            (self.report, 0.14),
            (self.consent, 0.04),
            (self.update, 0.035),
            (self.order, 0.025),
            (self.register, 0.03),
            (self.sign_up, 0.018),
        )

    def next(self, now_ms: int) -> ShopEvent:
        """Return what happens next, at `now_ms`, epoch milliseconds."""
        if not self.is_open:
            return self.sign_up(now_ms)
        habits, weights = zip(*self._habits, strict=True)
        habit: Callable[[int], ShopEvent] = self.dice.choices(habits, weights)[0]
        return habit(now_ms)

    # ── what can happen ──

    def sign_up(self, now_ms: int) -> ShopEvent:
        """Somebody opens an account."""
        customer = self.stranger()
        self.customers.append(customer)
        return self.signed_up(customer, now_ms)

    def signed_up(self, customer: Customer, now_ms: int) -> ShopEvent:
        """Return the event of this customer's account."""
        event = {"customer": customer.said(), "channel": self.dice.choice(("WEB", "APP", "STORE")), "referrer": None}
        happening = self._happening(CUSTOMERS, customer.id, "CustomerSignedUp", event, now_ms)
        if self.dice.random() < 0.3:  # noqa: PLR2004 - some come by an advertisement
            return replace(happening, headers=(("campaign", b"autumn"),))
        return happening

    def stranger(self) -> Customer:
        """Return somebody whom nothing else will ever happen to."""
        self._people += 1
        return new_customer(self.dice, self._people)

    def view(self, now_ms: int) -> ShopEvent:
        """Somebody, known or not, looks at a product."""
        product = self.dice.choice(self.products)
        if self.dice.random() < 0.6:  # noqa: PLR2004 - most are known
            return self.viewed(self.somebody(), product, now_ms)
        return self.viewed(None, product, now_ms)

    def viewed(self, customer: Customer | None, product: Mapping[str, Any], now_ms: int, query: str = "") -> ShopEvent:
        """Return the event of a product looked at; without a customer by a visitor known by a cookie."""
        if customer is not None:
            key = customer.id
            visitor: tuple[str, dict[str, str]] = ("com.acme.shop.KnownVisitor", {"customer_id": key})
        else:
            key = f"v-{self.dice.randrange(400):04d}"
            visitor = ("com.acme.shop.AnonymousVisitor", {"cookie": key})
        event = {
            "event_id": self._id().bytes,
            "occurred_at": now_ms * 1000 + self.dice.randrange(1000),
            "visitor": visitor,
            "product": product,
            "url": f"https://shop.example/p/{product['sku'].lower()}{query}",
        }
        return self._happening(VIEWS, key, "ProductViewed", event, now_ms)

    def order(self, now_ms: int) -> ShopEvent:
        """A customer orders."""
        return self.ordered(self.somebody(), now_ms)

    def ordered(self, customer: Customer, now_ms: int, **said: object) -> ShopEvent:
        """Return the event of an order by this customer; `said` overrides members of the event."""
        self._orders += 1
        items: list[dict[str, Any]] = [
            {
                "line_id": f"{self._orders}-{line}",
                "product": self.dice.choice(self.products),
                "quantity": self.dice.randrange(1, 4),
                "gift": self.dice.random() < 0.2,  # noqa: PLR2004 - one in five
            }
            for line in range(self.dice.choice((1, 1, 2, 3)))
        ]
        today = datetime.fromtimestamp(now_ms / 1000, UTC).date()
        event = {
            "number": self._orders,
            "status": self.dice.choices(("PAID", "PENDING", "CANCELLED"), (75, 20, 5))[0],
            "currency": "EUR",
            "total": sum((item["quantity"] * item["product"]["price"] for item in items), Decimal(0)),
            "coupon": "WELCOME" if self.dice.random() < 0.2 else None,  # noqa: PLR2004 - one in five
            "customer": customer.said(),
            "items": items,
            "deliver_on": today + timedelta(days=2) if self.dice.random() < 0.5 else None,  # noqa: PLR2004 - one half
            **said,
        }
        return self._happening(ORDERS, customer.id, "OrderPlaced", event, now_ms)

    def update(self, now_ms: int) -> ShopEvent:
        """A customer's data change."""
        customer = self.somebody()
        customer.tier = self.dice.choice(("BASIC", "SILVER", "GOLD"))
        attributes = {"size": self.dice.choice("SML")} if self.dice.random() < 0.5 else {}  # noqa: PLR2004 - one half
        event = {"customer": customer.said(), "tier": customer.tier, "attributes": attributes}
        return self._happening(CUSTOMERS, customer.id, "CustomerUpdated", event, now_ms)

    def consent(self, now_ms: int) -> ShopEvent:
        """A customer gives a consent, or takes it back."""
        customer = self.somebody()
        # Copilot's endpoint has no id for a change: the same one said twice could not be told apart there.
        if len(customer.analysis) < 2 and self.dice.random() < 0.5:  # noqa: PLR2004 - given once, withdrawn once
            purpose, granted = "ANALYSIS", not customer.analysis
            customer.analysis.append(granted)
        else:
            purpose, granted = "MARKETING", self.dice.random() < CONSENTING
            customer.marketing_ok = granted
        event = {"customer_id": customer.id, "purpose": purpose, "granted": granted}
        return self._happening(CUSTOMERS, customer.id, "ConsentChanged", event, now_ms)

    def register(self, now_ms: int) -> ShopEvent:
        """A customer registers a device."""
        customer, device = self.somebody(), self.device()
        customer.devices.append(device)
        self._owners.append((customer, device))
        return self.registered(customer, device, now_ms)

    def device(self) -> Device:
        """Return a device nobody owns yet."""
        self._things += 1
        return new_device(self.dice, self._things)

    def registered(self, customer: Customer, device: Device, now_ms: int) -> ShopEvent:
        """Return the event of a device registered."""
        event = {"customer_id": customer.id, "device": device.said()}
        return self._happening(CUSTOMERS, customer.id, "DeviceRegistered", event, now_ms)

    def report(self, now_ms: int) -> ShopEvent:
        """A device says how it is; before there is any, one is registered."""
        if not self._owners:
            return self.register(now_ms)
        customer, device = self.dice.choice(self._owners)
        device.battery = (device.battery - Decimal(self.dice.randrange(100)).scaleb(-2)) % 100
        event = {
            "occurred_at": now_ms,
            "device_id": device.id,
            "customer_id": customer.id,
            "status": self.dice.choices(("ONLINE", "OFFLINE", "FAULTY"), (80, 15, 5))[0],
            "battery": device.battery.quantize(Decimal("0.01")) if self.dice.random() < 0.9 else None,  # noqa: PLR2004
            "firmware": f"1.{len(customer.devices)}.0",
        }
        return ShopEvent(
            DEVICES, customer.id, "DeviceStatusChanged", event, now_ms, owed_for("DeviceStatusChanged", event)
        )

    # ── how it is said ──

    @property
    def is_open(self) -> bool:
        """Whether there are customers enough for a life."""
        return len(self.customers) >= _OPENING

    def somebody(self) -> Customer:
        """Return any customer of a shop that is open."""
        return self.dice.choice(self.customers)

    def _id(self) -> UUID:
        return UUID(int=self.dice.getrandbits(128), version=4)

    def _happening(self, topic: str, key: str, kind: str, event: Mapping[str, Any], now_ms: int) -> ShopEvent:
        said = {"event_id": str(self._id()), "occurred_at": now_ms, **event}
        return ShopEvent(topic, key, kind, said, now_ms, owed_for(kind, said))
