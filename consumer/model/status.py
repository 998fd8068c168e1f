"""What a pipeline is at one instant, as plain numbers: asked for by whoever looks, never pushed.

Two clocks, told apart by the name: `…_ms` is the wall clock in epoch milliseconds, `…_at_s` is `time.monotonic()`,
in seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from consumer.model import DeadLetterCause, Partition, SecretProblem, TransientCause
from consumer.model.directives import Pause
from consumer.model.translated_batch import SchemaKey


@dataclass(frozen=True, slots=True)
class RecordCounts:
    """The books of records: taken = settled + open + released."""

    accepted: int = 0
    settled: int = 0
    open: int = 0
    """Counted from the ledger, never derived from the others."""
    released: int = 0

    @property
    def mismatch(self) -> int:
        """What the books cannot account for: anything but 0 is a bug of ours."""
        return self.accepted - self.settled - self.open - self.released


@dataclass(frozen=True, slots=True)
class DeliveryCounts:
    """The books of one destination: owed = delivered + skipped + dead-lettered + open + released."""

    owed: int = 0
    delivered: int = 0
    skipped: int = 0
    dead_lettered: int = 0
    open: int = 0
    """Counted from the ledger, never derived from the others."""
    released: int = 0

    @property
    def mismatch(self) -> int:
        """What the books cannot account for: anything but 0 is a bug of ours."""
        return self.owed - self.delivered - self.skipped - self.dead_lettered - self.open - self.released


CLOCK = "clock"
"""Endpoint of a hold that belongs to none: the destination's clock and ours disagree, or its is not known."""


@dataclass(frozen=True, slots=True)
class HoldStatus:
    """One endpoint that is held. There is no detail: what a person may read of it was logged when the hold began."""

    endpoint: str
    cause: DeadLetterCause | TransientCause
    since_ms: int
    next_probe_ms: int | None = None
    """When the prober asks again; `None` while a probe is on the wire."""


@dataclass(frozen=True, slots=True)
class FloodGuardStatus:
    """One scope in which the flood guard is tripped: so much was refused that the rest waits."""

    kind: str
    """The event type; for a cause of decoding the topic."""
    cause: DeadLetterCause
    since_ms: int
    refused: int
    of: int
    """So many were counted when it tripped, and so many of them were refused with this cause."""
    waiting: int
    """What waits: deliveries, or letters that are not written."""


@dataclass(frozen=True, slots=True)
class DestinationStatus:
    """One destination of a pipeline."""

    name: str
    accounting: DeliveryCounts = field(default_factory=DeliveryCounts)
    lanes: int = 0
    requests: int = 0
    """Calls on the wire."""
    open_events: int = 0
    """Deliveries in its lanes or on the wire."""
    open_bytes: int = 0
    """Their bodies' bytes."""
    oldest_open_ms: int | None = None
    """Kafka timestamp of the oldest delivery that has not ended; `None` if there is none."""
    holds: tuple[HoldStatus, ...] = ()
    waiting_until_ms: int | None = None
    """The instant before which the destination asked not to be called; `None` if it did not ask."""
    rate: float | None = None
    """Calls a second that this process may make now: its share of the configured rate; `None` = no rate."""
    credentials_valid: bool | None = None
    """Whether the last decisive answer took the credentials; `None` before the first."""
    credentials_proven: bool = False
    """Whether they were taken at least once since the start: from then on a rejection is news, not a bad rollout."""
    secret_problem: SecretProblem | None = None
    """Why what stands in the files of its secrets is not what signs, or may not be; `None` = no reason is known."""
    guards: tuple[FloodGuardStatus, ...] = ()
    """What the flood guard keeps back, by event type and cause."""
    poison_candidates: int = 0
    """Deliveries that may be what makes calls fail: they are tried by themselves, and others go on past them."""
    paused: tuple[Pause, ...] = ()
    """Directives in force that keep deliveries back here, all or those of an event type."""


@dataclass(frozen=True, slots=True)
class PartitionStatus:
    """One partition that is assigned to this process."""

    partition: Partition
    epoch: int
    committable_offset: int
    """The offset below which nothing is owed."""
    accepted_to: int
    """The offset after the last record taken (before the first: where the epoch started)."""
    open_records: int = 0
    open_bytes: int = 0
    """Bytes of the records taken and not settled, and of the deliveries made of them."""
    head_ms: int | None = None
    """Kafka timestamp of the oldest record that is not settled; `None` if there is none."""
    paused: bool = False
    full: bool = False
    """Its share of the limits is used up."""
    log_end: int | None = None
    """Last stable offset when the brokers were last asked (`PipelineStatus.lag_updated_ms`); `None` = not known yet."""
    committed: int | None = None
    """Committed offset as of the same moment; `None` = none, or not known yet."""
    retained_records: int = 0
    """From the oldest open one to the last taken, settled ones included: what the limit of records counts."""


@dataclass(frozen=True, slots=True)
class StoppedPartitionStatus:
    """A partition that goes no further, because what should come next cannot be had."""

    code: str
    """Why, as librdkafka's constant."""
    offset: int
    """Where: what should have come next."""
    since_ms: int


@dataclass(frozen=True, slots=True)
class DeadLetterStatus:
    """The way to the dead-letter topic."""

    topic: str = ""
    stalled_reason: str | None = None
    """Why letters cannot be written now, in a sentence for people; `None` while they can."""
    in_flight: int = 0
    """Letters handed over and not yet acknowledged."""


@dataclass(frozen=True, slots=True)
class PipelineStatus:
    """One pipeline, whole. Everything here may be shown to anybody: no value, key, header, address or secret."""

    name: str
    group: str
    protocol: str
    """`classic` or `consumer`, librdkafka's `group.protocol`."""
    joined: bool = False
    """The member has joined its group at least once, possibly with no partition."""
    shutting_down: bool = False
    shut_down: bool = False
    fenced: bool = False
    """No commit was accepted for half a session: no call starts until one is."""
    lost_since_ms: int | None = None
    """Since when the member is out of its group without having left; `None` while it is in."""
    fatal: str | None = None
    """Code of the client's fatal error, if it had one: nothing works after it."""
    partitions: tuple[PartitionStatus, ...] = ()
    destinations: tuple[DestinationStatus, ...] = ()
    other_accounts: Mapping[str, DeliveryCounts] = field(default_factory=dict)
    """Books of what no lane serves: of disabled destinations, and under "" of records that could not be decoded."""
    records: RecordCounts = field(default_factory=RecordCounts)
    dead_letters: DeadLetterStatus = field(default_factory=DeadLetterStatus)
    poll_ticked_at_s: float | None = None
    """Monotonic instant of the poll thread's last turn; `None` before the first."""
    loop_ticked_at_s: float | None = None
    """Monotonic instant at which the loop was last seen to turn; `None` before the first."""
    lag_updated_ms: int | None = None
    """When the brokers were last asked for the log ends and committed offsets."""
    max_poll_interval_s: float = 300.0
    max_records: int = 0
    max_bytes: int = 0
    missing_topics: tuple[str, ...] = ()
    """Subscribed topics, or the dead-letter topic, that are not there and are waited for."""
    guards: tuple[FloodGuardStatus, ...] = ()
    """What the flood guard keeps back of records that cannot be decoded, by topic and cause."""
    stopped: Mapping[Partition, StoppedPartitionStatus] = field(default_factory=dict)
    """Partitions that wait until an operator accepts the gap before them."""
    schemas_known: int = 0
    """Schemas kept: from the registry, and those of the directory that records named."""
    schemas_pending: Mapping[SchemaKey, int] = field(default_factory=dict)
    """Schemas that records wait for, with the epoch milliseconds since when."""
    schema_problems: Mapping[SchemaKey, str] = field(default_factory=dict)
    """What the registry last answered to those: `unreachable` or `refused` (our credentials); absent = nothing yet."""


class StatusProvider(Protocol):
    """Somebody who can be asked."""

    def status(self) -> PipelineStatus:
        """Return the facts of this instant. Called from a thread that is not the loop's: must not wait, nor raise."""
