"""Partitions whose next offset is not to be had: nothing is skipped over, they wait until an operator accepts the gap.

Non-obvious:

* What was taken before the stop is still owed. An acceptance is acted on once all of that has ended: the new epoch
  commits beyond it, and would make its deliveries be forgotten.
* An acceptance names the offset of its stop, and is good for no other one: wherever and whenever it is read, a later
  gap is not passed over silently.
* A partition that goes on below its stop may stop there again. In the epoch that an acceptance began it is not used
  again, nor are those that led to it: the records between would be delivered for ever.
* What an operator says is held against the log before it is committed: from an offset that is not there the partition
  would stop at once, with the way back forgotten.
* Each question keeps all the other partitions waiting. After one that failed no other is asked in the same turn, and
  that partition's next one is put off, longer each time.
* A partition whose fetching has failed cannot be sought in (`Local: Erroneous state`): it is assigned anew.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaException

from consumer.kafka.client_health import is_fatal
from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.loop_bridge import PipelineHandler
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.start_offsets import OffsetOutOfRange
from consumer.model import Partition
from consumer.model.directives import AcceptGap
from consumer.model.observer import Observer

_FIRST_WAIT_S = 1.0
_LONGEST_WAIT_S = 60.0


class Stop(NamedTuple):
    """Where a partition stopped: in which epoch, before which offset, and the client's name for the reason."""

    epoch: int
    offset: int
    code: str


class _PutOff(NamedTuple):
    """An acceptance that came to nothing: not tried again before `until_s`, and then not for twice as long."""

    gap: AcceptGap
    until_s: float
    wait_s: float


class StoppedPartitions:
    """The stops of one consumer; every method is called by its thread.

    Args:
        membership: what is held.
        commits: told that only the committable offset counts; asked what is still owed.
        road: what the operator accepts.
        observer: told of each stop, and of each acceptance acted on.
    """

    def __init__(
        self, membership: GroupMembership, commits: OffsetCommitter, handler: PipelineHandler, observer: Observer
    ) -> None:
        self._membership = membership
        self._commits = commits
        self._handler = handler
        self._observer = observer
        self._stops: Mapping[Partition, Stop] = {}
        self._used: dict[Partition, tuple[int, tuple[AcceptGap, ...]]] = {}
        """The epoch that an acceptance began, and the acceptances that led to it."""
        self._put_off: dict[Partition, _PutOff] = {}

    def add(self, partition: Partition, code: str) -> None:
        """Note that the next offset of a partition is not to be had; said once an epoch."""
        epoch = self._membership.assigned[partition]
        if (known := self._stops.get(partition)) is not None and known.epoch == epoch:
            return
        self._commits.note_stopped(partition)
        stop = Stop(epoch, self._commits.stopped_at(partition), code)
        self._stops = {**self._stops, partition: stop}
        self._observer.partition_stopped(partition, stop.offset, code)

    def snapshot(self) -> Mapping[Partition, Stop]:
        """Return the stops of epochs in force."""
        held = self._membership.assigned
        if any(held.get(partition) != stop.epoch for partition, stop in self._stops.items()):
            self._stops = {one: stop for one, stop in self._stops.items() if held.get(one) == stop.epoch}
        return self._stops

    def resume_stopped(self, consumer: Consumer, now_s: float) -> None:
        """Let partitions go on whose gap is accepted, and of which nothing is owed any more.

        Raises:
            KafkaException: the client can do nothing any more.
        """
        for partition, stop in tuple(self.snapshot().items()):
            gap = self._acceptance(partition, stop)
            if gap is None or not self._commits.is_settled(partition) or self._must_wait(partition, gap, now_s):
                continue
            if not self._go_on(consumer, partition, stop, gap):
                known = self._put_off.get(partition)
                wait_s = _FIRST_WAIT_S if known is None or known.gap != gap else min(2 * known.wait_s, _LONGEST_WAIT_S)
                self._put_off[partition] = _PutOff(gap, now_s + wait_s, wait_s)
                return
            self._put_off.pop(partition, None)

    def _acceptance(self, partition: Partition, stop: Stop) -> AcceptGap | None:
        used = self._used_for(partition, stop)
        for gap in self._handler.accepted_gaps:
            if (gap.topic, gap.partition, gap.stopped_at) == (*partition, stop.offset) and gap not in used:
                return gap
        return None

    def _used_for(self, partition: Partition, stop: Stop) -> tuple[AcceptGap, ...]:
        began, gaps = self._used.get(partition, (0, ()))
        return gaps if began == stop.epoch else ()

    def _must_wait(self, partition: Partition, gap: AcceptGap, now_s: float) -> bool:
        known = self._put_off.get(partition)
        return known is not None and known.gap == gap and now_s < known.until_s

    def _go_on(self, consumer: Consumer, partition: Partition, stop: Stop, gap: AcceptGap) -> bool:
        """Have a partition go on where an operator says; return whether it does."""
        try:
            offset = self._membership.quick_resolver.offset_at(consumer, partition, gap.to)
            if isinstance(offset, OffsetOutOfRange):
                self._observer.client_error("OFFSET_OUT_OF_RANGE", _refusal(partition, gap, offset), fatal=False)
                return False
            self._membership.reassign_at(consumer, partition, offset)
        except KafkaException as error:
            why = error.args[0]
            if is_fatal(why):
                raise
            self._observer.client_error(why.name(), why.str(), fatal=False)
            return False
        self._used[partition] = (self._membership.assigned[partition], (*self._used_for(partition, stop), gap))
        self._observer.gap_accepted(partition, stop.offset, offset)
        return True


def _refusal(partition: Partition, gap: AcceptGap, log: OffsetOutOfRange) -> str:
    return (
        f"{partition.topic}[{partition.index}]: a directive would have it go on at offset {gap.to}, "
        f"but the log begins at {log.log_start} and ends before {log.log_end}: name an offset of the log"
    )
