"""The shop lives the same life for the same seed, and a life that makes sense."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.demo.bad_records import BadRecords
from consumer.demo.events import DELIVERED, DESTINATIONS, ShopEvent
from consumer.demo.shop import Shop
from tests.demo.placed_records import SCHEMAS, life, life_with_mishaps, value_of
from tests.examples import examples

seeds = st.integers(0, 2**32)


def _who(happening: ShopEvent) -> str | None:
    """The customer an event speaks of; `None` for a visitor nobody knows."""
    event = happening.event or {}
    if "visitor" in event:
        name: str | None = event["visitor"][1].get("customer_id")
        return name
    found: str = event["customer"]["id"] if "customer" in event else event["customer_id"]
    return found


@settings(max_examples=examples(10), deadline=None)
@given(seeds)
def test_the_same_seed_is_the_same_life(seed: int) -> None:
    assert life_with_mishaps(seed, 300) == life_with_mishaps(seed, 300)


def test_another_seed_is_another_life() -> None:
    assert life(1, 50) != life(2, 50)


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_whoever_acts_has_signed_up_before(seed: int) -> None:
    known: set[str] = set()
    for happening in life(seed, 400):
        who = _who(happening)
        if happening.kind == "CustomerSignedUp":
            assert who is not None
            assert who not in known
            known.add(who)
        elif who is not None:
            assert who in known
    assert len(known) >= 12


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_a_device_reports_after_its_owner_registered_it(seed: int) -> None:
    owners: dict[str, str] = {}
    reports = 0
    for happening in life(seed, 400):
        event = happening.event or {}
        if happening.kind == "DeviceRegistered":
            owners[event["device"]["id"]] = event["customer_id"]
        elif happening.kind == "DeviceStatusChanged":
            assert owners[event["device_id"]] == event["customer_id"]
            reports += 1
    assert reports >= 5


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_nobody_says_the_same_consent_to_analysis_twice(seed: int) -> None:
    kept = [
        owed.arrives_as for one in life(seed, 2000) for owed in one.owed if owed.arrives_as and owed.end is DELIVERED
    ]
    assert len(kept) == len(set(kept)) > 0


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_an_order_costs_what_is_in_it_and_its_lines_differ(seed: int) -> None:
    orders = [one.event or {} for one in life(seed, 600) if one.kind == "OrderPlaced"]
    assert len({order["number"] for order in orders}) == len(orders) > 0
    for order in orders:
        assert order["total"] == sum(
            (each["quantity"] * each["product"]["price"] for each in order["items"]), Decimal(0)
        )
        assert len({each["line_id"] for each in order["items"]}) == len(order["items"])


@settings(max_examples=examples(5), deadline=None)
@given(seeds)
def test_every_record_can_be_written_and_every_destination_is_told_what_it_owes(seed: int) -> None:
    for happening in life_with_mishaps(seed, 300):
        value_of(happening)
        assert {owed.destination for owed in happening.owed} == set(DESTINATIONS)
        assert not happening.kind or happening.own_id or happening.kind in {"DeviceStatusChanged", "StockCounted"}


def test_all_kinds_of_mishap_have_their_turn_before_any_comes_twice() -> None:
    shop = Shop(7)
    while not shop.is_open:
        shop.next(1)
    mishaps = BadRecords(shop, SCHEMAS)
    first = [mishaps.next(10**12) for _ in range(len(mishaps))]
    ends = {str(owed.end) for one in first for owed in one.owed}
    assert len({(one.kind, one.why, one.topic) for one in first}) == len(mishaps)
    assert {"undecodable", "unknown_schema", "contract", "out_of_window", "too_large", "refused"} < ends
    assert {"repeated_element", "tombstone", "no_mapping"} < ends
