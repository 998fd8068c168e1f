"""Pauses and quarantines, as the deliveries of one destination meet them."""

from dataclasses import dataclass

import pytest

from consumer.delivery.delivery import Delivery
from consumer.delivery.guards.directive_filter import DirectiveFilter
from consumer.model import DeadLetterCause, Entry, Fault, Partition
from consumer.model.directives import AcceptRefusals, Directive, Directives, Pause, Quarantine
from tests.property.test_batch import ENVELOPES

ORDERS = Partition("orders", 1)


@dataclass
class AtOffset:
    at: int

    def offset(self) -> int:
        return self.at


@dataclass(eq=False)
class FakeLedger:
    """A ledger whose record at slot n has offset 100 + n."""

    partition: Partition = ORDERS
    may_send: bool = True

    def record(self, slot: int) -> AtOffset:
        return AtOffset(100 + slot)


def delivery_of(
    *, key: str | bytes = "k", event_type: str = "shop.Order", slot: int = 0, partition: Partition = ORDERS
) -> Delivery:
    """Return a delivery whose ordering key is hashed as the translation hashes it."""
    hashed = hash((partition.topic, partition.index, key))
    entry = Entry(event_type, "copilot", "copilot.custom_event", "custom_event")
    return Delivery(b"{}", hashed, ENVELOPES[0], "id", 0, entry, FakeLedger(partition), slot)  # type: ignore[arg-type]


def filter_of(*directives: Directive) -> DirectiveFilter:
    return DirectiveFilter("copilot", Directives(directives))


def is_quarantined(directive_filter: DirectiveFilter, delivery: Delivery) -> bool:
    reason = directive_filter.reason(delivery)
    return isinstance(reason, Fault) and reason.cause is DeadLetterCause.QUARANTINED


def test_filter_is_false_without_directives_for_destination() -> None:
    assert not DirectiveFilter("copilot")
    assert not filter_of(Pause(9, "", "yotpo"), AcceptRefusals(9, "", DeadLetterCause.REFUSED))
    assert not filter_of(Quarantine(9, "", "orders", key="k", destination="yotpo"))
    assert filter_of(Pause(9, "", "copilot"))


@pytest.mark.parametrize(
    ("pause", "waits"),
    [
        (Pause(9, "", destination="copilot"), True),
        (Pause(9, "", destination="yotpo"), False),
        (Pause(9, "", event_type="shop.Order"), True),
        (Pause(9, "", event_type="shop.Other"), False),
        (Pause(9, "", destination="copilot", event_type="shop.Order"), True),
        (Pause(9, "", destination="copilot", event_type="shop.Other"), False),
        (Pause(9, "", destination="yotpo", event_type="shop.Order"), False),
    ],
)
def test_paused_delivery_waits(pause: Pause, *, waits: bool) -> None:
    assert (filter_of(pause).reason(delivery_of()) == ("paused", "")) is waits


@pytest.mark.parametrize(
    ("quarantine", "hit"),
    [
        (Quarantine(9, "", "orders", 1, 103), True),
        (Quarantine(9, "", "orders", 1, 104), False),
        (Quarantine(9, "", "orders", 2, 103), False),
        (Quarantine(9, "", "others", 1, 103), False),
        (Quarantine(9, "", "orders", key="k"), True),
        (Quarantine(9, "", "orders", 1, key="k"), True),
        (Quarantine(9, "", "orders", 2, key="k"), False),
        (Quarantine(9, "", "others", key="k"), False),
        (Quarantine(9, "", "orders", key="other"), False),
        (Quarantine(9, "", "orders", key="k", destination="copilot"), True),
        (Quarantine(9, "", "orders", 1, 103, destination="copilot"), True),
    ],
)
def test_quarantined_offset_or_key_is_never_sent(quarantine: Quarantine, *, hit: bool) -> None:
    assert is_quarantined(filter_of(quarantine), delivery_of(slot=3)) is hit


@pytest.mark.parametrize(
    "key", ["müller", "müller".encode(), "plain", b"plain"], ids=["text", "its bytes", "ASCII", "ASCII bytes"]
)
def test_quarantined_key_matches_text_and_record_bytes(key: str | bytes) -> None:
    text = key if isinstance(key, str) else key.decode()
    directive_filter = filter_of(Quarantine(9, "", "orders", key=text))
    assert is_quarantined(directive_filter, delivery_of(key=key))
    assert is_quarantined(directive_filter, delivery_of(key=key, partition=Partition("orders", 7)))
    assert not is_quarantined(directive_filter, delivery_of(key=text + "x"))


def test_quarantine_takes_precedence_over_pause() -> None:
    directive_filter = filter_of(Pause(9, "", "copilot"), Quarantine(9, "", "orders", key="k"))
    assert is_quarantined(directive_filter, delivery_of())
    assert directive_filter.reason(delivery_of(key="other")) == ("paused", "")
