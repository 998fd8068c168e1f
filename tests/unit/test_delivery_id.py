"""A delivery's identity: golden vectors, because a change of one bit makes duplicates of everything."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model.values import Instant, Value
from consumer.translation import delivery_id

BEGUN = ("com.acme.shop.OrderPlaced", "customerio", "track:Order Completed")


def test_golden_vector_of_an_event_with_an_id_of_its_own() -> None:
    assert (
        delivery_id.digest(delivery_id.entry_hash(*BEGUN), delivery_id.own_id("e-1")).hex()
        == "44b84de741c0b11e97b35750b40893b9"
    )


def test_golden_vector_of_an_event_known_by_its_place() -> None:
    who = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert delivery_id.digest(delivery_id.entry_hash(*BEGUN), who).hex() == "d154e376c4d641bc238a8e47d27cd159"


def test_golden_vector_of_an_element() -> None:
    assert (
        delivery_id.digest(delivery_id.entry_hash(*BEGUN), delivery_id.own_id("e-1"), "line-2").hex()
        == "f3eb9dc4e01761efba06336f564433ac"
    )


def test_golden_vector_of_a_record_that_could_not_be_decoded() -> None:
    who = delivery_id.position(delivery_id.partition_prefix("shop.orders", 3), 41)
    assert delivery_id.digest(delivery_id.entry_hash("", "", ""), who).hex() == "b880da2510a3359af8d3fb6d67c60654"


def test_no_two_ways_of_cutting_the_same_text_into_parts_are_one() -> None:
    begun = delivery_id.entry_hash("a", "b", "c")
    digests = {
        delivery_id.digest(delivery_id.entry_hash("ab", "", "c"), delivery_id.own_id("x")),
        delivery_id.digest(begun, delivery_id.own_id("x")),
        delivery_id.digest(begun, delivery_id.own_id("x"), ""),
        delivery_id.digest(begun, delivery_id.own_id("x"), "y"),
        delivery_id.digest(begun, delivery_id.own_id("xy")),
        delivery_id.digest(begun, delivery_id.position(delivery_id.partition_prefix("x", 0), 0)),
        delivery_id.digest(begun, delivery_id.position(delivery_id.partition_prefix("x", 0), 1)),
        delivery_id.digest(begun, delivery_id.position(delivery_id.partition_prefix("x", 1), 0)),
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
def test_an_id_is_text_or_becomes_it_in_one_way_only(value: Value, text: str | None) -> None:
    assert delivery_id.id_text(value) == text
