"""Offsets that are gone, on both brokers: a partition holds where it is, and goes on where an operator says."""

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


def accepted(partition: Partition, stopped_at: int, to: ResumeAt) -> list[AcceptGap]:
    return [AcceptGap(2**53, "the topic was made anew", partition.topic, partition.index, stopped_at, to)]


def commit_for(broker: Broker, group: str, topic: str, *offsets: int) -> None:
    """Commit for a group that nobody is in."""
    client = Consumer({**broker.client(), "group.id": group})
    places = [TopicPartition(topic, index, offset) for index, offset in enumerate(offsets)]
    client.commit(offsets=places, asynchronous=False)
    client.close()


def delete_below(broker: Broker, topic: str, offset: int) -> None:
    """Have the broker delete the records of partition 0 below an offset, as it does when they are too old."""
    admin = AdminClient(broker.client())  # kept: its answers never come once it is gone
    for answer in admin.delete_records([TopicPartition(topic, 0, offset)]).values():
        answer.result(timeout=30)


def test_an_offset_out_of_range_stops_its_partition_alone_and_skips_nothing(broker: Broker) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for partition in (0, 1):
        produce(broker, topic, 10, partition=partition)
    commit_for(broker, group, topic, 5000, 4)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: len(one.road.taken) == 6)
            await one.until(lambda: ("_AUTO_OFFSET_RESET", False) in one.heard.errors)
            produce(broker, topic, 5, partition=0)
            produce(broker, topic, 5, partition=1)
            await one.until(lambda: len(one.road.taken) == 11)
            assert {partition for partition, _ in one.road.taken} == {Partition(topic, 1)}

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 5000


def test_a_gap_is_accepted_however_long_nothing_was_owed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            await one.until(lambda: one.heard.stops)
            await asyncio.sleep(1.2 * broker.session_ms / 2000)  # by now nothing old shows that it is a member
            one.road.accepted_gaps = accepted(Partition(topic, 0), 5000, "earliest")
            await one.until(lambda: len(one.road.taken) == 10)

    asyncio.run(run())


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize(("to", "first"), [("earliest", 0), (4, 4)])
def test_a_partition_committed_beyond_its_log_goes_on_below_where_it_was(
    broker: Broker, protocol: dict[str, str], to: ResumeAt, first: int
) -> None:
    topic, group = broker.create_topic("orders", 2), broker.unique("group")
    for index in (0, 1):
        produce(broker, topic, 10, partition=index)
    commit_for(broker, group, topic, 5000, 4)
    stuck, other = Partition(topic, 0), Partition(topic, 1)

    async def run() -> None:
        async with member(options(broker, (topic,), group, properties=protocol)) as one:
            await one.until(lambda: len(one.road.taken) == 6 and one.heard.stops)
            assert one.heard.stops == [(stuck, 5000, "_AUTO_OFFSET_RESET")]
            one.road.accepted_gaps = accepted(stuck, 5000, to)
            await one.until(lambda: len(one.road.taken) == 6 + 10 - first)
            assert one.heard.gaps == [(stuck, 5000, first)]
            assert one.road.events.count("lost") == 1
            of_stuck = [offset for place, offset in one.road.taken if place == stuck]
            of_other = [offset for place, offset in one.road.taken if place == other]
            assert (of_stuck, of_other) == (list(range(first, 10)), list(range(4, 10)))
            produce(broker, topic, 5, partition=1)
            await one.until(lambda: (other, 14) in one.road.taken)
            commits = [offsets[stuck] for offsets in one.heard.committed_offsets if stuck in offsets]
            assert commits[:2] == [5000, first], "the start is committed before anything is taken"

    asyncio.run(run())
    assert {index: offset for index, (offset, _) in committed(broker, group, topic, 2).items()} == {0: 10, 1: 15}


@pytest.mark.needs_real_broker("the embedded cluster deletes no records")
@pytest.mark.parametrize("protocol", HAND_OVER)
def test_records_that_are_gone_before_they_were_read_hold_their_partition_until_the_gap_is_accepted(
    broker: Broker, protocol: dict[str, str]
) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 20)
    commit_for(broker, group, topic, 3)
    delete_below(broker, topic, 12)
    only = Partition(topic, 0)

    async def run() -> None:
        given = options(broker, (topic,), group, properties=protocol)
        async with member(given) as one:
            await one.until(lambda: one.heard.stops)
            assert one.heard.stops == [(only, 3, "_AUTO_OFFSET_RESET")]
            assert (one.road.taken, one.heard.gaps) == ([], [])
        assert committed(broker, group, topic)[0][0] == 3, "a member that leaves has passed nothing over"
        async with member(given) as one:
            one.road.accepted_gaps = accepted(only, 3, "earliest")
            await one.until(lambda: len(one.road.taken) == 8)
            assert one.heard.gaps == [(only, 3, 12)]
            assert one.road.taken[0] == (only, 12)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 20


@pytest.mark.needs_real_broker("the embedded cluster deletes no records")
def test_an_acceptance_is_not_good_for_the_next_gap_whoever_meets_it(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 20)
    commit_for(broker, group, topic, 3)
    delete_below(broker, topic, 10)
    only = Partition(topic, 0)
    directive = accepted(only, 3, "earliest")

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.road.accepted_gaps = directive
            await one.until(lambda: len(one.road.taken) == 10)
            assert one.heard.gaps == [(only, 3, 10)]
        assert committed(broker, group, topic)[0][0] == 20
        produce(broker, topic, 10)
        delete_below(broker, topic, 25)
        async with member(options(broker, (topic,), group)) as another:
            another.road.accepted_gaps = directive
            await another.until(lambda: another.heard.stops)
            assert another.heard.stops == [(only, 20, "_AUTO_OFFSET_RESET")]
            another.road.accepted_gaps = [*directive, *accepted(only, 20, "latest")]
            await another.until(lambda: another.heard.gaps)
            assert another.heard.gaps == [(only, 20, 30)], "the acceptance of the gap before 3 was used for it"
            produce(broker, topic, 1)
            await another.until(lambda: another.road.taken == [(only, 30)])

    asyncio.run(run())


def test_an_offset_that_is_not_in_the_log_is_never_committed(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group)) as one:
            one.road.accepted_gaps = accepted(only, 5000, 11)
            await one.until(lambda: ("OFFSET_OUT_OF_RANGE", False) in one.heard.errors)
            assert (one.heard.gaps, one.road.taken) == ([], [])
            one.road.accepted_gaps = accepted(only, 5000, 10)  # the log's end is a place to go on
            await one.until(lambda: one.heard.gaps == [(only, 5000, 10)])
            produce(broker, topic, 1)
            await one.until(lambda: one.road.taken == [(only, 10)])
            assert {offsets[only] for offsets in one.heard.committed_offsets} <= {5000, 10, 11}

    asyncio.run(run())


def test_a_gap_is_passed_only_after_what_was_taken_before_it_has_ended(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settles=False) as one:
            await one.until(lambda: len(one.road.taken) == 10)
            one.road.accepted_gaps = accepted(only, 10, 2)
            # As if the log ended here: whatever the reason, the tenth record's answer is still due.
            one.poller._stopped_partitions.add(only, "_BAD_MSG")
            one.road.settle(only, 9)
            await one.until(lambda: {only: 9} in one.heard.committed_offsets)
            assert one.heard.gaps == []
            one.road.settle(only, 10)
            await one.until(lambda: len(one.road.taken) == 18)
            assert one.heard.gaps == [(only, 10, 2)]

    asyncio.run(run())


def test_a_late_frontier_of_the_tenure_before_the_gap_moves_nothing(broker: Broker) -> None:
    topic, group = broker.create_topic("orders"), broker.unique("group")
    produce(broker, topic, 10)
    commit_for(broker, group, topic, 5000)
    only = Partition(topic, 0)

    async def run() -> None:
        async with member(options(broker, (topic,), group), settles=False) as one:
            await one.until(lambda: one.heard.stops)
            old = dict(one.road.next)
            one.road.accepted_gaps = accepted(only, 5000, "earliest")
            await one.until(lambda: len(one.road.taken) == 10)
            one.poller.commit(CommittableOffsets({only: (old[only][0], 6000)}))
            one.road.settle(only, 7)
            await one.until(lambda: {only: 7} in one.heard.committed_offsets)

    asyncio.run(run())
    assert committed(broker, group, topic)[0][0] == 7
