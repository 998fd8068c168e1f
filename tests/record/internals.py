"""Every import of the product's and the other tests' own modules, so that a move or a rename changes one file here.

Kafka, the registry and the three servers are part of the demo. What a run cannot be made to show every time (each log
event, each metric, each member of the status) is taken from the samples of the observability tests.
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
    """Return every value of the closed lists, by the label that carries them."""
    return {
        "cause": sorted({*map(str, DeadLetterCause), *map(str, TransientCause)}),
        "reason": sorted({*map(str, SkipReason), *map(str, SecretProblem)}),
    }


def occurrences() -> Iterator[tuple[list[dict[str, object]], str]]:
    """Yield, for each thing that an observer hears of, the log lines it writes and the metrics page it leaves."""
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
    """Return the status of one healthy pipeline and one with everything wrong, one not answering, and directives."""
    directives = DirectivesObserver(RecordedLog().log)
    directives.directives_unreadable(_DIRECTIVES, _FINDINGS)
    return status_document(CollectedStatus([healthy(), _unhealthy()], ["cdp-yotpo"]), Moment.now(), directives)


def sample_metrics() -> str:
    """Return the metrics page of the same two pipelines."""
    return metrics_of(FixedStatus(healthy()), FixedStatus(_unhealthy())).page()[0].decode()


def _unhealthy() -> Any:  # noqa: ANN401 - its type is the product's and may be renamed
    status = unhealthy()
    return dataclasses.replace(
        status,
        destinations=tuple(
            dataclasses.replace(each, secret_problem=SecretProblem.UNREADABLE) for each in status.destinations
        ),
    )
