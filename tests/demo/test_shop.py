"""The shop makes the same events for the same seed, and its events are consistent with each other."""

from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from consumer.demo.bad_records import BadRecords
from consumer.demo.events import DELIVERED, DESTINATIONS, ShopEvent
from consumer.demo.shop import Shop
from tests.demo.placed_records import SCHEMAS, good_events, mixed_events, value_of
from tests.examples import examples

seeds = st.integers(0, 2**32)


def _customer_of(event: ShopEvent) -> str | None:
    """The customer of an event; `None` for an anonymous visitor."""
    datum = event.datum or {}
    if "visitor" in datum:
        visitor: str | None = datum["visitor"][1].get("customer_id")
        return visitor
    customer: str = datum["customer"]["id"] if "customer" in datum else datum["customer_id"]
    return customer


@settings(max_examples=examples(10), deadline=None)
@given(seeds)
def test_same_seed_makes_the_same_events(seed: int) -> None:
    assert mixed_events(seed, 300) == mixed_events(seed, 300)


def test_another_seed_makes_other_events() -> None:
    assert good_events(1, 50) != good_events(2, 50)


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_customer_acts_only_after_signing_up(seed: int) -> None:
    known: set[str] = set()
    for event in good_events(seed, 400):
        customer = _customer_of(event)
        if event.kind == "CustomerSignedUp":
            assert customer is not None
            assert customer not in known
            known.add(customer)
        elif customer is not None:
            assert customer in known
    assert len(known) >= 12


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_device_reports_only_after_its_registration(seed: int) -> None:
    owners: dict[str, str] = {}
    reports = 0
    for event in good_events(seed, 400):
        datum = event.datum or {}
        if event.kind == "DeviceRegistered":
            owners[datum["device"]["id"]] = datum["customer_id"]
        elif event.kind == "DeviceStatusChanged":
            assert owners[datum["device_id"]] == datum["customer_id"]
            reports += 1
    assert reports >= 5


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_analysis_consent_is_never_repeated(seed: int) -> None:
    ids = [
        owed.stored_as
        for one in good_events(seed, 2000)
        for owed in one.owed
        if owed.stored_as and owed.outcome is DELIVERED
    ]
    assert len(ids) == len(set(ids)) > 0


@settings(max_examples=examples(15), deadline=None)
@given(seeds)
def test_order_total_matches_its_lines_and_line_ids_differ(seed: int) -> None:
    orders = [one.datum or {} for one in good_events(seed, 600) if one.kind == "OrderPlaced"]
    assert len({order["number"] for order in orders}) == len(orders) > 0
    for order in orders:
        assert order["total"] == sum(
            (each["quantity"] * each["product"]["price"] for each in order["items"]), Decimal(0)
        )
        assert len({each["line_id"] for each in order["items"]}) == len(order["items"])


@settings(max_examples=examples(5), deadline=None)
@given(seeds)
def test_every_record_is_encodable_and_owed_to_each_destination(seed: int) -> None:
    for event in mixed_events(seed, 300):
        value_of(event)
        assert {owed.destination for owed in event.owed} == set(DESTINATIONS)
        assert not event.kind or event.own_id or event.kind in {"DeviceStatusChanged", "StockCounted"}


def test_each_kind_of_bad_record_comes_before_any_repeats() -> None:
    shop = Shop(7)
    while not shop.is_open:
        shop.next(1)
    bad = BadRecords(shop, SCHEMAS)
    first = [bad.next(10**12) for _ in range(len(bad))]
    outcomes = {str(owed.outcome) for one in first for owed in one.owed}
    assert len({(one.kind, one.defect, one.topic) for one in first}) == len(bad)
    assert {"undecodable", "unknown_schema", "contract", "out_of_window", "too_large", "refused"} < outcomes
    assert {"repeated_element", "tombstone", "no_mapping"} < outcomes
