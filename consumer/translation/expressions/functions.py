"""The functions that JMESPath lacks: `if`, `concat`, `cents`, `time`, `is`, `header`, `meta`, `event`."""

from __future__ import annotations

from decimal import Decimal

from consumer.model import Message, record_timestamp_ms
from consumer.model.identifiers import has_control_characters
from consumer.model.values import Instant, Value
from consumer.translation.avro.named_record import AvroRecord
from consumer.translation.avro.wire_format import has_key_schema_header
from consumer.translation.expressions.comparison import EXACT_CONTEXT, exact, is_number
from consumer.translation.expressions.jmespath_functions import (
    MAX_EXPONENT,
    StandardFunctions,
    number_text,
    signature,
    to_text,
)
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.expressions.timestamps import parse_instant
from consumer.translation.unmappable import UnmappableError

META_NAMES = ("topic", "partition", "offset", "timestamp", "key")
"""The names that `meta()` accepts."""

_ENCODED = "it is encoded with a schema, or a number in bytes"


class Functions(StandardFunctions):
    """All functions an expression may call. `scope` is the current record, set before each evaluation."""

    scope: Scope

    @signature({"types": []}, {"types": []}, {"types": [], "optional": True})
    def _func_if(self, *_arguments: Value) -> Value:
        raise UnmappableError("if() is evaluated by the interpreter")  # pragma: no cover - `if` is lazy

    @signature({"types": [], "variadic": True})
    def _func_concat(self, *arguments: Value) -> str | None:
        """Join texts, exact numbers, times and booleans; null if any of them is null."""
        parts = []
        for argument in arguments:
            if argument is None:
                return None
            if isinstance(argument, str | Instant | bool):
                parts.append(to_text(argument))
            elif is_number(argument):
                parts.append(number_text(argument))
            else:
                raise UnmappableError(f"concat() joins texts, not {type_name(argument)}")
        return "".join(parts)

    @signature({"types": ["number", "null"]})
    def _func_cents(self, arg: float | Decimal | None) -> int | None:
        """Return an exact amount times 100. The product must be a whole number."""
        if arg is None:
            return None
        amount = exact(arg)
        if isinstance(amount, int):
            return amount * 100
        if not amount.is_finite() or abs(amount.adjusted()) > MAX_EXPONENT:
            raise UnmappableError("cents() needs a finite amount")
        cents = EXACT_CONTEXT.scaleb(amount, 2)
        if cents != EXACT_CONTEXT.to_integral_value(cents):
            raise UnmappableError("cents() needs an amount with at most two decimals")
        return int(cents)

    @signature({"types": ["string", "number", "time", "null"]})
    def _func_time(self, arg: Value) -> Instant | None:
        """Return the instant of an ISO 8601 text with an offset, or of whole epoch milliseconds."""
        return to_instant(arg)

    @signature({"types": []}, {"types": ["string"]})
    def _func_is(self, arg: Value, full_name: str) -> bool:
        """Return True if a value is a record of this type; null is of none."""
        return isinstance(arg, AvroRecord) and arg.full_name == full_name

    @signature({"types": ["string"]})
    def _func_header(self, name: str) -> str | None:
        """Return the last header of this name as text; null if there is none."""
        for header, content in reversed(self.scope.message.headers() or ()):
            if header == name:
                return None if content is None else to_plain_text(content, "header()")
        return None

    @signature({"types": ["string"]})
    def _func_meta(self, name: str) -> Value:
        """Return the record's topic, partition, offset, timestamp or key."""
        message = self.scope.message
        if name == "topic":
            return message.topic()
        if name == "partition":
            return message.partition()
        if name == "offset":
            return message.offset()
        if name == "timestamp":
            return _timestamp(message)
        return _key_text(message)

    @signature()
    def _func_event(self) -> Value:
        """Return the whole event, also from within an `each`."""
        return self.scope.event


def to_instant(value: Value) -> Instant | None:
    """Return a value as an instant; null stays null.

    Raises:
        UnmappableError: the value is not a timestamp.
    """
    if value is None or isinstance(value, Instant):
        return value
    moment = parse_instant(value) if type(value) is str or type(value) is int else None
    if moment is None:
        raise UnmappableError("time() needs ISO 8601 with an offset, or whole epoch milliseconds")
    return moment


def to_plain_text(content: bytes, what: str) -> str:
    """Return bytes as text; `what` names them in the error.

    Raises:
        UnmappableError: the bytes are not UTF-8, or have control characters: a number, or a value with its encoding.
    """
    try:
        text = content.decode()
    except UnicodeDecodeError:
        raise UnmappableError(f"{what} is not UTF-8 text; use a field of the event") from None
    if has_control_characters(text):
        raise UnmappableError(f"{what} is not plain text: {_ENCODED}; use a field of the event")
    return text


def _key_text(message: Message) -> str | None:
    key = message.key()
    if key is None:
        return None
    if has_key_schema_header(message):  # Avro text of 16 letters or more could pass for plain text
        raise UnmappableError(f"meta('key') is not plain text: {_ENCODED}; use a field of the event")
    return to_plain_text(key, "meta('key')")


def _timestamp(message: Message) -> Instant | None:
    timestamp_ms = record_timestamp_ms(message)
    moment = None if timestamp_ms is None else parse_instant(timestamp_ms)
    if moment is None and timestamp_ms is not None:
        raise UnmappableError("meta('timestamp') is outside the years 1 to 9999; use a field of the event")
    return moment
