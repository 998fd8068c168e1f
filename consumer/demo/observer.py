"""What a pipeline tells while it runs, counted for the screen and for the books."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from threading import Lock

from consumer.model import DeadLetterCause, Fault, SkipReason
from consumer.model.observer import Observer


class Tally(Observer):
    """Listens to one pipeline."""

    def __init__(self) -> None:
        """Begin at nothing."""
        self._lock = Lock()
        self.skips: Counter[tuple[str, str, SkipReason]] = Counter()
        """By destination ("" = the whole record), event type and reason."""
        self.letters: Counter[tuple[str, DeadLetterCause]] = Counter()
        """Acknowledged ones, by destination ("" = the whole record) and cause."""
        self.calls: Counter[int | None] = Counter()
        """Calls that ended, by status."""
        self.splits = 0
        self.first_delivery_at: float | None = None
        """`time.monotonic()` of the first delivery."""
        self.trouble: tuple[float, str] | None = None
        """When a batch was last put off (`time.monotonic()`), and why."""

    def events_skipped(self, counts: Mapping[tuple[str, str, SkipReason], int]) -> None:
        """Count what was deliberately not delivered."""
        with self._lock:
            self.skips.update(counts)

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        """Count letters."""
        with self._lock:
            self.letters[destination, cause] += count

    def request_finished(
        self, destination: str, endpoint: str, status: int | None, events: int, size: int, seconds: float
    ) -> None:
        """Count calls."""
        del destination, endpoint, events, size, seconds
        with self._lock:
            self.calls[status] += 1

    def batch_split(self, destination: str, events: int) -> None:
        """Count halvings."""
        del destination, events
        self.splits += 1

    def delivered(self, destination: str, append_s: object, event_s: object) -> None:
        """Note when the first delivery was made."""
        del destination, append_s, event_s
        if self.first_delivery_at is None:
            self.first_delivery_at = time.monotonic()

    def retry_scheduled(self, destination: str, fault: Fault, events: int, wait_s: float) -> None:
        """Note that a batch waits, and why."""
        del destination, events
        self.trouble = (time.monotonic() + wait_s, f"{fault.status or fault.cause}")

    def causes(self) -> Counter[DeadLetterCause]:
        """Return the letters by cause."""
        with self._lock:
            found: Counter[DeadLetterCause] = Counter()
            for (_, cause), count in self.letters.items():
                found[cause] += count
            return found
