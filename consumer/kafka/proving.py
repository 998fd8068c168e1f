"""Showing, by commits, that this member is one: when one is sent for that alone, and what is told of the fence."""

from __future__ import annotations

from confluent_kafka import Consumer

from consumer.kafka.committer import Commits
from consumer.kafka.fence import Fence
from consumer.kafka.stopped_partitions import Stops
from consumer.model.observer import Observer

_MOMENT_S = 5.0
"""Who begins to owe needs no longer to show that it is a member, unless something is wrong; nor than half the limit."""


class Proving:
    """Sends the commits of one consumer in time; every method is called by its thread.

    Who owes nothing, and waits for no gap to be accepted, does nothing that only members may: it commits nothing that
    has not moved, and nobody is told that it may not call.

    Args:
        fence: falls without proof.
        commits: what is sent.
        stops: an acceptance is acted on by members only.
        observer: told when calls wait, and when they do no more.
        every_s: how often what has moved is sent, in seconds.
    """

    def __init__(self, fence: Fence, commits: Commits, stops: Stops, observer: Observer, every_s: float) -> None:
        self._fence = fence
        self._commits = commits
        self._stops = stops
        self._observer = observer
        # More often than a proof comes due: one that is refused is repeated while the last is still good.
        self._every_s = min(every_s, fence.limit_s / 6)
        self._moment_s = min(_MOMENT_S, fence.limit_s / 2)
        self._due_s = 0.0
        self._open_s = fence.clock()
        self._told_shut = False

    def turn(self, consumer: Consumer, now_s: float) -> None:
        """Tell of the fence, and send what is due; by the fence's clock."""
        self._look(now_s)  # first: a standstill is told of, however soon the commit mends it
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            acts = self._commits.owes() or bool(self._stops.now())
            self._commits.send(consumer, proof=acts and self._fence.is_due())

    def took(self, consumer: Consumer) -> None:
        """Send a proof before the first calls of who was idle: it is answered while the records are translated."""
        if self._fence.is_due():
            self._commits.send(consumer, proof=True)

    def _look(self, now_s: float) -> None:
        if self._fence.may_call() or not self._commits.owes():
            self._open_s = now_s
            if self._told_shut:
                self._told_shut = False
                self._observer.unfenced()
        elif not self._told_shut and now_s - self._open_s > self._moment_s:
            self._told_shut = True
            self._observer.fenced()
