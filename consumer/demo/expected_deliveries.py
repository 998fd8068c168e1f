"""The deliveries owed for each of the shop's events, written by hand: the oracle's own reading of `mapping.yaml`.

Nothing here is computed by the service. A change of the mapping must be repeated here by hand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from consumer.demo.events import DELIVERED, DESTINATIONS, Outcome, OwedDelivery
from consumer.model import DeadLetterCause, SkipReason

Event = Mapping[str, Any]


def owed_deliveries(kind: str, event: Event) -> tuple[OwedDelivery, ...]:
    """Return the deliveries owed for one event of this kind, if nothing is wrong with it."""
    return tuple(_RULES[kind](event))


def owed_for_record(outcome: Outcome) -> tuple[OwedDelivery, ...]:
    """Return the one delivery in each pipeline of a record that is undecodable or unmapped."""
    return tuple(OwedDelivery(destination, "", outcome) for destination in DESTINATIONS)


def _if(condition: bool, otherwise: SkipReason) -> Outcome:  # noqa: FBT001 - reads as `if`
    return DELIVERED if condition else otherwise


def _signed_up(event: Event) -> Iterator[OwedDelivery]:
    yield OwedDelivery("customerio", "identify", DELIVERED)
    yield OwedDelivery("customerio", "track:Account Created", DELIVERED)
    yield OwedDelivery("copilot", "user_created", DELIVERED)
    yield OwedDelivery(
        "yotpo", "event:signed_up", _if(event["customer"]["marketing_ok"] is True, SkipReason.NO_CONSENT)
    )


def _updated(_: Event) -> Iterator[OwedDelivery]:
    yield OwedDelivery("customerio", "identify", DELIVERED)
    yield OwedDelivery("copilot", "user_updated", DELIVERED)
    yield OwedDelivery("yotpo", "", SkipReason.NO_MAPPING)


def _viewed(event: Event) -> Iterator[OwedDelivery]:
    known = "customer_id" in event["visitor"][1]
    yield OwedDelivery("customerio", "track:Product Viewed", DELIVERED)
    yield OwedDelivery("copilot", "custom_event:product_viewed", _if(known, SkipReason.FILTERED))
    yield OwedDelivery("yotpo", "", SkipReason.NO_MAPPING)


def _ordered(event: Event) -> Iterator[OwedDelivery]:
    paid = event["status"] == "PAID"
    consents = event["customer"]["marketing_ok"] is True
    yield OwedDelivery("customerio", "track:Order Completed", _if(paid, SkipReason.FILTERED))
    seen = set()
    for position, item in enumerate(event["items"]):
        line = item["line_id"]
        if line in seen:
            yield OwedDelivery(
                "customerio", "track:Gift Bought", DeadLetterCause.REPEATED_ELEMENT, repeated_at=position
            )
            continue
        seen.add(line)
        outcome = _if(consents, SkipReason.NO_CONSENT) if item["gift"] else SkipReason.FILTERED
        yield OwedDelivery("customerio", "track:Gift Bought", outcome, element=line)
    yield OwedDelivery("copilot", "custom_event:order_placed", DELIVERED)
    yield OwedDelivery(
        "yotpo", "event:order_placed", _if(consents, SkipReason.NO_CONSENT) if paid else SkipReason.FILTERED
    )


def _consented(event: Event) -> Iterator[OwedDelivery]:
    analysis = event["purpose"] == "ANALYSIS"
    stored_id = f"{event['customer_id']}={'true' if event['granted'] else 'false'}"
    yield OwedDelivery("copilot", "consent", _if(analysis, SkipReason.FILTERED), stored_as=stored_id)
    yield OwedDelivery("customerio", "identify", _if(not analysis, SkipReason.FILTERED))
    yield OwedDelivery("yotpo", "", SkipReason.NO_MAPPING)


def _registered(_: Event) -> Iterator[OwedDelivery]:
    yield OwedDelivery("copilot", "thing_created", DELIVERED)
    yield OwedDelivery("copilot", "user_thing_associated", DELIVERED)
    yield OwedDelivery("customerio", "track:Device Registered", DELIVERED)
    yield OwedDelivery("yotpo", "", SkipReason.NO_MAPPING)


def _reported(event: Event) -> Iterator[OwedDelivery]:
    yield OwedDelivery("copilot", "thing_status_changed", DELIVERED)
    yield OwedDelivery("customerio", "track:Device Faulty", _if(event["status"] == "FAULTY", SkipReason.FILTERED))
    yield OwedDelivery("yotpo", "", SkipReason.NO_MAPPING)


def _counted(_: Event) -> Iterator[OwedDelivery]:
    yield from owed_for_record(SkipReason.NO_MAPPING)


_RULES: Mapping[str, Callable[[Event], Iterator[OwedDelivery]]] = {
    "CustomerSignedUp": _signed_up,
    "CustomerUpdated": _updated,
    "ProductViewed": _viewed,
    "OrderPlaced": _ordered,
    "ConsentChanged": _consented,
    "DeviceRegistered": _registered,
    "DeviceStatusChanged": _reported,
    "StockCounted": _counted,
}
