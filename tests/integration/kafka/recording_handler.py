"""A pipeline handler and an observer that record every call, and a poll-thread member built from them."""

# ruff: noqa: ARG002 - an observer's methods have arguments that no test needs

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

from confluent_kafka import Consumer, Producer, TopicPartition

from consumer.kafka.loop_bridge import Assignment, CommittableOffsets, RecordBatch
from consumer.kafka.poller import Poller
from consumer.kafka.properties import PollOptions
from consumer.model import DeadLetterCause, Partition
from consumer.model.directives import AcceptGap
from consumer.model.observer import Observer
from tests.kafka_clusters import Broker

WITHIN_S = 180.0


class RecordingHandler:
    """A handler that records every call. `settle_on_receipt` makes it settle each record at once."""

    def __init__(self, *, settle_on_receipt: bool = True) -> None:
        self.full: frozenset[Partition] = frozenset()
        self.accepted_gaps: Sequence[AcceptGap] = ()
        self.received: list[tuple[Partition, int]] = []
        self.values: list[bytes | None] = []
        self.batches: list[RecordBatch] = []
        self.assignments: list[Assignment] = []
        self.totals: list[int] = []
        self.events: list[str] = []
        self.drained: list[Partition] = []
        self.room = asyncio.Event()
        self.room.set()
        self.settle_on_receipt = settle_on_receipt
        self.next: dict[Partition, tuple[int, int]] = {}
        self.commit: Callable[[CommittableOffsets], None] = lambda _: None

    def assigned(self, assignment: Assignment) -> None:
        self.events.append("assigned")
        self.assignments.append(assignment)
        for partition, epoch in assignment.epochs.items():
            self.next[partition] = (epoch, assignment.starts[partition])

    def partition_count_changed(self, total: int) -> None:
        self.totals.append(total)

    async def accept_batch(self, batch: RecordBatch) -> None:
        self.batches.append(batch)
        self.events.append("accept")
        for message in batch.messages:
            partition = Partition(message.topic(), message.partition())
            self.received.append((partition, message.offset()))
            self.values.append(message.value())
            if self.settle_on_receipt:
                self.next[partition] = (batch.epochs[partition], message.offset() + 1)
        self.commit(self.committable_offsets())
        await self.room.wait()

    async def drain(self, partitions: Collection[Partition]) -> CommittableOffsets:
        self.events.append("drain")
        committable = self.committable_offsets()
        for partition in partitions:
            self.drained.append(partition)
            self.next.pop(partition, None)
        return committable

    def lost(self, partitions: Collection[Partition]) -> None:
        self.events.append("lost")
        for partition in partitions:
            self.next.pop(partition, None)

    async def shutdown(self) -> CommittableOffsets:
        self.events.append("finish")
        return self.committable_offsets()

    def committable_offsets(self) -> CommittableOffsets:
        return CommittableOffsets(dict(self.next))

    def settle(self, partition: Partition, next_offset: int) -> None:
        """Make this the committable offset."""
        self.next[partition] = (self.next[partition][0], next_offset)
        self.commit(self.committable_offsets())


class RecordingObserver(Observer):
    """Records the events of the poll thread."""

    def __init__(self) -> None:
        self.committed_offsets: list[dict[Partition, int]] = []
        self.failed_commits: list[str] = []
        self.errors: list[tuple[str, bool]] = []
        self.missing: list[str] = []
        self.found: list[str] = []
        self.pauses: list[frozenset[Partition]] = []
        self.revocations: list[tuple[frozenset[Partition], bool]] = []
        self.joined_protocols: list[str] = []
        self.records = 0
        self.bytes = 0
        self.fence_changes: list[str] = []
        self.stops: list[tuple[Partition, int, str]] = []
        self.gaps_accepted: list[tuple[Partition, int, int]] = []
        self.dead_letter_failures: list[str] = []
        self.dead_letters: list[tuple[str, str, int]] = []

    def group_joined(self, group: str, protocol: str) -> None:
        self.joined_protocols.append(protocol)

    def committed(self, offsets: Mapping[Partition, int], seconds: float) -> None:
        self.committed_offsets.append(dict(offsets))

    def commit_failed(self, code: str, seconds: float) -> None:
        self.failed_commits.append(code)

    def client_error(self, code: str, text: str, *, fatal: bool) -> None:
        self.errors.append((code, fatal))

    def topic_missing(self, topic: str) -> None:
        self.missing.append(topic)

    def topic_found(self, topic: str) -> None:
        self.found.append(topic)

    def partitions_paused(self, partitions: Collection[Partition]) -> None:
        self.pauses.append(frozenset(partitions))

    def partitions_revoked(self, partitions: Collection[Partition], *, lost: bool, seconds: float) -> None:
        self.revocations.append((frozenset(partitions), lost))

    def records_consumed(self, topic: str, records: int, size: int) -> None:
        self.records += records
        self.bytes += size

    def partition_stopped(self, partition: Partition, offset: int, code: str) -> None:
        self.stops.append((partition, offset, code))

    def gap_accepted(self, partition: Partition, lost_from: int, goes_on_at: int) -> None:
        self.gaps_accepted.append((partition, lost_from, goes_on_at))

    def fence_closed(self) -> None:
        self.fence_changes.append("closed")

    def fence_released(self) -> None:
        self.fence_changes.append("released")

    def dead_letter_failed(self, code: str) -> None:
        self.dead_letter_failures.append(code)

    def dead_lettered(self, destination: str, cause: DeadLetterCause, count: int) -> None:
        self.dead_letters.append((destination, str(cause), count))


class Member:
    """One poller with its handler and its observer."""

    def __init__(self, options: PollOptions, *, settle_on_receipt: bool = True) -> None:
        self.handler = RecordingHandler(settle_on_receipt=settle_on_receipt)
        self.observer = RecordingObserver()
        self.poller = Poller(options, self.handler, asyncio.get_running_loop(), self.observer)
        self.handler.commit = self.poller.commit

    async def until(self, condition: Callable[[], object], description: str = "") -> None:
        """Wait until a condition is true. If the thread fails meanwhile, raise its exception."""
        async with asyncio.timeout(WITHIN_S):
            while not condition():
                if self.poller.done.done():
                    self.poller.done.result()
                    raise AssertionError(f"the thread ended before {description or 'the condition was true'}")
                await asyncio.sleep(0.02)


def options(broker: Broker, topics: tuple[str, ...], group: str, **more: Any) -> PollOptions:  # noqa: ANN401 - fields of PollOptions
    """Return options with a short session and frequent commits. `properties` are librdkafka's."""
    properties = broker.client(**more.pop("properties", {}))
    if properties.get("group.protocol") != "consumer":
        properties = broker.client(group_id=group, **properties)
        del properties["group.id"]
    else:
        properties["fetch.wait.max.ms"] = 20
    defaults: dict[str, Any] = {"start": "earliest", "drain_s": 5.0, "commit_interval_s": 0.1}
    texts = {name: str(value) for name, value in properties.items()}
    return PollOptions(properties=texts, group=group, topics=topics, **(defaults | more))


@asynccontextmanager
async def member(given: PollOptions, *, settle_on_receipt: bool = True) -> AsyncIterator[Member]:
    """Run a member and shut it down at the end."""
    one = Member(given, settle_on_receipt=settle_on_receipt)
    one.poller.start()
    try:
        yield one
    finally:
        one.handler.room.set()
        await one.poller.shutdown()
        if one.poller.done.done() and not one.poller.done.cancelled():
            one.poller.done.exception()


def produce(broker: Broker, topic: str, count: int, *, partition: int = 0, first: int = 0) -> None:
    """Produce records whose values are their numbers."""
    producer = Producer(broker.client())
    for number in range(first, first + count):
        producer.produce(topic, b"%d" % number, key=b"k", partition=partition)
    assert producer.flush(WITHIN_S) == 0


def committed(broker: Broker, group: str, topic: str, partitions: int = 1) -> dict[int, tuple[int, str | None]]:
    """Return the group's commits: offset and metadata by partition."""
    client = Consumer({**broker.client(), "group.id": group})
    try:
        found = client.committed([TopicPartition(topic, index) for index in range(partitions)], WITHIN_S)
    finally:
        client.close()
    return {one.partition: (one.offset, one.metadata) for one in found}
