"""Offset commits: which offsets may be committed, which are in flight, which are confirmed, and when the next is due.

Non-obvious:

* The loop always passes the committable offsets of all partitions. So any one set may be skipped, and the next commit
  repeats a failed one.
* A partition with nothing owed commits the consumer's position instead of its committable offset. Transaction markers
  at the end of a log are no records, and would look like lag until the next record. There are three exceptions:
  - While a fetch is in progress: the position is past its records already, and a callback within `consume` would
    commit records that were never handed over.
  - A stopped partition: its later records were dropped.
  - An epoch that began after a gap, until its first record: the client's position may still be the one before the gap.
* Nothing is ever committed below a confirmed offset.
* An accepted commit also proves that this member still belongs to the group, and the fence depends on it. So while
  anything is owed, a heartbeat commit repeats the offsets of two partitions that have not moved: the one accepted last,
  and the one that was sent longest ago. Other partitions may be rejected for good, because their topic was deleted or
  the ACLs changed.
* Brokers write the offsets of one request as one batch. They reject the whole request if that batch is larger than
  `message.max.bytes`. So large commits are split, and partitions that were sent longest ago go first.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice

from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition

from consumer.kafka.client_health import is_fatal
from consumer.kafka.fence import Fence
from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.kafka.start_offsets import StartOffsets, encode_metadata
from consumer.model import Partition, partition_of
from consumer.model.observer import KafkaEvents

_REQUEST_BYTES = 512 * 1024
"""Half of the batch size that a broker accepts by default (`message.max.bytes`)."""

_OFFSET_BYTES = 600
"""Upper bound for one offset without its metadata: the longest group and topic names, and the other fields."""

_NOT_A_MEMBER = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.FENCED_MEMBER_EPOCH})
"""The group does not know this member any more."""

_FENCE_GRACE_S = 5.0
"""After it begins to owe, a healthy member has a commit accepted within this time, and within half the fence's limit.

A closed fence is reported only after that."""


@dataclass(slots=True)
class _PartitionState:
    """One epoch of a partition: its committable offset, the offset after its last fetched record, and the confirmed."""

    epoch: int
    committable: int
    next_offset: int
    confirmed: int
    stopped: bool = False
    after_gap: bool = False
    """Whether the epoch began after a gap and has fetched no record yet."""

    def is_idle(self, committable: int) -> bool:
        """Return whether nothing is owed and the consumer's position can be trusted."""
        return committable >= self.next_offset and not self.stopped and not self.after_gap


class OffsetCommitter:
    """The offset commits of one consumer. Its thread calls every method.

    Args:
        observer: is notified of accepted and failed commits.
        fence: learns when each accepted commit was sent.
    """

    def __init__(self, observer: KafkaEvents, fence: Fence) -> None:
        self._observer = observer
        self._fence = fence
        self._states: dict[Partition, _PartitionState] = {}
        self._metadata = ""
        self._in_flight: dict[Partition, int] | None = None
        """The epochs of the commit that has no response yet."""
        self._sent_s = 0.0
        self._last_accepted: Partition | None = None
        self.fetching = False
        """Whether the thread may hold a record that `note_consumed` does not know yet."""

    def assign(self, epochs: Mapping[Partition, int], starts: StartOffsets) -> None:
        """Begin epochs at their start offsets."""
        self._metadata = encode_metadata(starts.group_start)
        for partition, epoch in epochs.items():
            offset = starts.offsets[partition]
            self._states[partition] = _PartitionState(epoch, offset, offset, starts.confirmed.get(partition, -1))

    def reassign_at(self, partition: Partition, epoch: int, offset: int) -> None:
        """Begin an epoch after a gap. The offset may be below earlier commits."""
        self._states[partition] = _PartitionState(epoch, offset, offset, -1, after_gap=True)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """End epochs: nothing is committed for them any more."""
        for partition in partitions:
            self._states.pop(partition, None)

    def note_consumed(self, last: Mapping[Partition, int]) -> None:
        """Note the offsets of the last fetched records."""
        for partition, offset in last.items():
            state = self._states[partition]
            state.next_offset, state.after_gap = offset + 1, False

    def note_stopped(self, partition: Partition) -> None:
        """Note that records of this epoch may have been dropped. From now on only its committable offset counts."""
        self._states[partition].stopped = True

    def next_offset(self, partition: Partition) -> int:
        """Return the offset after the last fetched record."""
        return self._states[partition].next_offset

    def stopped_at(self, partition: Partition) -> int:
        """Return the offset of a stop. Another member that is assigned the partition later computes the same one.

        A commit can be past the last record, after transaction markers, and the other member starts at the commit.
        """
        state = self._states[partition]
        return max(state.next_offset, state.confirmed)

    def is_settled(self, partition: Partition) -> bool:
        """Return whether nothing is owed for the fetched records of a partition."""
        state = self._states[partition]
        return state.committable >= state.next_offset

    def advance(self, committable: CommittableOffsets) -> None:
        """Note new committable offsets. Those of an older epoch are ignored."""
        for partition, (epoch, offset) in committable.offsets.items():
            state = self._states.get(partition)
            if state is not None and state.epoch == epoch and offset > state.committable:
                state.committable = offset

    def unconfirmed(self) -> set[Partition]:
        """Return the partitions without a confirmed commit of this group. They must not be fetched."""
        return {partition for partition, state in self._states.items() if state.confirmed < 0}

    def has_pending(self) -> bool:
        """Return whether anything is owed for a fetched record."""
        return any(state.committable < state.next_offset for state in self._states.values())

    def commit_async(self, consumer: Consumer, *, heartbeat: bool = False) -> None:
        """Send the offsets that have moved, without waiting. Do nothing while a response is outstanding.

        Args:
            consumer: the thread's consumer.
            heartbeat: also send offsets that have not moved: an accepted commit proves the membership.
        """
        if self._in_flight is not None:
            return
        offsets = next(self._split(self._moved(consumer, self._states.keys())), {})
        if heartbeat:
            offsets |= self._heartbeat_offsets(offsets)
        if not offsets:
            return
        for partition in offsets:  # moves to the end: the other partitions go first next time
            self._states[partition] = self._states.pop(partition)
        self._in_flight = {partition: self._states[partition].epoch for partition in offsets}
        self._sent_s = self._fence.clock()
        try:
            consumer.commit(offsets=self._topic_partitions(offsets), asynchronous=True)
        except KafkaException as error:
            self._in_flight = None
            self._report_failure(error.args[0], self._sent_s)

    def _heartbeat_offsets(self, moved: Collection[Partition]) -> dict[Partition, int]:
        """Return an offset that is likely to be accepted, and the unmoved one that was sent longest ago."""
        candidates = {self._last_accepted, next((one for one in self._states if one not in moved), None)}
        chosen = [(one, self._states[one]) for one in candidates if one in self._states]
        return {partition: max(state.committable, state.confirmed) for partition, state in chosen}

    def on_commit(self, error: KafkaError | None, results: Collection[TopicPartition]) -> None:
        """Process the response to `commit_async`; the client's callback of that name."""
        sent, self._in_flight = self._in_flight, None
        if sent is None:
            return
        if error is not None:
            self._report_failure(error, self._sent_s)
        else:
            # A result of an earlier epoch proves nothing about this one, which may have begun at a lower offset.
            self._process([one for one in results if self._is_current(sent, one)], self._sent_s)

    def commit_sync(self, consumer: Consumer, partitions: Collection[Partition]) -> bool:
        """Commit the moved offsets of these partitions and wait; return whether all were accepted."""
        known = [partition for partition in partitions if partition in self._states]
        accepted = True
        for offsets in self._split(self._moved(consumer, known)):
            sent_s = self._fence.clock()
            try:
                results = consumer.commit(offsets=self._topic_partitions(offsets), asynchronous=False)
            except KafkaException as error:
                self._report_failure(error.args[0], sent_s)
                return False
            accepted = self._process(results, sent_s) and accepted
        return accepted

    def _is_current(self, sent: Mapping[Partition, int], result: TopicPartition) -> bool:
        partition = partition_of(result)
        state = self._states.get(partition)
        return state is not None and sent.get(partition) == state.epoch

    def _moved(self, consumer: Consumer, partitions: Collection[Partition]) -> dict[Partition, int]:
        offsets = {partition: self._states[partition].committable for partition in partitions}
        idle = [one for one, offset in offsets.items() if self._states[one].is_idle(offset)]
        if idle and not self.fetching:
            for position in consumer.position([TopicPartition(*partition) for partition in idle]):
                partition = partition_of(position)
                if position.error is None and position.offset > offsets[partition]:  # negative: nothing fetched yet
                    offsets[partition] = position.offset
        return {one: offset for one, offset in offsets.items() if offset > self._states[one].confirmed}

    def _split(self, offsets: Mapping[Partition, int]) -> Iterator[dict[Partition, int]]:
        """Split offsets into requests that a broker accepts."""
        size, rest = _REQUEST_BYTES // (len(self._metadata) + _OFFSET_BYTES), iter(offsets.items())
        while request := dict(islice(rest, max(1, size))):
            yield request

    def _topic_partitions(self, offsets: Mapping[Partition, int]) -> list[TopicPartition]:
        return [TopicPartition(*partition, offset, metadata=self._metadata) for partition, offset in offsets.items()]

    def _process(self, results: Collection[TopicPartition], sent_s: float) -> bool:
        accepted: dict[Partition, int] = {}
        errors = [result.error for result in results if result.error is not None]
        for result in results:
            state = self._states.get(partition_of(result))
            if result.error is None and state is not None:
                state.confirmed = max(state.confirmed, result.offset)
                accepted[partition_of(result)] = result.offset
        if accepted:
            self._last_accepted = next(iter(accepted))
            self._fence.commit_accepted(sent_s)
            self._observer.committed(accepted, self._fence.clock() - sent_s)
        if errors:
            self._report_failure(errors[0], sent_s)
        return not errors

    def _report_failure(self, error: KafkaError, sent_s: float) -> None:
        """Report a failed commit. Nothing else is needed: the next commit contains these offsets or later ones.

        Raises:
            KafkaException: the client can never commit again.
        """
        if error.code() in _NOT_A_MEMBER:
            self._fence.membership_lost()
        self._observer.commit_failed(error.name(), self._fence.clock() - sent_s)
        if is_fatal(error):
            raise KafkaException(error)


class CommitScheduler:
    """Sends the commits of one consumer in time. Its thread calls every method.

    A member that owes nothing, and waits for no gap to be accepted, does nothing that needs a proof of membership. It
    sends no heartbeat commit, and its closed fence is not reported.

    Args:
        fence: closes without a recent accepted commit.
        committer: sends the commits.
        observer: is notified when requests wait for the fence, and when they resume.
        interval_s: seconds between two commits of moved offsets.
    """

    def __init__(self, fence: Fence, committer: OffsetCommitter, observer: KafkaEvents, interval_s: float) -> None:
        self._fence = fence
        self._committer = committer
        self._observer = observer
        # Shorter than the heartbeat interval: a failed heartbeat repeats while the last accepted commit still counts.
        self._interval_s = min(interval_s, fence.limit_s / 6)
        self._grace_s = min(_FENCE_GRACE_S, fence.limit_s / 2)
        self._due_s = 0.0
        self._last_open_s = fence.clock()
        self._closed_reported = False

    def commit_if_due(self, consumer: Consumer, now_s: float, *, waiting_for_gap: bool) -> None:
        """Report the state of the fence, and send a commit if one is due.

        Args:
            consumer: the thread's consumer.
            now_s: the time, by the fence's clock.
            waiting_for_gap: whether a partition is stopped. Only a proven member acts on an accepted gap.
        """
        self._report_fence(now_s)  # before the commit: a closed fence is reported even if this commit reopens it
        if now_s >= self._due_s:
            self._due_s = now_s + self._interval_s
            needs_proof = self._committer.has_pending() or waiting_for_gap
            self._committer.commit_async(consumer, heartbeat=needs_proof and self._fence.heartbeat_due())

    def records_fetched(self, consumer: Consumer) -> None:
        """Send a heartbeat commit before the first requests after an idle time.

        Its response arrives while the records are translated.
        """
        if self._fence.heartbeat_due():
            self._committer.commit_async(consumer, heartbeat=True)

    def _report_fence(self, now_s: float) -> None:
        if self._fence.may_send() or not self._committer.has_pending():
            self._last_open_s = now_s
            if self._closed_reported:
                self._closed_reported = False
                self._observer.fence_released()
        elif not self._closed_reported and now_s - self._last_open_s > self._grace_s:
            self._closed_reported = True
            self._observer.fence_closed()
