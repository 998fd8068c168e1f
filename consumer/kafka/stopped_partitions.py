"""Partitions whose next offset is unavailable: nothing is skipped; they wait until an operator accepts the gap.

Non-obvious:

* Records fetched before the stop are still owed. An acceptance is applied once all of them have ended: the new epoch
  commits past them, and their deliveries would be forgotten.
* An acceptance names the offset of its stop, and is valid for no other stop. So a later gap is never passed over
  silently, wherever and whenever the acceptance is read.
* A partition that resumes below its stop may reach the same stop again. In the epoch that an acceptance began, that
  acceptance and those before it are not applied again. Otherwise the records between would be delivered in a loop.
* An operator's offset is checked against the log before it is committed. From an offset outside the log the partition
  would stop at once, and the old offset would be gone.
* A request to the brokers keeps all the other partitions waiting. After a failed one no other is sent in the same poll,
  and that partition's next one waits for a growing back-off.
* `seek` fails for a partition whose fetching has failed (`Local: Erroneous state`), so it is assigned anew.
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
from consumer.model.observer import KafkaEvents

_FIRST_BACKOFF_S = 1.0
_MAX_BACKOFF_S = 60.0


class Stop(NamedTuple):
    """A stop: its epoch, the offset before which the partition stopped, and the client's name for the error."""

    epoch: int
    offset: int
    code: str


class _FailedAcceptance(NamedTuple):
    """An acceptance that could not be applied. It is retried after `until_s`; the next back-off is twice as long."""

    gap: AcceptGap
    until_s: float
    backoff_s: float


class StoppedPartitions:
    """The stops of one consumer. Its thread calls every method.

    Args:
        membership: knows the assigned partitions, and assigns them anew.
        committer: stops committing positions of stopped partitions, and knows whether anything is still owed.
        handler: holds the gaps that the operator accepts.
        observer: is notified of each stop and of each applied acceptance.
    """

    def __init__(
        self, membership: GroupMembership, committer: OffsetCommitter, handler: PipelineHandler, observer: KafkaEvents
    ) -> None:
        self._membership = membership
        self._committer = committer
        self._handler = handler
        self._observer = observer
        self._stops: Mapping[Partition, Stop] = {}
        self._applied: dict[Partition, tuple[int, tuple[AcceptGap, ...]]] = {}
        """The epoch that an acceptance began, with the acceptances that led to it."""
        self._failed: dict[Partition, _FailedAcceptance] = {}

    def add(self, partition: Partition, code: str) -> None:
        """Note that the next offset of a partition is unavailable. Report it once per epoch."""
        epoch = self._membership.assigned[partition]
        if (known := self._stops.get(partition)) is not None and known.epoch == epoch:
            return
        self._committer.note_stopped(partition)
        stop = Stop(epoch, self._committer.stopped_at(partition), code)
        self._stops = {**self._stops, partition: stop}
        self._observer.partition_stopped(partition, stop.offset, code)

    def snapshot(self) -> Mapping[Partition, Stop]:
        """Return the stops of current epochs."""
        assigned = self._membership.assigned
        if any(assigned.get(partition) != stop.epoch for partition, stop in self._stops.items()):
            self._stops = {one: stop for one, stop in self._stops.items() if assigned.get(one) == stop.epoch}
        return self._stops

    def resume_stopped(self, consumer: Consumer, now_s: float) -> None:
        """Resume the partitions whose gap is accepted and for which nothing is owed any more.

        Raises:
            KafkaException: the client has stopped working for good.
        """
        for partition, stop in tuple(self.snapshot().items()):
            gap = self._acceptance(partition, stop)
            if gap is None or not self._committer.is_settled(partition) or self._backs_off(partition, gap, now_s):
                continue
            if not self._resume(consumer, partition, stop, gap):
                known = self._failed.get(partition)
                backoff_s = _FIRST_BACKOFF_S
                if known is not None and known.gap == gap:
                    backoff_s = min(2 * known.backoff_s, _MAX_BACKOFF_S)
                self._failed[partition] = _FailedAcceptance(gap, now_s + backoff_s, backoff_s)
                return
            self._failed.pop(partition, None)

    def _acceptance(self, partition: Partition, stop: Stop) -> AcceptGap | None:
        applied = self._applied_in(partition, stop)
        for gap in self._handler.accepted_gaps:
            if (gap.topic, gap.partition, gap.stopped_at) == (*partition, stop.offset) and gap not in applied:
                return gap
        return None

    def _applied_in(self, partition: Partition, stop: Stop) -> tuple[AcceptGap, ...]:
        epoch, gaps = self._applied.get(partition, (0, ()))
        return gaps if epoch == stop.epoch else ()

    def _backs_off(self, partition: Partition, gap: AcceptGap, now_s: float) -> bool:
        known = self._failed.get(partition)
        return known is not None and known.gap == gap and now_s < known.until_s

    def _resume(self, consumer: Consumer, partition: Partition, stop: Stop, gap: AcceptGap) -> bool:
        """Resume a partition at the operator's offset; return whether it worked."""
        try:
            offset = self._membership.quick_resolver.offset_at(consumer, partition, gap.to)
            if isinstance(offset, OffsetOutOfRange):
                self._observer.client_error("OFFSET_OUT_OF_RANGE", _out_of_range(partition, gap, offset), fatal=False)
                return False
            self._membership.reassign_at(consumer, partition, offset)
        except KafkaException as error:
            reason = error.args[0]
            if is_fatal(reason):
                raise
            self._observer.client_error(reason.name(), reason.str(), fatal=False)
            return False
        self._applied[partition] = (self._membership.assigned[partition], (*self._applied_in(partition, stop), gap))
        self._observer.gap_accepted(partition, stop.offset, offset)
        return True


def _out_of_range(partition: Partition, gap: AcceptGap, log: OffsetOutOfRange) -> str:
    return (
        f"accept_gap {partition.topic}/{partition.index}: offset {gap.to} is not between the log's start "
        f"({log.log_start}) and its end ({log.log_end}). Set `to` to an offset in that range."
    )
