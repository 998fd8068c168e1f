"""One event type of the mapping, ready to run: which event it is, when it was, whom it comes after, and its entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consumer.destinations import Destination
from consumer.model import Entry, Message, SkipReason
from consumer.model.translated_batch import Translation
from consumer.translation import delivery_id
from consumer.translation.entry_translator import EntryTranslator
from consumer.translation.expressions.expression import Expression
from consumer.translation.expressions.functions import time_in
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of
from consumer.translation.mapping.rules import EventRule


class EventTranslator:
    """The entries of one pipeline for one event type."""

    __slots__ = ("_disabled", "_entries", "_id", "_key", "_time", "event_type")

    def __init__(self, rule: EventRule, destinations: Mapping[str, Destination], disabled: Collection[str]) -> None:
        """`destinations` are those of the pipeline, `disabled` the names of those that get nothing now."""
        self.event_type = rule.event_type
        self._id = rule.id
        self._time = rule.time
        self._key = rule.key
        mine = [each for each in rule.entries if each.entry.destination in destinations]
        self._entries = tuple(
            EntryTranslator(each, destinations[each.entry.destination])
            for each in mine
            if each.entry.destination not in disabled
        )
        self._disabled = tuple(each.entry for each in mine if each.entry.destination in disabled)

    @property
    def wanted(self) -> bool:
        """Whether any entry speaks of it at all, if only to a disabled destination."""
        return bool(self._entries or self._disabled)

    @property
    def delivers(self) -> bool:
        """Whether an event of it must be decoded."""
        return bool(self._entries)

    def count_disabled(self, out: Translation, only: Entry | None = None) -> None:
        """Count what disabled destinations do not get of one event."""
        for entry in self._disabled:
            if only is None or entry == only:
                scope = (entry.destination, self.event_type, SkipReason.DISABLED)
                out.skipped[scope] = out.skipped.get(scope, 0) + 1

    def translate(self, record: int, scope: Scope, place: bytes, out: Translation, only: Entry | None = None) -> None:
        """Add all deliveries of one event to `out`.

        Args:
            record: the record's index within its lot.
            scope: the record at hand.
            place: its topic and partition, as `identity.place` has them.
            out: receives rows, skips and faults.
            only: of all entries just this one.
        """
        message = scope.message
        who = b""
        stage = "id"
        try:
            if self._id is not None:
                who = self._own(self._id, scope)
            stage = "time"
            time_ns = self._time_ns(scope)
            stage = "key"
            key = self._ordering_key(scope)
        except UnmappableError as error:
            who, time_ms = who or delivery_id.at(place, message.offset()), self._time_or_stamp_ms(scope)
            for plan in self._entries:
                if only is None or plan.entry == only:
                    plan.refuse(record, who, time_ms, f"{stage}: {error.said}", out)
            return
        if not who:
            who = delivery_id.at(place, message.offset())
        for plan in self._entries:
            if only is None or plan.entry == only:
                plan.translate(record, scope, who, time_ns, key, out)

    def _own(self, expression: Expression, scope: Scope) -> bytes:
        value = expression.run(scope.event, scope)
        text = delivery_id.as_text(value)
        if text is None:
            raise UnmappableError(f"it is {kind_of(value)}, which names no event")
        return delivery_id.own(text)

    def _time_ns(self, scope: Scope) -> int:
        if self._time is not None:
            moment = time_in(self._time.run(scope.event, scope))
            if moment is not None:
                return int(moment)
        return _stamp_ms(scope.message) * 1_000_000

    def _time_or_stamp_ms(self, scope: Scope) -> int:
        """Return the event's time for the id of what cannot be said; where it could not be had, the record's."""
        try:
            return self._time_ns(scope) // 1_000_000
        except UnmappableError:
            return _stamp_ms(scope.message)

    def _ordering_key(self, scope: Scope) -> int:
        message = scope.message
        key: str | bytes | None = None
        if self._key is not None:
            value = self._key.run(scope.event, scope)
            key = delivery_id.as_text(value)
            if key is None and value is not None:
                raise UnmappableError(f"it is {kind_of(value)}, which orders nothing")
        if key is None:
            key = message.key()
        if key is None:  # a record without a key is its own key
            return hash((message.topic(), message.partition(), None, message.offset()))
        return hash((message.topic(), message.partition(), key))


def _stamp_ms(message: Message) -> int:
    return max(0, message.timestamp()[1])
