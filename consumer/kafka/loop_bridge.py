"""The interface between the poll thread and the event loop: plain data, in batches, and calls from thread to loop.

The thread moves records and offsets and decides nothing. The loop decides everything and never touches the consumer.
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
    """Newly assigned partitions: the epoch of each, and a lower bound for the offset of its first record."""

    epochs: Mapping[Partition, int]
    starts: Mapping[Partition, int]
    total: int
    """Partitions of all subscribed topics, as far as known. This member's share of a rate is its own ÷ total."""


@dataclass(frozen=True, slots=True)
class RecordBatch:
    """Records of one fetch, in the order in which they came. Within a partition, offsets rise."""

    messages: Sequence[Message]
    epochs: Mapping[Partition, int]
    """The assignment epochs at the time of the fetch. A record of an older epoch is dropped."""


@dataclass(frozen=True, slots=True)
class CommittableOffsets:
    """For each assigned partition its epoch and its committable offset. Always complete, never a difference."""

    offsets: Mapping[Partition, tuple[int, int]]


class PipelineHandler(Protocol):
    """The loop's side of the bridge. The thread calls every method through the bridge, and all run in the loop."""

    full: frozenset[Partition]
    """Partitions without room now, hysteresis included. The loop replaces the set; the thread reads it at each poll."""

    accepted_gaps: Sequence[AcceptGap]
    """Where stopped partitions may resume. The loop replaces the sequence; the thread reads it at each poll."""

    def assigned(self, assignment: Assignment) -> None:
        """Begin epochs."""

    def partition_count_changed(self, total: int) -> None:
        """Note the new partition count of the subscribed topics, for a change without an assignment here."""

    async def accept_batch(self, batch: RecordBatch) -> None:
        """Accept a batch of records. Return once at least one partition has room again."""

    async def drain(self, partitions: Collection[Partition]) -> CommittableOffsets:
        """End the epochs of revoked partitions and return their committable offsets.

        Waits, within the drain timeout, for requests in flight. Releases everything else of these partitions.
        """

    def lost(self, partitions: Collection[Partition]) -> None:
        """End epochs of partitions that another member owns already. Nothing commits for them."""

    async def shutdown(self) -> CommittableOffsets:
        """Deliver what fits into the drain timeout, release the rest, and return the last committable offsets."""

    def committable_offsets(self) -> CommittableOffsets:
        """Return the committable offset of every assigned partition."""


T = TypeVar("T")


class LoopBridge:
    """Calls from the poll thread into the loop.

    Every call becomes a task of its own, plain calls included. So their first steps run in the order of the calls.

    Args:
        loop: the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._posted: list[Future[None]] = []

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Start a coroutine in the loop.

        Raises:
            RuntimeError: the loop is closed.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()  # otherwise Python warns of a coroutine that was never awaited, which hides the cause
            raise

    def post(self, callback: Callable[[], None]) -> None:
        """Call `callback` in the loop, without waiting. `raise_errors` raises its exception."""
        self._posted.append(self.submit(_call(callback)))

    def raise_errors(self) -> None:
        """Raise the exception of a finished call made by `post`: it is a bug and must not get lost."""
        while self._posted and self._posted[0].done():
            self._posted.pop(0).result()

    def wait(self, future: Future[Any], timeout_s: float) -> bool:
        """Wait for a future; return whether it is done."""
        wait_for([future], timeout_s)
        return future.done()


async def _call(callback: Callable[[], None]) -> None:
    callback()
