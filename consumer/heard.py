"""What only the poll thread knows of a pipeline, noted as it says it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from consumer.model.observer import Observer
from consumer.model.status import StoppedFacts

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from consumer.model import Partition


class Heard(Observer):
    """Keeps what was said last."""

    def __init__(self) -> None:
        """Start with nothing heard."""
        self.joined_group = False
        self.fenced_now = False
        self.fatal: str | None = None
        self.lost_since_ms: int | None = None
        self.poll_turned_at_s: float | None = None
        self.paused_now: frozenset[Partition] = frozenset()
        self.missing: dict[str, float] = {}
        self.stops: dict[Partition, StoppedFacts] = {}

    def joined(self, group: str, protocol: str) -> None:  # noqa: ARG002
        """Note that the member is in its group."""
        self.joined_group, self.lost_since_ms = True, None

    def assigned(self, partitions: Mapping[Partition, int]) -> None:
        """Note that the member is (again) in its group, and which topics are there."""
        self.joined_group, self.lost_since_ms = True, None
        for partition in partitions:
            self.missing.pop(partition.topic, None)
            self.stops.pop(partition, None)

    def revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:  # noqa: ARG002
        """Note that the group went on without this member."""
        if lost:
            self.lost_since_ms = int(time.time() * 1000)

    def paused(self, partitions: Collection[Partition]) -> None:
        """Note what is paused."""
        self.paused_now = frozenset(partitions)

    def poll_turned(self, interval_s: float) -> None:  # noqa: ARG002
        """Note that the poll thread turned."""
        self.poll_turned_at_s = time.monotonic()

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:  # noqa: ARG002
        """Note a fatal error."""
        if fatal:
            self.fatal = code

    def topic_missing(self, topic: str) -> None:
        """Note a topic that is not there; said again every half a minute while it is missing."""
        self.missing[topic] = time.monotonic()

    def topic_found(self, topic: str) -> None:
        """Note that it is there now."""
        self.missing.pop(topic, None)

    def stopped(self, partition: Partition, offset: int, code: str) -> None:
        """Note a partition that goes no further: until it goes on elsewhere, or is assigned again."""
        self.stops[partition] = StoppedFacts(code, offset, int(time.time() * 1000))

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:  # noqa: ARG002
        """Note that it goes on."""
        self.stops.pop(partition, None)

    def fenced(self) -> None:
        """Note the fence."""
        self.fenced_now = True

    def unfenced(self) -> None:
        """Note its end."""
        self.fenced_now = False
