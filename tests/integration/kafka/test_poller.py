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
def test_records_come_in_order_and_a_restart_resumes_exactly(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 1200)
    only = Partition(topic, 0)

    async def first() -> None:
        async with member(options(broker, (topic,), group, properties=protocol), settles=False) as one:
            await one.until(lambda: len(one.road.taken) == 1200)
            assert one.road.taken == [(only, offset) for offset in range(1200)]
            assert [int(value or b"") for value in one.road.values] == list(range(1200))
            assert max(len(lot.messages) for lot in one.road.lots) <= 500
            assert one.heard.records == 1200
            assert one.heard.bytes == sum(len(str(number)) + 1 for number in range(1200))
            one.road.settle(only, 700)
            await one.until(lambda: {only: 700} in one.heard.committed_offsets)
        assert one.road.events[-1] == "finish"

    async def second() -> None:
        async with member(options(broker, (topic,), group, properties=protocol)) as one:
            await one.until(lambda: len(one.road.taken) == 500)
            assert one.road.taken[0] == (only, 700)

    asyncio.run(first())
    assert committed(broker, group, topic)[0][0] == 700
    asyncio.run(second())
    assert committed(broker, group, topic)[0][0] == 1200


def test_the_start_is_committed_with_its_instant_before_anything_is_settled(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settles=False) as one:
            await one.until(lambda: one.road.taken)
            assert one.heard.committed_offsets[0] == {Partition(topic, 0): 0}

    asyncio.run(run())
    offset, metadata = committed(broker, group, topic)[0]
    assert offset == 0
    assert json.loads(metadata or "") == {"v": 1, "start": "earliest"}


def test_a_group_that_starts_at_latest_keeps_its_instant(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    produce(broker, topic, 10)
    given = options(broker, (topic,), group, start="latest")

    async def run(count: int) -> list[tuple[Partition, int]]:
        async with member(given) as one:
            await one.until(lambda: one.road.assignments)
            await one.until(lambda: len(one.heard.committed_offsets) > 0 or count == 0)
            produce(broker, topic, count, first=100)
            await one.until(lambda: len(one.road.taken) >= count)
            return list(one.road.taken)

    assert asyncio.run(run(3)) == [(Partition(topic, 0), offset) for offset in (10, 11, 12)]
    found = committed(broker, group, topic, 2)
    assert {partition: offset for partition, (offset, _) in found.items()} == {0: 13, 1: 0}
    instants = {json.loads(metadata or "")["start"] for _, metadata in found.values()}
    assert len(instants) == 1
    assert all(isinstance(instant, int) for instant in instants)


@pytest.mark.needs_real_broker("the embedded cluster knows no offsets for times")
def test_a_group_that_starts_at_an_instant_takes_the_first_record_at_or_after_it(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    writer = Producer(broker.client())
    for number in range(10):
        writer.produce(topic, b"%d" % number, timestamp=1_700_000_000_000 + number * 1000)
    assert writer.flush(WITHIN_S) == 0

    async def run() -> None:
        async with member(options(broker, (topic,), group, start=1_700_000_004_500)) as one:
            await one.until(lambda: len(one.road.taken) == 5)
            assert one.road.taken[0] == (Partition(topic, 0), 5)

    asyncio.run(run())


def test_a_topic_that_matches_newly_is_read_from_its_beginning(broker: Broker) -> None:
    group, prefix = broker.unique("group"), broker.unique("shop")
    first = broker.create_topic(f"{prefix}.a")
    produce(broker, first, 5)

    async def run(wanted: str | None) -> list[str]:
        given = options(broker, (f"^{prefix}[.].*",), group, start="latest")
        async with member(given) as one:
            await one.until(lambda: one.road.assignments)
            if wanted is not None:
                await one.until(lambda: len(one.road.taken) == 4)
            return [partition.topic for partition, _ in one.road.taken]

    assert asyncio.run(run(None)) == []
    second = broker.create_topic(f"{prefix}.b")
    produce(broker, second, 4)
    assert asyncio.run(run(second)) == [second] * 4


def test_one_full_partition_is_paused_alone_and_resumed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    stuck, free = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.road.full = frozenset({stuck})
            await one.until(lambda: one.heard.pauses and one.heard.pauses[-1] == {stuck})
            produce(broker, topic, 20, partition=0)
            produce(broker, topic, 20, partition=1)
            await one.until(lambda: len(one.road.taken) == 20)
            assert {partition for partition, _ in one.road.taken} == {free}
            one.road.full = frozenset()
            await one.until(lambda: len(one.road.taken) == 40)
            assert one.heard.pauses[-1] == frozenset()

    asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_back_pressure_longer_than_the_poll_interval_keeps_membership(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for partition in (0, 1):
        produce(broker, topic, 700, partition=partition)
    given = options(
        broker, (topic,), group, max_batch_records=100, properties={**protocol, "max.poll.interval.ms": 6000}
    )

    async def run() -> None:
        async with member(given, settles=False) as one:  # who owes nothing need not be able to call
            one.road.room.clear()  # before the loop runs: the first lot must find no room after it
            await one.until(lambda: one.heard.pauses and len(one.heard.pauses[-1]) == 2)
            taken = len(one.road.taken)
            assert 0 < taken <= 100
            await asyncio.sleep(8)  # longer than the poll interval and the session: the point of the test
            assert len(one.road.taken) == taken
            await one.until(one.poller.may_send)
            one.road.room.set()
            await one.until(lambda: len(one.road.taken) == 1400)
            assert one.heard.revocations == []
            for partition in (0, 1):
                came = [offset for place, offset in one.road.taken if place.index == partition]
                assert came == list(range(700))

    asyncio.run(run())


HAND_OVER = [
    *PROTOCOLS,
    pytest.param({"group.protocol": "consumer"}, id="kip-848"),
]


@pytest.mark.needs_real_broker(
    "a second member's join takes the embedded cluster a session, and its KIP-848 is partial"
)
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_two_members_hand_over_what_was_committed_and_take_it_back(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders", 4), broker.unique("group")
    for partition in range(4):
        produce(broker, topic, 50, partition=partition)
    given = options(broker, (topic,), group, properties=protocol)

    async def run() -> None:
        async with member(given) as old:
            await old.until(lambda: len(old.road.taken) == 200)
            # Full partitions are given back paused, unless somebody sees to it.
            old.road.full = frozenset(Partition(topic, index) for index in range(4))
            await old.until(lambda: old.heard.pauses and len(old.heard.pauses[-1]) == 4)
            async with member(given) as new:
                await new.until(lambda: len(new.poller.assigned()) == 2 and len(old.poller.assigned()) == 2)
                old.road.full = frozenset()
                moved = frozenset(new.poller.assigned())
                assert moved <= frozenset(old.road.gone)
                for partition in range(4):
                    produce(broker, topic, 50, partition=partition, first=50)
                await new.until(lambda: len(new.road.taken) == 100)
                await old.until(lambda: len(old.road.taken) == 300)
                assert min(offset for _, offset in new.road.taken) == 50
            await old.until(lambda: len(old.poller.assigned()) == 4)
            for partition in range(4):
                produce(broker, topic, 10, partition=partition, first=100)
            await old.until(lambda: len(old.road.taken) == 340)
            epochs = [epoch for one in old.road.assignments for epoch in one.epochs.values()]
            assert len(epochs) == len(set(epochs))
            everything = sorted(old.road.taken + new.road.taken)
            assert everything == [(Partition(topic, index), offset) for index in range(4) for offset in range(110)]

    asyncio.run(run())


@pytest.mark.needs_real_broker("the embedded cluster keeps no transactions apart")
def test_markers_of_transactions_at_the_end_of_the_log_are_committed(broker: Broker) -> None:
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
        async with member(options(broker, (topic,), group), settles=False) as one:
            await one.until(lambda: len(one.road.taken) == 2)
            assert one.road.taken == [(only, 0), (only, 4)]
            one.road.settle(only, 4)  # something is owed: no marker may be passed
            await one.until(lambda: {only: 4} in one.heard.committed_offsets)
            one.road.settle(only, 5)
            await one.until(lambda: {only: 6} in one.heard.committed_offsets)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 6


@pytest.mark.needs_real_broker("the embedded cluster makes up a topic that is missing")
def test_a_missing_topic_is_said_waited_for_and_then_read(broker: Broker) -> None:
    topic, group = broker.unique("orders-later"), broker.unique("group")
    given = options(broker, (topic,), group, properties={"topic.metadata.refresh.interval.ms": 500})

    async def run() -> None:
        async with member(given) as one:
            await one.until(lambda: topic in one.heard.missing)
            await asyncio.to_thread(broker.create_topic, topic, exact=True)
            produce(broker, topic, 5)
            await one.until(lambda: len(one.road.taken) == 5)

    asyncio.run(run())
