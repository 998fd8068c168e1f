"""A check of a datum's bytes before fastavro reads them, for the few schemas whose data can crash the process.

fastavro's compiled reader recurses on the C stack. Five thousand nested records in five thousand bytes end the process
with a segmentation fault, not with an exception (tried, fastavro 1.13.1). An array of items without bytes (nulls, empty
records) can claim 2^60 items in nine bytes. Records that contain the next record twice, forty levels down to an empty
one, are 2^40 records in no bytes at all. Data of a schema that allows any of this are checked first.
"""

from __future__ import annotations

from consumer.translation.avro.schema_text import Json

MAX_DEPTH = 200
"""Levels of records, arrays, maps and unions within one datum (orjson gives up at 254)."""

MAX_EXTRA_EMPTY = 1_000
"""Values without bytes that one datum may contain, in addition to one for each of its bytes. Such values are nulls
and empty records; the null of a union takes a byte. The limit keeps the cost of a datum in proportion to its size."""

_MAX_VARINT_BITS = 70
_CONTINUED = 0x80  # set in each byte of a varint but the last
_SIZES = {"boolean": 1, "float": 4, "double": 8}


class UnsafeDatumError(ValueError):
    """Bytes that do not fit the schema, or are nested too deeply. The message never contains a value."""


class DatumChecker:
    """Checks data of one prepared schema: each use of a named type is the type itself."""

    def __init__(self, schema: Json) -> None:
        """Keep the schema."""
        self._schema = schema
        self._data = b""
        self._position = 0
        self._empty_left = 0

    def check(self, data: bytes, start: int) -> None:
        """Check the datum that begins at `start`.

        Raises:
            UnsafeDatumError: it ends too early, is nested too deeply, or claims more values than its bytes allow.
        """
        self._data = data
        self._position = start
        self._empty_left = MAX_EXTRA_EMPTY + len(data) - start
        try:
            self._walk(self._schema, 0)
        finally:
            self._data = b""

    def _walk(self, schema: Json, depth: int) -> None:  # noqa: C901, PLR0912 - one branch for each kind of schema
        if depth > MAX_DEPTH:
            raise UnsafeDatumError(f"it is nested more than {MAX_DEPTH} levels deep")
        if isinstance(schema, list):
            chosen = schema[self._index(len(schema))]
            if chosen != "null":
                self._walk(chosen, depth + 1)
            return
        kind = schema["type"] if isinstance(schema, dict) else schema
        if kind == "null":
            self._count_empty()
            return
        if kind in _SIZES:
            self._skip(_SIZES[kind])
        elif kind in {"int", "long"}:
            self._long()
        elif kind in {"bytes", "string"}:
            self._skip(self._long())
        elif kind in {"record", "error"}:
            before = self._position
            for field in schema["fields"]:
                self._walk(field["type"], depth + 1)
            if self._position == before:
                self._count_empty()
        elif kind == "array":
            self._blocks(schema["items"], depth, keyed=False)
        elif kind == "map":
            self._blocks(schema["values"], depth, keyed=True)
        elif kind == "enum":
            self._long()  # not structure: the symbol is judged where it is used
        else:  # fixed
            self._skip(schema["size"])
            if schema["size"] == 0:
                self._count_empty()

    def _blocks(self, inner: Json, depth: int, *, keyed: bool) -> None:
        while (count := self._long()) != 0:
            if count < 0:
                count = -count
                self._long()
            for _ in range(count):
                if keyed:
                    self._skip(self._long())
                self._walk(inner, depth + 1)

    def _count_empty(self) -> None:
        self._empty_left -= 1
        if self._empty_left < 0:
            raise UnsafeDatumError("it has far more values that take no bytes than it has bytes")

    def _index(self, count: int) -> int:
        index = self._long()
        if not 0 <= index < count:
            raise UnsafeDatumError("it selects a branch that the schema does not have")
        return index

    def _skip(self, size: int) -> None:
        self._position += size
        if size < 0 or self._position > len(self._data):
            raise UnsafeDatumError("it ends too early")

    def _long(self) -> int:
        number, self._position = read_long(self._data, self._position)
        return number


def read_long(data: bytes, position: int) -> tuple[int, int]:
    """Read one zigzag varint. Return it and the position after it.

    Raises:
        UnsafeDatumError: the data end within it, or it is longer than 64 bits.
    """
    bits = shift = 0
    end = len(data)
    while position < end and shift < _MAX_VARINT_BITS:
        byte = data[position]
        position += 1
        bits |= (byte & 0x7F) << shift
        if byte < _CONTINUED:
            return (bits >> 1) ^ -(bits & 1), position
        shift += 7
    raise UnsafeDatumError("it ends too early" if position >= end else "a number is longer than 64 bits")
