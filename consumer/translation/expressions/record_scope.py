"""What an expression may see besides its own value, and how it says that it has none."""

from __future__ import annotations

from decimal import Decimal

from consumer.model import Message
from consumer.model.values import Instant, Value


class Scope:
    """The record at hand: one object, refilled for each record of a lot."""

    __slots__ = ("event", "message")

    def __init__(self, message: Message, event: Value) -> None:
        """Begin with one record."""
        self.message = message
        self.event = event


class UnmappableError(Exception):
    """An expression has no value for this event. `said` names functions and types, never a value."""

    def __init__(self, said: str) -> None:
        super().__init__(said)
        self.said = said


def kind_of(value: object) -> str:
    """Return what people call the type of a value."""
    match value:
        case None:
            return "null"
        case bool():
            return "boolean"
        case Instant():
            return "time"
        case int() | Decimal() | float():
            return "number"
        case str():
            return "string"
        case bytes():
            return "bytes"
        case list():
            return "array"
        case dict():
            return "object"
        case _:
            return "expression"
