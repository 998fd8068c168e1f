"""An Avro record with the name of its type."""

from __future__ import annotations

from consumer.model.values import Value


class AvroRecord(dict[str, Value]):
    """A record's fields with the full name of its type. Used only for types that an `is(x, 'full.Name')` tests for."""

    __slots__ = ("full_name",)

    def __init__(self, fields: dict[str, Value], full_name: str) -> None:
        """Copy a decoded record's fields."""
        super().__init__(fields)
        self.full_name = full_name
