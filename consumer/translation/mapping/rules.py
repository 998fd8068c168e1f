"""What a mapping says, once it has been read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from consumer.model import Entry
from consumer.model.values import Value
from consumer.translation.expressions.expression import Expression


@dataclass(frozen=True, slots=True)
class Constant:
    """`{value: …}`, or a bare number or boolean. A null stays: it was written on purpose."""

    value: Value


@dataclass(frozen=True, slots=True)
class EachRule:
    """A YAML list: one making for each element."""

    items: tuple[FieldSource, ...]


@dataclass(frozen=True, slots=True)
class Each:
    """`{each: …, fields: …}`: one object for each element of a list of the event."""

    of: Expression
    fields: FieldSource


@dataclass(frozen=True, slots=True)
class Object:
    """Fields by name, in the order of the file."""

    fields: Mapping[str, FieldSource]
    mandatory: bool = False
    """The target insists on it: left without fields it is `{}`, not omitted."""


FieldSource: TypeAlias = "Expression | Constant | EachRule | Each | Object"
"""How one field comes about."""


@dataclass(frozen=True, slots=True)
class EntryRule:
    """One entry under `deliver`."""

    entry: Entry
    name: str | None
    when: Expression | None
    consent: Expression | None
    each: Expression | None
    id: Expression | None
    """The element's own id, beside `each`."""
    fields: Object


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
    """SHA-256, as hex digits, of the content (see `canonical`)."""
    events: Mapping[str, EventRule] = field(default_factory=dict)
    """By full name of the Avro record."""

    def entries(self) -> list[Entry]:
        """Return all entries, in the order of the files."""
        return [rule.entry for event in self.events.values() for rule in event.entries]


def expressions_in(making: FieldSource) -> list[Expression]:
    """Return every expression within a making, in the order of the file."""
    match making:
        case Expression():
            return [making]
        case Each():
            return [making.of, *expressions_in(making.fields)]
        case EachRule():
            return [found for each in making.items for found in expressions_in(each)]
        case Object():
            return [found for each in making.fields.values() for found in expressions_in(each)]
        case Constant():  # pragma: no branch - mypy proves the match total
            return []
