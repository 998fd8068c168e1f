"""Patterns among the topics mean the same with every protocol, and are resolved again while the service runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient

from consumer.kafka.properties import PollOptions
from consumer.model import Partition
from tests.integration.kafka.recording_handler import WITHIN_S, Member, member, options, produce
from tests.integration.kafka.test_poller import HAND_OVER
from tests.kafka_clusters import Broker

METADATA = "topic.metadata.refresh.interval.ms"
CLASSIC_ONLY = "the embedded cluster's KIP-848 is partial"
NO_STATIC_MEMBERS = "the embedded cluster knows no static members"
SLOW_JOIN = "a second member's join takes the embedded cluster a session, and its KIP-848 is partial"
NO_DELETION = "the embedded cluster deletes no topics"

with_every_protocol = pytest.mark.parametrize("protocol", HAND_OVER)


def pattern_options(broker: Broker, pattern: str, protocol: dict[str, str], **more: Any) -> PollOptions:  # noqa: ANN401 - fields of PollOptions
    """Return options of a new group that reads a pattern and looks for topics every second."""
    group = more.pop("group", None) or broker.unique("group")
    properties = {METADATA: "1000", **protocol, **more.pop("properties", {})}
    return options(broker, (pattern,), group, properties=properties, **more)


def skip_partial_protocol(broker: Broker, protocol: dict[str, str]) -> None:
    if not broker.is_real and "group.protocol" in protocol:
        pytest.skip(f"needs a real broker: {CLASSIC_ONLY}")


def topics_of(one: Member) -> set[str]:
    return {partition.topic for partition in one.poller.assigned()}


@pytest.fixture(scope="module")
def rows() -> dict[str, str]:
    """The prefix of the topics of each broker, once they are created."""
    return {}


@with_every_protocol
@pytest.mark.parametrize(
    ("rest", "matched"),
    [
        (r"[.]row\d$", {"row1", "row2"}),
        ("[.]row", {"row1", "row2", "rowd"}),
        ("[.]row(?:1|d)$", {"row1", "rowd"}),
        ("[.]row[[:digit:]]", {"row1", "row2"}),
        (r"[.]row[^\d]$", {"rowd"}),
        ("(?i)[.]ROW1", {"row1"}),
    ],
)
def test_pattern_means_the_same_with_every_protocol(
    broker: Broker, protocol: dict[str, str], rest: str, matched: set[str], rows: dict[str, str]
) -> None:
    skip_partial_protocol(broker, protocol)
    if broker.name not in rows:
        rows[broker.name] = broker.unique("hall")
        for row in ("row1", "row2", "rowd"):
            produce(broker, broker.create_topic(f"{rows[broker.name]}.{row}", exact=True), 1)
    prefix = rows[broker.name]

    async def run() -> None:
        async with member(pattern_options(broker, f"^{prefix}{rest}", protocol)) as one:
            await one.until(lambda: len(one.handler.received) >= len(matched))
            await asyncio.sleep(0.5)
            assert sorted(partition.topic for partition, _ in one.handler.received) == sorted(
                f"{prefix}.{row}" for row in matched
            )
            assert topics_of(one) == {f"{prefix}.{row}" for row in matched}
            assert one.observer.missing == []

    asyncio.run(run())


@with_every_protocol
def test_new_topic_is_read_from_its_beginning_within_the_interval(broker: Broker, protocol: dict[str, str]) -> None:
    """The partitions that are read already go on undisturbed, unless the protocol revokes all of them first."""
    skip_partial_protocol(broker, protocol)
    prefix = broker.unique("films")
    first = broker.create_topic(f"{prefix}.a", 2)
    produce(broker, first, 5)

    async def run() -> None:
        given = pattern_options(broker, f"^{prefix}[.]", protocol, start="latest")
        async with member(given) as one:
            await one.until(lambda: len(one.poller.assigned()) == 2)
            before = dict(one.poller.assigned())
            produce(broker, first, 3, first=5)
            await one.until(lambda: len(one.handler.received) == 3)
            second = broker.create_topic(f"{prefix}.b")
            produce(broker, second, 4)
            await one.until(lambda: len(one.handler.received) == 7)
            produce(broker, first, 1, first=8)
            await one.until(lambda: len(one.handler.received) == 8)
            assert [offset for partition, offset in one.handler.received if partition.topic == second] == [0, 1, 2, 3]
            assert [offset for partition, offset in one.handler.received if partition.topic == first] == [5, 6, 7, 8]
            if "range" in protocol.values():
                assert [set(revoked) for revoked, _ in one.observer.revocations] == [set(before)]
            else:
                assert one.observer.revocations == []
                assert before.items() <= one.poller.assigned().items(), "their epochs continue"

    asyncio.run(run())


@pytest.mark.needs_real_broker(NO_STATIC_MEMBERS)
@with_every_protocol
def test_static_member_reads_a_new_topic(broker: Broker, protocol: dict[str, str]) -> None:
    prefix = broker.unique("seats")
    broker.create_topic(f"{prefix}.a")

    async def run() -> None:
        named = {"group.instance.id": "usher"}
        async with member(pattern_options(broker, f"^{prefix}[.]", protocol, properties=named)) as one:
            await one.until(lambda: len(one.poller.assigned()) == 1)
            produce(broker, broker.create_topic(f"{prefix}.b"), 3)
            await one.until(lambda: len(one.handler.received) == 3)
            assert not any(fatal for _, fatal in one.observer.errors)

    asyncio.run(run())


@pytest.mark.needs_real_broker(SLOW_JOIN)
@with_every_protocol
def test_members_that_see_a_new_topic_at_different_times_share_it(broker: Broker, protocol: dict[str, str]) -> None:
    """The group assigns to each member what that member has subscribed to; at last both have subscribed to both."""
    prefix, group = broker.unique("snacks"), broker.unique("group")
    first = broker.create_topic(f"{prefix}.a", 2)
    early = pattern_options(broker, f"^{prefix}[.]", protocol, group=group)
    late = pattern_options(broker, f"^{prefix}[.]", protocol, group=group, properties={METADATA: "8000"})

    async def run() -> None:
        async with member(late) as other:
            async with member(early) as one:
                await one.until(lambda: len(one.poller.assigned()) == len(other.poller.assigned()) == 1)
                second = broker.create_topic(f"{prefix}.b", 2)
                for index in (0, 1):
                    produce(broker, second, 10, partition=index)
                await one.until(lambda: len(one.poller.assigned()) == len(other.poller.assigned()) == 2)
                for topic in (first, second):
                    for index in (0, 1):
                        produce(broker, topic, 5, partition=index, first=10)
                await one.until(lambda: len(one.handler.received) + len(other.handler.received) >= 40)
                everything = one.handler.received + other.handler.received
                assert len(set(everything)) == len(everything) == 40
                assert not one.poller.assigned().keys() & other.poller.assigned().keys()
            await other.until(lambda: len(other.poller.assigned()) == 4)
            assert topics_of(other) == {first, second}

    asyncio.run(run())


def test_pattern_leaves_out_own_topics(broker: Broker) -> None:
    prefix = broker.unique("tickets")
    sold, dead = broker.create_topic(f"{prefix}.sold"), broker.create_topic(f"{prefix}.dead")
    for topic in (dead, sold):
        produce(broker, topic, 2)

    async def run() -> None:
        given = pattern_options(broker, f"^{prefix}", {}, own_topics=frozenset({dead}))
        async with member(given) as one:
            await one.until(lambda: len(one.handler.received) == 2)
            await asyncio.sleep(1.5)  # another listing
            assert topics_of(one) == {sold}
            assert {partition.topic for partition, _ in one.handler.received} == {sold}

    asyncio.run(run())


@with_every_protocol
def test_pattern_without_a_topic_is_reported_and_waited_for(broker: Broker, protocol: dict[str, str]) -> None:
    skip_partial_protocol(broker, protocol)
    prefix = broker.unique("premiere")
    pattern = f"^{prefix}[.]"

    async def run() -> None:
        async with member(pattern_options(broker, pattern, protocol)) as one:
            await one.until(lambda: one.observer.missing == [pattern] * 2)
            assert one.observer.joined_protocols == []
            produce(broker, broker.create_topic(f"{prefix}.a"), 3)
            await one.until(lambda: len(one.handler.received) == 3)
            assert one.observer.found == [pattern]

    asyncio.run(run())


@pytest.mark.needs_real_broker(NO_DELETION)
@with_every_protocol
def test_deleted_topic_leaves_the_others_and_is_reported_last(broker: Broker, protocol: dict[str, str]) -> None:
    prefix = broker.unique("reels")
    pattern = f"^{prefix}[.]"
    kept, deleted = broker.create_topic(f"{prefix}.a"), broker.create_topic(f"{prefix}.b")
    admin = AdminClient(broker.client())

    async def run() -> None:
        async with member(pattern_options(broker, pattern, protocol)) as one:
            await one.until(lambda: topics_of(one) == {kept, deleted})
            admin.delete_topics([deleted])[deleted].result(timeout=WITHIN_S)
            await one.until(lambda: topics_of(one) == {kept})
            produce(broker, kept, 3)
            await one.until(lambda: len(one.handler.received) == 3)
            assert pattern not in one.observer.missing
            assert {partition for partition, _ in one.handler.received} == {Partition(kept, 0)}
            # At once, so that it may be deleted while its partition is being assigned again.
            admin.delete_topics([kept])[kept].result(timeout=WITHIN_S)
            await one.until(lambda: pattern in one.observer.missing)

    asyncio.run(run())
