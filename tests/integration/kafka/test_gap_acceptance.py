"""Unavailable offsets, on both brokers: the partition stops, and resumes at the operator's offset."""

import asyncio

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.kafka.loop_bridge import CommittableOffsets
from consumer.model import Partition
from consumer.model.directives import AcceptGap, ResumeAt
from tests.integration.kafka.recording_handler import committed, member, options, produce
from tests.integration.kafka.test_poller import HAND_OVER, PROTOCOLS
from tests.kafka_clusters import Broker


def acceptance(partition: Partition, stopped_at: int, to: ResumeAt) -> list[AcceptGap]:
    return [AcceptGap(2**53, "the topic was created anew", partition.topic, partition.index, stopped_at, to)]


def commit_for(broker: Broker, group: str, topic: str, *offsets: int) -> None:
    """Commit for a group without members."""
    client = Consumer({**broker.client(), "group.id": group})
    offsets_to_commit = [TopicPartition(topic, index, offset) for index, offset in enumerate(offsets)]
    client.commit(offsets=offsets_to_commit, asynchronous=False)
    client.close()


def delete_below(broker: Broker, topic: str, offset: int) -> None:
    """Make the broker delete the records of partition 0 below an offset, as its retention does."""
    admin = AdminClient(broker.client())  # kept in a variable: without its client the results never come
    for result in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        result.result(timeout=30)


def test_offset_out_of_range_stops_only_its_partition(broker: Broker) -> None:
    """Nothing is skipped, and nothing is committed for it."""
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for partition in (0, 1):
        produce(broker, topic, 10, partition=partition)
    commit_for(broker, group, topic, 5000, 4)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: len(one.handler.received) == 6)
            await one.until(lambda: ("_AUTO_OFFSET_RESET", False) in one.observer.errors)
            produce(broker, topic, 5, partition=0)
            produce(broker, topic, 5, partition=1)
            await one.until(lambda: len(one.handler.received) == 11)
            assert {partition for partition, _ in one.handler.received} == {Partition(topic, 1)}

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 5000


def test_gap_is_accepted_after_a_long_idle_time(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: one.observer.stops)
            await asyncio.sleep(1.2 * broker.session_ms / 2000)  # by now no accepted commit proves the membership
            one.handler.accepted_gaps = acceptance(Partition(topic, 0), 5000, "earliest")
            await one.until(lambda: len(one.handler.received) == 10)

    asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("to", "first"), [("earliest", 0), (4, 4)])
def test_commit_past_log_end_resumes_at_a_lower_offset(
    broker: Broker, protocol: dict[str, str], to: ResumeAt, first: int
) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for index in (0, 1):
        produce(broker, topic, 10, partition=index)
    commit_for(broker, group, topic, 5000, 4)
    stopped, other = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        async with member(options(broker, (topic,), group, properties=protocol)) as one:
            await one.until(lambda: len(one.handler.received) == 6 and one.observer.stops)
            assert one.observer.stops == [(stopped, 5000, "_AUTO_OFFSET_RESET")]
            one.handler.accepted_gaps = acceptance(stopped, 5000, to)
            await one.until(lambda: len(one.handler.received) == 6 + 10 - first)
            assert one.observer.gaps_accepted == [(stopped, 5000, first)]
            assert one.handler.events.count("lost") == 1
            of_stopped = [offset for partition, offset in one.handler.received if partition == stopped]
            of_other = [offset for partition, offset in one.handler.received if partition == other]
            assert (of_stopped, of_other) == (list(range(first, 10)), list(range(4, 10)))
            produce(broker, topic, 5, partition=1)
            await one.until(lambda: (other, 14) in one.handler.received)
            commits = [offsets[stopped] for offsets in one.observer.committed_offsets if stopped in offsets]
            assert commits[:2] == [5000, first], "the start is committed before anything is fetched"

    asyncio.run(run())
    assert {index: offset for index, (offset, _) in committed(broker, group, topic, 2).items()} == {0: 10, 1: 15}


@pytest.mark.needs_real_broker("the embedded cluster deletes no records")
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_deleted_records_stop_partition_until_gap_is_accepted(broker: Broker, protocol: dict[str, str]) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 20)
    commit_for(broker, group, topic, 3)
    delete_below(broker, topic, 12)
    only = Partition(topic, 0)

    async def run() -> None:
        given = options(broker, (topic,), group, properties=protocol)
        async with member(given) as one:
            await one.until(lambda: one.observer.stops)
            assert one.observer.stops == [(only, 3, "_AUTO_OFFSET_RESET")]
            assert (one.handler.received, one.observer.gaps_accepted) == ([], [])
        assert committed(broker, group, topic)[0][0] == 3, "the shutdown skipped nothing"
        async with member(given) as one:
            one.handler.accepted_gaps = acceptance(only, 3, "earliest")
            await one.until(lambda: len(one.handler.received) == 8)
            assert one.observer.gaps_accepted == [(only, 3, 12)]
            assert one.handler.received[0] == (only, 12)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 20


@pytest.mark.needs_real_broker("the embedded cluster deletes no records")
def test_acceptance_is_not_valid_for_the_next_gap(broker: Broker) -> None:
    """Neither in the same member nor in another one."""
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 20)
    commit_for(broker, group, topic, 3)
    delete_below(broker, topic, 10)
    only = Partition(topic, 0)
    directive = acceptance(only, 3, "earliest")

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.handler.accepted_gaps = directive
            await one.until(lambda: len(one.handler.received) == 10)
            assert one.observer.gaps_accepted == [(only, 3, 10)]
        assert committed(broker, group, topic)[0][0] == 20
        produce(broker, topic, 10)
        delete_below(broker, topic, 25)
        async with member(options(broker, (topic,), group)) as another:
            another.handler.accepted_gaps = directive
            await another.until(lambda: another.observer.stops)
            assert another.observer.stops == [(only, 20, "_AUTO_OFFSET_RESET")]
            another.handler.accepted_gaps = [*directive, *acceptance(only, 20, "latest")]
            await another.until(lambda: another.observer.gaps_accepted)
            assert another.observer.gaps_accepted == [(only, 20, 30)], (
                "the acceptance of the gap before 3 was used for it"
            )
            produce(broker, topic, 1)
            await another.until(lambda: another.handler.received == [(only, 30)])

    asyncio.run(run())


def test_accepted_offset_outside_the_log_is_never_committed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.handler.accepted_gaps = acceptance(only, 5000, 11)
            await one.until(lambda: ("OFFSET_OUT_OF_RANGE", False) in one.observer.errors)
            assert (one.observer.gaps_accepted, one.handler.received) == ([], [])
            one.handler.accepted_gaps = acceptance(only, 5000, 10)  # the log's end is a valid offset
            await one.until(lambda: one.observer.gaps_accepted == [(only, 5000, 10)])
            produce(broker, topic, 1)
            await one.until(lambda: one.handler.received == [(only, 10)])
            assert {offsets[only] for offsets in one.observer.committed_offsets} <= {5000, 10, 11}

    asyncio.run(run())


def test_gap_is_passed_after_earlier_records_have_ended(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: len(one.handler.received) == 10)
            one.handler.accepted_gaps = acceptance(only, 10, 2)
            # A stop for another reason: the tenth record is still owed.
            one.poller._stopped_partitions.add(only, "_BAD_MSG")
            one.handler.settle(only, 9)
            await one.until(lambda: {only: 9} in one.observer.committed_offsets)
            assert one.observer.gaps_accepted == []
            one.handler.settle(only, 10)
            await one.until(lambda: len(one.handler.received) == 18)
            assert one.observer.gaps_accepted == [(only, 10, 2)]

    asyncio.run(run())


def test_committable_offset_from_before_the_gap_is_ignored(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settle_on_receipt=False) as one:
            await one.until(lambda: one.observer.stops)
            old = dict(one.handler.next)
            one.handler.accepted_gaps = acceptance(only, 5000, "earliest")
            await one.until(lambda: len(one.handler.received) == 10)
            one.poller.commit(CommittableOffsets({only: (old[only][0], 6000)}))
            one.handler.settle(only, 7)
            await one.until(lambda: {only: 7} in one.observer.committed_offsets)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 7
