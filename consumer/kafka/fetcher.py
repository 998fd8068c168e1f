"""Taking records: which of what the client returns are records of an epoch in force, and which partitions are paused.

A pause or a resume is told to the client only for the partitions it concerns: a resume of what was not paused would
cost nothing, but a pause throws away what was fetched ahead, and the next record comes a second after the resume.
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
from consumer.model.observer import Observer


class Fetcher:
    """Takes records from the consumer, by the lot.

    Args:
        membership: what is held.
        commits: told how far was taken.
        stops: told of partitions whose next offset is not to be had.
        observer: told what was taken, and what was wrong.
    """

    def __init__(
        self, membership: GroupMembership, commits: OffsetCommitter, stops: StoppedPartitions, observer: Observer
    ) -> None:
        self._membership = membership
        self._commits = commits
        self._stops = stops
        self._observer = observer
        self._early: list[tuple[int, Message]] = []

    def fetch(self, consumer: Consumer, most: int, within_s: float) -> list[Message]:
        """Return the records that are there, waiting for the first one."""
        lot = self._late() if self._early else self._polled(consumer, most, within_s)
        if lot:
            self._count(lot)
        return lot

    def poll_paused(self, consumer: Consumer) -> None:
        """Poll while everything is paused: what comes in spite of it is kept for the next lot."""
        lot = self._polled(consumer, 1, 0)
        held = self._membership.assigned
        self._early += [(held[_place(one)], one) for one in lot]

    def _late(self) -> list[Message]:
        held = self._membership.assigned
        early, self._early = self._early, []
        return [one for epoch, one in early if held.get(_place(one)) == epoch]

    def _polled(self, consumer: Consumer, most: int, within_s: float) -> list[Message]:
        first = consumer.poll(within_s)
        if first is None:
            return []
        before = self._membership.assigned
        self._commits.fetching = True
        lot = [first, *consumer.consume(most - 1, 0)] if most > 1 else [first]
        after = self._membership.assigned
        if after is not before and first.error() is None and before.get(_place(first)) != after.get(_place(first)):
            del lot[0]  # its epoch ended in a callback of `consume`; what `consume` itself takes the client sorts out
        if any(map(Message.error, lot)):
            lot = self._without_errors(lot)
        last = _last_offsets(lot)
        if not last.keys() <= after.keys():
            lot = [one for one in lot if _place(one) in after]
            last = _last_offsets(lot)
        self._commits.note_consumed(last)
        self._commits.fetching = False
        return lot

    def _without_errors(self, lot: list[Message]) -> list[Message]:
        records: list[Message] = []
        stops = self._stops.snapshot()
        for message in lot:
            error = message.error()
            if error is not None:
                self._trouble(message, error, records)
                stops = self._stops.snapshot()
            elif _place(message) not in stops:
                records.append(message)
        return records

    def _trouble(self, message: Message, error: KafkaError, before: list[Message]) -> None:
        """Handle an error by its name; none of them may look like an idle topic.

        Args:
            message: the error, in the place of a record.
            error: what it says.
            before: the records that came before it in the same lot.

        Raises:
            KafkaException: the client cannot go on.
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
        place = _place(message)
        if code in STOPPING_ERRORS and place in self._membership.assigned:
            # Without them the stop would be said before records that are delivered, and an operator would accept it.
            self._commits.note_consumed(_last_offsets([one for one in before if _place(one) == place]))
            self._stops.add(place, error.name())
        self._observer.client_error(error.name(), f"{place.topic}[{place.index}]: {error.str()}", fatal=False)

    def _count(self, lot: list[Message]) -> None:
        """Report what was taken, by topic."""
        topics = set(map(Message.topic, lot))
        for topic in topics:
            own = lot if len(topics) == 1 else [one for one in lot if one.topic() == topic]
            # A step of Python for each record is what this thread cannot afford.
            size = sum(map(len, own)) + sum(map(len, filter(None, map(Message.key, own))))
            self._observer.records_consumed(topic or "", len(own), size)


def _place(message: Message) -> Partition:
    return Partition(message.topic() or "", -1 if (index := message.partition()) is None else index)


def _last_offsets(lot: list[Message]) -> dict[Partition, int]:
    """Return the last offset of each partition in a lot: later records overwrite earlier ones, at C's speed."""
    places = zip(map(Message.topic, lot), map(Message.partition, lot), strict=True)
    # A plain pair is equal to a `Partition`, and hashes like one.
    return cast("dict[Partition, int]", dict(zip(places, map(Message.offset, lot), strict=True)))


class PartitionPauser:
    """The pauses of one consumer; called by its thread.

    Args:
        observer: told which partitions are paused for want of room, when that changes.
    """

    def __init__(self, observer: Observer) -> None:
        self._observer = observer
        # By epoch: a partition goes back resumed, so a pause ends with the epoch it was made in.
        self._paused: dict[Partition, int] = {}
        self._full: frozenset[Partition] = frozenset()
        self._held: Mapping[Partition, int] = {}

    def sync(
        self,
        consumer: Consumer,
        assigned: Mapping[Partition, int],
        full: frozenset[Partition],
        blocked: Collection[Partition],
    ) -> None:
        """Pause what is full or barred, and resume the rest.

        Args:
            consumer: the thread's consumer.
            assigned: the epochs in force.
            full: partitions with no room.
            blocked: partitions that may not be read for other reasons.
        """
        wanted = {one: epoch for one, epoch in assigned.items() if one in full or one in blocked}
        paused = {one for one, epoch in self._paused.items() if assigned.get(one) == epoch}
        if pause := wanted.keys() - paused:
            consumer.pause([TopicPartition(*partition) for partition in pause])
        # A partition can come paused (its start was not committed yet), and be committed before the first look here:
        # without a resume of what is new it would stay silent until the next rebalance.
        came = {one for one, epoch in assigned.items() if self._held.get(one) != epoch}
        self._held = assigned
        if resume := (paused | came) - wanted.keys():
            consumer.resume([TopicPartition(*partition) for partition in resume])
        self._paused = wanted
        if (now_full := full & assigned.keys()) != self._full:
            self._full = now_full
            self._observer.partitions_paused(now_full)
