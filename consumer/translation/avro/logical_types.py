"""Avro's logical types, decoded to `consumer.model.values` in fastavro's own pass over the bytes.

For each value with a logical type, fastavro looks up a reader by `<type>-<logicalType>`, and users can register readers
of their own. Schemas are rewritten to private names (`cdp.…`), so that fastavro's behaviour is unchanged for other code
in the process. An invalid logical type is ignored, as the Avro specification demands: the value keeps its base type.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context
from typing import Any, TypeAlias

from fastavro.const import AVRO_TYPES
from fastavro.read import LOGICAL_READERS

from consumer.model.values import Instant, Value
from consumer.translation.avro.named_record import AvroRecord

Json: TypeAlias = Any
"""A schema's JSON, of any type."""

_EPOCH_DAY = 719_163
_DAY_MS = 86_400_000
_FIRST_S = -62_135_596_800  # 0001-01-01T00:00:00Z
_END_S = 253_402_300_800  # 10000-01-01T00:00:00Z; Python's datetime ends before it
_MAX_DECIMAL_BYTES = 512  # about 1230 digits; printing longer ones takes quadratic time
_MAX_DIGITS = 1_233
_UUID_SIZE = 16
_DURATION_SIZE = 12

# Python's default context of 28 digits would silently round longer decimals.
_EXACT = Context(prec=2 * _MAX_DIGITS, Emax=MAX_EMAX, Emin=MIN_EMIN)


class OutOfRangeError(ValueError):
    """A value that its logical type does not allow. The message never contains the value."""


def _instant(scale: int) -> Callable[..., Instant]:
    least, end = _FIRST_S * (1_000_000_000 // scale), _END_S * (1_000_000_000 // scale)

    def read(data: int, _writer: Json = None, _reader: Json = None) -> Instant:
        if least <= data < end:
            return Instant(data * scale)
        raise OutOfRangeError("a timestamp is outside the years 1 to 9999")

    return read


def _local(scale: int) -> Callable[..., Value]:
    instant = _instant(scale)

    def read(data: int, _writer: Json = None, _reader: Json = None) -> Value:
        return instant(data).iso().removesuffix("Z")

    return read


def _time_of_day(scale: int) -> Callable[..., Value]:
    def read(data: int, _writer: Json = None, _reader: Json = None) -> Value:
        if not 0 <= data * scale < _DAY_MS * 1000:
            raise OutOfRangeError("a time of day is outside 00:00 to 24:00")
        return Instant(data * scale * 1000).iso()[11:-1]

    return read


def _date(data: int, _writer: Json = None, _reader: Json = None) -> Value:
    try:
        return date.fromordinal(data + _EPOCH_DAY).isoformat()
    except (ValueError, OverflowError):
        raise OutOfRangeError("a date is outside the years 1 to 9999") from None


def _decimal(data: bytes, writer: Json, _reader: Json = None) -> Value:
    if len(data) > _MAX_DECIMAL_BYTES:
        raise OutOfRangeError(f"a decimal is longer than {_MAX_DECIMAL_BYTES} bytes")
    return _EXACT.scaleb(int.from_bytes(data, "big", signed=True), writer["cdp.exponent"])


def _uuid(data: bytes, _writer: Json = None, _reader: Json = None) -> Value:
    digits = data.hex()
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _duration(data: bytes, _writer: Json = None, _reader: Json = None) -> Value:
    months, days, ms = (int.from_bytes(data[start : start + 4], "little") for start in (0, 4, 8))
    seconds, ms = divmod(ms, 1000)
    text = f"{months}M" if months else ""
    text += f"{days}D" if days else ""
    if seconds or ms or not text:
        text += f"T{seconds}.{ms:03d}S" if ms else f"T{seconds}S"
    return "P" + text


def _record(data: dict[str, Value], writer: Json, _reader: Json = None) -> Value:
    return AvroRecord(data, writer["name"])


_READERS: dict[tuple[str, str], Callable[..., Value]] = {
    ("int", "date"): _date,
    ("int", "time-millis"): _time_of_day(1000),
    ("long", "time-micros"): _time_of_day(1),
    ("long", "timestamp-millis"): _instant(1_000_000),
    ("long", "timestamp-micros"): _instant(1000),
    ("long", "timestamp-nanos"): _instant(1),
    ("long", "local-timestamp-millis"): _local(1_000_000),
    ("long", "local-timestamp-micros"): _local(1000),
    ("long", "local-timestamp-nanos"): _local(1),
    ("bytes", "decimal"): _decimal,
    ("fixed", "decimal"): _decimal,
    ("fixed", "uuid"): _uuid,
    ("fixed", "duration"): _duration,
    ("record", "record"): _record,
}
LOGICAL_READERS.update({f"{kind}-cdp.{name}": read for (kind, name), read in _READERS.items()})

NAMED_RECORD = "cdp.record"
"""The private logical type of a record that is decoded with its name."""


def adapt_schema(node: Json) -> Json:
    """Return a schema's JSON with logical types under private names, reduced to what decoding needs.

    Defaults are removed as well: written bytes do not depend on them, and an invalid default must not make a topic
    undecodable.
    """
    if isinstance(node, list):
        return [adapt_schema(each) for each in node]
    if not isinstance(node, dict):
        return node
    kind = node["type"]
    if isinstance(kind, dict | list):
        return adapt_schema(kind)
    if kind not in AVRO_TYPES:
        return kind  # {"type": "shop.Money"}: fastavro does not look up a name in braces
    kept = {name: node[name] for name in ("type", "name", "namespace", "size", "symbols") if name in node}
    if kind in {"record", "error"}:
        kept["fields"] = [{"name": field["name"], "type": adapt_schema(field["type"])} for field in node["fields"]]
    elif kind == "array":
        kept["items"] = adapt_schema(node["items"])
    elif kind == "map":
        kept["values"] = adapt_schema(node["values"])
    logical = node.get("logicalType")
    if isinstance(logical, str) and (kind, logical) in _READERS and _is_valid(kind, logical, node):
        kept["logicalType"] = f"cdp.{logical}"
        if logical == "decimal":
            kept["cdp.exponent"] = -node.get("scale", 0)
    return kept


def _is_valid(kind: str, logical: str, node: dict[str, Json]) -> bool:
    size = node.get("size")
    if logical == "uuid":
        return size == _UUID_SIZE
    if logical == "duration":
        return size == _DURATION_SIZE
    if logical != "decimal":
        return True
    precision, scale = node.get("precision"), node.get("scale", 0)
    if type(precision) is not int or type(scale) is not int or not 0 <= scale <= precision <= _MAX_DIGITS:
        return False
    if kind == "bytes":
        return precision > 0
    return type(size) is int and 0 < size <= _MAX_DECIMAL_BYTES and 0 < precision < len(str(2 ** (8 * size - 1) - 1))
