"""The metrics that are counted as things happen, all of them."""

from __future__ import annotations

from prometheus_client import CollectorRegistry

from consumer.observability.metrics.counters import RecordFamilies
from consumer.observability.metrics.declaring import Declaring
from consumer.observability.metrics.families_deliveries import DeliveryFamilies


class Families:
    """Every counter, gauge and histogram that observers feed. What is read at scrape time is the collector's."""

    def __init__(self, registry: CollectorRegistry) -> None:
        declare = Declaring(registry)
        self.records = RecordFamilies(declare)
        self.deliveries = DeliveryFamilies(declare)
        self.log_lines = declare.counter("cdp_log_messages_total", ("level",), "Log lines written.")
        self.log_suppressed = declare.counter(
            "cdp_log_messages_suppressed_total",
            ("level",),
            "Log lines held back because the same thing was just said; a summary line tells how many.",
        )
