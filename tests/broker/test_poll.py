"""The poll thread on both brokers: records in, offsets out, and nothing decided in between."""

import asyncio
import json

import pytest

from consumer.model import Partition
from tests.broker.recording_road import committed, member, options, produce
from tests.brokers import Broker

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
