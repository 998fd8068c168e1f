"""What a destination would take and its readers might still drop: said as warnings, since nobody can know."""

from __future__ import annotations

import json

from consumer.config.settings import Settings
from consumer.destinations.customerio.journeys_limits import warnings
from consumer.model.findings import Finding
from consumer.model.values import Fields
from consumer.translation.mapping.rules import ConstantField, EventMapping, ObjectField


def advice(mapping: EventMapping, settings: Settings) -> list[Finding]:
    """Return a warning for each name, of an event or an attribute, that Customer.io's Journeys would not take."""
    file = ", ".join(str(path) for path in settings.mapping)
    return [
        Finding("warning", file, None, None, f"events.{name}.{rule.entry.label}", said, "shorten it")
        for name, event in mapping.events.items()
        for rule in event.entries
        if settings.destinations[rule.entry.destination].kind == "customerio"
        for said in warnings(rule.entry.target, rule.name, _told(rule.fields))
    ]


def advice_on(kind: str, target: str, body: bytes) -> list[str]:
    """Return what the readers of one delivery might drop of it, by its body; `kind` is its destination's."""
    return warnings(target, None, json.loads(body)) if kind == "customerio" else []


def _told(made: ObjectField) -> Fields:
    """Return the fields of every event as far as the mapping tells: the names, and the values that are constant."""
    return {
        name: _told(each) if isinstance(each, ObjectField) else each.value if isinstance(each, ConstantField) else None
        for name, each in made.fields.items()
    }
