"""Whether a process may call is asked of the broker, by commits, on every protocol: it may have stood still."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from consumer.demo.embedded_kafka import ApiKey
from consumer.model import Partition
from tests.broker.recording_road import member, options, produce
from tests.broker.test_poll import HAND_OVER
from tests.brokers import Broker, EmbeddedBroker

NOT_NOW = [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID]


def test_after_a_standstill_calls_wait_for_an_accepted_commit(broker: Broker) -> None:
    _stands_still(broker, {})


@pytest.mark.needs_real_broker("the embedded cluster's group of the new protocol is partial")
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_a_standstill_is_noticed_on_every_protocol(broker: Broker, protocol: dict[str, str]) -> None:
    _stands_still(broker, protocol)


def test_who_has_nothing_to_commit_shows_all_the_same_that_it_is_a_member(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: one.heard.committed_offsets[-1:] == [{Partition(topic, 0): 10}])
            began, commits = asyncio.get_running_loop().time(), len(one.heard.committed_offsets)
            limit_s = broker.session_ms / 2000
            await one.until(lambda: asyncio.get_running_loop().time() > began + 1.5 * limit_s)
            again = one.heard.committed_offsets[commits:]
            assert len(again) >= 2
            assert all(offsets == {Partition(topic, 0): 10} for offsets in again)

    asyncio.run(run())


def _stands_still(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group, properties=protocol)) as one:
            await one.until(lambda: len(one.road.taken) == 10)
            await one.until(lambda: one.heard.committed_offsets[-1:] == [{Partition(topic, 0): 10}])
            assert one.poller.may_call()
            commits = len(one.heard.committed_offsets)
            fence = one.poller._fence
            fence._sent_s -= 4  # as if the process had stood still for longer than half the session of six seconds
            await one.until(lambda: one.heard.fences == ["fenced", "unfenced"])
            assert one.heard.committed_offsets[commits] == {Partition(topic, 0): 10}
            assert one.poller.may_call()

    asyncio.run(run())


def test_a_standstill_that_cost_the_commit_keeps_calls_waiting(embedded_broker: EmbeddedBroker) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: one.heard.committed_offsets[-1:] == [{Partition(topic, 0): 10}])
            broker.kafka.push_request_errors(ApiKey.OFFSET_COMMIT, NOT_NOW)
            try:
                one.poller._fence._sent_s -= 4
                await one.until(lambda: one.heard.refusals)
                await one.until(lambda: "unfenced" in one.heard.fences)
            finally:
                broker.kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)
            assert one.heard.fences == ["fenced", "unfenced"]

    asyncio.run(run())
