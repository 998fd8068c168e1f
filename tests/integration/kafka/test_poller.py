"""The poll thread on both brokers: records in, offsets out, and nothing decided in between."""

import asyncio
import json

import pytest
from confluent_kafka import Producer

from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, committed, member, options, produce
from tests.kafka_clusters import Broker

PROTOCOLS = [
    pytest.param({"partition.assignment.strategy": "range"}, id="range"),
    pytest.param({"partition.assignment.strategy": "cooperative-sticky"}, id="cooperative"),
]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_records_come_in_order_and_restart_resumes_at_commit(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 1200)
    only = Partition(topic, 0)

    async def first() -> None:
        async with member(options(broker, (topic,), group, properties=protocol), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 1200)
            assert one.handler.received == [(only, offset) for offset in range(1200)]
            assert [int(value or b"") for value in one.handler.values] == list(range(1200))
            assert max(len(batch.messages) for batch in one.handler.batches) <= 500
            assert one.observer.records == 1200
            assert one.observer.bytes == sum(len(str(number)) + 1 for number in range(1200))
            one.handler.settle(only, 700)
            await one.until(lambda: {only: 700} in one.observer.committed_offsets)
        assert one.handler.events[-1] == "finish"

    async def second() -> None:
        async with member(options(broker, (topic,), group, properties=protocol)) as one:
            await one.until(lambda: len(one.handler.received) == 500)
            assert one.handler.received[0] == (only, 700)

    asyncio.run(first())
    assert committed(broker, group, topic)[0][0] == 700
    asyncio.run(second())
    assert committed(broker, group, topic)[0][0] == 1200


def test_start_is_committed_before_anything_is_settled(broker: Broker) -> None:
    """The commit's metadata holds the instant at which the group began."""
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: one.handler.received)
            assert one.observer.committed_offsets[0] == {Partition(topic, 0): 0}

    asyncio.run(run())
    offset, metadata = committed(broker, group, topic)[0]
    assert offset == 0
    assert json.loads(metadata or "") == {"v": 1, "start": "earliest"}


def test_start_at_latest_keeps_its_instant(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    produce(broker, topic, 10)
    given = options(broker, (topic,), group, start="latest")

    async def run(count: int) -> list[tuple[Partition, int]]:
        async with member(given) as one:
            await one.until(lambda: one.handler.assignments)
            await one.until(lambda: len(one.observer.committed_offsets) > 0 or count == 0)
            produce(broker, topic, count, first=100)
            await one.until(lambda: len(one.handler.received) >= count)
            return list(one.handler.received)

    assert asyncio.run(run(3)) == [(Partition(topic, 0), offset) for offset in (10, 11, 12)]
    found = committed(broker, group, topic, 2)
    assert {partition: offset for partition, (offset, _) in found.items()} == {0: 13, 1: 0}
    instants = {json.loads(metadata or "")["start"] for _, metadata in found.values()}
    assert len(instants) == 1
    assert all(isinstance(instant, int) for instant in instants)


@pytest.mark.needs_real_broker("the embedded cluster knows no offsets for times")
def test_start_at_instant_begins_at_first_record_from_then(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    writer = Producer(broker.client())
    for number in range(10):
        writer.produce(topic, b"%d" % number, timestamp=1_700_000_000_000 + number * 1000)
    assert writer.flush(WITHIN_S) == 0

    async def run() -> None:
        async with member(options(broker, (topic,), group, start=1_700_000_004_500)) as one:
            await one.until(lambda: len(one.handler.received) == 5)
            assert one.handler.received[0] == (Partition(topic, 0), 5)

    asyncio.run(run())


def test_newly_matching_topic_is_read_from_its_beginning(broker: Broker) -> None:
    group, prefix = broker.unique("group"), broker.unique("shop")
    first = broker.create_topic(f"{prefix}.a")
    produce(broker, first, 5)

    async def run(wanted: str | None) -> list[str]:
        given = options(broker, (f"^{prefix}[.].*",), group, start="latest")
        async with member(given) as one:
            await one.until(lambda: one.handler.assignments)
            if wanted is not None:
                await one.until(lambda: len(one.handler.received) == 4)
            return [partition.topic for partition, _ in one.handler.received]

    assert asyncio.run(run(None)) == []
    second = broker.create_topic(f"{prefix}.b")
    produce(broker, second, 4)
    assert asyncio.run(run(second)) == [second] * 4


def test_one_full_partition_is_paused_alone_and_resumed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    full, free = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.handler.full = frozenset({full})
            await one.until(lambda: one.observer.pauses and one.observer.pauses[-1] == {full})
            produce(broker, topic, 20, partition=0)
            produce(broker, topic, 20, partition=1)
            await one.until(lambda: len(one.handler.received) == 20)
            assert {partition for partition, _ in one.handler.received} == {free}
            one.handler.full = frozenset()
            await one.until(lambda: len(one.handler.received) == 40)
            assert one.observer.pauses[-1] == frozenset()

    asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_back_pressure_past_max_poll_interval_keeps_membership(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for partition in (0, 1):
        produce(broker, topic, 700, partition=partition)
    given = options(
        broker, (topic,), group, max_batch_records=100, properties={**protocol, "max.poll.interval.ms": 6000}
    )

    async def run() -> None:
        async with member(given, settle_on_receipt=False) as one:  # a member that owes nothing needs no open fence
            one.handler.room.clear()  # before the loop runs, so that there is no room after the first batch
            await one.until(lambda: one.observer.pauses and len(one.observer.pauses[-1]) == 2)
            received = len(one.handler.received)
            assert 0 < received <= 100
            await asyncio.sleep(8)  # longer than max.poll.interval.ms and the session timeout
            assert len(one.handler.received) == received
            await one.until(one.poller.may_send)
            one.handler.room.set()
            await one.until(lambda: len(one.handler.received) == 1400)
            assert one.observer.revocations == []
            for partition in (0, 1):
                offsets = [offset for place, offset in one.handler.received if place.index == partition]
                assert offsets == list(range(700))

    asyncio.run(run())


HAND_OVER = [
    *PROTOCOLS,
    pytest.param({"group.protocol": "consumer"}, id="kip-848"),
]


@pytest.mark.needs_real_broker(
    "a second member's join takes the embedded cluster a session, and its KIP-848 is partial"
)
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_two_members_hand_partitions_over_and_back(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 4), broker.unique("group")
    for partition in range(4):
        produce(broker, topic, 50, partition=partition)
    given = options(broker, (topic,), group, properties=protocol)

    async def run() -> None:
        async with member(given) as old:
            await old.until(lambda: len(old.handler.received) == 200)
            # Full partitions are paused, and must be resumed before they are unassigned.
            old.handler.full = frozenset(Partition(topic, index) for index in range(4))
            await old.until(lambda: old.observer.pauses and len(old.observer.pauses[-1]) == 4)
            async with member(given) as new:
                await new.until(lambda: len(new.poller.assigned()) == 2 and len(old.poller.assigned()) == 2)
                old.handler.full = frozenset()
                moved = frozenset(new.poller.assigned())
                assert moved <= frozenset(old.handler.drained)
                for partition in range(4):
                    produce(broker, topic, 50, partition=partition, first=50)
                await new.until(lambda: len(new.handler.received) == 100)
                await old.until(lambda: len(old.handler.received) == 300)
                assert min(offset for _, offset in new.handler.received) == 50
            await old.until(lambda: len(old.poller.assigned()) == 4)
            for partition in range(4):
                produce(broker, topic, 10, partition=partition, first=100)
            await old.until(lambda: len(old.handler.received) == 340)
            epochs = [epoch for one in old.handler.assignments for epoch in one.epochs.values()]
            assert len(epochs) == len(set(epochs))
            everything = sorted(old.handler.received + new.handler.received)
            assert everything == [(Partition(topic, index), offset) for index in range(4) for offset in range(110)]

    asyncio.run(run())


@pytest.mark.needs_real_broker("the embedded cluster keeps no transactions apart")
def test_transaction_markers_at_the_log_end_are_committed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    writer = Producer(broker.client(transactional_id=broker.unique("tx")))
    writer.init_transactions(WITHIN_S)
    for number, commits in enumerate((True, False, True)):
        writer.begin_transaction()
        writer.produce(topic, b"%d" % number)
        writer.flush(WITHIN_S)
        writer.commit_transaction(WITHIN_S) if commits else writer.abort_transaction(WITHIN_S)
    only = Partition(topic, 0)  # record, marker, aborted record, marker, record, marker

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 2)
            assert one.handler.received == [(only, 0), (only, 4)]
            one.handler.settle(only, 4)  # something is owed, so no marker is committed
            await one.until(lambda: {only: 4} in one.observer.committed_offsets)
            one.handler.settle(only, 5)
            await one.until(lambda: {only: 6} in one.observer.committed_offsets)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 6


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_missing_topic_is_reported_awaited_and_then_read(broker: Broker) -> None:
    topic, group = broker.unique("orders-later"), broker.unique("group")
    given = options(broker, (topic,), group, properties={"topic.metadata.refresh.interval.ms": 500})

    async def run() -> None:
        async with member(given) as one:
            await one.until(lambda: topic in one.observer.missing)
            await asyncio.to_thread(broker.create_topic, topic, exact=True)
            produce(broker, topic, 5)
            await one.until(lambda: len(one.handler.received) == 5)

    asyncio.run(run())
