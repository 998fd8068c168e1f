"""The record that an expression is evaluated for, and the names of the types of values."""

from __future__ import annotations

from decimal import Decimal

from consumer.model import Message
from consumer.model.values import Instant, Value


class Scope:
    """The current record and its decoded event: what `meta()`, `header()` and `event()` read."""

    __slots__ = ("event", "message")

    def __init__(self, message: Message, event: Value) -> None:
        """Keep one record."""
        self.message = message
        self.event = event


def type_name(value: object) -> str:
    """Return the name of a value's type as JMESPath has it; in addition `time` and `bytes`."""
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
