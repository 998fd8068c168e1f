"""What may be committed, what has been sent, what the broker has confirmed, and when the next commit is sent.

Non-obvious:

* The loop always hands over the committable offsets of all partitions, so one set may be skipped, and the next commit
  repeats a failed one.
* A partition with nothing owed commits the consumer's position instead of its committable offset: transaction markers
  at the end of a log are no records, and would look like lag until the next record. It does not while a record is in
  hand: the position is beyond it already, and a callback within `consume` would commit what was never handed over. Nor
  does a stopped partition, whose later records were dropped, nor an epoch that began behind a gap before its first
  record came: the client's position may still be the one before the gap.
* Nothing is ever committed below what was confirmed.
* An accepted commit is also what shows that this member is one still, and the fence lives on it: while anything is owed
  two partitions are sent from time to time although they have not moved: the one that was accepted last, and whichever
  waited longest. Commits of the others may be refused for good, because a topic is gone or may not be read.
* Brokers write the offsets of a request as one batch, and refuse all of it when that is larger than a record may be:
  what is large goes in portions, whoever waited longest first.
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
from consumer.model.observer import Observer

_REQUEST_BYTES = 512 * 1024
"""Half of what a broker takes as one batch by default (`message.max.bytes`)."""

_EACH_BYTES = 600
"""More than one offset takes beside its metadata: a group's and a topic's name at their longest, and the fields."""

_GONE = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.FENCED_INSTANCE_ID, KafkaError.FENCED_MEMBER_EPOCH})
"""The group does not know this member any more."""

_MOMENT_S = 5.0
"""Who begins to owe needs no longer to show that it is a member, unless something is wrong; nor than half the limit."""


@dataclass(slots=True)
class _PartitionState:
    """One epoch: how far the loop got, the offset after the last record taken, and what the broker has."""

    epoch: int
    committable: int
    next_offset: int
    confirmed: int
    stopped: bool = False
    after_gap: bool = False
    """Whether it began behind a gap and has not taken a record since."""

    def is_idle(self, committable: int) -> bool:
        """Whether nothing is owed below the goal, nothing was taken at or above it, and the position can be trusted."""
        return committable >= self.next_offset and not self.stopped and not self.after_gap


class OffsetCommitter:
    """The commits of one consumer; every method is called by its thread.

    Args:
        observer: told what was accepted and what was refused.
        fence: told when what was accepted had been sent.
    """

    def __init__(self, observer: Observer, fence: Fence) -> None:
        self._observer = observer
        self._fence = fence
        self._standings: dict[Partition, _PartitionState] = {}
        self._metadata = ""
        self._sent: dict[Partition, int] | None = None
        """The epochs of what was sent and is not answered yet."""
        self._sent_at_s = 0.0
        self._proven: Partition | None = None
        """The partition of which an offset was accepted last."""
        self.fetching = False
        """Whether the thread may hold a record that `took` was not told of."""

    def assign(self, epochs: Mapping[Partition, int], starts: StartOffsets) -> None:
        """Begin epochs at their starts."""
        self._metadata = encode_metadata(starts.group_start)
        for partition, epoch in epochs.items():
            at = starts.offsets[partition]
            self._standings[partition] = _PartitionState(epoch, at, at, starts.confirmed.get(partition, -1))

    def reassign_at(self, partition: Partition, epoch: int, offset: int) -> None:
        """Begin an epoch behind a gap: below earlier commits, if that is where it goes on."""
        self._standings[partition] = _PartitionState(epoch, offset, offset, -1, after_gap=True)

    def revoke(self, partitions: Iterable[Partition]) -> None:
        """End epochs: nothing is committed for them any more."""
        for partition in partitions:
            self._standings.pop(partition, None)

    def note_consumed(self, last: Mapping[Partition, int]) -> None:
        """Note the offsets of the last records taken."""
        for partition, offset in last.items():
            standing = self._standings[partition]
            standing.next_offset, standing.after_gap = offset + 1, False

    def note_stopped(self, partition: Partition) -> None:
        """Note that records of this epoch may have been let fall: from now on only its committable offset counts."""
        self._standings[partition].stopped = True

    def next_offset(self, partition: Partition) -> int:
        """Return the offset after the last record taken."""
        return self._standings[partition].next_offset

    def stopped_at(self, partition: Partition) -> int:
        """Return the offset before which a stop is: a member that comes later starts there, and says the same.

        A commit can be beyond the last record, behind the markers of transactions.
        """
        standing = self._standings[partition]
        return max(standing.next_offset, standing.confirmed)

    def is_settled(self, partition: Partition) -> bool:
        """Whether nothing that was taken is owed any more."""
        standing = self._standings[partition]
        return standing.committable >= standing.next_offset

    def advance(self, committable: CommittableOffsets) -> None:
        """Note how far the loop got; what it says of an older epoch is ignored."""
        for partition, (epoch, offset) in committable.offsets.items():
            standing = self._standings.get(partition)
            if standing is not None and standing.epoch == epoch and offset > standing.committable:
                standing.committable = offset

    def unconfirmed(self) -> set[Partition]:
        """Return the partitions of which the broker has no commit of this group yet: nothing of them may be fetched."""
        return {partition for partition, standing in self._standings.items() if standing.confirmed < 0}

    def has_pending(self) -> bool:
        """Whether anything that was taken is owed still."""
        return any(standing.committable < standing.next_offset for standing in self._standings.values())

    def commit_async(self, consumer: Consumer, *, heartbeat: bool = False) -> None:
        """Send what has moved, without waiting; while an answer is outstanding nothing more is sent.

        Args:
            consumer: the thread's consumer.
            heartbeat: also what has not moved: an accepted commit proves that this member still is one.
        """
        if self._sent is not None:
            return
        moved = next(self._portions(self._moved(consumer, self._standings.keys())), {})
        if heartbeat:
            moved |= self._proofs(moved)
        if not moved:
            return
        for partition in moved:  # the others come first next time
            self._standings[partition] = self._standings.pop(partition)
        self._sent = {partition: self._standings[partition].epoch for partition in moved}
        self._sent_at_s = self._fence.clock()
        try:
            consumer.commit(offsets=self._offsets(moved), asynchronous=True)
        except KafkaException as error:
            self._sent = None
            self._refused(error.args[0], self._sent_at_s)

    def _proofs(self, moved: Collection[Partition]) -> dict[Partition, int]:
        """Return what is likely to be accepted, and of what has not moved what was not tried for longest."""
        found = {self._proven, next((one for one in self._standings if one not in moved), None)}
        chosen = [(one, self._standings[one]) for one in found if one in self._standings]
        return {partition: max(standing.committable, standing.confirmed) for partition, standing in chosen}

    def on_commit(self, error: KafkaError | None, answers: Collection[TopicPartition]) -> None:
        """Take the answer to `send`: the client's callback."""
        sent, self._sent = self._sent, None
        if sent is None:
            return
        if error is not None:
            self._refused(error, self._sent_at_s)
        else:
            # An answer about an earlier epoch says nothing of this one, which may have begun below it.
            self._take([one for one in answers if self._is_of(sent, one)], self._sent_at_s)

    def commit_sync(self, consumer: Consumer, partitions: Collection[Partition]) -> bool:
        """Commit what has moved of these partitions and wait for the answer; return whether all was accepted."""
        held = [partition for partition in partitions if partition in self._standings]
        accepted = True
        for portion in self._portions(self._moved(consumer, held)):
            began_s = self._fence.clock()
            try:
                answers = consumer.commit(offsets=self._offsets(portion), asynchronous=False)
            except KafkaException as error:
                self._refused(error.args[0], began_s)
                return False
            accepted = self._take(answers, began_s) and accepted
        return accepted

    def _is_of(self, sent: Mapping[Partition, int], answer: TopicPartition) -> bool:
        partition = partition_of(answer)
        standing = self._standings.get(partition)
        return standing is not None and sent.get(partition) == standing.epoch

    def _moved(self, consumer: Consumer, partitions: Collection[Partition]) -> dict[Partition, int]:
        goals = {partition: self._standings[partition].committable for partition in partitions}
        idle = [one for one, goal in goals.items() if self._standings[one].is_idle(goal)]
        if idle and not self.fetching:
            for place in consumer.position([TopicPartition(*partition) for partition in idle]):
                partition = partition_of(place)
                if place.error is None and place.offset > goals[partition]:  # negative: nothing was fetched yet
                    goals[partition] = place.offset
        return {partition: goal for partition, goal in goals.items() if goal > self._standings[partition].confirmed}

    def _portions(self, goals: Mapping[Partition, int]) -> Iterator[dict[Partition, int]]:
        """Cut what is to be committed into what a broker takes at once."""
        most, rest = _REQUEST_BYTES // (len(self._metadata) + _EACH_BYTES), iter(goals.items())
        while portion := dict(islice(rest, max(1, most))):
            yield portion

    def _offsets(self, goals: Mapping[Partition, int]) -> list[TopicPartition]:
        return [TopicPartition(*partition, goal, metadata=self._metadata) for partition, goal in goals.items()]

    def _take(self, answers: Collection[TopicPartition], began_s: float) -> bool:
        accepted: dict[Partition, int] = {}
        errors = [answer.error for answer in answers if answer.error is not None]
        for answer in answers:
            standing = self._standings.get(partition_of(answer))
            if answer.error is None and standing is not None:
                standing.confirmed = max(standing.confirmed, answer.offset)
                accepted[partition_of(answer)] = answer.offset
        if accepted:
            self._proven = next(iter(accepted))
            self._fence.commit_accepted(began_s)
            self._observer.committed(accepted, self._fence.clock() - began_s)
        if errors:
            self._refused(errors[0], began_s)
        return not errors

    def _refused(self, error: KafkaError, began_s: float) -> None:
        """Report a refusal: whatever the reason, it is "not now", because the next commit says the same and more.

        Raises:
            KafkaException: the client can never commit again.
        """
        if error.code() in _GONE:
            self._fence.membership_lost()
        self._observer.commit_failed(error.name(), self._fence.clock() - began_s)
        if is_fatal(error):
            raise KafkaException(error)


class CommitScheduler:
    """Sends the commits of one consumer in time; every method is called by its thread.

    Who owes nothing, and waits for no gap to be accepted, does nothing that only members may: it commits nothing that
    has not moved, and nobody is told that it may not call.

    Args:
        fence: falls without proof.
        commits: what is sent.
        observer: told when calls wait, and when they do no more.
        every_s: how often what has moved is sent, in seconds.
    """

    def __init__(self, fence: Fence, commits: OffsetCommitter, observer: Observer, every_s: float) -> None:
        self._fence = fence
        self._commits = commits
        self._observer = observer
        # More often than a proof comes due: one that is refused is repeated while the last is still good.
        self._every_s = min(every_s, fence.limit_s / 6)
        self._moment_s = min(_MOMENT_S, fence.limit_s / 2)
        self._due_s = 0.0
        self._open_s = fence.clock()
        self._told_shut = False

    def commit_if_due(self, consumer: Consumer, now_s: float, *, waiting_for_gap: bool) -> None:
        """Tell of the fence, and send what is due; by the fence's clock.

        Args:
            consumer: the thread's consumer.
            now_s: the time.
            waiting_for_gap: whether a partition is stopped: the acceptance of its gap is acted on by members only.
        """
        self._look(now_s)  # first: a standstill is told of, however soon the commit mends it
        if now_s >= self._due_s:
            self._due_s = now_s + self._every_s
            acts = self._commits.has_pending() or waiting_for_gap
            self._commits.commit_async(consumer, heartbeat=acts and self._fence.heartbeat_due())

    def records_fetched(self, consumer: Consumer) -> None:
        """Send a proof before the first calls of who was idle: it is answered while the records are translated."""
        if self._fence.heartbeat_due():
            self._commits.commit_async(consumer, heartbeat=True)

    def _look(self, now_s: float) -> None:
        if self._fence.may_send() or not self._commits.has_pending():
            self._open_s = now_s
            if self._told_shut:
                self._told_shut = False
                self._observer.fence_released()
        elif not self._told_shut and now_s - self._open_s > self._moment_s:
            self._told_shut = True
            self._observer.fence_closed()
