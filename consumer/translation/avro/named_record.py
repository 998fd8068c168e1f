"""Avro records that know more than their fields: the name of their type, and the fields that cannot be read."""

from __future__ import annotations

from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import NoReturn

from consumer.model.values import Value
from consumer.translation.unmappable import UnmappableError


class AvroRecord(dict[str, Value]):
    """A record's fields with the full name of its type, for types that an `is(x, 'full.Name')` tests for."""

    __slots__ = ("full_name",)

    def __init__(self, fields: Mapping[str, Value], full_name: str) -> None:
        """Copy a decoded record's fields."""
        super().__init__(fields)
        self.full_name = full_name


class PartialRecord(AvroRecord):
    """A record with fields that have no value. An expression that reads one of them has no result.

    Expressions read a record by `get`, by index or as a whole; `dict.update` and the like use these as well, because
    `__iter__` is overridden.
    """

    __slots__ = ("_reasons",)

    def __init__(self, fields: Mapping[str, Value], full_name: str, reasons: Mapping[str, str]) -> None:
        """Copy a decoded record's fields. `reasons` has the fields without a value, and why."""
        super().__init__(fields, full_name)
        self._reasons = reasons

    def get(self, name: str, default: Value = None) -> Value:  # type: ignore[override]  # never called with another default
        """Return a field's value.

        Raises:
            UnmappableError: it has none.
        """
        if name in self._reasons:
            self._refuse(name)
        return super().get(name, default)

    def __getitem__(self, name: str) -> Value:
        """Return a field's value."""
        if name in self._reasons:
            self._refuse(name)
        return super().__getitem__(name)

    def __iter__(self) -> Iterator[str]:
        """Return the names of the fields."""
        return super().__iter__()

    def items(self) -> ItemsView[str, Value]:  # type: ignore[override]  # a dict's own view cannot be named
        """Raise an error, because one of the values cannot be read."""
        self._refuse(next(iter(self._reasons)))

    def values(self) -> ValuesView[Value]:  # type: ignore[override]  # as above
        """Raise an error, because one of the values cannot be read."""
        self._refuse(next(iter(self._reasons)))

    def _refuse(self, name: str) -> NoReturn:
        raise UnmappableError(f"{name}: {self._reasons[name]}")
