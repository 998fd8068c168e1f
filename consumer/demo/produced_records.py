"""What was written where: every record of the shop with its place, as the brokers acknowledged it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from threading import Lock

from consumer.demo.events import ShopEvent
from consumer.model import Partition


@dataclass(frozen=True, slots=True)
class Written:
    """One record that the brokers have."""

    happening: ShopEvent
    partition: Partition
    offset: int
    digest: bytes
    """Of its key and value: what must come back untouched in a dead letter."""


def digest_of(key: bytes | None, value: bytes | None) -> bytes:
    """Return a digest of a record's bytes, in which no bytes and empty ones differ."""
    return blake2b(repr((key, value)).encode(), digest_size=16).digest()


class ProducedRecords:
    """Written by the shop's thread, read by the display and, when all is over, by the books."""

    def __init__(self) -> None:
        """Begin with nothing written."""
        self._lock = Lock()
        self._written: list[Written] = []
        self._ends: dict[Partition, int] = {}
        self._sizes: Counter[Partition] = Counter()
        self.made = 0
        """Records handed to the producer, acknowledged or not."""
        self.failed: str | None = None
        """Why a record could not be written; the demo cannot go on then."""

    def wrote(self, written: Written, size: int) -> None:
        """Note a record that was acknowledged, and its bytes."""
        with self._lock:
            self._written.append(written)
            self._ends[written.partition] = max(self._ends.get(written.partition, 0), written.offset + 1)
            self._sizes[written.partition] += size

    def ends(self) -> dict[Partition, int]:
        """Return the offset behind the last record of each partition."""
        with self._lock:
            return dict(self._ends)

    def largest(self) -> int:
        """Return the bytes of the fullest partition."""
        with self._lock:
            return max(self._sizes.values(), default=0)

    def __len__(self) -> int:
        """Count the records that were acknowledged."""
        return len(self._written)

    def __iter__(self) -> Iterator[Written]:
        """Go through all records acknowledged so far."""
        with self._lock:
            return iter(tuple(self._written))
