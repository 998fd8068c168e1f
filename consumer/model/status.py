"""The status of a pipeline at one instant, as plain numbers. Probes, metrics and the status page ask for it.

Two clocks, distinguished by name: `…_ms` is the wall clock in epoch milliseconds, `…_at_s` is `time.monotonic()` in
seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from consumer.model import DeadLetterCause, Partition, SecretProblem, TransientCause
from consumer.model.directives import Pause
from consumer.model.translated_batch import SchemaKey


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """The accounting of records: accepted = settled + open + released."""

    accepted: int = 0
    settled: int = 0
    open: int = 0
    """Counted from the ledger, never derived from the others."""
    released: int = 0

    @property
    def mismatch(self) -> int:
        """Records that the accounting cannot explain. Any value other than 0 is a bug."""
        return self.accepted - self.settled - self.open - self.released


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """The accounting of one destination: owed = delivered + skipped + dead-lettered + open + released."""

    owed: int = 0
    delivered: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    open: int = 0
    """Counted from the ledger, never derived from the others."""
    released: int = 0

    @property
    def mismatch(self) -> int:
        """Deliveries that the accounting cannot explain. Any value other than 0 is a bug."""
        return self.owed - self.delivered - self.skipped - self.dead_lettered - self.open - self.released


CLOCK = "clock"
"""Endpoint name of a hold for clock skew: the destination's clock differs from ours, or is not known."""


@dataclass(frozen=True, slots=True)
class HoldStatus:
    """One endpoint that is held. It has no detail: that was logged when the hold started."""

    endpoint: str
    cause: DeadLetterCause | TransientCause
    since_ms: int
    next_probe_ms: int | None = None
    """When the next probe is sent; `None` while one is in flight."""


@dataclass(frozen=True, slots=True)
class FloodGuardStatus:
    """One scope in which the flood guard is tripped: too large a share was refused, and the rest waits."""

    kind: str
    """The event type; for a cause of decoding the topic."""
    cause: DeadLetterCause
    since_ms: int
    refused: int
    """Verdicts with this cause when the guard tripped."""
    of: int
    """All verdicts counted then."""
    waiting: int
    """Deliveries, or dead letters not written, that wait now."""


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination of a pipeline."""

    name: str
    accounting: DeliveryCounts = field(default_factory=DeliveryCounts)
    lanes: int = 0
    requests: int = 0
    """Requests in flight."""
    open_events: int = 0
    """Deliveries in lanes or in flight."""
    open_bytes: int = 0
    """Bytes of their bodies."""
    oldest_open_ms: int | None = None
    """Kafka timestamp of the oldest delivery that has not ended; `None` if there is none."""
    holds: tuple[HoldStatus, ...] = ()
    waiting_until_ms: int | None = None
    """The destination asked for no requests before this instant; `None` if it did not ask."""
    rate: float | None = None
    """Requests per second allowed now: this process's share of the configured rate; `None` = no rate."""
    credentials_valid: bool | None = None
    """Whether the last response that shows it accepted the credentials; `None` before the first."""
    credentials_proven: bool = False
    """Whether they were accepted at least once since the start. A later rejection is then no sign of a bad rollout."""
    secret_problem: SecretProblem | None = None
    """Why requests do not use the secret in its file, or may not; `None` = no problem known."""
    guards: tuple[FloodGuardStatus, ...] = ()
    """Tripped flood guards, by event type and cause."""
    poison_candidates: int = 0
    """Deliveries that may make their requests fail. They are retried alone; other deliveries pass them."""
    paused: tuple[Pause, ...] = ()
    """Active directives that pause all deliveries to this destination, or those of one event type."""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition that is assigned to this process."""

    partition: Partition
    epoch: int
    committable_offset: int
    """The offset below which nothing is owed."""
    accepted_to: int
    """The offset after the last accepted record; before the first one, where the epoch started."""
    open_records: int = 0
    open_bytes: int = 0
    """Bytes of the records that are not settled, and of the deliveries made from them."""
    head_ms: int | None = None
    """Kafka timestamp of the oldest record that is not settled; `None` if there is none."""
    paused: bool = False
    full: bool = False
    """Its share of the limits is used up."""
    log_end: int | None = None
    """Last stable offset as of `PipelineStatus.lag_updated_ms`; `None` = not known yet."""
    committed: int | None = None
    """Committed offset as of the same moment; `None` = none, or not known yet."""
    retained_records: int = 0
    """Records from the oldest open one to the last accepted, settled ones included. The record limit counts these."""


@dataclass(frozen=True, slots=True)
class StoppedPartitionStatus:
    """A partition that stopped, because the next offset cannot be read."""

    code: str
    """The reason, as librdkafka's constant."""
    offset: int
    """The offset that could not be read."""
    since_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetterStatus:
    """The dead-letter topic, as its writer sees it."""

    topic: str = ""
    stalled_reason: str | None = None
    """Why dead letters cannot be written, as text for people; `None` while they can."""
    in_flight: int = 0
    """Dead letters written and not yet acknowledged."""


@dataclass(frozen=True, slots=True)
class LagStatus:
    """The offsets that the brokers reported last."""

    offsets: Mapping[Partition, tuple[int, int]] = field(default_factory=dict)
    """Log end and committed offset, where both are known."""
    updated_ms: int | None = None
    """When the brokers last responded; `None` = never."""


@dataclass(frozen=True, slots=True)
class SchemaFetchStatus:
    """The schemas that are being fetched from the registry."""

    pending: Mapping[SchemaKey, int] = field(default_factory=dict)
    """Schemas that records wait for, with the epoch milliseconds of the first request."""
    problems: Mapping[SchemaKey, str] = field(default_factory=dict)
    """The registry's last response to those: `unreachable`, `refused` (credentials) or `schema_needs_decryption`;
    absent = none yet."""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """One pipeline. Everything here may be public: no value, key, header, address or secret."""

    name: str
    group: str
    protocol: str
    """librdkafka's `group.protocol`: `classic` or `consumer`."""
    joined: bool = False
    """The member has joined its group at least once, possibly with no partition."""
    shutting_down: bool = False
    shut_down: bool = False
    fenced: bool = False
    """No commit was accepted for half the session timeout: no request starts until one is."""
    lost_since_ms: int | None = None
    """Since when the member is out of its group without having left it; `None` while it is in."""
    fatal: str | None = None
    """Code of the client's fatal error; the client does not work after one."""
    partitions: tuple[PartitionStatus, ...] = ()
    destinations: tuple[DestinationStatus, ...] = ()
    other_accounts: Mapping[str, DeliveryCounts] = field(default_factory=dict)
    """Accounts without lanes: of disabled destinations, and under "" of records that could not be decoded."""
    records: RecordCounts = field(default_factory=RecordCounts)
    dead_letters: DeadLetterStatus = field(default_factory=DeadLetterStatus)
    poll_ticked_at_s: float | None = None
    """Monotonic instant of the poll thread's last tick; `None` before the first."""
    loop_ticked_at_s: float | None = None
    """Monotonic instant of the loop's last tick; `None` before the first."""
    lag_updated_ms: int | None = None
    """When the brokers last reported log ends and committed offsets."""
    max_poll_interval_s: float = 300.0
    max_records: int = 0
    max_bytes: int = 0
    missing_topics: tuple[str, ...] = ()
    """Subscribed topics, or the dead-letter topic, that do not exist. The service waits for them."""
    guards: tuple[FloodGuardStatus, ...] = ()
    """Tripped flood guards over records that cannot be decoded, by topic and cause."""
    stopped: Mapping[Partition, StoppedPartitionStatus] = field(default_factory=dict)
    """Partitions that wait until an operator accepts the gap before them."""
    schemas_known: int = 0
    """Schemas in the cache: from the registry, and those of the directory that records named."""
    schemas_pending: Mapping[SchemaKey, int] = field(default_factory=dict)
    """As `SchemaFetchStatus.pending`."""
    schema_problems: Mapping[SchemaKey, str] = field(default_factory=dict)
    """As `SchemaFetchStatus.problems`."""


StatusSource: TypeAlias = Callable[[], PipelineStatus]
"""Returns a pipeline's status. Called from other threads than the loop's: it must not wait."""
