"""What a destination would take and its readers might still drop: said as warnings, since nobody can know."""

from __future__ import annotations

from consumer.config import Settings
from consumer.destinations.customerio import warnings
from consumer.findings import Finding
from consumer.translation import EventMapping


def advice(mapping: EventMapping, settings: Settings) -> list[Finding]:
    """Return a warning for each entry whose name Customer.io's Journeys would not take."""
    file = ", ".join(str(path) for path in settings.mapping)
    return [
        Finding("warning", file, None, None, f"events.{name}.{rule.entry.label}", said, "shorten it")
        for name, event in mapping.events.items()
        for rule in event.entries
        if settings.destinations[rule.entry.destination].kind == "customerio"
        for said in warnings(rule.entry.target, rule.name)
    ]
