"""What crosses between the poll thread and the loop: plain data, by the lot, and the thread's way into the loop.

The thread moves records and offsets and decides nothing; the loop decides everything and never touches the consumer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from concurrent.futures import wait as wait_for
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from consumer.model import Message, Partition
    from consumer.model.directives import AcceptGap


@dataclass(frozen=True, slots=True)
class Assignment:
    """Partitions that came: for each its epoch number and the offset its first record will be at or after."""

    epochs: Mapping[Partition, int]
    starts: Mapping[Partition, int]
    total: int
    """Partitions of all subscribed topics, as far as known: this member's share of a rate is its own ÷ total."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records as they came, in one hand-over; per partition their offsets rise."""

    messages: Sequence[Message]
    epochs: Mapping[Partition, int]
    """The epochs in force when these records were taken: a record of an older one is dropped."""


@dataclass(frozen=True, slots=True)
class CommittableOffsets:
    """For each partition the epoch and the offset below which nothing is owed: always whole, never a difference."""

    offsets: Mapping[Partition, tuple[int, int]]


class PipelineHandler(Protocol):
    """The loop's side of the bridge. Every method runs in the loop; the thread calls them through it, in order."""

    full: frozenset[Partition]
    """Partitions with no room now, hysteresis included; replaced whole by the loop, read by the thread each turn."""

    accepted_gaps: Sequence[AcceptGap]
    """Where partitions that stopped may go on; replaced whole by the loop, read by the thread each turn."""

    def assigned(self, assignment: Assignment) -> None:
        """Begin epochs."""

    def partition_count_changed(self, total: int) -> None:
        """The subscribed topics have so many partitions now, though none came or went here."""

    async def accept_batch(self, batch: RecordBatch) -> None:
        """Accept a batch of records. Return once at least one partition has room again."""

    async def drain(self, partitions: Collection[Partition]) -> CommittableOffsets:
        """End the epochs of revoked partitions and return their committable offsets.

        Waits, within the drain budget, for requests on the wire; everything else of theirs is released.
        """

    def lost(self, partitions: Collection[Partition]) -> None:
        """End epochs that are already another member's: nothing commits for them."""

    async def shutdown(self) -> CommittableOffsets:
        """Deliver what fits into the drain budget, release the rest, and return the last committable offsets."""

    def committable_offsets(self) -> CommittableOffsets:
        """Return the committable offset of every partition assigned now."""


T = TypeVar("T")


class LoopBridge:
    """The thread's way into the loop.

    Everything becomes a task of its own, plain calls too: their first steps then run in the order in which the thread
    asked.

    Args:
        loop: the loop to reach.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: list[Future[None]] = []

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin a coroutine in the loop.

        Raises:
            RuntimeError: the loop is closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()  # else Python warns of a coroutine that nobody awaited, and hides the real cause
            raise

    def post(self, callback: Callable[[], None]) -> None:
        """Call something in the loop, without waiting; a failure is raised by `check`."""
        self._posted.append(self.submit(_call(callback)))

    def raise_errors(self) -> None:
        """Raise what a call made by `tell` has raised in the loop: it is a bug, and must not be lost."""
        while self._posted and self._posted[0].done():
            self._posted.pop(0).result()

    def wait(self, future: Future[Any], timeout_s: float) -> bool:
        """Wait for an answer; return whether it came."""
        wait_for([future], timeout_s)
        return future.done()


async def _call(news: Callable[[], None]) -> None:
    news()
