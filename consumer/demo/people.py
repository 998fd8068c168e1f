"""Who lives in the shop's world: customers and their devices, products, visitors; deterministic by the dice given."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from random import Random
from typing import Any

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
