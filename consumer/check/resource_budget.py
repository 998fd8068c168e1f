"""The maximum memory of a run, part by part, and its maximum times to revoke partitions and to shut down."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.config.settings import Settings
from consumer.kafka.properties import max_poll_interval_s
from consumer.kafka.timeouts import revoke_seconds, shutdown_seconds

KIB = 1 << 10
MIB = 1 << 20

BASE_BYTES = 75 * MIB
"""The interpreter, its libraries and an idle client: resident before the first record. Measured: 67 MiB."""

FETCH_QUEUE_BYTES = 16 * MIB
"""Our default of `queued.max.messages.kbytes`; librdkafka's is 64 MiB."""

FETCH_COPIES = 2
"""The fetch response, and the records copied out of it. The response stays while the queue holds one of them."""

BYTES_OVERHEAD = 1.25
"""Allocated bytes for each byte of a record or delivery: rounding, object headers and fragmentation."""

RECORD_BYTES = 1 * KIB
"""A retained record without its key, value and headers: the client's message object and its slot in the ledger.

Measured: 630 bytes. This covers a settled slot behind an open one as well, which needs less than a tenth. The
deliveries made of a record count as bytes in flight.
"""

BODY_COPIES = 2
"""A request body: once joined from its parts, and once buffered by the transport."""

RESPONSE_BYTES = 4 * MIB
"""A response is read up to this size."""

LANE_BYTES = 1 * MIB
"""The connection of a lane, with its TLS context and certificates. Measured: 0.85 MiB."""

LARGEST_RECORD_BYTES = 1 * MIB
"""The brokers' default of `message.max.bytes`."""


@dataclass(frozen=True, slots=True)
class DestinationLoad:
    """The requests of one destination: how many at once, and how large."""

    lanes: int
    batch_bytes: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The maximum memory of one pipeline, as a sum of parts."""

    parts: tuple[tuple[str, int], ...]
    """(purpose, bytes)."""

    @property
    def total(self) -> int:
        """The bytes of all parts."""
        return sum(size for _, size in self.parts)


def ceiling(
    kafka: Mapping[str, str],
    destinations: Sequence[DestinationLoad],
    *,
    records: int,
    size: int,
    partitions: int,
    largest: int = LARGEST_RECORD_BYTES,
) -> Ceiling:
    """Return the maximum memory of one pipeline, without the base of the process.

    Args:
        kafka: the librdkafka properties of the configuration.
        destinations: the enabled destinations.
        records: the limit of records in flight, settled ones behind an open one included.
        size: the limit of bytes in flight, of records and of the deliveries made of them.
        partitions: the most partitions that one process is assigned.
        largest: bytes of the largest record. Each partition always admits one record, even above the limits.
    """
    requests = sum(each.lanes * (each.batch_bytes * BODY_COPIES + RESPONSE_BYTES + LANE_BYTES) for each in destinations)
    return Ceiling(
        (
            ("fetch queue", fetch_queue_bytes(kafka) * FETCH_COPIES),
            ("bytes in flight", int(size * BYTES_OVERHEAD)),
            ("records in flight", records * RECORD_BYTES),
            (f"one more record in each of {partitions} partitions", largest * partitions),
            ("requests in flight", requests),
            # The record of a dead letter is copied once more until the dead-letter topic has acknowledged it.
            ("dead letters being written", size * len(destinations)),
        )
    )


def fetch_queue_bytes(kafka: Mapping[str, str]) -> int:
    """Return how much the client fetches ahead, in bytes. A property that is no number counts as the default."""
    text = kafka.get("queued.max.messages.kbytes", "")
    most_digits = 10
    if text.isascii() and text.isdigit() and len(text) <= most_digits:
        return int(text) * KIB
    return FETCH_QUEUE_BYTES


@dataclass(frozen=True, slots=True)
class Times:
    """The time budgets, in seconds."""

    revoke_s: float
    revoke_sum: str
    """The sum `revoke_s` as text."""
    max_poll_interval_s: float
    shutdown_s: float
    shutdown_sum: str
    """The sum `shutdown_s` as text."""
    termination_grace_s: float


@dataclass(frozen=True, slots=True)
class Needs:
    """The maximum needs of a run."""

    ceilings: Mapping[str, Ceiling]
    """By pipeline, without the base of the process."""
    times: Times

    @property
    def memory_bytes(self) -> int:
        """The maximum memory of the process with all its pipelines."""
        return BASE_BYTES + sum(each.total for each in self.ceilings.values())


def needs_of(settings: Settings, *, partitions: int, largest: int = LARGEST_RECORD_BYTES) -> Needs:
    """Return the maximum needs of a run with these settings; `partitions` and `largest` as in `ceiling`."""
    ceilings = {
        each.name: ceiling(
            settings.kafka,
            [DestinationLoad(member.lanes.lanes, member.options.bytes) for member in settings.enabled(each)],
            records=settings.budgets.records,
            size=settings.budgets.bytes,
            partitions=partitions,
            largest=largest,
        )
        for each in settings.pipelines
    }
    kafka, budgets = settings.kafka, settings.budgets
    times = Times(
        *revoke_seconds(kafka, budgets.drain_s),
        max_poll_interval_s(kafka),
        *shutdown_seconds(kafka, budgets.drain_s),
        budgets.termination_grace_s,
    )
    return Needs(ceilings, times)


def shown_bytes(size: int) -> str:
    """Return a size as text, such as `64 MiB`."""
    return f"{size / MIB:.0f} MiB" if size >= MIB else f"{size / KIB:.0f} KiB"
