"""Withheld deliveries and the directives about them: in the metrics, in /status and on the status page."""

from __future__ import annotations

import io
import json
import time
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from consumer.model import DeadLetterCause, Partition
from consumer.model.directives import AcceptGap, AcceptRefusals, Directive, Directives, Pause, Quarantine
from consumer.model.findings import Finding
from consumer.model.status import DestinationStatus, FloodGuardStatus, PipelineStatus, StoppedPartitionStatus
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import Moment
from consumer.observability.http.status_json import status_document
from consumer.observability.http.status_page import page
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import CollectedStatus, StatusSources
from tests.observability.metrics_harness import EVENTS, metrics_of, value
from tests.observability.sample_status import FixedStatus, healthy, unhealthy

HOUR_MS = 3_600_000
NOW = Moment(1_795_168_800_000, 5_000.0)
TO = {"pipeline": "cdp-customerio", "destination": "customerio"}


def observer_of(*directives: Directive) -> DirectivesObserver:
    observer = DirectivesObserver(Log(io.StringIO()))
    observer.directives_read(Directives(directives))
    return observer


def later() -> int:
    return int(time.time() * 1000) + HOUR_MS


def shown(status: PipelineStatus, directives: DirectivesObserver | None = None) -> str:
    return page(CollectedStatus([status], []), [], NOW, directives)


def destination(status: DestinationStatus) -> PipelineStatus:
    return replace(healthy(), destinations=(status,))


def test_tripped_guard_is_a_series_by_event_type_and_cause() -> None:
    """A guard that is not tripped has no series."""
    metrics = Metrics(CollectorRegistry())
    metrics.observer("cdp-customerio", {"customerio": ("batch",)}, EVENTS, ())
    sources, source = StatusSources(), FixedStatus(unhealthy())
    sources.add("cdp-customerio", source)
    metrics.watch(sources)
    name = "cdp_flood_guard_tripped"
    assert value(metrics, name, **TO, event="shop.OrderPlaced", cause="refused") == 1
    assert value(metrics, name, **TO, event="other", cause="contract") == 1, "no mapping speaks of it"
    assert value(metrics, name, **TO, event="shop.Unheard", cause="contract") is None
    where = {"pipeline": "cdp-customerio", "topic": "shop.orders", "cause": "unknown_schema"}
    assert value(metrics, "cdp_decode_guard_tripped", **where) == 1
    assert value(metrics, "cdp_deliveries_parked", **TO) == 320
    assert value(metrics, "cdp_deliveries_parked", pipeline="cdp-customerio", destination="none") == 7
    source.answer = healthy("cdp-customerio")
    assert value(metrics, name, **TO, event="shop.OrderPlaced", cause="refused") is None
    assert value(metrics, "cdp_decode_guard_tripped", **where) is None


def test_poison_candidates_pauses_and_stops_are_gauges() -> None:
    metrics = metrics_of(FixedStatus(unhealthy()), FixedStatus(healthy()))
    fine = {"pipeline": "cdp-copilot", "destination": "copilot"}
    assert (value(metrics, "cdp_poison_candidates", **TO), value(metrics, "cdp_poison_candidates", **fine)) == (2, 0)
    assert (value(metrics, "cdp_destination_paused", **TO), value(metrics, "cdp_destination_paused", **fine)) == (1, 0)
    stopped = "cdp_kafka_partitions_stopped"
    assert value(metrics, stopped, pipeline="cdp-customerio", topic="shop.customers.<b>eu</b>") == 1
    assert value(metrics, stopped, pipeline="cdp-copilot", topic="shop.orders") == 0


@pytest.mark.parametrize(
    ("problems", "unreachable", "refused"),
    [({}, 0, 0), ({7: "refused"}, 0, 1), ({7: "unreachable"}, 1, 0), ({7: "unreachable", 8: "refused"}, 1, 1)],
)
def test_registry_problems_set_the_unavailable_gauge(
    problems: dict[int | str, str], unreachable: int, refused: int
) -> None:
    metrics = metrics_of(FixedStatus(replace(healthy(), schema_problems=problems)))
    name, where = "cdp_schema_registry_unavailable", {"pipeline": "cdp-copilot"}
    assert value(metrics, name, **where, reason="unreachable") == unreachable
    assert value(metrics, name, **where, reason="refused") == refused


def directives_page(directives: DirectivesObserver | None) -> Metrics:
    metrics = Metrics(CollectorRegistry())
    metrics.watch(StatusSources(directives))
    return metrics


def test_active_directives_are_counted_by_kind() -> None:
    directives = observer_of(Pause(later(), "", "copilot"), Pause(1, "", "yotpo"), AcceptGap(later(), "", "t", 1, 2, 5))
    metrics = directives_page(directives)
    kinds = ("pause", "accept_refusals", "quarantine", "accept_gap")
    assert [value(metrics, "cdp_directives", kind=kind) for kind in kinds] == [1, 0, 0, 1]
    assert value(metrics, "cdp_directives_file_valid") == 1
    directives.directives_rejected([Finding("error", "directives.yaml", 1, 1, "", "no")])
    assert value(metrics, "cdp_directives_file_valid") == 0
    assert value(metrics, "cdp_directives", kind="pause") == 1, "the old one stays in force"


def test_file_valid_is_absent_without_a_directives_file() -> None:
    assert value(directives_page(None), "cdp_directives_file_valid") is None
    assert value(directives_page(DirectivesObserver(Log(io.StringIO()))), "cdp_directives_file_valid") is None


def document(status: PipelineStatus, directives: DirectivesObserver | None = None) -> Any:  # noqa: ANN401  read like the JSON it becomes
    return json.loads(json.dumps(status_document(CollectedStatus([status], []), NOW, directives)))


def test_status_shows_withheld_deliveries_and_reasons() -> None:
    (pipeline,) = document(unhealthy())["pipelines"]
    (to,) = pipeline["destinations"]
    assert [(each["event_type"], each["cause"], each["waiting"]) for each in to["guards"]] == [
        ("shop.OrderPlaced", "refused", 312),
        ("shop.Unheard", "contract", 8),
    ]
    assert to["poison_candidates"] == 2
    assert [(each["event_type"], each["reason"]) for each in to["paused"]] == [("shop.Left", "why")]
    (guard,) = pipeline["guards"]
    assert (guard["topic"], guard["refused"], guard["of"]) == ("shop.orders", 50, 52)
    (stopped,) = pipeline["stopped"]
    assert (stopped["partition"], stopped["offset"], stopped["code"]) == (3, 3_400, "_AUTO_OFFSET_RESET")


def test_status_shows_directives_without_ordering_keys() -> None:
    directives = observer_of(
        Quarantine(NOW.wall_ms + HOUR_MS, "asked by canary@example.com", "shop.orders", key="canary-key"),
        AcceptRefusals(
            NOW.wall_ms + HOUR_MS, "the vendor moved", DeadLetterCause.REFUSED, "copilot", "shop.OrderPlaced"
        ),
        Pause(1, "over", "copilot"),
    )
    directives.directives_rejected(
        [Finding("error", "directives.yaml", 3, 5, "directives[0]", "said canary@example.com")]
    )
    text = json.dumps(document(healthy(), directives)) + shown(healthy(), directives)
    assert "canary" not in text
    shown_directives = document(healthy(), directives)["directives"]
    assert [(each["directive"], each.get("key"), each["reason"]) for each in shown_directives["active"]] == [
        ("quarantine", "set", "asked by …@…"),
        ("accept_refusals", None, "the vendor moved"),
    ]
    assert shown_directives["rejected"] == ["directives.yaml:3:5: directives[0]: said …@…"]
    assert document(healthy())["directives"] is None


def test_page_shows_directives_and_the_rejected_file() -> None:
    directives = observer_of(Pause(NOW.wall_ms + HOUR_MS, "<i>their</i> maintenance", "copilot", "shop.OrderPlaced"))
    text = shown(healthy(), directives)
    assert "<td>pause</td><td>destination copilot, event type shop.OrderPlaced</td>" in text
    assert "60 min left" in text
    assert "&lt;i&gt;their&lt;/i&gt; maintenance" in text
    assert "No problems" in text, "a pause is intended"
    directives.directives_rejected([Finding("error", "directives.yaml", 3, 5, "directives[0]", "no such destination")])
    text = shown(healthy(), directives)
    assert "1 problem<" in text
    assert "the directives read before stay active: directives.yaml:3:5: directives[0]: no such destination" in text


def test_page_has_no_directives_section_without_active_ones() -> None:
    assert "Active directives" not in shown(healthy(), observer_of())
    assert "Active directives" not in shown(healthy())


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (DestinationStatus("copilot", poison_candidates=3), "idle; 3 poison candidates"),
        (DestinationStatus("copilot", paused=(Pause(1, "", "copilot"),)), "paused: all"),
        (
            DestinationStatus("copilot", requests=1, paused=(Pause(1, "", None, "b"), Pause(1, "", None, "a"))),
            "paused: a, b",
        ),
    ],
)
def test_destination_state_names_what_withholds_deliveries(status: DestinationStatus, state: str) -> None:
    assert f"<td>{state}</td>" in shown(destination(status))


def test_tripped_guard_is_a_problem_with_the_number_waiting() -> None:
    guards = (FloodGuardStatus("shop.OrderPlaced", DeadLetterCause.REFUSED, NOW.wall_ms - 60_000, 51, 90, 312),)
    text = shown(destination(DestinationStatus("copilot", guards=guards)))
    assert "1 problem<" in text
    assert (
        "cdp-copilot: copilot, shop.OrderPlaced: flood guard tripped 60 s ago, 51 of 90 failed (refused); "
        "312 deliveries wait."
    ) in text
    assert '<td class="bad">flood guard: shop.OrderPlaced (refused)</td>' in text
    over_records = replace(
        healthy(), guards=(replace(guards[0], kind="shop.orders", cause=DeadLetterCause.UNDECODABLE),)
    )
    text = "cdp-copilot: topic shop.orders: flood guard tripped 60 s ago, 51 of 90 failed (undecodable)"
    assert text in shown(over_records)


def test_stopped_partition_is_listed_first_with_its_offset() -> None:
    stopped = {Partition("shop.orders", 1): StoppedPartitionStatus("_AUTO_OFFSET_RESET", 70, NOW.wall_ms - 120_000)}
    text = shown(replace(healthy(), stopped=stopped))
    assert "partition shop.orders/1 has been stopped before offset 70 for 2 min (_AUTO_OFFSET_RESET)" in text
    assert '<td class="bad">stopped, paused</td>' in text
    assert text.index("<td>shop.orders/1</td>") < text.index("<td>shop.orders/0</td>"), "though that has more lag"
