"""Faults of the poll thread: which it retries, which it waits for, and which end it."""

import asyncio
from collections.abc import Collection

import pytest
from confluent_kafka import KafkaError

from consumer.demo.embedded_kafka import ApiKey
from consumer.kafka.client_health import PollError
from consumer.kafka.loop_bridge import CommittableOffsets, RecordBatch
from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, Member, committed, member, options, produce
from tests.kafka_clusters import Broker, EmbeddedBroker


def test_failed_commit_is_reported_and_repeated(embedded_broker: EmbeddedBroker) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 10)
            broker.kafka.push_request_errors(ApiKey.OFFSET_COMMIT, [KafkaError.REBALANCE_IN_PROGRESS] * 2)
            try:
                one.handler.settle(only, 4)
                await one.until(lambda: one.observer.failed_commits)
                one.handler.settle(only, 6)
                await one.until(lambda: one.observer.committed_offsets[-1] == {only: 6})
            finally:
                broker.kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 6


def test_nothing_is_fetched_before_the_start_is_committed(embedded_broker: EmbeddedBroker) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")

    async def run() -> None:
        broker.kafka.push_request_errors(ApiKey.OFFSET_COMMIT, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 1000)
        try:
            async with member(options(broker, (topic,), group, start="latest")) as one:
                await one.until(lambda: one.handler.assignments)
                produce(broker, topic, 10)
                await one.until(lambda: len(one.observer.failed_commits) >= 5)
                assert one.handler.received == []
                broker.kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)
                await one.until(lambda: len(one.handler.received) == 10)
                assert one.observer.committed_offsets[0] == {Partition(topic, 0): 0}
        finally:
            broker.kafka.clear_request_errors(ApiKey.OFFSET_COMMIT)

    asyncio.run(run())


def test_unresolvable_start_offsets_end_the_thread(embedded_broker: EmbeddedBroker) -> None:
    """The error is one sentence, without a traceback."""
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")
    given = options(broker, (topic,), group, properties={"max.poll.interval.ms": 6000})

    async def run() -> None:
        broker.kafka.push_request_errors(ApiKey.OFFSET_FETCH, [KafkaError.GROUP_AUTHORIZATION_FAILED] * 1000)
        try:
            one = Member(given)
            one.poller.start()
            with pytest.raises(PollError) as raised:
                await asyncio.wait_for(one.poller.done, WITHIN_S)
            assert "GROUP_AUTHORIZATION_FAILED" in str(raised.value)
            assert group in str(raised.value)
            assert ("GROUP_AUTHORIZATION_FAILED", False) in one.observer.errors
            assert not one.poller.may_send()
            await one.poller.shutdown()
        finally:
            broker.kafka.clear_request_errors(ApiKey.OFFSET_FETCH)

    asyncio.run(run())


def test_fatal_client_error_ends_the_thread(embedded_broker: EmbeddedBroker) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")

    async def run() -> None:
        one = Member(options(broker, (topic,), group))
        one.poller.start()
        await one.until(lambda: one.handler.assignments)
        one.poller._on_error(KafkaError(KafkaError.FENCED_INSTANCE_ID, fatal=True))
        with pytest.raises(PollError) as raised:
            await asyncio.wait_for(one.poller.done, WITHIN_S)
        assert group in str(raised.value)
        assert ("FENCED_INSTANCE_ID", True) in one.observer.errors
        assert not one.poller.may_send()
        assert "drain" not in one.handler.events

    asyncio.run(run())


class BrokenError(Exception):
    """A bug in the loop."""


@pytest.mark.parametrize("where", ["accept_batch", "assigned"])
def test_exception_in_the_loop_ends_the_thread(embedded_broker: EmbeddedBroker, where: str) -> None:
    broker = embedded_broker
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)

    async def accept(_: RecordBatch) -> None:
        raise BrokenError

    def assigned(_: object) -> None:
        raise BrokenError

    async def run() -> None:
        one = Member(options(broker, (topic,), group))
        setattr(one.handler, where, accept if where == "accept_batch" else assigned)
        one.poller.start()
        with pytest.raises(BrokenError):
            await asyncio.wait_for(one.poller.done, WITHIN_S)

    asyncio.run(run())


def test_shutdown_is_bounded_if_the_loop_never_finishes(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    only = Partition(topic, 0)

    async def hang() -> CommittableOffsets:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        one = Member(options(broker, (topic,), group, drain_s=0.5), settle_on_receipt=False)
        one.poller.start()
        await one.until(lambda: len(one.handler.received) == 10)
        one.handler.room.clear()
        one.handler.shutdown = hang  # type: ignore[method-assign]
        one.handler.settle(only, 3)
        async with asyncio.timeout(WITHIN_S):
            await one.poller.shutdown()
        assert one.poller.done.result() is None

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 3


@pytest.mark.needs_real_broker("the embedded cluster refuses every commit while its group rebalances")
def test_drain_timeout_ends_the_revocation(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    only = Partition(topic, 0)

    async def hang(partitions: Collection[Partition]) -> CommittableOffsets:
        await asyncio.Event().wait()
        raise AssertionError

    async def run() -> None:
        given = options(broker, (topic,), group, drain_s=0.2, properties={"partition.assignment.strategy": "range"})
        old = Member(given, settle_on_receipt=False)
        old.poller.start()
        await old.until(lambda: len(old.handler.received) == 10)
        old.handler.settle(only, 3)
        old.handler.drain = hang  # type: ignore[method-assign]
        async with member(given) as new:  # an eager protocol revokes everything first
            await old.until(lambda: old.observer.revocations)
            assert old.observer.revocations[0] == (frozenset({only}), False)
            await old.poller.shutdown()
            await new.until(lambda: new.handler.received)
            assert new.handler.received[0] == (only, 3)

    asyncio.run(run())


def test_fetching_continues_after_a_broker_restart(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 100)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: len(one.handler.received) == 100)
            await asyncio.to_thread(broker.restart)
            await asyncio.to_thread(produce, broker, topic, 100, first=100)
            await one.until(lambda: (Partition(topic, 0), 199) in one.handler.received)
            assert [offset for _, offset in one.handler.received[:100]] == list(range(100))
            await one.until(lambda: one.observer.committed_offsets[-1] == {Partition(topic, 0): 200})

    asyncio.run(run())


@pytest.mark.needs_real_broker("the embedded cluster's group of the new protocol is partial")
@pytest.mark.parametrize("protocol", ["classic", "consumer"])
def test_member_without_partitions_has_joined(broker: Broker, protocol: str) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    given = options(broker, (topic,), group, properties={"group.protocol": protocol})

    async def run() -> None:
        async with member(given) as busy, member(given) as spare:
            await busy.until(lambda: busy.observer.joined_protocols)
            await spare.until(lambda: spare.observer.joined_protocols)
            assert busy.observer.joined_protocols == spare.observer.joined_protocols == [protocol]
            assert len(busy.poller.assigned()) + len(spare.poller.assigned()) <= 1

    asyncio.run(run())
