"""Counts what one pipeline reports, for the live view and for the final accounting."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock

from consumer.model import DeadLetterCause, Fault, SkipReason
from consumer.model.observer import Observer


class CountingObserver(Observer):
    """Counts the events of one pipeline."""

    def __init__(self) -> None:
        """Start all counts at 0."""
        self._lock = Lock()
        self.skips: Counter[tuple[str, str, SkipReason]] = Counter()
        """By destination ("" = the whole record), event type and reason."""
        self.dead_letters: Counter[tuple[str, DeadLetterCause]] = Counter()
        """Acknowledged dead letters, by destination ("" = the whole record) and cause."""
        self.requests: Counter[int | None] = Counter()
        """Finished requests, by status."""
        self.splits = 0
        self.first_delivery_at: float | None = None
        """`time.monotonic()` of the first delivery."""
        self.next_retry: tuple[float, str] | None = None
        """`time.monotonic()` of the retry that was scheduled last, and its status or cause."""

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Count deliberately skipped deliveries."""
        with self._lock:
            self.skips.update(counts)

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        """Count acknowledged dead letters."""
        with self._lock:
            self.dead_letters[destination, cause] += count

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        """Count a request."""
        del destination, endpoint, events, size, seconds
        with self._lock:
            self.requests[status] += 1

    def batch_split(self, destination: str, events: int) -> None:
        """Count a split."""
        del destination, events
        self.splits += 1

    def delivered(self, destination: str, append_s: object, event_s: object) -> None:
        """Remember the time of the first delivery."""
        del destination, append_s, event_s
        if self.first_delivery_at is None:
            self.first_delivery_at = time.monotonic()

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        """Remember the time of a retry, and its status or cause."""
        del destination, events
        self.next_retry = (time.monotonic() + wait_s, f"{fault.status or fault.cause}")

    def dead_letters_by_cause(self) -> Counter[DeadLetterCause]:
        """Return the acknowledged dead letters by cause."""
        with self._lock:
            counts: Counter[DeadLetterCause] = Counter()
            for (_, cause), count in self.dead_letters.items():
                counts[cause] += count
            return counts
