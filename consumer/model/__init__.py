"""The nouns that move between packages, in the order a record meets them.

Glossary (one word for one idea, everywhere): a *record* is read from a topic, partition and offset. A *ledger* tracks
one assignment of one partition to this process; the number of that assignment is its *assignment epoch*. A record holds
one *event*. Each *entry* of the mapping for the event's type makes *deliveries* from it, which are *owed* from then on.
Deliveries with the same *envelope* can travel as a *batch* in one *request*. The *response* gives a *verdict*, which
gives each delivery its *outcome*. A delivery that has ended is *settled*; a refused one is written as a *dead letter*
first. Nothing is owed below the *committable offset*. A delivery given up unfinished is *released*: its partition was
revoked, or a drain timed out.
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
    index: int  # type: ignore[assignment]  # hides tuple.index on purpose: a partition is never searched


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


_NO_TIMESTAMP = 0
"""The client's type of a timestamp that is not available."""

UNREADABLE_HEADERS = "cdp-headers-unreadable"
"""Marks a record whose headers could not be read. Like all `cdp-*` names it is not copied to a dead letter."""


class Message(Protocol):
    """The part of the Kafka client's message class that is used. The message itself is kept; its bytes never change."""

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
        """Return the timestamp's type and its value in epoch milliseconds. `record_timestamp_ms` interprets them."""


def record_timestamp_ms(message: Message) -> int | None:
    """Return a record's timestamp in epoch milliseconds; `None` if it has none.

    Producers that set no timestamp write -1, and topics of Kafka 0.9 have records of the type "not available".
    """
    kind, timestamp_ms = message.timestamp()
    return None if kind == _NO_TIMESTAMP or timestamp_ms < 0 else timestamp_ms


class DeadLetterCause(StrEnum):
    """Why a delivery became a dead letter: a closed list, part of the dead-letter contract (version 1)."""

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
        """True if the record could not be decoded: its event, destination and label are unknown."""
        return self in {DeadLetterCause.UNDECODABLE, DeadLetterCause.UNKNOWN_SCHEMA}

    @property
    def exempt_from_flood_guard(self) -> bool:
        """True if many at once are plausible: old events after an outage, records that an operator quarantined."""
        return self in {DeadLetterCause.OUT_OF_WINDOW, DeadLetterCause.QUARANTINED}


class TransientCause(StrEnum):
    """Why a request must be retried, or cannot be sent now: a closed list. Never the cause of a dead letter."""

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
    """Why requests do not use the secrets in their files, or may not."""

    UNREADABLE = "unreadable"
    """The disk does not respond; requests use the secret read before."""
    REJECTED = "rejected"
    """The content of the file was rejected; requests use the last accepted secret."""
    INVALID = "invalid"
    """The file is missing, or its content is no secret: empty, in quotes, several lines; requests use the secret read
    before."""


class SkipReason(StrEnum):
    """Why a delivery was deliberately not made. Skips are counted, outside the service level objective."""

    FILTERED = "filtered"
    NO_CONSENT = "no_consent"
    DISABLED = "disabled"
    NO_MAPPING = "no_mapping"
    TOMBSTONE = "tombstone"


@dataclass(frozen=True, slots=True)
class Fault:
    """A failure: `cause` for machines, `detail` for people. The detail is scrubbed and never becomes a label."""

    cause: DeadLetterCause | TransientCause
    detail: str = ""
    status: int | None = None


# ── Mapping ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the mapping: its label, its destination and target, and the type of event it applies to."""

    event_type: str
    destination: str
    label: str
    target: str


class Endpoint(NamedTuple):
    """One address of a destination. A hold applies to one endpoint; the others continue."""

    name: str
    method: str
    path: str


class BatchEnvelope(NamedTuple):
    """What deliveries must have in common to share a request, and the limits of that request.

    The body of a request is exactly `prefix + b",".join(bodies) + suffix`, so its size is known in advance.
    """

    endpoint: Endpoint
    prefix: bytes
    suffix: bytes
    max_events: int
    max_bytes: int
    max_age_ms: int | None = None
    """Events older than this, or ahead of the clock, are outside the destination's time window; `None` = no window."""


# ── Delivery ───────────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class HttpRequest:
    """One HTTP request. The body is final; the HTTP client adds the credentials."""

    endpoint: Endpoint
    body: bytes


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """The destination's response. Header names are lower-case. The body is cut at a limit far above any contract."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    truncated: bool = False
    received_ms: int = 0
    """When it arrived by our clock, in epoch milliseconds; 0 = not known."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """Every delivery of the request was accepted."""


@dataclass(frozen=True, slots=True)
class PartiallyRefused:
    """Every delivery of the request was accepted except these (by index in the batch), which are refused."""

    refused: Mapping[int, Fault]


@dataclass(frozen=True, slots=True)
class Refused:
    """The only delivery of the request will never be accepted."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class Deferred:
    """A temporary failure. `wait_s`: the shortest wait the server asked for; `whole_destination`: all lanes wait."""

    fault: Fault
    wait_s: float | None = None
    whole_destination: bool = False


@dataclass(frozen=True, slots=True)
class Blocked:
    """A configuration error: hold the endpoint, dead-letter nothing, probe slowly."""

    fault: Fault


@dataclass(frozen=True, slots=True)
class BatchRefused:
    """Something in the batch was refused and the response does not say what: split the batch."""

    fault: Fault


Verdict: TypeAlias = Delivered | PartiallyRefused | Refused | Deferred | Blocked | BatchRefused


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One delivery, or one undecodable record, to be written to the dead-letter topic with its original record."""

    message: Message
    fault: Fault
    delivery_id: str
    entry: Entry | None
    event_type: str | None
    schema_id: str | None
    attempts: int
    first_failed_ms: int
    last_failed_ms: int
