"""What is known of each schema key: a plan for its records, why they cannot be read, or since when it is unknown."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from consumer.model import DeadLetterCause, Fault
from consumer.model.translated_batch import SchemaKey
from consumer.translation.avro.decoder import Branch, WriterSchema, read_schema
from consumer.translation.avro.schema_directory import SchemaDirectory
from consumer.translation.avro.wire_format import is_fingerprint
from consumer.translation.event_translator import EventTranslator

RETRY_MS = 30_000
"""How long the registry's word that a schema is unknown is believed before it is asked again."""

_MOST_UNKNOWN = 10_000  # keys; bytes that only look like the wire format name millions
_UNKNOWN = "the registry knows no schema of this id"
_NOT_IN_DIRECTORY = "no file of the schema directory has this fingerprint"


@dataclass(frozen=True, slots=True)
class EventSchema:
    """How records of one schema are translated."""

    writer: WriterSchema
    branches: tuple[tuple[Branch, EventTranslator | None], ...]
    """Each branch with the plan of its event type; `None` if nothing of this pipeline speaks of it."""


@dataclass(slots=True)
class _Unknown:
    first_ms: int
    """When it was first found to be unknown."""
    retry_ms: int
    """When its fetch is due again."""


class SchemaCache:
    """Schemas by key, learned from the registry or found in the directory."""

    def __init__(
        self,
        directory: SchemaDirectory,
        plans: Mapping[str, EventTranslator],
        asked_about: Collection[str],
        grace_s: float,
        clock_ms: Callable[[], int],
    ) -> None:
        """`plans` are by event type; `asked_about` are the records that must know their own name."""
        self._directory = directory
        self._plans = plans
        self._asked_about = asked_about
        self._grace_ms = int(grace_s * 1000)
        self._clock_ms = clock_ms
        self._keys: dict[SchemaKey, EventSchema | Fault] = {}
        self._unknown: dict[SchemaKey, _Unknown] = {}

    def get(self, key: SchemaKey) -> EventSchema | Fault | None:
        """Return what records of this key get; `None` if nothing is known of it."""
        found = self._keys.get(key)
        if found is None and isinstance(key, str) and key in self._directory.by_fingerprint:
            schema = self._directory.by_fingerprint[key]
            self.learn(key, schema.text, schema.references)
            found = self._keys[key]
        return found

    def __len__(self) -> int:
        """Count the schemas kept, those that cannot be used included."""
        return len(self._keys)

    def learn(self, key: SchemaKey, text: str, references: Mapping[str, str]) -> Fault | None:
        """Take in a schema; a fault says that no record written with it can be read."""
        self._unknown.pop(key, None)
        writer = read_schema(text, references, self._asked_about)
        if isinstance(writer, Fault):
            self._keys[key] = writer
            return writer
        branches = tuple(
            (branch, self._plans.get(branch.name) if branch.is_record else None) for branch in writer.branches
        )
        self._keys[key] = EventSchema(writer, branches)
        return None

    def learn_unknown(self, key: SchemaKey, at_ms: int) -> None:
        """Take in the registry's word that there is no such schema."""
        if key in self._keys:
            return
        if len(self._unknown) >= _MOST_UNKNOWN and key not in self._unknown:
            del self._unknown[next(iter(self._unknown))]
        known = self._unknown.get(key)
        first_ms = at_ms if known is None else min(at_ms, known.first_ms)
        self._unknown[key] = _Unknown(first_ms, at_ms + RETRY_MS)

    def resolve_unknown(self, key: SchemaKey, stamp_ms: int, missing: set[SchemaKey]) -> Fault | None:
        """Decide on a record whose schema is not known: a fault, or `None`: it waits (and its key may join `missing`).

        An unknown id is judged by the record's own timestamp plus the grace time: a producer may run ahead of the
        registry's replication, but not for long. A timestamp in the future counts from when the key was first unknown.
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
        if min(stamp_ms, unknown.first_ms) + self._grace_ms > now_ms:
            return None
        return Fault(DeadLetterCause.UNKNOWN_SCHEMA, _NOT_IN_DIRECTORY if is_fingerprint(key) else _UNKNOWN)
