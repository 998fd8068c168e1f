"""After a freeze, requests wait until the broker accepts a commit, on every protocol."""

import asyncio

import pytest
from confluent_kafka import KafkaError

from consumer.demo.embedded_kafka import ApiKey
from consumer.model import Partition
from tests.integration.kafka.recording_handler import Member, member, options, produce
from tests.integration.kafka.test_poller import HAND_OVER
from tests.kafka_clusters import Broker, EmbeddedBroker

NOT_NOW = [KafkaError.REBALANCE_IN_PROGRESS, KafkaError.ILLEGAL_GENERATION, KafkaError.UNKNOWN_MEMBER_ID]


def test_requests_after_a_freeze_wait_for_an_accepted_commit(broker: Broker) -> None:
    _check_freeze(broker, {})


@pytest.mark.needs_real_broker("the embedded cluster's group of the new protocol is partial")
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_freeze_is_noticed_on_every_protocol(broker: Broker, protocol: dict[str, str]) -> None:
    _check_freeze(broker, protocol)


def test_heartbeat_commits_are_sent_only_while_anything_is_owed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 10)
            await one.until(lambda: len(one.observer.committed_offsets) >= 4)
            assert all(offsets == {Partition(topic, 0): 0} for offsets in one.observer.committed_offsets)
            await one.until(one.poller.may_send)
            one.handler.settle(Partition(topic, 0), 10)
            await one.until(lambda: one.observer.committed_offsets[-1] == {Partition(topic, 0): 10})
            commits = len(one.observer.committed_offsets)
            await _pass(1.5 * broker.session_ms / 2000)
            assert len(one.observer.committed_offsets) == commits
            assert not one.poller.may_send()
            produce(broker, topic, 1, first=10)
            await one.until(one.poller.may_send)

    asyncio.run(run())


async def _pass(seconds: float) -> None:
    await asyncio.sleep(seconds)  # real time must pass


def _check_freeze(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group, properties=protocol), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 10)
            await one.until(one.poller.may_send)
            await _freeze(one)
            commits = len(one.observer.committed_offsets)
            await one.until(lambda: one.observer.fence_changes[:2] == ["closed", "released"])
            assert one.observer.committed_offsets[commits - 1 :]
            await one.until(one.poller.may_send)

    asyncio.run(run())


async def _freeze(one: Member) -> None:
    """Simulate a freeze of the process for more than half the session of six seconds."""
    while not one.observer.fence_changes:
        one.poller._fence._accepted_sent_s -= 4
        one.poller._commit_scheduler._last_open_s -= 4
        await asyncio.sleep(0.02)  # a commit in flight may reopen the fence: then once more


def test_requests_wait_while_commits_fail_after_a_freeze(embedded_broker: EmbeddedBroker) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 10)
            await one.until(one.poller.may_send)
            broker.kafka.push_request_errors(ApiKey.OFFSET_COMMIT, NOT_NOW)
            try:
                await _freeze(one)
                await one.until(lambda: one.observer.failed_commits)
                await one.until(lambda: "released" in one.observer.fence_changes)
            finally:
                broker.kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)
            assert one.observer.fence_changes[:2] == ["closed", "released"]

    asyncio.run(run())
