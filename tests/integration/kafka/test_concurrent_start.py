"""A group that starts at `latest` with several members at once, while records are produced."""

import asyncio
import threading
from collections import defaultdict
from typing import Self

import pytest
from confluent_kafka import Producer

from consumer.model import Partition
from tests.e2e.kafka_io import log_ends
from tests.integration.kafka.recording_handler import WITHIN_S, Member, member, options, produce
from tests.integration.kafka.test_poller import HAND_OVER
from tests.kafka_clusters import Broker

_PARTITIONS = 4
_OLD = 50


class WritingThread:
    """A thread that produces to every partition in turn until it is stopped."""

    def __init__(self, broker: Broker, topic: str) -> None:
        self._producer = Producer(broker.client())
        self._topic = topic
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        assert self._producer.flush(WITHIN_S) == 0

    def _run(self) -> None:
        while not self._ended.wait(0.005):
            for partition in range(_PARTITIONS):
                self._producer.produce(self._topic, b"new", partition=partition)
            self._producer.poll(0)


@pytest.mark.needs_real_broker("a second member's join takes the embedded cluster a session")
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_concurrent_members_replay_nothing_and_miss_nothing(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", _PARTITIONS), broker.unique("group")
    for index in range(_PARTITIONS):
        produce(broker, topic, _OLD, partition=index)
    given = options(broker, (topic,), group, start="latest", properties=protocol)

    async def run() -> tuple[Member, Member]:
        with WritingThread(broker, topic) as writing:
            async with member(given) as one, member(given) as other:
                await one.until(lambda: len(one.poller.assigned()) == len(other.poller.assigned()) == _PARTITIONS // 2)
                before = len(one.handler.received), len(other.handler.received)
                await one.until(
                    lambda: len(one.handler.received) > before[0] and len(other.handler.received) > before[1]
                )
                await asyncio.to_thread(writing.__exit__)
                ends = {Partition(topic, index): end for index, end in log_ends(broker, topic, _PARTITIONS).items()}
                await one.until(lambda: _reached(one, other) == ends)
        return one, other

    one, other = asyncio.run(run())
    offsets: dict[Partition, list[int]] = defaultdict(list)
    for partition, offset in one.handler.received + other.handler.received:
        offsets[partition].append(offset)
    starts: dict[Partition, int] = {}
    for assignment in one.handler.assignments + other.handler.assignments:
        for partition, start in assignment.starts.items():
            starts[partition] = min(start, starts.get(partition, start))
    assert starts.keys() == offsets.keys()
    for partition, found in offsets.items():
        assert starts[partition] >= _OLD, "records from before the group are not replayed"
        assert sorted(set(found)) == list(range(starts[partition], max(found) + 1)), "nothing is missed"


def _reached(*members: Member) -> dict[Partition, int]:
    """Return the next offset of each partition over all members."""
    found: dict[Partition, int] = {}
    for one in members:
        for partition, offset in one.handler.received:
            found[partition] = max(found.get(partition, 0), offset + 1)
    return found
