"""Bad records, made on purpose: each kind with the outcome that every delivery of it must have."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from consumer.demo.events import CUSTOMERS, ORDERS, VIEWS, Outcome, ShopEvent
from consumer.demo.expected_deliveries import owed_deliveries, owed_for_record
from consumer.demo.schemas import Schemas
from consumer.demo.shop import Shop
from consumer.model import DeadLetterCause, SkipReason

POISON_MARKER = "made-to-fail"
"""Copilot and Customer.io respond 400 to a request that contains this, without naming the event."""

INVALID_MODEL = "prototype"
"""Copilot lists a device of such a model in `invalid_events`, by a rule that no document mentions."""

_DAY_MS = 24 * 3600 * 1000
_LONG_AGO_MS = 10 * 60 * 1000
_UNKNOWN_ID = 999_999_999
_TOO_LARGE = 40_000
_TOO_LONG = 300


class BadRecords:
    """Makes bad records from the events of a shop."""

    def __init__(self, shop: Shop, schemas: Schemas) -> None:
        """Take customers and products from `shop`."""
        self._shop = shop
        self._schemas = schemas
        self._kinds: tuple[Callable[[int], ShopEvent], ...] = (
            self._truncated,
            self.poison,
            self._invalid_characters,
            self._late,
            self._no_avro,
            self._invalid_model,
            self._tombstone,
            self._local_address,
            self._unmapped,
            self._oversized_coupon,
            self._repeated_line,
            self._empty,
            self._unknown_schema,
            self._overlong_currency,
        )
        self._made = 0

    def __len__(self) -> int:
        """Return the number of kinds."""
        return len(self._kinds)

    def next(self, now_ms: int) -> ShopEvent:
        """Return a record of the next kind, round robin."""
        kind = self._kinds[self._made % len(self._kinds)]
        self._made += 1
        return kind(now_ms)

    def poison(self, now_ms: int) -> ShopEvent:
        """Return an event for which two destinations respond 400 to any request that carries it."""
        product = {**self._shop.rng.choice(self._shop.products), "sku": f"{POISON_MARKER}-{self._made}"}
        viewed = self._shop.viewed(self._shop.any_customer(), product, now_ms)
        refused = DeadLetterCause.REFUSED
        outcomes = {"track:Product Viewed": refused, "custom_event:product_viewed": refused}
        return _with_outcomes(viewed, "poison", **outcomes)

    def _truncated(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.any_customer(), now_ms)
        whole = self._schemas.confluent(order.kind, order.datum or {})
        return _raw_record(
            ORDERS, order.key, whole[: len(whole) // 2], now_ms, DeadLetterCause.UNDECODABLE, "truncated"
        )

    def _no_avro(self, now_ms: int) -> ShopEvent:
        return _raw_record(VIEWS, "", b'{"sku": "KET-BL-00"}', now_ms, DeadLetterCause.UNDECODABLE, "no Avro")

    def _empty(self, now_ms: int) -> ShopEvent:
        key = self._shop.any_customer().id
        return _raw_record(CUSTOMERS, key, b"", now_ms, DeadLetterCause.UNDECODABLE, "empty")

    def _tombstone(self, now_ms: int) -> ShopEvent:
        return _raw_record(CUSTOMERS, self._shop.any_customer().id, None, now_ms, SkipReason.TOMBSTONE, "tombstone")

    def _unknown_schema(self, now_ms: int) -> ShopEvent:
        value = b"\0" + _UNKNOWN_ID.to_bytes(4, "big") + b"\x02"
        record = _raw_record(ORDERS, "", value, now_ms, DeadLetterCause.UNKNOWN_SCHEMA, "unknown schema")
        # A record younger than `schemas.grace` would wait for its schema and keep its partition waiting.
        return replace(record, timestamp_ms=now_ms - _LONG_AGO_MS)

    def _unmapped(self, now_ms: int) -> ShopEvent:
        datum = {"sku": self._shop.rng.choice(self._shop.products)["sku"], "count": self._shop.rng.randrange(50)}
        owed = owed_deliveries("StockCounted", datum)
        return ShopEvent(ORDERS, datum["sku"], "StockCounted", datum, now_ms, owed, defect="no mapping")

    def _late(self, now_ms: int) -> ShopEvent:
        then_ms = now_ms - self._shop.rng.randrange(31, 60) * _DAY_MS
        order = self._shop.ordered(self._shop.any_customer(), then_ms)
        return _with_outcomes(order, "31 days late", **{"custom_event:order_placed": DeadLetterCause.OUT_OF_WINDOW})

    def _invalid_characters(self, now_ms: int) -> ShopEvent:
        customer = self._shop.unregistered_customer()
        customer.last_name, customer.email = "O'Neill", f"o'neill.{customer.id}@example.com"
        signed_up = self._shop.signed_up(customer, now_ms)
        return _with_outcomes(signed_up, "invalid characters", user_created=DeadLetterCause.CONTRACT)

    def _local_address(self, now_ms: int) -> ShopEvent:
        customer = self._shop.unregistered_customer()
        customer.email, customer.marketing_ok = f"{customer.id}@localhost", True
        signed_up = self._shop.signed_up(customer, now_ms)
        return _with_outcomes(signed_up, "refused", **{"event:signed_up": DeadLetterCause.REFUSED})

    def _oversized_coupon(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.any_customer(), now_ms, coupon="7" * _TOO_LARGE, status="PAID")
        return _with_outcomes(order, "too large", **{"track:Order Completed": DeadLetterCause.TOO_LARGE})

    def _overlong_currency(self, now_ms: int) -> ShopEvent:
        customer = self._shop.any_customer()
        customer.marketing_ok = True
        order = self._shop.ordered(customer, now_ms, currency="EUR" * (_TOO_LONG // 3), status="PAID")
        return _with_outcomes(order, "too long", **{"event:order_placed": DeadLetterCause.CONTRACT})

    def _repeated_line(self, now_ms: int) -> ShopEvent:
        order = self._shop.ordered(self._shop.any_customer(), now_ms)
        fields = order.datum or {}
        first = fields["items"][0]
        datum = {**fields, "items": [first, {**first, "quantity": 1}]}
        return replace(order, datum=datum, owed=owed_deliveries(order.kind, datum), defect="repeated line")

    def _invalid_model(self, now_ms: int) -> ShopEvent:
        device = self._shop.unregistered_device()
        device.model = f"{INVALID_MODEL}-{self._shop.rng.randrange(9)}"
        registered = self._shop.registered(self._shop.any_customer(), device, now_ms)
        return _with_outcomes(registered, "refused", thing_created=DeadLetterCause.REFUSED)


def _with_outcomes(event: ShopEvent, defect: str, **outcomes: Outcome) -> ShopEvent:
    """Return the event with other outcomes for these labels."""
    owed = tuple(replace(one, outcome=outcomes.get(one.label, one.outcome)) for one in event.owed)
    return replace(event, owed=owed, defect=defect)


def _raw_record(topic: str, key: str, value: bytes | None, now_ms: int, outcome: Outcome, defect: str) -> ShopEvent:
    return ShopEvent(topic, key, "", None, now_ms, owed_for_record(outcome), raw=value, defect=defect)
