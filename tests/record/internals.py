"""All imports from the product and from other tests, so that a move or a rename changes only this file.

Kafka, the registry and the three servers are part of the demo. No run shows every log event, metric and status key
every time. These come from the samples of the observability tests.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

from consumer.cli.main import main
from consumer.demo.embedded_kafka import EmbeddedKafka
from consumer.demo.fakes.base import Fake
from consumer.demo.fakes.copilot import FakeCopilot
from consumer.demo.fakes.customerio import FakeCustomerio as FakeCustomerIo
from consumer.demo.fakes.fault_rules import Gate, MarkInvalid, Respond, WaitForGate, contains
from consumer.demo.fakes.fault_rules import IncomingRequest as ReceivedRequest
from consumer.demo.fakes.thread_runner import ThreadRunner
from consumer.demo.fakes.yotpo import FakeYotpo
from consumer.demo.registry import SchemaRegistry
from consumer.demo.schemas import Registered as RegisteredSchema
from consumer.model import DeadLetterCause, SecretProblem, SkipReason, TransientCause
from consumer.model.directives import AcceptGap, AcceptRefusals, Directives, Pause, Quarantine
from consumer.model.findings import Finding
from consumer.observability.directives_observer import DirectivesObserver
from consumer.observability.health import Moment
from consumer.observability.http.status_json import status_document
from consumer.observability.log.observer import LogObserver
from consumer.observability.status_sources import CollectedStatus
from tests.observability.metrics_harness import metrics_of, new_metrics
from tests.observability.recorded_log import RecordedLog
from tests.observability.sample_status import FixedStatus, healthy, unhealthy
from tests.observability.test_observer_methods import CASES

__all__ = [
    "EmbeddedKafka",
    "Fake",
    "FakeCopilot",
    "FakeCustomerIo",
    "FakeYotpo",
    "Gate",
    "MarkInvalid",
    "ReceivedRequest",
    "RegisteredSchema",
    "Respond",
    "SchemaRegistry",
    "ThreadRunner",
    "WaitForGate",
    "closed_lists",
    "contains",
    "main",
    "occurrences",
    "sample_metrics",
    "sample_status",
]

_LATER_MS = 253_402_300_799_000
_DIRECTIVES = Directives(
    (
        Pause(_LATER_MS, "a reason", destination="copilot", event_type="shop.OrderPlaced"),
        AcceptRefusals(
            _LATER_MS, "a reason", DeadLetterCause.CONTRACT, destination="copilot", event_type="shop.OrderPlaced"
        ),
        AcceptRefusals(_LATER_MS, "", DeadLetterCause.UNDECODABLE, topic="shop.orders"),
        Quarantine(_LATER_MS, "", "shop.orders", 0, 12),
        Quarantine(_LATER_MS, "", "shop.orders", key="c-1", destination="copilot"),
        AcceptGap(_LATER_MS, "", "shop.orders", 0, 70, "latest"),
    )
)
_FINDINGS = (Finding("error", "directives.yaml", 3, 5, "directives[0].pause", "a message", "a hint"),)


def closed_lists() -> dict[str, list[str]]:
    """Return the closed lists of label values, by label."""
    return {
        "cause": sorted({*map(str, DeadLetterCause), *map(str, TransientCause)}),
        "reason": sorted({*map(str, SkipReason), *map(str, SecretProblem)}),
    }


def occurrences() -> Iterator[tuple[list[dict[str, object]], str]]:
    """Yield, for each method of the observer, the log lines and the metrics page after one call."""
    for method, arguments, *_ in CASES:
        recorded = RecordedLog("debug")
        getattr(LogObserver(recorded.log, "cdp"), method)(**arguments)
        metrics, observer = new_metrics()
        getattr(observer, method)(**arguments)
        yield recorded.lines, metrics.page()[0].decode()
    recorded = RecordedLog("debug")
    directives = DirectivesObserver(recorded.log)
    directives.directives_read(_DIRECTIVES)
    directives.directives_rejected(_FINDINGS)
    directives.directives_unreadable(_DIRECTIVES, _FINDINGS)
    directives.directive_ended(_DIRECTIVES[0])
    directives.directive_active_again(_DIRECTIVES[0])
    yield recorded.lines, ""


def sample_status() -> dict[str, Any]:
    """Return a status with directives and three pipelines: healthy, with every problem, and without a response."""
    directives = DirectivesObserver(RecordedLog().log)
    directives.directives_unreadable(_DIRECTIVES, _FINDINGS)
    return status_document(CollectedStatus([healthy(), _unhealthy()], ["cdp-yotpo"]), Moment.now(), directives)


def sample_metrics() -> str:
    """Return the metrics page of the healthy pipeline and of the one with every problem."""
    return metrics_of(FixedStatus(healthy()), FixedStatus(_unhealthy())).page()[0].decode()


def _unhealthy() -> Any:  # noqa: ANN401 - the product may rename its type
    status = unhealthy()
    return dataclasses.replace(
        status,
        destinations=tuple(
            dataclasses.replace(each, secret_problem=SecretProblem.UNREADABLE) for each in status.destinations
        ),
    )
