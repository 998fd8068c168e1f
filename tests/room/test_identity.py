"""A delivery's identity: golden vectors, because a change of one bit makes duplicates of everything."""

from __future__ import annotations

from decimal import Decimal

import pytest

from consumer.model.values import Instant, Value
from consumer.translation import identity

BEGUN = ("com.acme.shop.OrderPlaced", "customerio", "track:Order Completed")


def test_golden_vector_of_an_event_with_an_id_of_its_own() -> None:
    assert identity.finish(identity.of_entry(*BEGUN), identity.own("e-1")).hex() == "44b84de741c0b11e97b35750b40893b9"


def test_golden_vector_of_an_event_known_by_its_place() -> None:
    who = identity.at(identity.place("shop.orders", 3), 41)
    assert identity.finish(identity.of_entry(*BEGUN), who).hex() == "d154e376c4d641bc238a8e47d27cd159"


def test_golden_vector_of_an_element() -> None:
    assert (
        identity.finish(identity.of_entry(*BEGUN), identity.own("e-1"), "line-2").hex()
        == "f3eb9dc4e01761efba06336f564433ac"
    )


def test_golden_vector_of_a_record_that_could_not_be_decoded() -> None:
    who = identity.at(identity.place("shop.orders", 3), 41)
    assert identity.finish(identity.of_entry("", "", ""), who).hex() == "b880da2510a3359af8d3fb6d67c60654"


def test_no_two_ways_of_cutting_the_same_text_into_parts_are_one() -> None:
    begun = identity.of_entry("a", "b", "c")
    digests = {
        identity.finish(identity.of_entry("ab", "", "c"), identity.own("x")),
        identity.finish(begun, identity.own("x")),
        identity.finish(begun, identity.own("x"), ""),
        identity.finish(begun, identity.own("x"), "y"),
        identity.finish(begun, identity.own("xy")),
        identity.finish(begun, identity.at(identity.place("x", 0), 0)),
        identity.finish(begun, identity.at(identity.place("x", 0), 1)),
        identity.finish(begun, identity.at(identity.place("x", 1), 0)),
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
    assert identity.as_text(value) == text
