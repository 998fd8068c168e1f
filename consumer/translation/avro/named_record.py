"""An Avro record that knows what it is called."""

from __future__ import annotations

from consumer.model.values import Value


class AvroRecord(dict[str, Value]):
    """A record's fields with the full name of its type: only where some `is(x, 'full.Name')` asks about that type."""

    __slots__ = ("full_name",)

    def __init__(self, fields: dict[str, Value], full_name: str) -> None:
        """Take over a decoded record's fields."""
        super().__init__(fields)
        self.full_name = full_name
