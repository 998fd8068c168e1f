"""Assigned, revoked and lost partitions: the work inside the client's rebalance callbacks.

Non-obvious:

* A pause outlives the assignment: a partition that is unassigned while paused is paused when it is assigned again, and
  its records never come. So partitions are resumed before they are unassigned.
* The start offset of a partition without a commit is committed before the partition is assigned. Until that commit is
  accepted the partition stays paused. Otherwise a group that begins at `latest`, and crashes before its first commit,
  would begin again at a later `latest`.
* Nothing is committed for lost partitions: another member owns them already.
* No callback may list topics through its own consumer. The surrounding `poll` would end the process by an assertion as
  soon as it has another event to deliver (confluent-kafka 2.16.1). Commits and offset requests are safe (tried).
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterable
from concurrent.futures import Future
from contextlib import ExitStack, closing
from dataclasses import replace

from confluent_kafka import Consumer, KafkaException, TopicPartition

from consumer.kafka import timeouts
from consumer.kafka.client_health import MISSING_TOPIC_ERRORS, PollError
from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import Assignment, CommittableOffsets, LoopBridge, PipelineHandler
from consumer.kafka.properties import (
    PollOptions,
    effective_properties,
    is_incremental,
    max_poll_interval_s,
    metadata_interval_s,
)
from consumer.kafka.start_offsets import StartOffsetResolver, StartOffsets
from consumer.kafka.topics import Subscription, TopicWatch
from consumer.model import Partition, partition_of
from consumer.model.clock import now_ms
from consumer.model.observer import KafkaEvents

_EPOCHS = itertools.count(1)
"""The epoch numbers of this process. One counter for all pipelines, so that no number is used twice."""

_RETRY_S = 0.5

_QUICK_TIMEOUT_S = 2.0
"""How long a Kafka request for one partition may delay the polling of all others."""

_REFRESH_TOPICS_S = 300.0
"""A member may get none of the added partitions. With the new protocol no callback reports them then."""


class GroupMembership:
    """The assigned partitions of this member. The poll thread calls every method; any thread may read `assigned`.

    Args:
        options: the poll thread's options.
        handler: the loop's side of the bridge.
        bridge: calls the handler in the loop.
        committer: commits the thread's offsets.
        fence: its limit bounds the time of one request.
        observer: is notified of assignments and revocations.
    """

    def __init__(
        self,
        options: PollOptions,
        handler: PipelineHandler,
        bridge: LoopBridge,
        committer: OffsetCommitter,
        fence: Fence,
        observer: KafkaEvents,
    ) -> None:
        self._options = options
        self._handler = handler
        self._bridge = bridge
        self._committer = committer
        self._observer = observer
        self._incremental = is_incremental(options.properties)
        self._max_poll_interval_s = max_poll_interval_s(options.properties)
        # No commit can be sent during a request. A longer one would close the fence, and HTTP requests would wait.
        self.request_timeout_s = min(5.0, self._max_poll_interval_s / 10, fence.limit_s / 2)
        self._resolver = StartOffsetResolver(options.start, now_ms, self.request_timeout_s)
        self.quick_resolver = replace(self._resolver, timeout_s=min(_QUICK_TIMEOUT_S, self.request_timeout_s))
        self.topics = TopicWatch(
            Subscription(options.topics, options.own_topics),
            observer.topic_missing,
            observer.topic_found,
            pattern_interval_s=metadata_interval_s(options.properties),
        )
        self._subscribed: tuple[str, ...] = ()
        self.assigned: dict[Partition, int] = {}
        """The epoch of each assigned partition. Replaced as a whole, so that other threads may read it."""
        self._unassigned: set[Partition] = set()
        """Partitions of `assigned` that the client has unassigned, and has failed to assign again."""
        self._total = 0
        self._refresh_due_s = 0.0
        self.joined = False
        self._shutting_down = False
        self.closing = False
        """Whether the consumer is being closed. Partitions revoked now were drained before, or never will be."""

    def subscribe(self, consumer: Consumer) -> None:
        """Subscribe to the topics by name, if they are known and not subscribed to yet.

        An empty subscription is never requested: a member whose last topic is gone stays in its group. Members that see
        a new topic at different times differ for a while. The group assigns to each only what it has subscribed to.
        """
        if self.topics.names and self.topics.names != self._subscribed:
            names = list(self.topics.names)
            consumer.subscribe(names, on_assign=self.on_assign, on_revoke=self.on_revoke, on_lost=self.on_lost)
            self._subscribed = self.topics.names

    def refresh(self, consumer: Consumer, now_s: float) -> None:
        """Check, between two polls, for changes that no callback reports: topics, partition counts, the membership."""
        if self._shutting_down:
            return  # another subscription would begin a rebalance in the middle of the drain
        if now_s >= self._refresh_due_s:
            self._refresh_due_s = now_s + _REFRESH_TOPICS_S
            self.topics.refresh_soon()
        self.topics.refresh_if_due(consumer, now_s, self.request_timeout_s)
        self.subscribe(consumer)
        total = max(self.topics.total, len(self.assigned))
        if self.assigned and total != self._total:
            self._total = total
            self._bridge.post(lambda: self._handler.partition_count_changed(total))
        if not self.joined and _generation(consumer) > 0:
            self._join()

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Assign new partitions: find their start offsets and begin their epochs."""
        if self.closing:
            return
        self._join()
        new = _partitions(partitions)
        if new:
            starts = self._resolve_starts(consumer, new)
            epochs = {partition: next(_EPOCHS) for partition in new}
            self._committer.assign(epochs, starts)
            self._committer.commit_sync(consumer, self._committer.unconfirmed() & new)
            self._assign(consumer, starts)
            if unconfirmed := self._committer.unconfirmed() & new:
                # Pause at once: the surrounding `poll` continues after the callback, and would return a first record.
                consumer.pause([TopicPartition(*partition) for partition in unconfirmed])
            self.assigned = {**self.assigned, **epochs}
            self._total = max(self.topics.total, len(self.assigned))
            assignment = Assignment(epochs, dict(starts.offsets), self._total)
            self._bridge.post(lambda: self._handler.assigned(assignment))
            self._observer.partitions_assigned(starts.offsets)
        else:
            self._refresh_due_s = 0.0  # a rebalance without change here: other members may have got added partitions
            if not self._incremental:
                consumer.assign([])

    def on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drain revoked partitions, commit their committable offsets, and unassign them."""
        began_s = time.monotonic()
        revoked = _partitions(partitions) & self.assigned.keys()
        if not self.closing and revoked:
            drained = self._bridge.submit(self._handler.drain(revoked))
            timeout_s = min(self._options.drain_s + timeouts.DRAIN_SLACK_S, self._max_poll_interval_s / 2)
            if self._bridge.wait(drained, timeout_s):
                self._committer.advance(drained.result())
            self._committer.commit_sync(consumer, revoked)
        self._unassign(consumer, partitions, revoked)
        self._observer.partitions_revoked(revoked, lost=False, seconds=time.monotonic() - began_s)

    def on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Unassign partitions that another member owns already."""
        began_s = time.monotonic()
        lost = _partitions(partitions) & self.assigned.keys()
        if not self.closing:
            self._bridge.post(lambda: self._handler.lost(lost))
        self._unassign(consumer, partitions, lost)
        self._observer.partitions_revoked(lost, lost=True, seconds=time.monotonic() - began_s)

    def reassign_at(self, consumer: Consumer, partition: Partition, offset: int) -> None:
        """End an epoch as lost and begin another one at an offset of the log.

        Raises:
            KafkaException: the client failed. The old epoch continues, and the call may be repeated.
        """
        epoch = next(_EPOCHS)
        if self._incremental:
            if partition not in self._unassigned:
                consumer.incremental_unassign([TopicPartition(*partition)])
                self._unassigned.add(partition)
            consumer.incremental_assign([TopicPartition(*partition, offset)])
            self._unassigned.discard(partition)
        else:  # an eager assignment replaces all: the other partitions continue at their next offsets
            others = self.assigned.keys() - {partition}
            offsets = {one: self._committer.next_offset(one) for one in others} | {partition: offset}
            consumer.assign([TopicPartition(*one, at) for one, at in offsets.items()])
        self._committer.reassign_at(partition, epoch, offset)
        self.assigned = {**self.assigned, partition: epoch}
        assignment = Assignment({partition: epoch}, {partition: offset}, self._total)
        self._bridge.post(lambda: self._handler.lost([partition]))
        self._bridge.post(lambda: self._handler.assigned(assignment))
        self._committer.commit_sync(consumer, [partition])
        if partition in self._committer.unconfirmed():
            consumer.pause([TopicPartition(*partition)])

    def shutdown(self) -> Future[CommittableOffsets]:
        """Start the handler's shutdown. The subscription changes no more."""
        self._shutting_down = True
        return self._bridge.submit(self._handler.shutdown())

    def _join(self) -> None:
        if not self.joined:
            self.joined = True
            self._observer.group_joined(
                self._options.group, str(self._options.properties.get("group.protocol", "classic"))
            )

    def _resolve_starts(self, consumer: Consumer, partitions: Iterable[Partition]) -> StartOffsets:
        """Look up start offsets; retry for a while, because nothing can be fetched without them.

        A topic may be deleted while its partitions are being assigned. They get offset 0, unconfirmed: the commit of it
        is refused, so nothing is fetched until the next rebalance takes them away, or until the topic exists again.
        """
        requested = list(partitions)
        missing_topic = False
        deadline_s = time.monotonic() + self._max_poll_interval_s / 3
        topics_client: Consumer | None = None
        with ExitStack() as stack:
            while True:
                try:
                    # Created inside the retry loop: a file that it reads may be missing for a moment.
                    topics_client = topics_client or stack.enter_context(closing(self._topics_client()))
                    self.topics.refresh(topics_client, self.request_timeout_s)
                    existing = self.topics.partitions
                    # Only if a request has failed for it, and it is not listed either.
                    gone = [one for one in requested if missing_topic and one.index >= existing.get(one.topic, 0)]
                    found = self._resolver.resolve(consumer, [one for one in requested if one not in gone], existing)
                    return replace(found, offsets={**found.offsets, **dict.fromkeys(gone, 0)})
                except KafkaException as error:
                    reason = error.args[0]
                    missing_topic = reason.code() in MISSING_TOPIC_ERRORS
                    if reason.fatal() or time.monotonic() > deadline_s:
                        raise PollError(
                            f"group {self._options.group}: could not look up start offsets for {len(requested)} "
                            f"partitions ({reason.name()}: {reason.str()}). Check broker connectivity and the ACLs "
                            "READ on the group, DESCRIBE on the topics."
                        ) from error
                    self._observer.client_error(reason.name(), reason.str(), fatal=False)
                time.sleep(_RETRY_S)

    def _topics_client(self) -> Consumer:
        return Consumer({**effective_properties(self._options), "log_level": "0"})

    def _assign(self, consumer: Consumer, starts: StartOffsets) -> None:
        offsets = [TopicPartition(*partition, offset) for partition, offset in starts.offsets.items()]
        if self._incremental:
            consumer.incremental_assign(offsets)
        else:
            consumer.assign(offsets)

    def _unassign(self, consumer: Consumer, partitions: list[TopicPartition], revoked: Iterable[Partition]) -> None:
        ended = set(revoked)
        self._committer.revoke(ended)
        self.assigned = {partition: epoch for partition, epoch in self.assigned.items() if partition not in ended}
        if partitions:
            consumer.resume(partitions)  # a pause outlives the assignment
        if self._incremental:
            # If one of them is not assigned, the client raises and unassigns none.
            consumer.incremental_unassign([one for one in partitions if partition_of(one) not in self._unassigned])
            self._unassigned -= ended
        else:
            consumer.unassign()


def _generation(consumer: Consumer) -> int:
    """Return the group's generation as the client knows it, or the member epoch; -1 if there is none.

    A member of the new protocol without partitions gets no assignment callback, not even an empty one (tried). The only
    trace of its membership is in librdkafka's metadata text: `CGMDv2:`, then the generation as four bytes, little
    endian.
    """
    text: object = consumer.consumer_group_metadata()
    if isinstance(text, bytes) and text.startswith(b"CGMDv2:"):
        return int.from_bytes(text[7:11], "little", signed=True)
    return -1


def _partitions(partitions: Iterable[TopicPartition]) -> set[Partition]:
    return {partition_of(one) for one in partitions}
