"""Fetches records: drops those of ended epochs, handles the errors among them, and pauses partitions.

The client is asked to pause or resume only the partitions that change. A superfluous resume would cost nothing, but a
pause throws away the prefetched records, and the next record comes a second after the resume.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import cast

from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from consumer.kafka.client_health import MISSING_TOPIC_ERRORS, STOPPING_ERRORS, error_name, is_fatal
from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.rebalance import GroupMembership
from consumer.kafka.stopped_partitions import StoppedPartitions
from consumer.model import Partition
from consumer.model.observer import KafkaEvents


class Fetcher:
    """Fetches records from the consumer, in batches.

    Args:
        membership: knows the assigned partitions.
        committer: learns the last fetched offsets.
        stopped_partitions: learns of partitions whose next offset is unavailable.
        observer: is notified of fetched records and errors.
    """

    def __init__(
        self,
        membership: GroupMembership,
        committer: OffsetCommitter,
        stopped_partitions: StoppedPartitions,
        observer: KafkaEvents,
    ) -> None:
        self._membership = membership
        self._committer = committer
        self._stopped_partitions = stopped_partitions
        self._observer = observer
        self._early: list[tuple[int, Message]] = []
        """Records that came while everything was paused, with their epochs."""

    def fetch(self, consumer: Consumer, max_records: int, timeout_s: float) -> list[Message]:
        """Return the available records; wait for the first one."""
        batch = self._early_records() if self._early else self._poll(consumer, max_records, timeout_s)
        if batch:
            self._report_consumed(batch)
        return batch

    def poll_paused(self, consumer: Consumer) -> None:
        """Poll while everything is paused. A record that comes in spite of it is kept for the next `fetch`."""
        batch = self._poll(consumer, 1, 0)
        assigned = self._membership.assigned
        self._early += [(assigned[_partition_of(one)], one) for one in batch]

    def _early_records(self) -> list[Message]:
        assigned = self._membership.assigned
        early, self._early = self._early, []
        return [one for epoch, one in early if assigned.get(_partition_of(one)) == epoch]

    def _poll(self, consumer: Consumer, max_records: int, timeout_s: float) -> list[Message]:
        first = consumer.poll(timeout_s)
        if first is None:
            return []
        before = self._membership.assigned
        self._committer.fetching = True
        batch = [first, *consumer.consume(max_records - 1, 0)] if max_records > 1 else [first]
        after = self._membership.assigned
        partition = _partition_of(first)
        if after is not before and first.error() is None and before.get(partition) != after.get(partition):
            # A callback within `consume` ended its epoch. The client itself filters what `consume` returns.
            del batch[0]
        if any(map(Message.error, batch)):
            batch = self._without_errors(batch)
        last = _last_offsets(batch)
        if not last.keys() <= after.keys():
            batch = [one for one in batch if _partition_of(one) in after]
            last = _last_offsets(batch)
        self._committer.note_consumed(last)
        self._committer.fetching = False
        return batch

    def _without_errors(self, batch: list[Message]) -> list[Message]:
        records: list[Message] = []
        stops = self._stopped_partitions.snapshot()
        for message in batch:
            error = message.error()
            if error is not None:
                self._handle_error(message, error, records)
                stops = self._stopped_partitions.snapshot()
            elif _partition_of(message) not in stops:
                records.append(message)
        return records

    def _handle_error(self, message: Message, error: KafkaError, before: list[Message]) -> None:
        """Handle an error by its code. Each is reported: none may look like an idle topic.

        Args:
            message: the message that carries the error instead of a record.
            error: the error.
            before: the records that came before it in the same batch.

        Raises:
            KafkaException: the client has stopped working for good.
        """
        code = error.code()
        if is_fatal(error):
            self._observer.client_error(error_name(error), error.str(), fatal=True)
            raise KafkaException(error)
        if code == KafkaError._PARTITION_EOF:  # noqa: SLF001
            return
        if code in MISSING_TOPIC_ERRORS:
            self._membership.topics.report_missing()
            self._observer.topic_missing(message.topic() or "")
            return
        partition = _partition_of(message)
        if code in STOPPING_ERRORS and partition in self._membership.assigned:
            # First count the records before the error. Otherwise the reported stop would lie before records that are
            # delivered, and an operator would accept that offset.
            self._committer.note_consumed(_last_offsets([one for one in before if _partition_of(one) == partition]))
            self._stopped_partitions.add(partition, error.name())
        self._observer.client_error(error.name(), f"{partition.topic}[{partition.index}]: {error.str()}", fatal=False)

    def _report_consumed(self, batch: list[Message]) -> None:
        """Report the fetched records and their bytes, by topic."""
        topics = set(map(Message.topic, batch))
        for topic in topics:
            own = batch if len(topics) == 1 else [one for one in batch if one.topic() == topic]
            # `map` runs in C: this thread cannot afford a Python statement per record.
            size = sum(map(len, own)) + sum(map(len, filter(None, map(Message.key, own))))
            self._observer.records_consumed(topic or "", len(own), size)


def _partition_of(message: Message) -> Partition:
    return Partition(message.topic() or "", -1 if (index := message.partition()) is None else index)


def _last_offsets(batch: list[Message]) -> dict[Partition, int]:
    """Return the last offset of each partition in a batch. Later records overwrite earlier ones, at C's speed."""
    partitions = zip(map(Message.topic, batch), map(Message.partition, batch), strict=True)
    # A plain tuple equals a `Partition` and has the same hash.
    return cast("dict[Partition, int]", dict(zip(partitions, map(Message.offset, batch), strict=True)))


class PartitionPauser:
    """Pauses and resumes the partitions of one consumer. Its thread calls it.

    Args:
        observer: is notified when the partitions paused for lack of room change.
    """

    def __init__(self, observer: KafkaEvents) -> None:
        self._observer = observer
        # With epochs: a partition is resumed before it is revoked, so a pause ends with its epoch.
        self._paused: dict[Partition, int] = {}
        self._full: frozenset[Partition] = frozenset()
        self._assigned: Mapping[Partition, int] = {}

    def sync(
        self,
        consumer: Consumer,
        assigned: Mapping[Partition, int],
        full: frozenset[Partition],
        blocked: Collection[Partition],
    ) -> None:
        """Pause the full and blocked partitions, and resume the others.

        Args:
            consumer: the thread's consumer.
            assigned: the assigned partitions with their epochs.
            full: partitions without room.
            blocked: partitions that must not be read for other reasons.
        """
        to_pause = {one: epoch for one, epoch in assigned.items() if one in full or one in blocked}
        paused = {one for one, epoch in self._paused.items() if assigned.get(one) == epoch}
        if pause := to_pause.keys() - paused:
            consumer.pause([TopicPartition(*partition) for partition in pause])
        # A new partition may be assigned paused, because its start is not committed yet, and be committed before the
        # first call here. Without a resume of every new partition it would stay silent until the next rebalance.
        new = {one for one, epoch in assigned.items() if self._assigned.get(one) != epoch}
        self._assigned = assigned
        if resume := (paused | new) - to_pause.keys():
            consumer.resume([TopicPartition(*partition) for partition in resume])
        self._paused = to_pause
        if (now_full := full & assigned.keys()) != self._full:
            self._full = now_full
            self._observer.partitions_paused(now_full)
