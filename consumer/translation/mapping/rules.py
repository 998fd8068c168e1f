"""The mapping as data, after it was read and checked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from consumer.model import Entry
from consumer.model.values import Value
from consumer.translation.expressions.expression import Expression


@dataclass(frozen=True, slots=True)
class ConstantField:
    """`{value: …}`, or a number or boolean without quotes. A constant null is sent; other nulls are left out."""

    value: Value


@dataclass(frozen=True, slots=True)
class ListField:
    """A YAML list: one source for each element."""

    items: tuple[FieldSource, ...]


@dataclass(frozen=True, slots=True)
class EachField:
    """`{each: …, fields: …}`: one value for each element of a list of the event."""

    items: Expression
    fields: FieldSource


@dataclass(frozen=True, slots=True)
class ObjectField:
    """Fields by name, in the order of the file."""

    fields: Mapping[str, FieldSource]
    mandatory: bool = False
    """Whether the target requires it: then it is sent as `{}` if it has no fields, otherwise it is left out."""


FieldSource: TypeAlias = "Expression | ConstantField | ListField | EachField | ObjectField"
"""Where the value of one field comes from."""


@dataclass(frozen=True, slots=True)
class EntryRule:
    """One entry under `deliver`."""

    entry: Entry
    name: str | None
    when: Expression | None
    consent: Expression | None
    each: Expression | None
    id: Expression | None
    """The id of an element of `each`."""
    fields: ObjectField


@dataclass(frozen=True, slots=True)
class EventRule:
    """One event type under `events`."""

    event_type: str
    id: Expression | None
    time: Expression | None
    key: Expression | None
    entries: tuple[EntryRule, ...]


@dataclass(frozen=True, slots=True)
class EventMapping:
    """The whole mapping, from one file or several."""

    version: str
    """SHA-256 of the content in hex digits (see `mapping.version`)."""
    events: Mapping[str, EventRule] = field(default_factory=dict)
    """By full name of the Avro record."""

    def entries(self) -> list[Entry]:
        """Return all entries, in the order of the files."""
        return [rule.entry for event in self.events.values() for rule in event.entries]


def expressions_in(source: FieldSource) -> list[Expression]:
    """Return every expression within a field's source, in the order of the file."""
    match source:
        case Expression():
            return [source]
        case EachField():
            return [source.items, *expressions_in(source.fields)]
        case ListField():
            return [found for each in source.items for found in expressions_in(each)]
        case ObjectField():
            return [found for each in source.fields.values() for found in expressions_in(each)]
        case ConstantField():  # pragma: no branch - mypy proves the match total
            return []
