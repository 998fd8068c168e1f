"""Avro's logical types, decoded to `consumer.model.values` in fastavro's own pass over the bytes.

For each value with a logical type, fastavro looks up a reader by `<type>-<logicalType>`, and users can register readers
of their own. Schemas are rewritten to private names (`cdp.…`), so that fastavro's behaviour is unchanged for other code
in the process. An invalid logical type is ignored, as the Avro specification demands: the value keeps its base type.

Each logical type has two readers. The strict one raises `OutOfRangeError` for a value that the type does not allow. The
tolerant one returns `Unreadable`, and then the record around it refuses to hand out that field.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import MAX_EMAX, MIN_EMIN, Context

from fastavro.read import LOGICAL_READERS

from consumer.model.values import Instant, Value
from consumer.translation.avro.float32 import shortest_float32
from consumer.translation.avro.named_record import AvroRecord, PartialRecord
from consumer.translation.avro.schema_text import Json

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


class Unreadable:
    """In place of a value that its type does not allow."""

    __slots__ = ("reason",)

    def __init__(self, reason: str) -> None:
        """Keep the reason, which never contains the value."""
        self.reason = reason


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


def _float(data: float, _writer: Json = None, _reader: Json = None) -> Value:
    return shortest_float32(data)


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


def _tolerant_record(data: dict[str, Value], writer: Json, _reader: Json = None) -> Value:
    found = ((name, _unreadable_reason(value)) for name, value in data.items())
    reasons = {name: reason for name, reason in found if reason is not None}
    return PartialRecord(data, writer["name"], reasons) if reasons else AvroRecord(data, writer["name"])


def _unreadable_reason(value: object) -> str | None:
    """Return why a field has no value, or `None`. The fields of a record within it are that record's own."""
    match value:
        case Unreadable():
            return value.reason
        case str():
            return None if value.isascii() or _is_utf8(value) else "a text is not UTF-8"
        case list():
            reasons = map(_unreadable_reason, value)
        case dict() if not isinstance(value, AvroRecord):
            reasons = map(_unreadable_reason, (*value.keys(), *value.values()))
        case _:
            return None
    return next((reason for reason in reasons if reason is not None), None)


def _is_utf8(text: str) -> bool:
    """Return False if bytes of the text were decoded with `surrogateescape`, because they are not UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _tolerant(read: Callable[..., Value]) -> Callable[..., Value | Unreadable]:
    def read_tolerantly(data: Json, writer: Json = None, _reader: Json = None) -> Value | Unreadable:
        try:
            return read(data, writer)
        except OutOfRangeError as error:
            return Unreadable(str(error))

    return read_tolerantly


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
    ("float", "shortest"): _float,
    ("bytes", "decimal"): _decimal,
    ("fixed", "decimal"): _decimal,
    ("fixed", "uuid"): _uuid,
    ("fixed", "duration"): _duration,
}
_STRICT, _TOLERANT = "cdp.", "cdp.tolerant."
LOGICAL_READERS.update({f"{kind}-{_STRICT}{name}": read for (kind, name), read in _READERS.items()})
LOGICAL_READERS.update({f"{kind}-{_TOLERANT}{name}": _tolerant(read) for (kind, name), read in _READERS.items()})
LOGICAL_READERS[f"record-{_STRICT}record"] = _record
LOGICAL_READERS[f"record-{_TOLERANT}record"] = _tolerant_record

NAMED_RECORD = "cdp.record"
"""The private logical type of a record that is decoded with its name."""

TOLERANT_RECORD = "cdp.tolerant.record"
"""The private logical type of a record whose fields may be `Unreadable`."""


def tolerant_type(logical: str) -> str:
    """Return the private logical type that is read tolerantly instead of strictly."""
    return _TOLERANT + logical.removeprefix(_STRICT)


def decoding_form(node: Json) -> Json:
    """Return a schema of a `SchemaText` with logical types under private names, reduced to what decoding needs.

    Defaults are removed as well: written bytes do not depend on them, and an invalid default must not make a topic
    undecodable.
    """
    if isinstance(node, list):
        return [decoding_form(each) for each in node]
    if node == "float":
        node = {"type": "float"}
    if not isinstance(node, dict):
        return node
    kind = node["type"]
    kept = {name: node[name] for name in ("type", "name", "size", "symbols") if name in node}
    if kind in {"record", "error"}:
        kept["type"] = "record"
        kept["fields"] = [{"name": field["name"], "type": decoding_form(field["type"])} for field in node["fields"]]
    elif kind == "array":
        kept["items"] = decoding_form(node["items"])
    elif kind == "map":
        kept["values"] = decoding_form(node["values"])
    logical = "shortest" if kind == "float" else node.get("logicalType")
    if isinstance(logical, str) and (kind, logical) in _READERS and _is_valid(kind, logical, node):
        kept["logicalType"] = _STRICT + logical
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
