"""What a run may come to need at the most: memory, part by part, and the time to leave."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.config.settings import Settings
from consumer.kafka.properties import max_poll_interval_s
from consumer.kafka.timeouts import revoke_seconds, shutdown_seconds

KIB = 1 << 10
MIB = 1 << 20

BASE_BYTES = 75 * MIB
"""The interpreter, its libraries and an idle client: resident before the first record (measured: 67 MiB)."""

FETCH_QUEUE_BYTES = 16 * MIB
"""The consumer's own default of `queued.max.messages.kbytes`; librdkafka's is 64 MiB."""

FETCH_COPIES = 2
"""A fetched answer and the records cut out of it, for as long as the queue holds one of them."""

BYTES_OVERHEAD = 1.25
"""What the allocators keep beside each byte of a record or delivery: rounding, object headers, holes."""

RECORD_BYTES = 1 * KIB
"""A kept record besides its key, value and headers: the client's message object, its slot in the ledger.

Measured: 630 bytes. A settled slot behind an open one is covered by it, too, and needs less than a tenth. What is owed
of a record counts as bytes in flight.
"""

WIRE_COPIES = 2
"""A batch as its parts are joined, and as the transport buffers it."""

ANSWER_BYTES = 4 * MIB
"""An answer is read whole up to this."""

LANE_BYTES = 1 * MIB
"""A lane's connection with its TLS context and certificates (measured: 0.85 MiB)."""

LARGEST_RECORD_BYTES = 1 * MIB
"""The brokers' default of `message.max.bytes`."""


@dataclass(frozen=True, slots=True)
class Room:
    """One destination's calls: how many at once, and how large."""

    lanes: int
    batch_bytes: int


@dataclass(frozen=True, slots=True)
class Ceiling:
    """The most memory one pipeline needs, as a sum."""

    parts: tuple[tuple[str, int], ...]
    """What for, and how many bytes."""

    @property
    def total(self) -> int:
        """Bytes of all parts together."""
        return sum(size for _, size in self.parts)


def ceiling(
    kafka: Mapping[str, str],
    rooms: Sequence[Room],
    *,
    records: int,
    size: int,
    partitions: int,
    largest: int = LARGEST_RECORD_BYTES,
) -> Ceiling:
    """Return the memory ceiling of one pipeline, without the process's base.

    Args:
        kafka: the user's librdkafka properties.
        rooms: one for each destination that is delivered to.
        records: the limit of records in flight, settled ones behind an open one included.
        size: the limit of bytes in flight, of records and of the deliveries made of them.
        partitions: the most partitions one process holds.
        largest: bytes of the largest record: one is always admitted in each partition, however full it is.
    """
    calls = sum(room.lanes * (room.batch_bytes * WIRE_COPIES + ANSWER_BYTES + LANE_BYTES) for room in rooms)
    return Ceiling(
        (
            ("fetch queue", fetch_queue_bytes(kafka) * FETCH_COPIES),
            ("bytes in flight", int(size * BYTES_OVERHEAD)),
            ("records in flight", records * RECORD_BYTES),
            (f"one more record in each of {partitions} partitions", largest * partitions),
            ("calls on the wire", calls),
            # Each refused delivery's record is copied once more until the dead-letter topic has acknowledged it.
            ("dead letters being written", size * len(rooms)),
        )
    )


def fetch_queue_bytes(kafka: Mapping[str, str]) -> int:
    """Return how much the client fetches ahead; what is no number is librdkafka's to complain about."""
    text = kafka.get("queued.max.messages.kbytes", "")
    most_digits = 10
    if text.isascii() and text.isdigit() and len(text) <= most_digits:
        return int(text) * KIB
    return FETCH_QUEUE_BYTES


@dataclass(frozen=True, slots=True)
class Times:
    """The time budgets, in seconds."""

    giving_back_s: float
    giving_back: str
    """The sum that `giving_back_s` is, in words."""
    max_poll_interval_s: float
    leaving_s: float
    leaving: str
    """The sum that `leaving_s` is, in words."""
    termination_grace_s: float


@dataclass(frozen=True, slots=True)
class Needs:
    """What a run needs at the most."""

    ceilings: Mapping[str, Ceiling]
    """By pipeline, without what the process needs anyway."""
    times: Times

    @property
    def memory_bytes(self) -> int:
        """The most memory the process needs with all its pipelines."""
        return BASE_BYTES + sum(each.total for each in self.ceilings.values())


def needs_of(settings: Settings, *, partitions: int, largest: int = LARGEST_RECORD_BYTES) -> Needs:
    """Return what a run of these settings needs; `partitions` and `largest` as in `ceiling`."""
    ceilings = {
        each.name: ceiling(
            settings.kafka,
            [Room(member.lanes.lanes, member.options.bytes) for member in settings.enabled(each)],
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
    """Return a size for people: `64 MiB`."""
    return f"{size / MIB:.0f} MiB" if size >= MIB else f"{size / KIB:.0f} KiB"
