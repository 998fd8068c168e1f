"""A delivery's identity, as golden vectors: a change of one bit would duplicate every delivery."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model.values import Instant, Value
from consumer.translation import delivery_id

ENTRY = ("com.acme.shop.OrderPlaced", "customerio", "track:Order Completed")


def test_golden_vector_of_event_with_own_id() -> None:
    assert (
        delivery_id.digest(delivery_id.entry_hash(*ENTRY), delivery_id.own_id("e-1")).hex()
        == "44b84de741c0b11e97b35750b40893b9"
    )


def test_golden_vector_of_event_without_own_id() -> None:
    """Its topic, partition and offset identify it."""
    event = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert delivery_id.digest(delivery_id.entry_hash(*ENTRY), event).hex() == "d154e376c4d641bc238a8e47d27cd159"


def test_golden_vector_of_element() -> None:
    assert (
        delivery_id.digest(delivery_id.entry_hash(*ENTRY), delivery_id.own_id("e-1"), "line-2").hex()
        == "f3eb9dc4e01761efba06336f564433ac"
    )


def test_golden_vector_of_undecodable_record() -> None:
    event = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert delivery_id.digest(delivery_id.entry_hash("", "", ""), event).hex() == "b880da2510a3359af8d3fb6d67c60654"


def test_different_parts_of_the_same_text_have_different_digests() -> None:
    entry = delivery_id.entry_hash("a", "b", "c")
    digests = {
        delivery_id.digest(delivery_id.entry_hash("ab", "", "c"), delivery_id.own_id("x")),
        delivery_id.digest(entry, delivery_id.own_id("x")),
        delivery_id.digest(entry, delivery_id.own_id("x"), ""),
        delivery_id.digest(entry, delivery_id.own_id("x"), "y"),
        delivery_id.digest(entry, delivery_id.own_id("xy")),
        delivery_id.digest(entry, delivery_id.position(delivery_id.partition_prefix("x", 0), 0)),
        delivery_id.digest(entry, delivery_id.position(delivery_id.partition_prefix("x", 0), 1)),
        delivery_id.digest(entry, delivery_id.position(delivery_id.partition_prefix("x", 1), 0)),
    }
    assert len(digests) == 8


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("a", "a"),
        ("", ""),
        (5, "5"),
        (Decimal("1.50"), "1.5"),
        (Decimal("1E+2"), "100"),
        (Decimal(0), "0"),
        (Instant(1_000_000), "1970-01-01T00:00:00.001Z"),
        (b"\x0a", "0a"),
        (None, None),
        (True, None),
        (0.5, None),
        ([1], None),
        ({"a": 1}, None),
        pytest.param(10**5000, None, id="5001 digits"),
        (Decimal("1E+100000"), None),
    ],
)
def test_id_has_one_text_form(value: Value, text: str | None) -> None:
    """Equal numbers have equal texts; other types have none."""
    assert delivery_id.id_text(value) == text
