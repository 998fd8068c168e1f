"""The schemas by key: usable, unusable, or unknown since a point in time."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from consumer.model import DeadLetterCause, Fault
from consumer.model.translated_batch import SchemaKey
from consumer.translation.avro.decoder import Branch, WriterSchema, is_used, read_schema
from consumer.translation.avro.schema_directory import SchemaDirectory
from consumer.translation.avro.wire_format import is_fingerprint
from consumer.translation.event_translator import EventTranslator

RETRY_MS = 30_000
"""How long a registry's response that a schema does not exist counts, before the schema is requested again."""

_MAX_UNKNOWN = 10_000  # keys; random bytes that look like the wire format can name millions
_NOT_IN_REGISTRY = "the registry has no schema with this id"
_NOT_IN_DIRECTORY = "no file in the schema directory has this fingerprint"


@dataclass(frozen=True, slots=True)
class EventSchema:
    """A schema that records were written with, and the translators of its events."""

    writer: WriterSchema
    branches: tuple[tuple[Branch, EventTranslator | None], ...]
    """Each branch with the translator of its event type; `None` if the pipeline has no entry for it."""

    @property
    def is_used(self) -> bool:
        """Whether the pipeline has an entry for one of the branches."""
        return any(translator is not None for _, translator in self.branches)


@dataclass(slots=True)
class _Unknown:
    first_ms: int
    """When the schema was first found to be unknown, epoch milliseconds."""
    retry_ms: int
    """When the schema is requested again, epoch milliseconds."""


class SchemaCache:
    """Schemas by key, from the registry or from the schema directory."""

    def __init__(
        self,
        directory: SchemaDirectory,
        translators: Mapping[str, EventTranslator],
        named_records: Collection[str],
        grace_s: float,
        clock_ms: Callable[[], int],
    ) -> None:
        """Start without any schema.

        Args:
            directory: the schemas found by fingerprint.
            translators: by event type.
            named_records: full names of the records that are decoded with their name.
            grace_s: how long after a record's timestamp its unknown schema may still appear.
            clock_ms: the wall clock, epoch milliseconds.
        """
        self._directory = directory
        self._translators = translators
        self._named_records = named_records
        self._grace_ms = int(grace_s * 1000)
        self._clock_ms = clock_ms
        self._known: dict[SchemaKey, EventSchema | Fault] = {}
        self._unknown: dict[SchemaKey, _Unknown] = {}

    def get(self, key: SchemaKey) -> EventSchema | Fault | None:
        """Return the schema, or the fault that all its records have; `None` if it is not known yet."""
        found = self._known.get(key)
        if found is None and isinstance(key, str) and key in self._directory.by_fingerprint:
            schema = self._directory.by_fingerprint[key]
            self.learn(key, schema.text, schema.references)
            found = self._known[key]
        return found

    def __len__(self) -> int:
        """Count the schemas kept, unusable ones included."""
        return len(self._known)

    def learn(self, key: SchemaKey, text: str, references: Mapping[str, str]) -> Fault | None:
        """Keep a schema. Return a fault if no record written with it can be decoded."""
        self._unknown.pop(key, None)
        writer = read_schema(text, references, self._named_records, self._translators)
        if isinstance(writer, Fault):
            self._known[key] = writer
            return writer
        branches = tuple(
            (branch, self._translators.get(branch.name) if branch.is_record else None) for branch in writer.branches
        )
        self._known[key] = EventSchema(writer, branches)
        return None

    def is_used(self, text: str) -> bool:
        """Return False if the pipeline has no entry for a schema, whatever else is in it. Called by any thread."""
        return is_used(text, self._translators)

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        """Keep that the registry had no such schema at this time, epoch milliseconds."""
        if key in self._known:
            return
        if len(self._unknown) >= _MAX_UNKNOWN and key not in self._unknown:
            del self._unknown[next(iter(self._unknown))]
        known = self._unknown.get(key)
        first_ms = at_ms if known is None else min(at_ms, known.first_ms)
        self._unknown[key] = _Unknown(first_ms, at_ms + RETRY_MS)

    def resolve_unknown(self, key: SchemaKey, timestamp_ms: int | None, missing: set[SchemaKey]) -> Fault | None:
        """Return the fault of a record whose schema is not known, or `None` if it waits.

        A key that must be requested is added to `missing`. A record waits until its own timestamp plus the grace time,
        because a producer may run ahead of the registry's replication. Without a timestamp, or with one in the future,
        the grace time begins when the key was first unknown.
        """
        now_ms = self._clock_ms()
        unknown = self._unknown.get(key)
        if is_fingerprint(key):
            if unknown is None:
                self.learn_unknown(key, now_ms)
                unknown = self._unknown[key]
        elif unknown is None or now_ms >= unknown.retry_ms:
            missing.add(key)
            return None
        since_ms = unknown.first_ms if timestamp_ms is None else min(timestamp_ms, unknown.first_ms)
        if since_ms + self._grace_ms > now_ms:
            return None
        return Fault(DeadLetterCause.UNKNOWN_SCHEMA, _NOT_IN_DIRECTORY if is_fingerprint(key) else _NOT_IN_REGISTRY)
