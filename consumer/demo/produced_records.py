"""The records of the shop with their coordinates, as acknowledged by the brokers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

from consumer.demo.events import ShopEvent
from consumer.model import Partition


@dataclass(frozen=True, slots=True)
class ProducedRecord:
    """One acknowledged record."""

    event: ShopEvent
    partition: Partition
    offset: int
    content_digest: bytes
    """Digest of its key and value. A dead letter of the record must have the same."""


def content_digest_of(key: bytes | None, value: bytes | None) -> bytes:
    """Return a digest of a record's key and value. `None` and empty bytes differ."""
    return blake2b(repr((key, value)).encode(), digest_size=16).digest()


class ProducedRecords:
    """The list of produced records: written by the producing thread, read by the live view and by the oracle."""

    def __init__(self) -> None:
        """Start with no records."""
        self._lock = Lock()
        self._records: list[ProducedRecord] = []
        self._ends: dict[Partition, int] = {}
        self._sizes: Counter[Partition] = Counter()
        self.produced = 0
        """Records handed to the producer, acknowledged or not."""
        self.failure: str | None = None
        """Why a record could not be written. The demo cannot continue then."""

    def record_acknowledged(self, record: ProducedRecord, size: int) -> None:
        """Add an acknowledged record of `size` bytes."""
        with self._lock:
            self._records.append(record)
            self._ends[record.partition] = max(self._ends.get(record.partition, 0), record.offset + 1)
            self._sizes[record.partition] += size

    def log_ends(self) -> dict[Partition, int]:
        """Return the offset after the last record of each partition."""
        with self._lock:
            return dict(self._ends)

    def largest_partition_bytes(self) -> int:
        """Return the bytes of the largest partition."""
        with self._lock:
            return max(self._sizes.values(), default=0)

    def __len__(self) -> int:
        """Return the number of acknowledged records."""
        return len(self._records)

    def __iter__(self) -> Iterator[ProducedRecord]:
        """Iterate over a copy of the records acknowledged so far."""
        with self._lock:
            return iter(tuple(self._records))
