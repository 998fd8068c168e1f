"""One event type of the mapping, compiled: the event's id, time and ordering key, and its entries."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from consumer.destinations import Destination
from consumer.model import Entry, SkipReason, record_timestamp_ms
from consumer.model.translated_batch import Translation
from consumer.translation import delivery_id
from consumer.translation.entry_translator import EntryTranslator
from consumer.translation.expressions.expression import Expression
from consumer.translation.expressions.functions import to_instant
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.mapping.rules import EventRule
from consumer.translation.unmappable import UnmappableError


class EventTranslator:
    """Translates events of one type by the entries of one pipeline."""

    __slots__ = ("_disabled", "_entries", "_id", "_key", "_time", "event_type")

    def __init__(self, rule: EventRule, destinations: Mapping[str, Destination], disabled: Collection[str]) -> None:
        """Prepare the entries.

        Args:
            rule: the event type's part of the mapping.
            destinations: the destinations of the pipeline by name.
            disabled: the names of the disabled ones; their deliveries are skipped.
        """
        self.event_type = rule.event_type
        self._id = rule.id
        self._time = rule.time
        self._key = rule.key
        of_pipeline = [each for each in rule.entries if each.entry.destination in destinations]
        self._entries = tuple(
            EntryTranslator(each, destinations[each.entry.destination])
            for each in of_pipeline
            if each.entry.destination not in disabled
        )
        self._disabled = tuple(each.entry for each in of_pipeline if each.entry.destination in disabled)

    @property
    def has_entries(self) -> bool:
        """Whether the pipeline has any entry for this event type, if only to a disabled destination."""
        return bool(self._entries or self._disabled)

    @property
    def has_enabled_entries(self) -> bool:
        """Whether an event of this type must be decoded."""
        return bool(self._entries)

    def count_disabled(self, out: Translation, only: Entry | None = None) -> None:
        """Count the deliveries of one event that are skipped because their destination is disabled."""
        for entry in self._disabled:
            if only is None or entry == only:
                scope = (entry.destination, self.event_type, SkipReason.DISABLED)
                out.skipped[scope] = out.skipped.get(scope, 0) + 1

    def translate(
        self, record: int, scope: Scope, partition_prefix: bytes, out: Translation, only: Entry | None = None
    ) -> None:
        """Add all deliveries of one event to `out`.

        Args:
            record: the record's index in its batch.
            scope: the current record.
            partition_prefix: its topic and partition, as `delivery_id.partition_prefix` returns them.
            out: receives deliveries, skips and faults.
            only: the only entry to translate for; `None` = all entries.
        """
        message = scope.message
        event_id = b""
        stage = "id"
        try:
            if self._id is not None:
                event_id = self._own_id(self._id, scope)
            stage = "time"
            time_ns = self._time_ns(scope)
            stage = "key"
            key = self._ordering_key(scope)
        except UnmappableError as error:
            event_id = event_id or delivery_id.position(partition_prefix, message.offset())
            time_ms = self._time_or_timestamp_ms(scope)
            for translator in self._entries:
                if only is None or translator.entry == only:
                    translator.refuse_event(record, scope, event_id, time_ms, f"{stage}: {error.reason}", out)
            return
        if not event_id:
            event_id = delivery_id.position(partition_prefix, message.offset())
        for translator in self._entries:
            if only is None or translator.entry == only:
                translator.translate(record, scope, event_id, time_ns, key, out)

    def _own_id(self, expression: Expression, scope: Scope) -> bytes:
        return delivery_id.own_id(delivery_id.own_id_text(expression.evaluate(scope.event, scope)))

    def _time_ns(self, scope: Scope) -> int:
        if self._time is not None:
            moment = to_instant(self._time.evaluate(scope.event, scope))
            if moment is not None:
                return int(moment)
        timestamp_ms = record_timestamp_ms(scope.message)
        if timestamp_ms is None:
            reason = "the record has no timestamp: map `time`"
            raise UnmappableError(reason if self._time is None else f"is null, and {reason}")
        return timestamp_ms * 1_000_000

    def _time_or_timestamp_ms(self, scope: Scope) -> int:
        """Return the event's time for the id of a failed delivery; if it has none, the record's timestamp, or 0."""
        try:
            return self._time_ns(scope) // 1_000_000
        except UnmappableError:
            return record_timestamp_ms(scope.message) or 0

    def _ordering_key(self, scope: Scope) -> int:
        message = scope.message
        key: str | bytes | None = None
        if self._key is not None:
            value = self._key.evaluate(scope.event, scope)
            key = delivery_id.id_text(value)
            if key is None and value is not None:
                raise UnmappableError(f"must be text, a number or a time, not {type_name(value)}")
        if key is None:
            key = message.key()
        if key is None:  # a record without a key has no order with others
            return hash((message.topic(), message.partition(), None, message.offset()))
        return hash((message.topic(), message.partition(), key))
