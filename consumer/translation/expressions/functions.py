"""The functions that fill JMESPath's gaps: `if concat cents time is header meta event`."""

from __future__ import annotations

from decimal import Decimal

from consumer.model.values import Instant, Value
from consumer.translation.avro.named_record import AvroRecord
from consumer.translation.expressions.comparison import EXACT, exact, is_number
from consumer.translation.expressions.jmespath_functions import StandardFunctions, plain, takes, text_of
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of
from consumer.translation.expressions.timestamps import instant_of

META = ("topic", "partition", "offset", "timestamp", "key")
"""What `meta()` can tell of a record."""

_MOST_EXPONENT = 3_000


class Functions(StandardFunctions):
    """Every function an expression may call. `scope` is the record at hand, set before each evaluation."""

    scope: Scope

    @takes({"types": []}, {"types": []}, {"types": [], "optional": True})
    def _func_if(self, *_arguments: Value) -> Value:
        raise UnmappableError("if() is evaluated by the interpreter")  # pragma: no cover - it must be lazy

    @takes({"types": [], "variadic": True})
    def _func_concat(self, *arguments: Value) -> str | None:
        """Join texts, exact numbers, times and booleans; null if any of them is null."""
        parts = []
        for argument in arguments:
            if argument is None:
                return None
            if isinstance(argument, str | Instant | bool):
                parts.append(text_of(argument))
            elif is_number(argument):
                parts.append(plain(argument))
            else:
                raise UnmappableError(f"concat() joins texts, not {kind_of(argument)}")
        return "".join(parts)

    @takes({"types": ["number", "null"]})
    def _func_cents(self, arg: float | Decimal | None) -> int | None:
        """Multiply an exact amount by 100, which must be whole."""
        if arg is None:
            return None
        amount = exact(arg)
        if isinstance(amount, int):
            return amount * 100
        if not amount.is_finite() or abs(amount.adjusted()) > _MOST_EXPONENT:
            raise UnmappableError("cents() needs a finite amount")
        cents = EXACT.scaleb(amount, 2)
        if cents != EXACT.to_integral_value(cents):
            raise UnmappableError("cents() needs an amount with at most two decimals")
        return int(cents)

    @takes({"types": ["string", "number", "time", "null"]})
    def _func_time(self, arg: Value) -> Instant | None:
        """Read ISO 8601 text with an offset, or whole epoch milliseconds."""
        return time_in(arg)

    @takes({"types": []}, {"types": ["string"]})
    def _func_is(self, arg: Value, full_name: str) -> bool:
        """Tell whether a value is a record of this type."""
        return isinstance(arg, AvroRecord) and arg.full_name == full_name

    @takes({"types": ["string"]})
    def _func_header(self, name: str) -> str | None:
        """Return the last header of this name as text."""
        for each, content in reversed(self.scope.message.headers() or ()):
            if each == name:
                return None if content is None else utf8(content, "header()")
        return None

    @takes({"types": ["string"]})
    def _func_meta(self, name: str) -> Value:
        """Return what Kafka knows of the record."""
        message = self.scope.message
        if name == "topic":
            return message.topic()
        if name == "partition":
            return message.partition()
        if name == "offset":
            return message.offset()
        if name == "timestamp":
            return instant_of(message.timestamp()[1])
        key = message.key()
        return None if key is None else utf8(key, "meta('key')")

    @takes()
    def _func_event(self) -> Value:
        """Return the whole event, from within an `each` too."""
        return self.scope.event


def time_in(value: Value) -> Instant | None:
    """Return the instant that a value is or says; null stays null.

    Raises:
        UnmappableError: it says none.
    """
    if value is None or isinstance(value, Instant):
        return value
    moment = instant_of(value) if type(value) is str or type(value) is int else None
    if moment is None:
        raise UnmappableError("time() needs ISO 8601 with an offset, or whole epoch milliseconds")
    return moment


def utf8(content: bytes, what: str) -> str:
    """Return bytes as text.

    Raises:
        UnmappableError: they are not UTF-8.
    """
    try:
        return content.decode()
    except UnicodeDecodeError:
        raise UnmappableError(f"{what} is not UTF-8 text") from None
