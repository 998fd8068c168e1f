"""The one door of translation: a lot of records in, columns of encoded deliveries out."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Literal

from consumer.destinations import Destination
from consumer.model import Entry, Fault, Message, SkipReason
from consumer.model.translated_batch import DeliveryColumns, SchemaKey, Translation, TranslationFailure
from consumer.translation import delivery_id
from consumer.translation.avro.decoder import decode
from consumer.translation.avro.schema_directory import SchemaDirectory
from consumer.translation.avro.wire_format import writer_schema_key
from consumer.translation.event_translator import EventTranslator
from consumer.translation.expressions.record_scope import Scope
from consumer.translation.mapping.rules import EventMapping, EventRule, expressions_in
from consumer.translation.schema_cache import SchemaCache

_NOBODY = delivery_id.of_entry("", "", "")
"""Begins the identity of a record that could not be decoded: it belongs to no destination."""


class Translator:
    """Translates the records of one pipeline. It never awaits, and nothing a record can hold makes it raise."""

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
            mapping: what is delivered of which event.
            destinations: those of this pipeline by name, disabled ones included; only their entries count.
            schemas: what single-object encoding is read with.
            grace_s: how long after a record's timestamp its unknown schema may still appear.
            clock_ms: the wall clock, epoch milliseconds.
            disabled: destinations whose deliveries are skipped as `disabled`.
        """
        self._destinations = tuple(destinations)
        plans = {name: EventTranslator(rule, destinations, disabled) for name, rule in mapping.events.items()}
        self._plans = {name: plan for name, plan in plans.items() if plan.wanted}
        asked_about = {name for rule in mapping.events.values() for name in _asked_about(rule)}
        self._known = SchemaCache(schemas, self._plans, asked_about, grace_s, clock_ms)
        self._places: dict[tuple[str, int], bytes] = {}

    def translate(self, lot: Sequence[Message]) -> Translation:
        """Translate records; those whose schema is missing wait, and all later ones of their partition in this lot."""
        return self._translate(lot, None)

    def one(self, message: Message, entry: Entry) -> Translation:
        """Translate one record for one entry only: what is owed to the others is neither made nor counted."""
        return self._translate([message], entry)

    def learn(self, key: SchemaKey, schema_text: str, references: Mapping[str, str]) -> Fault | None:
        """Take in a schema from the registry; `references` are name → text, transitively, in any order.

        Returns:
            A fault if the schema is unusable: then records written with it are `undecodable`.
        """
        return self._known.learn(key, schema_text, references)

    @property
    def schemas_known(self) -> int:
        """How many schemas are kept."""
        return len(self._known)

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        """Take in the registry's word, of that moment, that there is no such schema; believed for 30 seconds."""
        self._known.learn_unknown(key, at_ms)

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
        plan = self._known.get(written[0])
        if plan is None or isinstance(plan, Fault):
            return None
        found = plan.writer.branch(value, written[1])
        return None if isinstance(found, Fault) else plan.writer.branches[found[0]].name

    def _translate(self, lot: Sequence[Message], only: Entry | None) -> Translation:
        out = Translation({name: DeliveryColumns() for name in self._destinations})
        blocked: set[tuple[str, int]] = set()
        for index, message in enumerate(lot):
            at = (message.topic(), message.partition())
            if at in blocked:
                out.waiting.append(index)
                continue
            fault = self._record(index, message, at, out, only)
            if fault is False:
                blocked.add(at)
                out.waiting.append(index)
            elif fault is not None:
                who = delivery_id.at(self._place(at), message.offset())
                out.faults.append(TranslationFailure(index, None, fault, delivery_id.finish(_NOBODY, who).hex()))
        return out

    def _record(
        self, index: int, message: Message, at: tuple[str, int], out: Translation, only: Entry | None
    ) -> Fault | Literal[False] | None:
        """Translate one record; a fault is about all of it, `False` says that its schema is missing."""
        value = message.value()
        if value is None:
            _count(out, "", SkipReason.TOMBSTONE)
            return None
        written = writer_schema_key(message, value)
        if isinstance(written, Fault):
            return written
        key, start = written
        known = self._known.get(key)
        if known is None:
            fault = self._known.resolve_unknown(key, message.timestamp()[1], out.missing)
            return False if fault is None else fault
        if isinstance(known, Fault):
            return known
        found = known.writer.branch(value, start)
        if isinstance(found, Fault):
            return found
        branch, plan = known.branches[found[0]]
        if plan is None:
            _count(out, branch.name, SkipReason.NO_MAPPING)
            return None
        if not plan.delivers:
            plan.count_disabled(out, only)
            return None
        event = decode(branch, value, found[1])
        if isinstance(event, Fault):
            return event
        out.decoded[branch.name] = out.decoded.get(branch.name, 0) + 1
        plan.count_disabled(out, only)
        plan.translate(index, Scope(message, event), self._place(at), out, only)
        return None

    def _place(self, at: tuple[str, int]) -> bytes:
        place = self._places.get(at)
        if place is None:
            place = self._places[at] = delivery_id.place(*at)
        return place


def _count(out: Translation, event_type: str, why: SkipReason) -> None:
    scope = ("", event_type, why)
    out.skipped[scope] = out.skipped.get(scope, 0) + 1


def _asked_about(rule: EventRule) -> set[str]:
    expressions = [rule.id, rule.time, rule.key]
    for entry in rule.entries:
        expressions += [entry.when, entry.consent, entry.each, entry.id, *expressions_in(entry.fields)]
    return {name for each in expressions if each is not None for name in each.asks_about}
