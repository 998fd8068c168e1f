"""A strict walk over a datum's bytes before fastavro may see them, for the few schemas that can hurt the process.

fastavro's compiled reader recurses on the C stack: five thousand nested records in five thousand bytes end the process
with a segmentation fault, not with an exception (tried, fastavro 1.13.1). An array of items without bytes (nulls, empty
records) may claim 2^60 of them in nine bytes, and records that hold each other twice, forty deep, down to an empty one
are 2^40 records in no bytes at all. Data of schemas that can do any of it are walked first.
"""

from __future__ import annotations

from collections.abc import Mapping

from consumer.translation.avro.logical_types import Json

DEEPEST = 200
"""Levels of records, arrays, maps and unions within one datum (orjson gives up at 254)."""

SPARE_EMPTY = 1_000
"""Nulls and records that take no bytes (the null of a union takes one) within one datum, beyond one for each of its
bytes: so that a few bytes cannot cost more than a few bytes do."""

_LONGEST_VARINT = 70  # bits
_MORE = 0x80  # set in each byte of a varint but the last
_SIZES = {"boolean": 1, "float": 4, "double": 8}


class UnsafeDatumError(ValueError):
    """Bytes that the schema cannot have written, or that are deeper than anybody means. Never holds a value."""


class DatumChecker:
    """Walks data of one schema; `names` are its named types by full name."""

    def __init__(self, schema: Json, names: Mapping[str, Json]) -> None:
        """Keep what the walk needs."""
        self._schema = schema
        self._names = names
        self._data = b""
        self._at = 0
        self._spare = 0

    def check(self, data: bytes, start: int) -> None:
        """Walk the datum that begins at `start`.

        Raises:
            HostileError: it is cut short, too deep, or claims what its bytes cannot hold.
        """
        self._data = data
        self._at = start
        self._spare = SPARE_EMPTY + len(data) - start
        try:
            self._walk(self._schema, 0)
        finally:
            self._data = b""

    def _walk(self, schema: Json, depth: int) -> None:  # noqa: C901, PLR0912 - one row for each kind of schema
        if depth > DEEPEST:
            raise UnsafeDatumError(f"it is nested more than {DEEPEST} levels deep")
        if isinstance(schema, list):
            chosen = schema[self._index(len(schema))]
            if chosen != "null":
                self._walk(chosen, depth + 1)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "null":
            self._nothing()
            return
        if kind in _SIZES:
            self._skip(_SIZES[kind])
        elif kind in {"int", "long"}:
            self._long()
        elif kind in {"bytes", "string"}:
            self._skip(self._long())
        elif kind in {"record", "error"}:
            before = self._at
            for field in schema["fields"]:
                self._walk(field["type"], depth + 1)
            if self._at == before:
                self._nothing()
        elif kind == "array":
            self._blocks(schema["items"], depth, keyed=False)
        elif kind == "map":
            self._blocks(schema["values"], depth, keyed=True)
        elif kind == "enum":
            self._index(len(schema["symbols"]))
        elif kind == "fixed":
            self._skip(schema["size"])
            if schema["size"] == 0:
                self._nothing()
        else:
            self._walk(self._names[kind], depth)

    def _blocks(self, inner: Json, depth: int, *, keyed: bool) -> None:
        while (count := self._long()) != 0:
            if count < 0:
                count = -count
                self._long()
            for _ in range(count):
                if keyed:
                    self._skip(self._long())
                self._walk(inner, depth + 1)

    def _nothing(self) -> None:
        self._spare -= 1
        if self._spare < 0:
            raise UnsafeDatumError("it holds far more values that take no bytes than it has bytes")

    def _index(self, count: int) -> int:
        index = self._long()
        if not 0 <= index < count:
            raise UnsafeDatumError("it names a branch or symbol that the schema does not have")
        return index

    def _skip(self, size: int) -> None:
        self._at += size
        if size < 0 or self._at > len(self._data):
            raise UnsafeDatumError("it ends too early")

    def _long(self) -> int:
        number, self._at = read_long(self._data, self._at)
        return number


def read_long(data: bytes, at: int) -> tuple[int, int]:
    """Read one zigzag varint; return it and where the next thing begins.

    Raises:
        HostileError: the data end within it, or it is longer than 64 bits.
    """
    bits = shift = 0
    end = len(data)
    while at < end and shift < _LONGEST_VARINT:
        byte = data[at]
        at += 1
        bits |= (byte & 0x7F) << shift
        if byte < _MORE:
            return (bits >> 1) ^ -(bits & 1), at
        shift += 7
    raise UnsafeDatumError("it ends too early" if at >= end else "a number is longer than 64 bits")
