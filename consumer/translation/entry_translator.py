"""One entry of the mapping, ready to run: from an event to a row of a column, a skip or a fault."""

from __future__ import annotations

from consumer.destinations import Destination
from consumer.model import DeadLetterCause, Entry, Fault, SkipReason
from consumer.model.translated_batch import Translation, TranslationFailure
from consumer.model.values import Value
from consumer.translation import delivery_id
from consumer.translation.expressions.compiler import Run
from consumer.translation.expressions.record_scope import Scope, UnmappableError, kind_of
from consumer.translation.field_builder import explain_failure, object_maker
from consumer.translation.mapping.rules import EntryRule, Object


class EntryTranslator:
    """What one entry makes of each event."""

    __slots__ = (
        "_begun",
        "_consent",
        "_each",
        "_encoder",
        "_fields",
        "_id",
        "_identify",
        "_make",
        "_repeated",
        "_when",
        "entry",
    )

    def __init__(self, rule: EntryRule, destination: Destination) -> None:
        """Do once what need not be done for each event."""
        self.entry = rule.entry
        self._encoder = destination.encoder(rule.entry.target, rule.name)
        self._identify = destination.identity
        self._begun = delivery_id.of_entry(rule.entry.event_type, rule.entry.destination, rule.entry.label)
        self._fields = Object(rule.fields.fields, mandatory=True)
        self._make = object_maker(self._fields)
        self._when = rule.when.run if rule.when is not None else None
        self._consent = rule.consent.run if rule.consent is not None else None
        self._each: Run | None = rule.each.run if rule.each is not None else None
        self._id: Run | None = rule.id.run if rule.id is not None else None
        label = rule.entry.label
        self._repeated = Fault(DeadLetterCause.REPEATED_ELEMENT, f"{label}: an element's id stands twice in the record")

    def translate(self, record: int, scope: Scope, who: bytes, time_ns: int, key: int, out: Translation) -> None:
        """Add this entry's deliveries of one event, or why there are none, to `out`.

        Args:
            record: the record's index within its lot.
            scope: the record at hand.
            who: the part of the identity that says which event.
            time_ns: the event's time.
            key: the hash that orders deliveries.
            out: receives rows, skips and faults.
        """
        if self._each is None:
            self._deliver(record, scope.event, scope, self._digest(who), time_ns, key, out)
            return
        time_ms = time_ns // 1_000_000
        try:
            elements = self._each(scope.event, scope)
        except UnmappableError as error:
            self.refuse(record, who, time_ms, f"each: {error.said}", out)
            return
        if elements is not None and not isinstance(elements, list):
            self.refuse(record, who, time_ms, f"each: it takes an array, not {kind_of(elements)}", out)
            return
        seen: set[str] = set()
        for position, element in enumerate(elements or ()):
            if element is None:
                continue
            name = self._name(element, scope)
            if isinstance(name, str) and name not in seen:
                seen.add(name)
                self._deliver(record, element, scope, self._digest(who, name), time_ns, key, out)
                continue
            fault = name if isinstance(name, Fault) else self._repeated
            unnamed = self._identify(self._unnamed(who, position), time_ms)
            out.faults.append(TranslationFailure(record, self.entry, fault, unnamed))

    def refuse(self, record: int, who: bytes, time_ms: int, why: str, out: Translation) -> None:
        """Add the fault of an event that this entry cannot make anything of.

        Its letter bears the id that the destination would have had: one delivery has one identity, wherever it ends.
        """
        self._unmappable(record, self._identify(self._digest(who), time_ms), why, out)

    def _deliver(  # noqa: PLR0917 - one row; a noun for it would cost more than the budget
        self, record: int, value: Value, scope: Scope, digest: bytes, time_ns: int, key: int, out: Translation
    ) -> None:
        entry = self.entry
        stage = "when"
        try:
            if self._when is not None:
                allowed = self._when(value, scope)
                if allowed is False:
                    _skip(out, entry, SkipReason.FILTERED)
                    return
                if allowed is not True:
                    why = f"when: it must be boolean, not {kind_of(allowed)}"
                    self._unmappable(record, self._identify(digest, time_ns // 1_000_000), why, out)
                    return
            stage = "consent"
            if self._consent is not None and self._consent(value, scope) is not True:
                _skip(out, entry, SkipReason.NO_CONSENT)
                return
            stage = ""
            fields = self._make(value, scope)
        except UnmappableError as error:
            why = f"{stage}: {error.said}" if stage else explain_failure(self._fields, value, scope)
            self._unmappable(record, self._identify(digest, time_ns // 1_000_000), why, out)
            return
        encoded = self._encoder(fields, digest, time_ns)  # type: ignore[arg-type]  # an object that is kept when empty
        if isinstance(encoded, Fault):
            out.faults.append(TranslationFailure(record, entry, encoded, self._identify(digest, time_ns // 1_000_000)))
            return
        column = out.columns[entry.destination]
        column.bodies.append(encoded.body)
        column.keys.append(key)
        column.envelopes.append(encoded.envelope)
        column.identities.append(encoded.identity)
        column.times_ms.append(time_ns // 1_000_000)
        column.entries.append(entry)
        column.records.append(record)

    def _name(self, element: Value, scope: Scope) -> str | Fault:
        """Return an element's own id as text, or why it has none."""
        try:
            value = self._id(element, scope) if self._id is not None else None
        except UnmappableError as error:
            why = error.said
        else:
            name = delivery_id.as_text(value)
            if name is not None:
                return name
            why = f"it is {kind_of(value)}, which names nothing"
        return Fault(DeadLetterCause.UNMAPPABLE, f"{self.entry.label}: id: {why}")

    def _digest(self, who: bytes, element: str | None = None) -> bytes:
        return delivery_id.finish(self._begun, who, element)

    def _unnamed(self, who: bytes, position: int) -> bytes:
        """Return the digest of an element without an id of its own: two parts more, so it is nobody else's."""
        return self._digest(who + delivery_id.part(b"#"), str(position))

    def _unmappable(self, record: int, identity: str, why: str, out: Translation) -> None:
        fault = Fault(DeadLetterCause.UNMAPPABLE, f"{self.entry.label}: {why}")
        out.faults.append(TranslationFailure(record, self.entry, fault, identity))


def _skip(out: Translation, entry: Entry, why: SkipReason) -> None:
    scope = (entry.destination, entry.event_type, why)
    out.skipped[scope] = out.skipped.get(scope, 0) + 1
