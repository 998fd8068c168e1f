"""One entry of the mapping, compiled: from an event to deliveries, a skip or a fault."""

from __future__ import annotations

from collections.abc import Callable

from consumer.destinations import Destination
from consumer.model import DeadLetterCause, Entry, Fault, SkipReason
from consumer.model.translated_batch import Translation, TranslationFailure
from consumer.model.values import Value
from consumer.translation import delivery_id
from consumer.translation.expressions.compiler import Evaluator
from consumer.translation.expressions.record_scope import Scope, type_name
from consumer.translation.field_builder import compile_object, explain_failure
from consumer.translation.mapping.rules import EntryRule, ObjectField
from consumer.translation.unmappable import UnmappableError


class EntryTranslator:
    """Translates events by one entry of the mapping."""

    __slots__ = (
        "_build_fields",
        "_each",
        "_encoder",
        "_entry_hash",
        "_fields",
        "_id",
        "_identify",
        "_repeated",
        "_skip",
        "entry",
    )

    def __init__(self, rule: EntryRule, destination: Destination) -> None:
        """Prepare everything that does not depend on an event."""
        self.entry = rule.entry
        self._encoder = destination.encoder(rule.entry.target, rule.name)
        self._identify = destination.identity
        self._entry_hash = delivery_id.entry_hash(rule.entry.event_type, rule.entry.destination, rule.entry.label)
        self._fields = ObjectField(rule.fields.fields, mandatory=True)
        self._build_fields = compile_object(self._fields)
        self._skip = _skip_test(rule)
        self._each: Evaluator | None = rule.each.evaluate if rule.each is not None else None
        self._id: Evaluator | None = rule.id.evaluate if rule.id is not None else None
        label = rule.entry.label
        self._repeated = Fault(DeadLetterCause.REPEATED_ELEMENT, f"{label}: element id is not unique in the record")

    def translate(self, record: int, scope: Scope, event_id: bytes, time_ns: int, key: int, out: Translation) -> None:
        """Add this entry's deliveries of one event to `out`, or why there are none.

        Args:
            record: the record's index in its batch.
            scope: the current record.
            event_id: the part of the identity that identifies the event.
            time_ns: the event's time, epoch nanoseconds.
            key: the hash that orders deliveries.
            out: receives deliveries, skips and faults.
        """
        if self._each is None:
            self._deliver(record, scope.event, scope, self._digest(event_id), time_ns, key, out)
            return
        time_ms = time_ns // 1_000_000
        try:
            elements = self._each(scope.event, scope)
        except UnmappableError as error:
            self._refuse(record, event_id, time_ms, f"each: {error.reason}", out)
            return
        if elements is not None and not isinstance(elements, list):
            self._refuse(record, event_id, time_ms, f"each: must be an array, not {type_name(elements)}", out)
            return
        seen: set[str] = set()
        for position, element in enumerate(elements or ()):
            if element is None:
                continue
            element_id = self._element_id(element, scope)
            if isinstance(element_id, str) and element_id not in seen:
                seen.add(element_id)
                self._deliver(record, element, scope, self._digest(event_id, element_id), time_ns, key, out)
                continue
            fault = element_id if isinstance(element_id, Fault) else self._repeated
            identity = self._identify(self._digest_without_id(event_id, position), time_ms)
            out.faults.append(TranslationFailure(record, self.entry, fault, identity))

    def refuse_event(
        self, record: int, scope: Scope, event_id: bytes, time_ms: int, reason: str, out: Translation
    ) -> None:
        """Add the fault of an event without a usable id, time or key, unless this entry skips the event anyway."""
        if self._skip is not None and self._each is None:
            try:
                skipped = self._skip(scope.event, scope)
            except UnmappableError:
                skipped = None
            if skipped is not None:
                _count_skip(out, self.entry, skipped)
                return
        self._refuse(record, event_id, time_ms, reason, out)

    def _refuse(self, record: int, event_id: bytes, time_ms: int, reason: str, out: Translation) -> None:
        """Add the fault of an event that this entry cannot translate.

        Its dead letter has the id that the destination would have received: the identity of a delivery does not depend
        on its outcome.
        """
        self._unmappable(record, self._identify(self._digest(event_id), time_ms), reason, out)

    def _deliver(  # noqa: PLR0917 - one delivery; an object for these would cost too much time
        self, record: int, value: Value, scope: Scope, digest: bytes, time_ns: int, key: int, out: Translation
    ) -> None:
        entry = self.entry
        may_skip = True
        try:
            if self._skip is not None and (skipped := self._skip(value, scope)) is not None:
                _count_skip(out, entry, skipped)
                return
            may_skip = False
            fields = self._build_fields(value, scope)
        except UnmappableError as error:
            reason = error.reason if may_skip else explain_failure(self._fields, value, scope) or "fields"
            self._unmappable(record, self._identify(digest, time_ns // 1_000_000), reason, out)
            return
        encoded = self._encoder(fields, digest, time_ns)  # type: ignore[arg-type]  # a mandatory object, never None
        if isinstance(encoded, Fault):
            identity = self._identify(digest, time_ns // 1_000_000)
            if (failure := explain_failure(self._fields, value, scope)) is not None:
                self._unmappable(record, identity, failure, out)
            else:
                out.faults.append(TranslationFailure(record, entry, encoded, identity))
            return
        column = out.columns[entry.destination]
        column.bodies.append(encoded.body)
        column.keys.append(key)
        column.envelopes.append(encoded.envelope)
        column.identities.append(encoded.identity)
        column.times_ms.append(time_ns // 1_000_000)
        column.entries.append(entry)
        column.records.append(record)

    def _element_id(self, element: Value, scope: Scope) -> str | Fault:
        """Return an element's own id as text, or the fault if it has none."""
        try:
            return delivery_id.own_id_text(self._id(element, scope) if self._id is not None else None)
        except UnmappableError as error:
            return Fault(DeadLetterCause.UNMAPPABLE, f"{self.entry.label}: id: {error.reason}")

    def _digest(self, event_id: bytes, element: str | None = None) -> bytes:
        return delivery_id.digest(self._entry_hash, event_id, element)

    def _digest_without_id(self, event_id: bytes, position: int) -> bytes:
        """Return the digest of an element without an id. Two more parts keep it apart from every other digest."""
        return self._digest(event_id + delivery_id.prefixed(b"#"), str(position))

    def _unmappable(self, record: int, identity: str, reason: str, out: Translation) -> None:
        fault = Fault(DeadLetterCause.UNMAPPABLE, f"{self.entry.label}: {reason}")
        out.faults.append(TranslationFailure(record, self.entry, fault, identity))


def _skip_test(rule: EntryRule) -> Callable[[Value, Scope], SkipReason | None] | None:
    """Return the function that says why an event is not delivered; `None` if every event is."""
    if rule.when is None and rule.consent is None:
        return None
    when = rule.when.evaluate if rule.when is not None else None
    consent = rule.consent.evaluate if rule.consent is not None else None

    def skip(value: Value, scope: Scope) -> SkipReason | None:
        stage = "when"
        try:
            if when is not None:
                allowed = when(value, scope)
                if allowed is False:
                    return SkipReason.FILTERED
                if allowed is not True:
                    raise UnmappableError(f"must be a boolean, not {type_name(allowed)}")  # noqa: TRY301 - one form
            stage = "consent"
            return None if consent is None or consent(value, scope) is True else SkipReason.NO_CONSENT
        except UnmappableError as error:
            raise UnmappableError(f"{stage}: {error.reason}") from None

    return skip


def _count_skip(out: Translation, entry: Entry, reason: SkipReason) -> None:
    scope = (entry.destination, entry.event_type, reason)
    out.skipped[scope] = out.skipped.get(scope, 0) + 1
