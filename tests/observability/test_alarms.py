"""Whatever stops deliveries shows in four places: metrics, log, /status and the status page."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from html import escape

import pytest
from prometheus_client import CollectorRegistry

from consumer.model import DeadLetterCause, Fault, Partition, SecretProblem, TransientCause
from consumer.model.directives import NONE
from consumer.model.findings import Finding
from consumer.model.observer import Observer
from consumer.model.status import (
    CLOCK,
    DeadLetterStatus,
    DestinationStatus,
    FloodGuardStatus,
    HoldStatus,
    PipelineStatus,
    StoppedPartitionStatus,
)
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import Moment
from consumer.observability.http.status_json import status_document
from consumer.observability.http.status_page import page
from consumer.observability.log.observer import LogObserver
from consumer.observability.log.writer import Log
from consumer.observability.metrics.registry import Metrics
from consumer.observability.status_sources import CollectedStatus, StatusSources
from tests.observability.metrics_harness import DESTINATIONS, EVENTS, value
from tests.observability.recorded_log import RecordedLog
from tests.observability.sample_status import FixedStatus, healthy

P = Partition("shop.orders", 0)
SINCE_MS = int(time.time() * 1000) - 600_000
TO = {"destination": "copilot"}


@dataclass(frozen=True)
class Alarm:
    """A problem, how it is reported, and how it must show."""

    applied_to: Callable[[PipelineStatus], PipelineStatus]
    report: Callable[[Observer], None]
    series: str
    labels: dict[str, str]
    line: str
    sentence: str


def with_hold(cause: TransientCause, endpoint: str = "collect") -> Callable[[PipelineStatus], PipelineStatus]:
    holds = (HoldStatus(endpoint, cause, SINCE_MS),)
    return lambda status: replace(status, destinations=(DestinationStatus("copilot", holds=holds),))


def with_secret_problem(problem: SecretProblem) -> Callable[[PipelineStatus], PipelineStatus]:
    return lambda status: replace(status, destinations=(DestinationStatus("copilot", secret_problem=problem),))


def with_tripped_guard(status: PipelineStatus) -> PipelineStatus:
    guards = (FloodGuardStatus("shop.OrderPlaced", DeadLetterCause.REFUSED, SINCE_MS, 51, 60, 9),)
    return replace(status, destinations=(DestinationStatus("copilot", guards=guards),))


ALARMS = {
    "rejected credentials": Alarm(
        with_hold(TransientCause.UNAUTHORIZED),
        lambda observer: observer.hold_started("copilot", "collect", Fault(TransientCause.UNAUTHORIZED, "", 401)),
        "cdp_destination_held",
        {**TO, "endpoint": "collect"},
        "endpoint held",
        "copilot: endpoint collect has been held for 10 min (unauthorized). Fix the credentials",
    ),
    "endpoint gone": Alarm(
        with_hold(TransientCause.GONE),
        lambda observer: observer.hold_started("copilot", "collect", Fault(TransientCause.GONE, "", 404)),
        "cdp_destination_held",
        {**TO, "endpoint": "collect"},
        "endpoint held",
        "copilot: endpoint collect has been held for 10 min (gone). Check the destination's url",
    ),
    "secret file on a disk that hangs": Alarm(
        with_secret_problem(SecretProblem.UNREADABLE),
        lambda observer: observer.secret_problem("copilot", SecretProblem.UNREADABLE),
        "cdp_destination_secret_stale",
        {**TO, "reason": "unreadable"},
        "secret file not in use",
        "copilot: the secret file cannot be read; requests use the secret read before. Check the mount",
    ),
    "secret file rejected while the last secret works": Alarm(
        with_secret_problem(SecretProblem.REJECTED),
        lambda observer: observer.secret_problem("copilot", SecretProblem.REJECTED),
        "cdp_destination_secret_stale",
        {**TO, "reason": "rejected"},
        "secret file not in use",
        "copilot: the content of the secret file is rejected; requests use the last accepted secret. Check",
    ),
    "secret file without a secret": Alarm(
        with_secret_problem(SecretProblem.INVALID),
        lambda observer: observer.secret_problem("copilot", SecretProblem.INVALID),
        "cdp_destination_secret_stale",
        {**TO, "reason": "invalid"},
        "secret file not in use",
        "copilot: the secret file contains no secret; requests use the secret read before. Fix the secret file",
    ),
    "clock skew": Alarm(
        with_hold(TransientCause.CLOCK_SKEW, CLOCK),
        lambda observer: observer.hold_started("copilot", CLOCK, Fault(TransientCause.CLOCK_SKEW)),
        "cdp_destination_held",
        {**TO, "endpoint": "clock"},
        "endpoint held",
        "copilot: deliveries have been held for 10 min (clock_skew). Check the time",
    ),
    "stalled dead letters": Alarm(
        lambda status: replace(
            status, dead_letters=DeadLetterStatus("letters", stalled_reason="none acknowledged for 9 s")
        ),
        lambda observer: observer.dead_letter_failed("TOPIC_AUTHORIZATION_FAILED"),
        "cdp_dead_letters_stalled",
        {},
        "dead letter write failed",
        "dead letters cannot be written (none acknowledged for 9 s). Commits wait for them",
    ),
    "schema registry rejects credentials": Alarm(
        lambda status: replace(status, schemas_pending={7: SINCE_MS}, schema_problems={7: "refused"}),
        lambda observer: observer.schema_fetched(7, "refused", 0.1),
        "cdp_schema_registry_unavailable",
        {"reason": "refused"},
        "schema fetch failed",
        "records have been waiting for schema 7 for 10 min: the schema registry rejects our credentials. Fix",
    ),
    "stopped partition": Alarm(
        lambda status: replace(status, stopped={P: StoppedPartitionStatus("_AUTO_OFFSET_RESET", 70, SINCE_MS)}),
        lambda observer: observer.partition_stopped(P, 70, "_AUTO_OFFSET_RESET"),
        "cdp_kafka_partitions_stopped",
        {"topic": "shop.orders"},
        "partition stopped",
        "partition shop.orders/0 has been stopped before offset 70 for 10 min (_AUTO_OFFSET_RESET). Accept",
    ),
    "tripped flood guard": Alarm(
        with_tripped_guard,
        lambda observer: observer.flood_guard_tripped("copilot", "shop.OrderPlaced", DeadLetterCause.REFUSED, 51, 60),
        "cdp_flood_guard_tripped",
        {**TO, "event": "shop.OrderPlaced", "cause": "refused"},
        "flood guard tripped",
        "copilot, shop.OrderPlaced: flood guard tripped 10 min ago, 51 of 60 failed (refused); 9 deliveries wait",
    ),
    "fence": Alarm(
        lambda status: replace(status, fenced=True),
        lambda observer: observer.fence_closed(),
        "cdp_kafka_fenced",
        {},
        "fenced",
        "requests are paused: no commit was accepted for half the session timeout. Check the brokers",
    ),
}


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_alarm_shows_in_metrics_log_status_and_page(alarm: Alarm) -> None:
    """An alarm is a series, an error in the log with a hint, and a sentence in /status and on the page."""
    metrics, sources, recorded = Metrics(CollectorRegistry()), StatusSources(), RecordedLog()
    metrics.observer("cdp", DESTINATIONS, EVENTS, ("shop.orders",))
    status = alarm.applied_to(healthy("cdp"))
    sources.add("cdp", FixedStatus(status))
    metrics.watch(sources)
    alarm.report(LogObserver(recorded.log, "cdp"))
    (line,) = recorded.lines
    moment = Moment(SINCE_MS + 600_000, time.monotonic())

    assert value(metrics, alarm.series, pipeline="cdp", **alarm.labels) == 1
    assert (line["level"], line["event"]) == ("error", alarm.line)
    assert line["hint"], "it says what to do"
    (sentence,) = json.loads(json.dumps(status_document(CollectedStatus([status], []), moment)))["problems"]
    assert sentence.startswith(f"cdp: {alarm.sentence}")
    assert f"<li>cdp: {escape(alarm.sentence)}" in page(CollectedStatus([status], []), [], moment)


@pytest.mark.parametrize("alarm", ALARMS.values(), ids=ALARMS)
def test_healthy_pipeline_raises_no_alarm(alarm: Alarm) -> None:
    metrics, sources = Metrics(CollectorRegistry()), StatusSources()
    metrics.observer("cdp", DESTINATIONS, EVENTS, ("shop.orders",))
    sources.add("cdp", FixedStatus(healthy("cdp")))
    metrics.watch(sources)
    assert not value(metrics, alarm.series, pipeline="cdp", **alarm.labels)
    assert status_document(CollectedStatus([healthy("cdp")], []), Moment.now())["problems"] == []


def test_rejected_directives_and_failing_pipeline_are_problems() -> None:
    directives = DirectivesObserver(Log(io.StringIO()))
    directives.directives_rejected([Finding("error", "directives.yaml", 1, 1, "", "is no mapping")])
    assert status_document(CollectedStatus([], ["cdp"]), Moment.now(), directives)["problems"] == [
        "cdp: its status cannot be read. This is a bug; please report it.",
        "the directives file is rejected; the directives read before stay active: directives.yaml:1:1: is no mapping",
    ]
    directives.directives_unreadable(NONE, [Finding("error", "directives.yaml", None, None, "", "no mapping")])
    assert status_document(CollectedStatus([], []), Moment.now(), directives)["problems"] == [
        "the directives file is rejected; nothing is sent until it is fixed or removed: directives.yaml: no mapping",
    ]
