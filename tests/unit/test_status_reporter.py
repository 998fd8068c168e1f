"""The status of a pipeline: each destination with its own deliveries, and every account."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import pytest

from consumer.delivery.guards.circuit_breaker import OpenCircuit
from consumer.delivery.guards.directive_filter import DirectiveFilter
from consumer.delivery.guards.time_window import CLOCK
from consumer.delivery.ledger.partition_ledger import PartitionLedger
from consumer.delivery.record_buffer import BufferLimits
from consumer.model import DeadLetterCause, Fault, Message, Partition, TransientCause
from consumer.model.directives import Directives, Pause
from consumer.model.observer import Observer
from consumer.model.status import (
    DeliveryCounts,
    DestinationStatus,
    FloodGuardStatus,
    LagStatus,
    PipelineStatus,
    SchemaFetchStatus,
)
from consumer.pipeline.pipeline import Pipeline
from consumer.pipeline.settlement import Settlement
from consumer.pipeline.status import ConsumerStateObserver, StatusReporter
from tests.integration.delivery.dispatcher_harness import FakeDeadLetterTopic
from tests.observability.metrics_harness import metrics_of, value
from tests.observability.sample_status import FixedStatus
from tests.unit.pipeline_harness import FakeDispatcher, FakeTranslator, P
from tests.unit.test_record_buffer import FakeMessage

NAMES = ("copilot", "yotpo", "customerio")


class Dated(FakeMessage):
    """A record whose timestamp is its offset, in seconds."""

    def timestamp(self) -> tuple[int, int]:
        return 1, self.at * 1000


class FakeFloodGuard:
    """A flood guard with given scopes."""

    def __init__(self) -> None:
        self.scopes: list[FloodGuardStatus] = []

    def tripped(self) -> list[FloodGuardStatus]:
        return self.scopes


class WithholdingDispatcher(FakeDispatcher):
    """A dispatcher that withholds deliveries."""

    directive_filter: Any
    flood_guard: Any

    def __init__(self) -> None:
        super().__init__()
        self.poison_candidates = 0
        self.directive_filter = DirectiveFilter("copilot")
        self.flood_guard = FakeFloodGuard()


class StatusHarness:
    """A shared pipeline: two destinations that are delivered to, and one that is disabled."""

    def __init__(self, scan_limit: int = 10_000) -> None:
        dead_letter_topic = FakeDeadLetterTopic()
        self.settlement = Settlement(
            NAMES, dead_letter_topic, dead_letter_topic.schema_id, dead_letter_topic.event_type, Observer()
        )
        self.pipeline = Pipeline(
            "cdp",
            limits=BufferLimits(100, 10_000),
            drain_s=1.0,
            translator=FakeTranslator(),
            settlement=self.settlement,
            request_schema=lambda _: None,
            observer=Observer(),
        )
        self.dispatchers = [WithholdingDispatcher(), WithholdingDispatcher()]
        for dispatcher, name in zip(self.dispatchers, NAMES, strict=False):
            dispatcher.name = name
            self.pipeline.dispatchers[name] = dispatcher  # type: ignore[assignment]
        self.ledger = PartitionLedger(P, 1, 0, len(NAMES) + 1, scan_limit=scan_limit)
        self.pipeline.record_buffer.assign(self.ledger)

    def open(self, *owed: Sequence[int]) -> None:
        """Accept one record per row of deliveries owed: to copilot, yotpo, customerio, and for the whole record."""
        records: list[Any] = [Dated(P, self.ledger.next_offset + number) for number in range(len(owed))]
        self.ledger.accept(records, [list(column) for column in zip(*owed, strict=True)], [1] * len(owed))
        for name, column in zip(self.settlement.accounting.names, zip(*owed, strict=True), strict=True):
            self.settlement.accounting.accounts[name].owed += sum(column)

    def refresh(self, consumer_state: ConsumerStateObserver | None = None) -> PipelineStatus:
        return StatusReporter(
            self.pipeline,
            consumer_state or ConsumerStateObserver(),
            properties={},
            dead_letter_topic="dead-letters",
            limits=BufferLimits(100, 10_000),
            lag=LagStatus,
            schema_fetches=lambda: SchemaFetchStatus({7: 1}, {7: "refused"}),
            schemas_known=lambda: 0,
        ).refresh()

    def destinations(self) -> dict[str, DestinationStatus]:
        return {each.name: each for each in self.refresh().destinations}


def test_oldest_open_is_counted_per_destination() -> None:
    harness = StatusHarness()
    harness.open((1, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0))
    assert {name: each.oldest_open_ms for name, each in harness.destinations().items()} == {"copilot": 0, "yotpo": 2000}
    harness.ledger.settle(2, 1)
    assert harness.destinations()["yotpo"].oldest_open_ms is None


def test_oldest_open_falls_back_to_the_partitions_oldest() -> None:
    """Behind very many settled records, the partition's oldest record is used for the destination's."""
    harness = StatusHarness(scan_limit=2)
    harness.open((1, 0, 0, 0), (1, 0, 0, 0), (1, 1, 0, 0))
    assert harness.destinations()["yotpo"].oldest_open_ms == 0


def test_open_bytes_are_those_of_the_destinations_lanes(monkeypatch: pytest.MonkeyPatch) -> None:
    harness = StatusHarness()
    harness.open((1, 1, 0, 0))
    monkeypatch.setattr(harness.dispatchers[1], "open_bytes", lambda: 400)
    assert [each.open_bytes for each in harness.refresh().destinations] == [0, 400]


def test_disabled_destinations_and_undecodable_records_have_accounts() -> None:
    harness = StatusHarness()
    harness.open((1, 0, 0, 0), (0, 0, 0, 1))
    disabled = harness.settlement.accounting.accounts["customerio"]
    disabled.owed, disabled.skipped = 5, 5
    status = harness.refresh()
    assert status.other_accounts == {
        "customerio": DeliveryCounts(owed=5, skipped=5),
        "": DeliveryCounts(owed=1, open=1),
    }
    assert not any(counts.mismatch for counts in status.other_accounts.values())


def test_clock_hold_and_schema_problem_are_in_the_status() -> None:
    harness = StatusHarness()
    harness.dispatchers[0].circuit_breakers.append((CLOCK, OpenCircuit(Fault(TransientCause.CLOCK_SKEW), 0.0, 30.0)))
    status = harness.refresh()
    [hold] = status.destinations[0].holds
    assert (hold.endpoint, hold.cause) == ("clock", TransientCause.CLOCK_SKEW)
    assert (status.schemas_pending, status.schema_problems) == ({7: 1}, {7: "refused"})


def test_withheld_deliveries_are_in_the_status_with_reasons() -> None:
    harness = StatusHarness()
    pause = Pause(1, "", "copilot")
    since_ms = int(time.time() * 1000) - 60_000
    harness.dispatchers[0].flood_guard.scopes = [
        FloodGuardStatus("shop.Order", DeadLetterCause.REFUSED, since_ms, 51, 90, 12)
    ]
    harness.dispatchers[0].poison_candidates = 2
    harness.dispatchers[0].directive_filter = DirectiveFilter("copilot", Directives((pause, Pause(1, "", "yotpo"))))
    status = harness.destinations()["copilot"]
    (guard,) = status.guards
    assert guard == FloodGuardStatus("shop.Order", DeadLetterCause.REFUSED, since_ms, 51, 90, 12)
    assert (status.poison_candidates, status.paused) == (2, (pause,))
    assert harness.refresh().guards == ()
    fine = harness.destinations()["yotpo"]
    assert (fine.guards, fine.poison_candidates, fine.paused) == ((), 0, ())


def test_partition_is_stopped_until_gap_accepted_or_reassigned() -> None:
    harness, consumer_state = StatusHarness(), ConsumerStateObserver()
    assert harness.refresh(consumer_state).stopped == {}
    consumer_state.partition_stopped(P, 70, "_AUTO_OFFSET_RESET")
    consumer_state.partition_stopped(Partition("gone", 3), 1, "_AUTO_OFFSET_RESET")
    (stop,) = harness.refresh(consumer_state).stopped.values()
    assert (stop.code, stop.offset) == ("_AUTO_OFFSET_RESET", 70)
    assert set(harness.refresh(consumer_state).stopped) == {P}, "another member's partition is not shown"
    consumer_state.gap_accepted(P, 70, 90)
    assert harness.refresh(consumer_state).stopped == {}
    consumer_state.partition_stopped(P, 95, "_AUTO_OFFSET_RESET")
    consumer_state.partitions_assigned({P: 95})
    assert harness.refresh(consumer_state).stopped == {}


class MissingOneSettle:
    """A ledger that settles all but the first, and reports that all are settled."""

    active = True

    def __init__(self, ledger: PartitionLedger) -> None:
        self.ledger = ledger

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MissingOneSettle) and other.ledger is self.ledger

    __hash__ = object.__hash__

    def settle_all(self, slots: Iterable[int], destination: int) -> list[Message]:
        first, *rest = slots
        return [self.ledger.record(first), *self.ledger.settle_all(rest, destination)]


@pytest.mark.parametrize("missed", [False, True])
def test_missed_settle_is_exported_as_mismatch(missed: bool) -> None:
    harness = StatusHarness()
    harness.open((1, 0, 0, 0), (1, 0, 0, 0))
    ledger = harness.ledger
    batch: Any = [
        SimpleNamespace(ledger=MissingOneSettle(ledger) if missed else ledger, slot=slot, event_ms=0) for slot in (0, 1)
    ]
    harness.settlement.delivered("copilot", batch)
    status = harness.refresh()
    assert status.destinations[0].accounting == DeliveryCounts(owed=2, delivered=2, open=int(missed))
    exported = value(metrics_of(FixedStatus(status)), "cdp_accounting_mismatch", pipeline="cdp", destination="copilot")
    assert exported == (-1 if missed else 0)
