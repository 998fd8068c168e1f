"""The nouns that move between packages, in the order a record meets them.

Glossary (one idea, one word, everywhere): a *record* is read from a topic, partition and offset. A *ledger* is one
assignment of one partition to this process; its number is the *assignment epoch*. A record holds one *event*; each
*entry* of the mapping that names the event's type makes *deliveries* of it, which are owed. Deliveries with the same
*batch envelope* travel as a *batch* in one *request*. The *response* is judged into a *verdict*, which gives each
delivery its *outcome*. An ended delivery is *settled*; a refused one is written as a *dead letter* first. The
*committable offset* is the offset below which nothing is owed. A delivery given up unfinished, because its partition
was revoked, is *released*.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Mapping


class Partition(NamedTuple):
    """One partition of one topic."""

    topic: str
    index: int  # type: ignore[assignment]  # hides tuple.index on purpose: nobody searches a partition


class HasPartition(Protocol):
    """An object that names a partition by attributes, as the Kafka client's `TopicPartition` does."""

    @property
    def topic(self) -> str:
        """The topic's name."""

    @property
    def partition(self) -> int:
        """The partition's index."""


def partition_of(place: HasPartition) -> Partition:
    """Return the partition that an object of the Kafka client names."""
    return Partition(place.topic, place.partition)


UNREADABLE_HEADERS = "cdp-headers-unreadable"
"""The mark of a record whose headers could not be read; like all `cdp-*` names it never reaches a dead letter."""


class Message(Protocol):
    """What is used of a Kafka client's message: it *is* the kept record, its bytes never altered."""

    def topic(self) -> str:
        """Return the topic's name."""

    def partition(self) -> int:
        """Return the partition's index."""

    def offset(self) -> int:
        """Return the offset within the partition."""

    def key(self) -> bytes | None:
        """Return the key's bytes."""

    def value(self) -> bytes | None:
        """Return the value's bytes; `None` is a tombstone."""

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        """Return the headers in order, repeated names included."""

    def timestamp(self) -> tuple[int, int]:
        """Return the timestamp's type and its value in epoch milliseconds."""


class DeadLetterCause(StrEnum):
    """Why a delivery went to the dead-letter topic: a closed list, part of the dead-letter contract (version 1)."""

    UNDECODABLE = "undecodable"
    UNKNOWN_SCHEMA = "unknown_schema"
    UNMAPPABLE = "unmappable"
    CONTRACT = "contract"
    OUT_OF_WINDOW = "out_of_window"
    TOO_LARGE = "too_large"
    REFUSED = "refused"
    NEVER_ACCEPTED = "never_accepted"
    REPEATED_ELEMENT = "repeated_element"
    QUARANTINED = "quarantined"

    @property
    def is_decoding(self) -> bool:
        """Whether the record could not be read, so that no event, destination or label is known."""
        return self in {DeadLetterCause.UNDECODABLE, DeadLetterCause.UNKNOWN_SCHEMA}

    @property
    def exempt_from_flood_guard(self) -> bool:
        """Whether many of it are plausible: old events after an outage, and what an operator quarantined."""
        return self in {DeadLetterCause.OUT_OF_WINDOW, DeadLetterCause.QUARANTINED}


class TransientCause(StrEnum):
    """Why a call must be made again, or cannot be made now: a closed list, never a reason for a dead letter."""

    THROTTLED = "throttled"
    SERVER_ERROR = "server_error"
    TIMED_OUT = "timed_out"
    UNREACHABLE = "unreachable"
    UNAUTHORIZED = "unauthorized"
    GONE = "gone"
    UNEXPECTED = "unexpected"
    UNINTELLIGIBLE = "unintelligible"
    BATCH_REFUSED = "batch_refused"
    CLOCK_SKEW = "clock_skew"


class SecretProblem(StrEnum):
    """Why requests do not use the secrets as they are in their files, or may not be."""

    UNREADABLE = "unreadable"
    """Their disk does not answer; requests use the secret that was read before."""
    REJECTED = "rejected"
    """The secret there was rejected; requests use the last accepted secret."""


class SkipReason(StrEnum):
    """Why a delivery was deliberately not made: counted, never silent, outside the objective."""

    FILTERED = "filtered"
    NO_CONSENT = "no_consent"
    DISABLED = "disabled"
    NO_MAPPING = "no_mapping"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong: `cause` for machines, `detail` for people (scrubbed of values and secrets; never a label)."""

    cause: DeadLetterCause | TransientCause
    detail: str = ""
    status: int | None = None


# ── The mapping's side ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the mapping: what it is called, where it goes, and the event it speaks of."""

    event_type: str
    destination: str
    label: str
    target: str


class Endpoint(NamedTuple):
    """One address of a destination. A hold belongs to it: while it is held the other endpoints go on."""

    name: str
    method: str
    path: str


class BatchEnvelope(NamedTuple):
    """What deliveries must have in common to share a call, and the limits of that call.

    The body of a call is exactly `prefix + b",".join(bodies) + suffix`, so its size is known before.
    """

    endpoint: Endpoint
    prefix: bytes
    suffix: bytes
    max_events: int
    max_bytes: int
    max_age_ms: int | None = None
    """Events older than this, or ahead of the clock, are outside the destination's window; `None` = no window."""


# ── The delivery's side ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP exchange to be made: the body is final, credentials are added at the door."""

    endpoint: Endpoint
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """What the destination answered. Header names are lower-case; the body is cut at a limit far above any contract."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False
    received_ms: int = 0
    """When it came, by our clock, epoch milliseconds; 0 = not known."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """It has every delivery of the call."""


@dataclass(frozen=True, slots=True)
class PartiallyRefused:
    """It has every delivery of the call but these (by index in the batch), which it will never take."""

    refused: Mapping[int, Fault]


@dataclass(frozen=True, slots=True)
class Refused:
    """It will never take this one delivery (a call of one)."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Deferred:
    """Later. `wait_s`: the least time it asked for; `whole_destination`: all lanes wait, not this one only."""

    fault: Fault
    wait_s: float | None = None
    whole_destination: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """We are wrong: hold the endpoint, dead-letter nothing, probe slowly."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """Something in here is bad and the answer does not say what: halve."""

    fault: Fault


Verdict: TypeAlias = Delivered | PartiallyRefused | Refused | Deferred | Blocked | BatchRefused


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One delivery (or undecodable record) on its way to the dead-letter topic, with its original record untouched."""

    message: Message
    fault: Fault
    delivery_id: str
    entry: Entry | None
    event_type: str | None
    schema_id: str | None
    attempts: int
    first_failed_ms: int
    last_failed_ms: int
