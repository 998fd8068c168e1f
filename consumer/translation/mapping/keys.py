"""The keys of a mapping at each level, and the form of their values. Validation and JSON Schema use the same tables."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

VERSION: Final = 1
"""The version of the mapping language."""


class ValueForm(enum.Enum):
    """The form of a key's value."""

    VERSION = "the version of the mapping language"
    EVENTS = "event types by name"
    ENTRIES = "a list of entries"
    TARGET = "destination.target"
    TEXT = "a text, used unchanged"
    EXPRESSION = "a JMESPath expression"
    FIELDS = "fields by name"


@dataclass(frozen=True, slots=True)
class Key:
    """One key: the form of its value, and one sentence for editors."""

    form: ValueForm
    doc: str
    required: bool = False


FILE: Mapping[str, Key] = {
    "version": Key(ValueForm.VERSION, f"The version of the mapping language: {VERSION}.", required=True),
    "events": Key(ValueForm.EVENTS, "The event types, by the full name of their Avro record.", required=True),
}
"""The keys of a mapping file."""

EVENT: Mapping[str, Key] = {
    "id": Key(ValueForm.EXPRESSION, "The event's own id. Default: topic, partition and offset."),
    "time": Key(ValueForm.EXPRESSION, "The event's time. Default: the record's timestamp."),
    "key": Key(ValueForm.EXPRESSION, "The ordering key of its deliveries. Default: the record's key."),
    "deliver": Key(ValueForm.ENTRIES, "The deliveries to make from each event of this type.", required=True),
}
"""The keys of an event type."""

ENTRY: Mapping[str, Key] = {
    "to": Key(ValueForm.TARGET, "Where the delivery goes: `destination.target`.", required=True),
    "name": Key(ValueForm.TEXT, "The event's name at the destination."),
    "label": Key(
        ValueForm.TEXT, "Name of this entry, part of each delivery's id: never change it. Default: `target:name`."
    ),
    "when": Key(ValueForm.EXPRESSION, "A Boolean; if it is false, the delivery is skipped (`filtered`)."),
    "consent": Key(ValueForm.EXPRESSION, "A Boolean; unless it is true, the delivery is skipped (`no_consent`)."),
    "each": Key(ValueForm.EXPRESSION, "A list of the event: one delivery for each element. Needs `id`."),
    "id": Key(ValueForm.EXPRESSION, "Beside `each`: the element's own id, unique within a record."),
    "fields": Key(ValueForm.FIELDS, "The fields of the delivery, by name."),
}
"""The keys of an entry under `deliver`."""
