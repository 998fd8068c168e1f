"""What goes wrong in the shop, on purpose: each kind of bad record, and what must become of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consumer.demo.events import CUSTOMERS, ORDERS, VIEWS, End, ShopEvent
from consumer.demo.expected_deliveries import owed_for, owed_for_whole
from consumer.demo.schemas import Schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, SkipReason

POISON = "made-to-fail"
"""Whoever gets a request with this in it answers 400 and does not say which event is to blame."""

UNLISTED = "prototype"
"""A device of such a model comes back in Copilot's `invalid_events`: a rule that no document mentions."""

_DAY_MS = 24 * 3600 * 1000
_LONG_AGO_MS = 10 * 60 * 1000
_UNKNOWN_ID = 999_999_999
_TOO_LARGE = 40_000
_TOO_LONG = 300


class BadRecords:
    """Makes bad records out of a shop's life."""

    def __init__(self, shop: Shop, schemas: Schemas) -> None:
        """Let things go wrong in `shop`."""
        self._shop = shop
        self._schemas = schemas
        self._kinds: tuple[Callable[[int], ShopEvent], ...] = (
            self._cut_off,
            self.poison,
            self._apostrophe,
            self._late,
            self._no_avro,
            self._unlisted,
            self._tombstone,
            self._local_address,
            self._unwanted,
            self._endless_coupon,
            self._line_twice,
            self._empty,
            self._unknown_schema,
            self._endless_currency,
        )
        self._turn = 0

    def __len__(self) -> int:
        """Count the kinds."""
        return len(self._kinds)

    def next(self, now_ms: int) -> ShopEvent:
        """Return the next kind's: all have their turn."""
        kind = self._kinds[self._turn % len(self._kinds)]
        self._turn += 1
        return kind(now_ms)

    def poison(self, now_ms: int) -> ShopEvent:
        """Two destinations answer 400 to any request that carries it."""
        product = {**self._shop.dice.choice(self._shop.products), "sku": f"{POISON}-{self._turn}"}
        viewed = self._shop.viewed(self._shop.somebody(), product, now_ms)
        ends = {"track:Product Viewed": DeadLetterCause.REFUSED, "custom_event:product_viewed": DeadLetterCause.REFUSED}
        return _ending(viewed, "poison", **ends)

    def _cut_off(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.somebody(), now_ms)
        whole = self._schemas.confluent(order.kind, order.event or {})
        return _raw(ORDERS, order.key, whole[: len(whole) // 2], now_ms, DeadLetterCause.UNDECODABLE, "cut off")

    def _no_avro(self, now_ms: int) -> ShopEvent:
        return _raw(VIEWS, "", b'{"sku": "KET-BL-00"}', now_ms, DeadLetterCause.UNDECODABLE, "no Avro")

    def _empty(self, now_ms: int) -> ShopEvent:
        return _raw(CUSTOMERS, self._shop.somebody().id, b"", now_ms, DeadLetterCause.UNDECODABLE, "empty")

    def _tombstone(self, now_ms: int) -> ShopEvent:
        return _raw(CUSTOMERS, self._shop.somebody().id, None, now_ms, SkipReason.TOMBSTONE, "tombstone")

    def _unknown_schema(self, now_ms: int) -> ShopEvent:
        value = b"\0" + _UNKNOWN_ID.to_bytes(4, "big") + b"\x02"
        raw = _raw(ORDERS, "", value, now_ms, DeadLetterCause.UNKNOWN_SCHEMA, "unknown schema")
        # Younger than the grace time it would wait for its schema, and its partition with it.
        return replace(raw, written_ms=now_ms - _LONG_AGO_MS)

    def _unwanted(self, now_ms: int) -> ShopEvent:
        event = {"sku": self._shop.dice.choice(self._shop.products)["sku"], "count": self._shop.dice.randrange(50)}
        owed = owed_for("StockCounted", event)
        return ShopEvent(ORDERS, event["sku"], "StockCounted", event, now_ms, owed, why="no mapping")

    def _late(self, now_ms: int) -> ShopEvent:
        then_ms = now_ms - self._shop.dice.randrange(31, 60) * _DAY_MS
        order = self._shop.ordered(self._shop.somebody(), then_ms)
        return _ending(order, "31 days late", **{"custom_event:order_placed": DeadLetterCause.OUT_OF_WINDOW})

    def _apostrophe(self, now_ms: int) -> ShopEvent:
        customer = self._shop.stranger()
        customer.last_name, customer.email = "O'Neill", f"o'neill.{customer.id}@example.com"
        return _ending(self._shop.signed_up(customer, now_ms), "bad characters", user_created=DeadLetterCause.CONTRACT)

    def _local_address(self, now_ms: int) -> ShopEvent:
        customer = self._shop.stranger()
        customer.email, customer.marketing_ok = f"{customer.id}@localhost", True
        return _ending(
            self._shop.signed_up(customer, now_ms), "refused", **{"event:signed_up": DeadLetterCause.REFUSED}
        )

    def _endless_coupon(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.somebody(), now_ms, coupon="7" * _TOO_LARGE, status="PAID")
        return _ending(order, "too large", **{"track:Order Completed": DeadLetterCause.TOO_LARGE})

    def _endless_currency(self, now_ms: int) -> ShopEvent:
        customer = self._shop.somebody()
        customer.marketing_ok = True
        order = self._shop.ordered(customer, now_ms, currency="EUR" * (_TOO_LONG // 3), status="PAID")
        return _ending(order, "too long", **{"event:order_placed": DeadLetterCause.CONTRACT})

    def _line_twice(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.somebody(), now_ms)
        said = order.event or {}
        first = said["items"][0]
        event = {**said, "items": [first, {**first, "quantity": 1}]}
        return replace(order, event=event, owed=owed_for(order.kind, event), why="a line twice")

    def _unlisted(self, now_ms: int) -> ShopEvent:
        device = self._shop.device()
        device.model = f"{UNLISTED}-{self._shop.dice.randrange(9)}"
        registered = self._shop.registered(self._shop.somebody(), device, now_ms)
        return _ending(registered, "refused", thing_created=DeadLetterCause.REFUSED)


def _ending(happening: ShopEvent, why: str, **ends: End) -> ShopEvent:
    """Return it with other ends for these labels."""
    owed = tuple(replace(one, end=ends.get(one.label, one.end)) for one in happening.owed)
    return replace(happening, owed=owed, why=why)


def _raw(topic: str, key: str, value: bytes | None, now_ms: int, end: End, why: str) -> ShopEvent:
    return ShopEvent(topic, key, "", None, now_ms, owed_for_whole(end), raw=value, why=why)
