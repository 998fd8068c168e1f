"""A record without a timestamp is not dated: neither its deliveries, nor its dead letters, nor its age."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import pytest

from consumer.kafka.dead_letters.headers import headers_of
from consumer.model import DeadLetter, DeadLetterCause, Fault, SkipReason, record_timestamp_ms
from consumer.model.observer import Observer
from consumer.translation import delivery_id
from tests.unit.order_event import SCHEMA, one_fault, order_message
from tests.unit.test_settlement import SettlementHarness
from tests.unit.test_status_reporter import StatusHarness
from tests.unit.translator_harness import NOW_MS, FakeMessage, mapping_with, new_translator

NO_TIMESTAMP = "the record has no timestamp: map `time`"


@dataclass
class Undated(FakeMessage):
    """A message whose timestamp has this type."""

    kind: int = 1
    timestamp_ms: int = -1

    def timestamp(self) -> tuple[int, int]:
        return self.kind, self.timestamp_ms


UNDATED = [(1, -1), (2, -1), (0, -1), (0, 0), (0, NOW_MS)]
"""Types and values: unset by a producer, by a broker, and "not available", whose value means nothing."""


def undated(kind: int = 1, timestamp_ms: int = -1, record_offset: int = 0) -> Undated:
    return Undated(order_message().content, kind=kind, timestamp_ms=timestamp_ms, record_offset=record_offset)


@pytest.mark.parametrize(("kind", "timestamp_ms"), UNDATED)
def test_unset_timestamp_is_none(kind: int, timestamp_ms: int) -> None:
    assert record_timestamp_ms(undated(kind, timestamp_ms)) is None
    assert record_timestamp_ms(FakeMessage(b"", timestamp_ms=0)) == 0


@pytest.mark.parametrize(("kind", "timestamp_ms"), UNDATED)
def test_delivery_without_any_time_is_unmappable(kind: int, timestamp_ms: int) -> None:
    """Its id is made as for time 0."""
    translator = new_translator(mapping_with("{s: status}", event_lines="id: id"), SCHEMA)
    out = translator.translate([undated(kind, timestamp_ms)])
    assert one_fault(out) == Fault(DeadLetterCause.UNMAPPABLE, f"add: time: {NO_TIMESTAMP}")
    dated = translator.translate([order_message()])
    [identity] = dated.columns["vendor"].identities
    assert out.faults[0].identity == identity.replace(str(NOW_MS), "0", 1)


def test_null_time_of_an_undated_record_is_unmappable() -> None:
    translator = new_translator(mapping_with("{s: status}", event_lines="time: nothing"), SCHEMA)
    assert one_fault(translator.translate([undated()])).detail == f"add: time: is null, and {NO_TIMESTAMP}"


def test_mapped_time_needs_no_timestamp() -> None:
    text = mapping_with("{at: \"meta('timestamp')\", s: status}", event_lines="time: \"'1999-08-11T11:08:00Z'\"")
    column = new_translator(text, SCHEMA).translate([undated()]).columns["vendor"]
    assert column.times_ms == [934_369_680_000]
    assert json.loads(column.bodies[0])["fields"] == {"s": "PAID"}


@pytest.mark.parametrize(
    ("line", "reason"),
    [("when: status == 'OPEN'", SkipReason.FILTERED), ("consent: nothing", SkipReason.NO_CONSENT)],
)
def test_undated_event_that_is_not_delivered_is_skipped(line: str, reason: SkipReason) -> None:
    out = new_translator(mapping_with("{s: status}", entry_lines=line), SCHEMA).translate([undated()])
    assert out.skipped == {("vendor", "shop.E", reason): 1}
    assert not out.faults


def test_undated_event_whose_filter_fails_is_still_a_fault() -> None:
    out = new_translator(mapping_with("{s: status}", entry_lines="when: status"), SCHEMA).translate([undated()])
    assert one_fault(out).detail == f"add: time: {NO_TIMESTAMP}"


def test_timestamp_after_the_year_9999_is_unmappable() -> None:
    """A producer that writes microseconds."""
    translator = new_translator(mapping_with("{at: \"meta('timestamp')\"}", event_lines='time: "`0`"'), SCHEMA)
    fault = one_fault(translator.translate([FakeMessage(order_message().content, timestamp_ms=NOW_MS * 1000)]))
    assert fault.detail == (
        "add: fields.at: meta('timestamp') is outside the years 1 to 9999; use a field of the event"
    )


def test_unknown_schema_of_an_undated_record_has_a_grace_time() -> None:
    """It begins when the schema was first unknown here, and lasts 60 s in these tests."""
    clock = [NOW_MS]
    translator = new_translator(mapping_with("{s: status}"), clock=clock)
    translator.learn_unknown(1, NOW_MS)
    assert translator.translate([undated()]).waiting == [0]
    clock[0] = NOW_MS + 59_999
    translator.learn_unknown(1, clock[0])
    assert translator.translate([undated()]).waiting == [0]
    clock[0] = NOW_MS + 60_000
    assert one_fault(translator.translate([undated()])).cause is DeadLetterCause.UNKNOWN_SCHEMA


def test_dead_letter_of_an_undated_record_has_no_timestamp() -> None:
    def names(message: FakeMessage) -> set[str]:
        fault = Fault(DeadLetterCause.UNDECODABLE)
        dead_letter = DeadLetter(message, fault, "id", None, None, None, 0, NOW_MS, NOW_MS)
        return {name for name, _ in headers_of(dead_letter, "cdp-hut", "f00d")}

    assert names(order_message()) - names(undated()) == {"cdp-original-timestamp"}


def test_delivered_undated_record_has_no_append_latency() -> None:
    reported: list[tuple[int, int]] = []

    class Latencies(Observer):
        def delivered(self, destination: str, append_s: Sequence[float], event_s: Sequence[float]) -> None:  # noqa: ARG002 - one destination
            reported.append((len(append_s), len(event_s)))

    harness = SettlementHarness()
    harness.settlement._observer = Latencies()
    harness.ledger.record(0).timestamp = lambda: (1, -1)  # type: ignore[method-assign]
    harness.settlement.delivered("yotpo", harness.deliveries)
    assert reported == [(1, 2)]
    assert harness.settlement.accounting.accounts["yotpo"].delivered == 2


def test_undated_head_has_no_age() -> None:
    harness = StatusHarness()
    harness.open((1, 0, 0, 0), (1, 0, 0, 0))
    head = harness.ledger.oldest_record()
    assert head is not None
    head.timestamp = lambda: (1, -1)  # type: ignore[method-assign]
    status = harness.refresh()
    assert [each.head_ms for each in status.partitions] == [None]
    assert [each.oldest_open_ms for each in status.destinations if each.name == "copilot"] == [None]


def test_identity_of_an_undated_record_is_its_position() -> None:
    out = new_translator(mapping_with("{s: status}"), SCHEMA).translate([undated(record_offset=5)])
    position = delivery_id.position(delivery_id.partition_prefix("shop", 0), 5)
    digest = delivery_id.digest(delivery_id.entry_hash("shop.E", "vendor", "add"), position)
    assert out.faults[0].identity == f"0-{digest.hex()}"
