"""What the shop's mapping owes for each of its events, written out by hand: the oracle's own reading of `mapping.yaml`.

It looks at nothing the service computes. Change the mapping, and this page must say the same in its own words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from consumer.demo.events import DELIVERED, DESTINATIONS, End, Owed
from consumer.model import DeadLetterCause, SkipReason

Event = Mapping[str, Any]


def owed_for(kind: str, event: Event) -> tuple[Owed, ...]:
    """Return what is owed for one event of this kind, none of it going wrong."""
    return tuple(_SAYS[kind](event))


def owed_for_whole(end: End) -> tuple[Owed, ...]:
    """Return what a record that nobody can read, or nobody wants, comes to: one end in every pipeline."""
    return tuple(Owed(destination, "", end) for destination in DESTINATIONS)


def _if(condition: bool, otherwise: SkipReason) -> End:  # noqa: FBT001 - it reads as `if`
    return DELIVERED if condition else otherwise


def _signed_up(event: Event) -> Iterator[Owed]:
    yield Owed("customerio", "identify", DELIVERED)
    yield Owed("customerio", "track:Account Created", DELIVERED)
    yield Owed("copilot", "user_created", DELIVERED)
    yield Owed("yotpo", "event:signed_up", _if(event["customer"]["marketing_ok"] is True, SkipReason.NO_CONSENT))


def _updated(_: Event) -> Iterator[Owed]:
    yield Owed("customerio", "identify", DELIVERED)
    yield Owed("copilot", "user_updated", DELIVERED)
    yield Owed("yotpo", "", SkipReason.NO_MAPPING)


def _viewed(event: Event) -> Iterator[Owed]:
    known = "customer_id" in event["visitor"][1]
    yield Owed("customerio", "track:Product Viewed", DELIVERED)
    yield Owed("copilot", "custom_event:product_viewed", _if(known, SkipReason.FILTERED))
    yield Owed("yotpo", "", SkipReason.NO_MAPPING)


def _ordered(event: Event) -> Iterator[Owed]:
    paid = event["status"] == "PAID"
    consents = event["customer"]["marketing_ok"] is True
    yield Owed("customerio", "track:Order Completed", _if(paid, SkipReason.FILTERED))
    seen = set()
    for position, item in enumerate(event["items"]):
        line = item["line_id"]
        if line in seen:
            yield Owed("customerio", "track:Gift Bought", DeadLetterCause.REPEATED_ELEMENT, repeated_at=position)
            continue
        seen.add(line)
        end = _if(consents, SkipReason.NO_CONSENT) if item["gift"] else SkipReason.FILTERED
        yield Owed("customerio", "track:Gift Bought", end, element=line)
    yield Owed("copilot", "custom_event:order_placed", DELIVERED)
    yield Owed("yotpo", "event:order_placed", _if(consents, SkipReason.NO_CONSENT) if paid else SkipReason.FILTERED)


def _consented(event: Event) -> Iterator[Owed]:
    analysis = event["purpose"] == "ANALYSIS"
    kept_as = f"{event['customer_id']}={'true' if event['granted'] else 'false'}"
    yield Owed("copilot", "consent", _if(analysis, SkipReason.FILTERED), arrives_as=kept_as)
    yield Owed("customerio", "identify", _if(not analysis, SkipReason.FILTERED))
    yield Owed("yotpo", "", SkipReason.NO_MAPPING)


def _registered(_: Event) -> Iterator[Owed]:
    yield Owed("copilot", "thing_created", DELIVERED)
    yield Owed("copilot", "user_thing_associated", DELIVERED)
    yield Owed("customerio", "track:Device Registered", DELIVERED)
    yield Owed("yotpo", "", SkipReason.NO_MAPPING)


def _reported(event: Event) -> Iterator[Owed]:
    yield Owed("copilot", "thing_status_changed", DELIVERED)
    yield Owed("customerio", "track:Device Faulty", _if(event["status"] == "FAULTY", SkipReason.FILTERED))
    yield Owed("yotpo", "", SkipReason.NO_MAPPING)


def _counted(_: Event) -> Iterator[Owed]:
    yield from owed_for_whole(SkipReason.NO_MAPPING)


_SAYS: Mapping[str, Callable[[Event], Iterator[Owed]]] = {
    "CustomerSignedUp": _signed_up,
    "CustomerUpdated": _updated,
    "ProductViewed": _viewed,
    "OrderPlaced": _ordered,
    "ConsentChanged": _consented,
    "DeviceRegistered": _registered,
    "DeviceStatusChanged": _reported,
    "StockCounted": _counted,
}
