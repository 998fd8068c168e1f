"""Partitions that come and go: what happens inside the client's rebalance callbacks.

Non-obvious:

* A pause outlives the assignment: a partition given back paused comes back paused, and its records never come. They go
  back resumed.
* The start of a partition without a commit is committed before the partition is assigned, and if that is not accepted
  the partition stays paused until it is: a group that begins at `latest` and falls before its first commit would begin
  at a later `latest`.
* Nothing is committed for partitions that were lost: they are another member's already.
* No callback may list topics through its own consumer: the call of `poll` around it would end the process by an
  assertion as soon as it has anything else to tell (confluent-kafka 2.16.1). Commits and offsets do no harm (tried).
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
from consumer.kafka.client_health import PollError
from consumer.kafka.committer import OffsetCommitter
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import Assignment, CommittableOffsets, LoopBridge, PipelineHandler
from consumer.kafka.properties import PollOptions, effective_properties, is_incremental, max_poll_interval_s
from consumer.kafka.start_offsets import StartOffsetResolver, StartOffsets
from consumer.kafka.topics import TopicWatch
from consumer.model import Partition, partition_of
from consumer.model.clock import now_ms
from consumer.model.observer import Observer

_EPOCHS = itertools.count(1)
"""Numbers of this process's epochs: one counter for all pipelines, so that none is ever used twice."""

_ASK_AGAIN_S = 0.5

_HASTY_S = 2.0
"""How long one question on behalf of one partition may keep all the others from being polled."""

_COUNT_AGAIN_S = 300.0
"""Partitions can be added of which this member gets none; with the new protocol no callback tells of that."""


class GroupMembership:
    """What this member holds, and how it changes. Every method is called by the poll thread; `held` is read by anyone.

    Args:
        options: what the thread was told.
        road: the loop's side.
        crossing: the way to it.
        commits: the thread's commits.
        fence: says how long a question may take at the most.
        observer: told what came and what went.
    """

    def __init__(
        self,
        options: PollOptions,
        handler: PipelineHandler,
        bridge: LoopBridge,
        commits: OffsetCommitter,
        fence: Fence,
        observer: Observer,
    ) -> None:
        self._options = options
        self._handler = handler
        self._bridge = bridge
        self._commits = commits
        self._observer = observer
        self._incremental = is_incremental(options.properties)
        self._longest_s = max_poll_interval_s(options.properties)
        # One question may not take so long that no commit can be sent meanwhile, and calls wait.
        self.request_timeout_s = min(5.0, self._longest_s / 10, fence.limit_s / 2)
        self._starter = StartOffsetResolver(options.start, now_ms, self.request_timeout_s)
        self.quick_resolver = replace(self._starter, timeout_s=min(_HASTY_S, self.request_timeout_s))
        self.topics = TopicWatch(options.topics, observer.topic_missing, observer.topic_found)
        self.assigned: dict[Partition, int] = {}
        """The epoch of each partition held; replaced whole, so that other threads may read it."""
        self._unassigned: set[Partition] = set()
        """Held, but between two assignments of the client: it refused the second one."""
        self._total = 0
        self._count_s = 0.0
        self.joined = False
        self.closing = False
        """The consumer is being closed: what is taken away now has been drained already, or never will be."""

    def refresh(self, consumer: Consumer, now_s: float) -> None:
        """Look, between two polls, at what no callback tells: topics missing or grown, a membership that came."""
        if now_s >= self._count_s:
            self._count_s = now_s + _COUNT_AGAIN_S
            self.topics.refresh_soon()
        self.topics.refresh_if_due(consumer, now_s, self.request_timeout_s)
        total = max(self.topics.total, len(self.assigned))
        if self.assigned and total != self._total:
            self._total = total
            self._bridge.post(lambda: self._handler.partition_count_changed(total))
        if not self.joined and _generation(consumer) > 0:
            self._join()

    def on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Give new partitions their starts and epochs."""
        if self.closing:
            return
        self._join()
        came = _names(partitions)
        if came:
            starts = self._starts(consumer, came)
            epochs = {partition: next(_EPOCHS) for partition in came}
            self._commits.assign(epochs, starts)
            self._commits.commit_sync(consumer, self._commits.unconfirmed() & came)
            self._assign(consumer, starts)
            if uncommitted := self._commits.unconfirmed() & came:
                # Now: this very call of `poll` goes on after the callback, and would return their first record.
                consumer.pause([TopicPartition(*partition) for partition in uncommitted])
            self.assigned = {**self.assigned, **epochs}
            self._total = max(self.topics.total, len(self.assigned))
            news = Assignment(epochs, dict(starts.offsets), self._total)
            self._bridge.post(lambda: self._handler.assigned(news))
            self._observer.partitions_assigned(starts.offsets)
        else:
            self._count_s = 0.0  # the group was arranged anew: perhaps for partitions that others got
            if not self._incremental:
                consumer.assign([])

    def on_revoke(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Drain partitions that another member waits for, commit what has ended, and give them back."""
        began_s = time.monotonic()
        going = _names(partitions) & self.assigned.keys()
        if not self.closing and going:
            answer = self._bridge.submit(self._handler.drain(going))
            patience_s = min(self._options.drain_s + timeouts.DRAIN_SLACK_S, self._longest_s / 2)
            if self._bridge.wait(answer, patience_s):
                self._commits.advance(answer.result())
            self._commits.commit_sync(consumer, going)
        self._give_back(consumer, partitions, going)
        self._observer.partitions_revoked(going, lost=False, seconds=time.monotonic() - began_s)

    def on_lost(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        """Let go of partitions that are another member's already."""
        began_s = time.monotonic()
        gone = _names(partitions) & self.assigned.keys()
        if not self.closing:
            self._bridge.post(lambda: self._handler.lost(gone))
        self._give_back(consumer, partitions, gone)
        self._observer.partitions_revoked(gone, lost=True, seconds=time.monotonic() - began_s)

    def reassign_at(self, consumer: Consumer, partition: Partition, offset: int) -> None:
        """End an epoch as lost and begin another at an offset that is in the log.

        Raises:
            KafkaException: the client did not do it; the epoch is the old one, and this may be tried again.
        """
        epoch = next(_EPOCHS)
        if self._incremental:
            if partition not in self._unassigned:
                consumer.incremental_unassign([TopicPartition(*partition)])
                self._unassigned.add(partition)
            consumer.incremental_assign([TopicPartition(*partition, offset)])
            self._unassigned.discard(partition)
        else:  # an eager assignment is always whole: the others go on where they are
            others = self.assigned.keys() - {partition}
            places = {one: self._commits.next_offset(one) for one in others} | {partition: offset}
            consumer.assign([TopicPartition(*one, place) for one, place in places.items()])
        self._commits.reassign_at(partition, epoch, offset)
        self.assigned = {**self.assigned, partition: epoch}
        news = Assignment({partition: epoch}, {partition: offset}, self._total)
        self._bridge.post(lambda: self._handler.lost([partition]))
        self._bridge.post(lambda: self._handler.assigned(news))
        self._commits.commit_sync(consumer, [partition])
        if partition in self._commits.unconfirmed():
            consumer.pause([TopicPartition(*partition)])

    def shutdown(self) -> Future[CommittableOffsets]:
        """Ask the loop to end everything that can be ended."""
        return self._bridge.submit(self._handler.shutdown())

    def _join(self) -> None:
        if not self.joined:
            self.joined = True
            self._observer.group_joined(
                self._options.group, str(self._options.properties.get("group.protocol", "classic"))
            )

    def _starts(self, consumer: Consumer, partitions: Iterable[Partition]) -> StartOffsets:
        """Ask where partitions start, again and again for a while: without an answer nothing can be taken."""
        wanted = list(partitions)
        deadline_s = time.monotonic() + self._longest_s / 3
        asker: Consumer | None = None
        with ExitStack() as stack:
            while True:
                try:
                    # Within: a file that it reads may be away for a moment.
                    asker = asker or stack.enter_context(closing(self._asker()))
                    self.topics.refresh(asker, self.request_timeout_s)
                    return self._starter.resolve(consumer, wanted, self.topics.partitions)
                except KafkaException as error:
                    why = error.args[0]
                    if why.fatal() or time.monotonic() > deadline_s:
                        raise PollError(
                            f"group {self._options.group}: the brokers do not say where {len(wanted)} partitions start "
                            f"({why.name()}: {why.str()}): check the brokers, and that this client may read the "
                            "group's offsets and describe its topics"
                        ) from error
                    self._observer.client_error(why.name(), why.str(), fatal=False)
                time.sleep(_ASK_AGAIN_S)

    def _asker(self) -> Consumer:
        return Consumer({**effective_properties(self._options), "log_level": "0"})

    def _assign(self, consumer: Consumer, starts: StartOffsets) -> None:
        offsets = [TopicPartition(*partition, offset) for partition, offset in starts.offsets.items()]
        if self._incremental:
            consumer.incremental_assign(offsets)
        else:
            consumer.assign(offsets)

    def _give_back(self, consumer: Consumer, partitions: list[TopicPartition], gone: Iterable[Partition]) -> None:
        lot = set(gone)
        self._commits.revoke(lot)
        self.assigned = {partition: epoch for partition, epoch in self.assigned.items() if partition not in lot}
        if partitions:
            consumer.resume(partitions)  # a pause outlives the assignment
        if self._incremental:
            # Of what it has not assigned the client complains, and gives nothing back.
            consumer.incremental_unassign([one for one in partitions if partition_of(one) not in self._unassigned])
            self._unassigned -= lot
        else:
            consumer.unassign()


def _generation(consumer: Consumer) -> int:
    """Return the generation of the group as the client knows it, or the member epoch; -1 if it has none.

    A member of the new protocol that gets no partition hears of no assignment, not even of an empty one (tried). The
    only trace of its membership is in this text of librdkafka's own: `CGMDv2:`, then the generation as four bytes, the
    least first.
    """
    text: object = consumer.consumer_group_metadata()
    if isinstance(text, bytes) and text.startswith(b"CGMDv2:"):
        return int.from_bytes(text[7:11], "little", signed=True)
    return -1


def _names(partitions: Iterable[TopicPartition]) -> set[Partition]:
    return {partition_of(one) for one in partitions}
