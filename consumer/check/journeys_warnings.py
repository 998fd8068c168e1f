"""Warnings about data that Customer.io accepts but that Journeys behind it may drop without an error."""

from __future__ import annotations

import json

from consumer.config.settings import Settings
from consumer.destinations.customerio.journeys_limits import warnings
from consumer.model.findings import Finding
from consumer.model.values import Fields
from consumer.translation.mapping.rules import ConstantField, EventMapping, ObjectField


def journeys_findings(mapping: EventMapping, settings: Settings) -> list[Finding]:
    """Return a warning for each event name or attribute of the mapping that exceeds a limit of Journeys."""
    file = ", ".join(str(path) for path in settings.mapping)
    return [
        Finding("warning", file, None, None, f"events.{name}.{rule.entry.label}", text, "shorten it")
        for name, event in mapping.events.items()
        for rule in event.entries
        if settings.destinations[rule.entry.destination].kind == "customerio"
        for text in warnings(rule.entry.target, rule.name, _constant_fields(rule.fields))
    ]


def journeys_warnings(kind: str, target: str, body: bytes) -> list[str]:
    """Return a warning for each part of a delivery that exceeds a limit of Journeys. `kind` is its destination's."""
    return warnings(target, None, json.loads(body)) if kind == "customerio" else []


def _constant_fields(made: ObjectField) -> Fields:
    """Return the fields that every event has: their names, and the values that are constant; `None` for others."""
    return {
        name: _constant_fields(each)
        if isinstance(each, ObjectField)
        else each.value
        if isinstance(each, ConstantField)
        else None
        for name, each in made.fields.items()
    }
