"""Start offsets and gaps in the log: real members on a real broker, judged by the arrivals."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterable
from itertools import count
from pathlib import Path

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewPartitions  # the admin module re-exports it, but not for type checkers

from tests.e2e import kafka_io
from tests.e2e.member import Member
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import Shop
from tests.e2e.world import World
from tests.fault_injection.config_changes import reconfigure
from tests.kafka_clusters import Broker

_PIPELINE = {"cdp-customerio": ("customerio",)}
_WITHIN_S = 180.0


def due(records: Iterable[ProducedRecord]) -> set[str]:
    """Return the ids that must arrive."""
    return {one.stored_id for record in records for one in record.owed}


def arrivals_once(world: World) -> set[str]:
    """Return the ids that arrived; none may have arrived twice."""
    arrivals = [one.id for one in world.customerio.received]
    assert len(arrivals) == len(set(arrivals)), "an event arrived twice"
    return set(arrivals)


def wait_for_lag(member: Member, group: str, lags: dict[tuple[str, int], float]) -> None:
    """Wait until the exported lag has exactly these partitions and values."""

    def is_exported() -> bool:
        found = {
            (dict(labels)["topic"], int(dict(labels)["partition"])): value
            for (name, labels), value in member.metrics().items()
            if name == "cdp_kafka_consumer_lag" and ("pipeline", group) in labels
        }
        return found == lags

    member.wait_until(is_exported, 180, f"the lag is not {lags}")


@pytest.mark.timeout(900)
def test_new_partitions_and_topics_are_read_from_the_beginning(broker: Broker, tmp_path: Path) -> None:
    """The group starts at `latest`; that does not apply to partitions and topics created later."""
    prefix = broker.unique("later")
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        reconfigure(world, start="latest", topics=[world.topic, f"^{prefix}[.].*"])
        shop = Shop(world.topic, 2, world.pipelines, random.Random(1))
        shop.ordinary(60)
        before = list(shop.records)
        kafka_io.produce(broker, world.topic, before)
        with world.member() as member:
            member.wait_for_partitions(2)
            shop.ordinary(60)
            kafka_io.produce(broker, world.topic, shop.records[len(before) :])
            # The records exist before a member can know the partitions, and before the first assignment of the topic.
            admin = AdminClient(broker.client())
            for future in admin.create_partitions([NewPartitions(world.topic, 4)]).values():
                future.result(timeout=_WITHIN_S)
            broker._await_visible(world.topic, 4)
            wider_shop = Shop(world.topic, 4, world.pipelines, random.Random(2))
            wider_shop._next = [*shop._next, 0, 0]
            wider_shop.ordinary(60)
            kafka_io.produce(broker, world.topic, wider_shop.records)
            later = broker.create_topic(f"{prefix}.shop", 2, exact=True)
            new_shop = Shop(later, 2, world.pipelines, random.Random(3))
            new_shop.ordinary(60)
            kafka_io.produce(broker, later, new_shop.records)
            expected = due(shop.records) - due(before) | due(wider_shop.records) | due(new_shop.records)
            member.wait_until(lambda: expected <= world.customerio.stored_ids(), _WITHIN_S, "not everything arrived")
            member.wait_for_partitions(6)
            for topic, partitions in ((world.topic, 4), (later, 2)):
                ends = kafka_io.log_ends(broker, topic, partitions)
                member.wait_until(
                    lambda topic=topic, ends=ends: kafka_io.committed(broker, group, topic, len(ends)) == ends,  # type: ignore[misc]
                    _WITHIN_S,
                    f"{topic} was not committed",
                )
            assert member.stop() == 0
        assert {record.partition for record in wider_shop.records} == {0, 1, 2, 3}
        assert arrivals_once(world) == expected


@pytest.mark.timeout(900)
def test_compacted_transactional_and_empty_partitions_reach_lag_0(broker: Broker, tmp_path: Path) -> None:
    """The committed offset passes compacted records, transaction markers and aborted records."""
    compacted = broker.create_topic(
        "compacted",
        cleanup_policy="compact",
        segment_ms="200",
        min_cleanable_dirty_ratio="0.001",
        max_compaction_lag_ms="200",
    )
    transactional, empty = broker.create_topic("transactional"), broker.create_topic("empty", 2)
    _write_transactions(broker, transactional)
    last = _write_until_compacted(broker, compacted)
    with World(broker, tmp_path, _PIPELINE) as world:
        (group,) = world.pipelines
        reconfigure(world, topics=[compacted, transactional, empty])
        with world.member() as member:
            places = [(compacted, 0), (transactional, 0), (empty, 0), (empty, 1)]
            wait_for_lag(member, group, dict.fromkeys(places, 0.0))
            assert kafka_io.committed(broker, group, compacted, 1) == {0: last + 1}
            # Three committed records with a marker each, and two aborted records with one marker.
            assert kafka_io.committed(broker, group, transactional, 1) == {0: 9}
            consumed = {
                dict(labels)["topic"]: value
                for (name, labels), value in member.metrics().items()
                if name == "cdp_kafka_messages_consumed_total" and ("pipeline", group) in labels
            }
            assert consumed[transactional] == 3
            assert 0 < consumed[compacted] < last + 1, "nothing was compacted, so the log has no gap"
            assert member.stop() == 0


def _write_transactions(broker: Broker, topic: str) -> None:
    """Write transactions; the last of them are aborted."""
    writer = Producer(broker.client(transactional_id=broker.unique("tx")))
    writer.init_transactions(_WITHIN_S)
    for commits in (True, True, True, False):
        writer.begin_transaction()
        for _ in range(1 if commits else 2):
            writer.produce(topic, None, b"key")
        writer.flush(_WITHIN_S)
        writer.commit_transaction(_WITHIN_S) if commits else writer.abort_transaction(_WITHIN_S)


def _write_until_compacted(broker: Broker, topic: str) -> int:
    """Write the same ten keys until the broker has compacted some records away; return the last offset."""
    deadline_s = time.monotonic() + _WITHIN_S
    for number in count():
        writer = Producer(broker.client())
        for key in range(10):
            writer.produce(topic, None, b"%d" % key)
        assert writer.flush(_WITHIN_S) == 0
        end = kafka_io.log_ends(broker, topic, 1)[0]
        if number and _count_records(broker, topic, end) < end:
            return end - 1
        assert time.monotonic() < deadline_s, f"{topic} was not compacted"
        time.sleep(0.5)  # only a segment of a certain age is compacted
    raise AssertionError


def _count_records(broker: Broker, topic: str, end: int) -> int:
    """Count the records of partition 0, without those that were compacted."""
    reader = Consumer(broker.client(group_id=broker.unique("reader"), enable_auto_commit=False))
    partition = TopicPartition(topic, 0, 0)
    found = 0
    try:
        reader.assign([partition])
        while reader.position([partition])[0].offset < end:
            message = reader.poll(_WITHIN_S)
            assert message is not None
            assert message.error() is None
            found += 1
    finally:
        reader.close()
    return found


@pytest.mark.timeout(900)
def test_partition_with_expired_offset_waits_for_accept_gap(broker: Broker, tmp_path: Path) -> None:
    """The other partition continues, and the directive names the offset where the stopped one resumes."""
    with World(broker, tmp_path, _PIPELINE, partitions=2) as world:
        (group,) = world.pipelines
        directives = world.folder / "directives.yaml"
        directives.write_text("directives: []\n")
        reconfigure(world, directives="directives.yaml")
        shop = Shop(world.topic, 2, world.pipelines, random.Random(4))
        shop.ordinary(120)
        kafka_io.produce(broker, world.topic, shop.records)
        client = Consumer(broker.client(group_id=group))
        client.commit(
            offsets=[TopicPartition(world.topic, 0, 5), TopicPartition(world.topic, 1, 0)], asynchronous=False
        )
        client.close()
        admin = AdminClient(broker.client())
        for future in admin.delete_records([TopicPartition(world.topic, 0, 20)]).values():
            future.result(timeout=_WITHIN_S)
        other = due(one for one in shop.records if one.partition == 1)
        rest = due(one for one in shop.records if one.partition == 0 and one.offset >= 20)
        with world.member() as member:
            logged = member.wait_for_line("partition stopped", topic=world.topic, partition=0)
            assert (logged["offset"], logged["level"]) == (5, "error")
            member.wait_until(
                lambda: other <= world.customerio.stored_ids(), _WITHIN_S, "the other partition waits as well"
            )
            status = member.status()[group]
            assert [(one["partition"], one["offset"]) for one in status["stopped"]] == [(0, 5)]
            assert member.metrics()["cdp_kafka_partitions_stopped", (("pipeline", group), ("topic", world.topic))] == 1
            assert arrivals_once(world) == other
            assert kafka_io.committed(broker, group, world.topic, 2)[0] == 5
            accepted = {
                "accept_gap": {"partition": f"{world.topic}/0", "from": logged["offset"], "to": "earliest"},
                "until": "2100-01-01T00:00:00Z",
            }
            directives.write_text(json.dumps({"directives": [accepted]}))
            logged = member.wait_for_line("offset gap accepted", topic=world.topic, partition=0)
            assert (logged["lost_from"], logged["goes_on_at"]) == (5, 20)
            member.wait_until(lambda: rest <= world.customerio.stored_ids(), _WITHIN_S, "the rest did not arrive")
            ends = kafka_io.log_ends(broker, world.topic, 2)
            member.wait_until(
                lambda: kafka_io.committed(broker, group, world.topic, 2) == ends,
                _WITHIN_S,
                "the rest was not committed",
            )
            member.wait_until(
                lambda: not member.status()[group]["stopped"], _WITHIN_S, "the partition is still reported as stopped"
            )
            assert member.stop() == 0
        assert arrivals_once(world) == other | rest
