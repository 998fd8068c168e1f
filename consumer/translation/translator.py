"""The entry point of translation: from a batch of records to columns of encoded deliveries."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from consumer.destinations import Destination
from consumer.model import Entry, Fault, Message, SkipReason, record_timestamp_ms
from consumer.model.directives import QUARANTINED
from consumer.model.translated_batch import DeliveryColumns, SchemaKey, Translation, TranslationFailure
from consumer.translation import delivery_id
from consumer.translation.avro.decoder import decode
from consumer.translation.avro.schema_directory import SchemaDirectory
from consumer.translation.avro.wire_format import writer_schema_key
from consumer.translation.event_translator import EventTranslator
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.mapping.rules import EventMapping, EventRule, expressions_in
from consumer.translation.schema_cache import SchemaCache

_NO_ENTRY = delivery_id.entry_hash("", "", "")
"""The hash of a record that cannot be decoded: it belongs to no entry and no destination."""


class Translator:
    """Translates the records of one pipeline. It never awaits, and no record can make it raise."""

    def __init__(
        self,
        mapping: EventMapping,
        destinations: Mapping[str, Destination],
        *,
        schemas: SchemaDirectory,
        grace_s: float,
        clock_ms: Callable[[], int],
        disabled: Collection[str] = (),
    ) -> None:
        """Prepare every entry.

        Args:
            mapping: the whole mapping; entries to other destinations are ignored.
            destinations: the destinations of this pipeline by name, disabled ones included.
            schemas: the schemas for single-object encoding.
            grace_s: how long after a record's timestamp its unknown schema may still appear.
            clock_ms: the wall clock, epoch milliseconds.
            disabled: destinations whose deliveries are skipped as `disabled`.
        """
        self._destinations = tuple(destinations)
        every = {name: EventTranslator(rule, destinations, disabled) for name, rule in mapping.events.items()}
        self._translators = {name: translator for name, translator in every.items() if translator.has_entries}
        named_records = {name for rule in mapping.events.values() for name in _tested_types(rule)}
        self._schemas = SchemaCache(schemas, self._translators, named_records, grace_s, clock_ms)
        self._partition_prefixes: dict[tuple[str, int], bytes] = {}
        self._quarantined: Collection[tuple[str, int, int]] = ()

    def translate(self, records: Sequence[Message]) -> Translation:
        """Translate records. If a schema is missing, its record and all later ones of that partition wait."""
        return self._translate(records, None)

    def one(self, message: Message, entry: Entry) -> Translation:
        """Translate one record for one entry only. Deliveries of other entries are neither made nor counted."""
        return self._translate([message], entry)

    def learn(self, key: SchemaKey, schema_text: str, references: Mapping[str, str]) -> Fault | None:
        """Use a schema from the registry.

        Args:
            key: the key that records name it by.
            schema_text: the schema's JSON.
            references: name → JSON of every schema it refers to, directly or not, in any order.

        Returns:
            A fault if the schema is unusable: then records written with it are `undecodable`.
        """
        return self._schemas.learn(key, schema_text, references)

    def quarantine(self, positions: Collection[tuple[str, int, int]]) -> None:
        """Replace the quarantined (topic, partition, offset)s: a record there never waits for its schema."""
        self._quarantined = positions

    def uses_schema(self, schema_text: str) -> bool:
        """Return False if no entry of the pipeline uses a schema, whatever else is in it. Any thread may call this."""
        return self._schemas.is_used(schema_text)

    def schemas_known(self) -> int:
        """Number of schemas kept."""
        return len(self._schemas)

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        """Note that the registry had no such schema at this time, epoch milliseconds. This counts for 30 seconds."""
        self._schemas.learn_unknown(key, at_ms)

    def schema_id(self, message: Message) -> str | None:
        """Return the id, GUID or fingerprint of the schema a record names, for its dead letter."""
        written = writer_schema_key(message, message.value() or b"")
        return None if isinstance(written, Fault) else str(written[0])

    def event_type(self, message: Message) -> str | None:
        """Return a record's event type if its schema is known, without decoding it."""
        value = message.value() or b""
        written = writer_schema_key(message, value)
        if isinstance(written, Fault):
            return None
        schema = self._schemas.get(written[0])
        if schema is None or isinstance(schema, Fault):
            return None
        found = schema.writer.branch(value, written[1])
        return None if isinstance(found, Fault) else schema.writer.branches[found[0]].name

    def _translate(self, records: Sequence[Message], only: Entry | None) -> Translation:
        out = Translation({name: DeliveryColumns() for name in self._destinations})
        blocked: set[tuple[str, int]] = set()
        for index, message in enumerate(records):
            partition = (message.topic(), message.partition())
            if partition in blocked:
                out.waiting.append(index)
                continue
            fault = self._translate_record(index, message, partition, out, only)
            if fault is False and (*partition, message.offset()) in self._quarantined:
                fault = QUARANTINED
            if fault is False:
                blocked.add(partition)
                out.waiting.append(index)
            elif fault is not None:
                position = delivery_id.position(self._partition_prefix(partition), message.offset())
                identity = delivery_id.digest(_NO_ENTRY, position).hex()
                out.faults.append(TranslationFailure(index, None, fault, identity))
        return out

    def _translate_record(
        self, index: int, message: Message, partition: tuple[str, int], out: Translation, only: Entry | None
    ) -> Fault | Literal[False] | None:
        """Translate one record. Return a fault of the whole record, or `False` if its schema is missing."""
        value = message.value()
        if value is None:
            _count_skip(out, "", SkipReason.TOMBSTONE)
            return None
        written = writer_schema_key(message, value)
        if isinstance(written, Fault):
            return written
        key, start = written
        schema = self._schemas.get(key)
        if schema is None:
            fault = self._schemas.resolve_unknown(key, record_timestamp_ms(message), out.missing)
            return False if fault is None else fault
        if isinstance(schema, Fault):
            return schema
        found = schema.writer.branch(value, start)
        if isinstance(found, Fault):
            if schema.is_used:
                return found
            _count_skip(out, "", SkipReason.NO_MAPPING)
            return None
        branch, translator = schema.branches[found[0]]
        if translator is None:
            _count_skip(out, branch.name, SkipReason.NO_MAPPING)
            return None
        if not translator.has_enabled_entries:
            translator.count_disabled(out, only)
            return None
        event = decode(branch, value, found[1])
        if isinstance(event, Fault):
            return event
        out.decoded[branch.name] = out.decoded.get(branch.name, 0) + 1
        translator.count_disabled(out, only)
        translator.translate(index, Scope(message, event), self._partition_prefix(partition), out, only)
        return None

    def _partition_prefix(self, partition: tuple[str, int]) -> bytes:
        prefix = self._partition_prefixes.get(partition)
        if prefix is None:
            prefix = self._partition_prefixes[partition] = delivery_id.partition_prefix(*partition)
        return prefix


def _count_skip(out: Translation, event_type: str, reason: SkipReason) -> None:
    scope = ("", event_type, reason)
    out.skipped[scope] = out.skipped.get(scope, 0) + 1


def _tested_types(rule: EventRule) -> set[str]:
    expressions = [rule.id, rule.time, rule.key]
    for entry in rule.entries:
        expressions += [entry.when, entry.consent, entry.each, entry.id, *expressions_in(entry.fields)]
    return {name for each in expressions if each is not None for name in each.tested_types}
