"""Registry, broker or dead-letter topic fails: no event is lost, and none is dead-lettered because of it."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e import kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.kafka_io import DeadLetter
from tests.e2e.member import Member
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import ISOLATED, POISON
from tests.e2e.world import PARTITIONS, World
from tests.fault_injection.leak_check import leaks
from tests.fault_injection.measurements import assignment, rebalances
from tests.fault_injection.order_producer import OrderProducer
from tests.fault_injection.own_kafka import OwnKafka
from tests.fault_injection.settings import DRAIN_S, SHORT_POLL_INTERVAL, change, wait_out_outage
from tests.kafka_clusters import RealBroker

_ONE = {"cdp-customerio": ("customerio",)}
_SESSION_MS = 120_000
"""Longer than a restart of the broker, so that no session expires."""
_RETRY_S = 10.0
"""Twice the longest pause between two schema lookups, and between two attempts to write a dead letter."""
_BUSY_S = 60.0
"""Additional time for a busy machine."""
_SLOW_S = 2.0
_BAD_ORDER: Mapping[str, Any] = {"tag": POISON["customerio"], "customer": "customer-000-who-is-bad", "lines": ()}
"""Orders that are dead-lettered. The customer has no other orders, because these would wait behind the dead letter."""


@pytest.mark.timeout(900)
def test_registry_outage_only_delays_records(apache_broker: RealBroker, tmp_path: Path) -> None:
    """The registry is down at the start and again later. No partition moves, and no event is dead-lettered."""
    with World(apache_broker, tmp_path, _ONE) as world:
        _poll_often(world)
        producer, registry = OrderProducer(world, 71), world.registry
        registry.down, down_since = True, time.monotonic()
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            assigned, rebalanced = assignment(member), rebalances(member)
            producer.orders(100)
            member.wait_until(
                lambda: _schema_problems(member) == {"unreachable"}, 180, "/status does not report the registry problem"
            )
            member.wait_for_line("schema fetch failed", result="unreachable")
            wait_out_outage(down_since)
            assert world.customerio.received == []
            registry.down = False
            up_at = time.monotonic()
            producer.wait_until_delivered(within_s=_RETRY_S + _BUSY_S)
            print(f"\nthe registry was up: all delivered {time.monotonic() - up_at:.1f} s later", end="")
            registry.down, down_since = True, time.monotonic()
            # Records of known schemas continue. A record of a new schema waits, and so does its partition.
            producer.page()
            (page,) = producer.produce()
            others = [one for one in producer.orders(100) if one.partition != page.partition]
            _wait_until_stored(world, others)
            member.wait_until(
                lambda: _schema_problems(member) == {"unreachable"}, 180, "/status does not report the registry problem"
            )
            wait_out_outage(down_since)
            assert page.owed[0].stored_id not in world.customerio.stored_ids()
            registry.down = False
            up_at = time.monotonic()
            producer.wait_until_delivered(within_s=_RETRY_S + _BUSY_S)
            print(f", and {time.monotonic() - up_at:.1f} s the second time")
            member.wait_until(lambda: not _schema_problems(member), 180, "/status still reports the registry problem")
            assert (assignment(member), rebalances(member)) == (assigned, rebalanced)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert registry.unavailable_responses >= 2
        assert oracle.violations(producer.records, gather(world)) == [], "a dead letter would be a violation"


@pytest.mark.timeout(900)
def test_broker_restart_loses_and_repeats_nothing(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """The member keeps its partitions, and there is no rebalance."""
    with own_kafka.proxy() as proxy, World(own_kafka, tmp_path, ISOLATED) as world:
        world.configure(bootstrap=own_kafka.proxy_bootstrap)
        change(world, kafka={"session.timeout.ms": _SESSION_MS})
        producer = OrderProducer(world, 72)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            producer.orders(200)
            producer.wait_until_delivered()
            member.wait_until(lambda: _all_settled(member), 180, "records are still open")
            assigned, rebalanced = assignment(member), rebalances(member)
            # A lone broker that stops or starts returns metadata without any broker for a moment. A client that reads
            # it may lose all brokers for good (https://github.com/confluentinc/librdkafka/issues/5301). In a cluster
            # with other brokers this does not happen.
            proxy.refuse_connections()
            own_kafka.stop()
            member.wait_until(lambda: bool(member.lines("kafka client error")), 180, "no client error was logged")
            began = time.monotonic()
            own_kafka.start()
            proxy.accept_connections()
            up_at = time.monotonic()
            producer.orders(300)
            producer.wait_until_delivered()
            print(f"\nstarted in {up_at - began:.1f} s; all was delivered {time.monotonic() - up_at:.1f} s later")
            member.wait_until(lambda: _all_settled(member), 180, "records are still open")
            assert (assignment(member), rebalances(member)) == (assigned, rebalanced)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_missing_or_small_dead_letter_topic_loses_nothing(apache_broker: RealBroker, tmp_path: Path) -> None:
    """Dead letters wait for the topic; one that is too large for it is written without its value."""
    max_message_bytes = 20_000
    with World(apache_broker, tmp_path, _ONE, topics=False) as world:
        world.create_topic()
        _poll_often(world)
        world.customerio.poison(POISON["customerio"])
        producer = OrderProducer(world, 73)
        with world.member() as member:
            member.wait_for_line("topic missing", topic=world.dead_letters)
            member.wait_for_partitions(PARTITIONS)
            assigned, rebalanced, missing = assignment(member), rebalances(member), time.monotonic()
            producer.orders(5, **_BAD_ORDER)
            (large,) = producer.orders(1, **_BAD_ORDER, note="n" * (max_message_bytes + 1000))
            good = producer.orders(300)
            _wait_until_stalled(member, world)
            _wait_until_stored(world, good)
            wait_out_outage(missing)
            apache_broker.create_topic(world.dead_letters, exact=True, max_message_bytes=str(max_message_bytes))
            up_at = time.monotonic()
            member.wait_until(lambda: not _stalled(member), _RETRY_S + _BUSY_S, "the dead letters are still stalled")
            member.wait_until(lambda: _all_settled(member), 180, "records are still open")
            print(f"\nthe topic was created: all {len(good)} others settled {time.monotonic() - up_at:.1f} s later")
            assert (assignment(member), rebalances(member)) == (assigned, rebalanced)
            assert leaks(world, member) == []
            assert member.stop() == 0
        evidence = gather(world)
        (small,) = [one for one in evidence.dead_letters if one.header("cdp-value-omitted") is not None]
        assert (small.value, small.header("cdp-value-omitted")) == (None, "true")
        # Apart from its value it is a dead letter like any other.
        whole = [_with_value(one, large) if one is small else one for one in evidence.dead_letters]
        assert oracle.violations(producer.records, dataclasses.replace(evidence, dead_letters=whole)) == []


@pytest.mark.timeout(900)
def test_dead_letters_wait_for_the_write_acl(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """Metric, log and status page report the stall. Other deliveries continue; no dead letter is lost."""
    with World(own_kafka, tmp_path, _ONE) as world:
        _poll_often(world)
        own_kafka.deny_writing(world.dead_letters)
        world.customerio.poison(POISON["customerio"])
        producer = OrderProducer(world, 74)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            assigned, rebalanced, denied = assignment(member), rebalances(member), time.monotonic()
            producer.orders(10, **_BAD_ORDER)
            good = producer.orders(300)
            _wait_until_stalled(member, world)
            assert member.wait_for_line("dead letter write failed")["code"] == "TOPIC_AUTHORIZATION_FAILED"
            _wait_until_stored(world, good)
            wait_out_outage(denied)
            assert kafka_io.read_dead_letters(own_kafka, world.dead_letters) == []
            own_kafka.allow_writing(world.dead_letters)
            member.wait_until(lambda: not _stalled(member), _RETRY_S + _BUSY_S, "the dead letters are still stalled")
            member.wait_until(lambda: _all_settled(member), 180, "records are still open")
            assert (assignment(member), rebalances(member)) == (assigned, rebalanced)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(producer.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_slow_dead_letter_topic_delays_only_dead_letters(own_kafka: OwnKafka, tmp_path: Path) -> None:
    """All other deliveries continue, and no partition moves."""
    with own_kafka.proxy() as proxy, World(own_kafka, tmp_path, _ONE) as world:
        world.configure(bootstrap=own_kafka.proxy_bootstrap)
        proxy.delay_s = _SLOW_S
        world.customerio.poison(POISON["customerio"])
        producer = OrderProducer(world, 75)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            assigned, rebalanced = assignment(member), rebalances(member)
            bad = producer.orders(3, **_BAD_ORDER)
            _wait_until_stored(world, producer.orders(300))
            written = len(kafka_io.read_dead_letters(own_kafka, world.dead_letters))
            member.wait_until(lambda: _all_settled(member), 180, "records are still open")
            print(
                f"\nwith {_SLOW_S:g} s per dead letter, {written} of {len(bad)} were written after all other deliveries"
            )
            assert (assignment(member), rebalances(member)) == (assigned, rebalanced)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert proxy.delayed > 0
        assert oracle.violations(producer.records, gather(world)) == []


def _poll_often(world: World) -> None:
    """Set a poll interval of ten seconds, after which a member that does not poll leaves the group."""
    change(world, kafka=SHORT_POLL_INTERVAL, budgets={"drain": f"{DRAIN_S:g}s"}, every={"timeout": "2s"})


def _wait_until_stored(world: World, records: Iterable[ProducedRecord]) -> None:
    due = {one.stored_id for record in records for one in record.owed if one.destination == "customerio"}
    world.customerio.wait_until(lambda: due <= world.customerio.stored_ids(), 180)


def _with_value(dead_letter: DeadLetter, sent: ProducedRecord) -> DeadLetter:
    kept = [header for header in dead_letter.headers if header[0] != "cdp-value-omitted"]
    return dataclasses.replace(dead_letter, value=sent.value, headers=kept)


def _schema_problems(member: Member) -> set[str | None]:
    """Return the problems of the pending schema fetches."""
    return {wait["problem"] for pipeline in member.status().values() for wait in pipeline["schemas_pending"]}


def _all_settled(member: Member) -> bool:
    return all(not pipeline["records"]["open"] for pipeline in member.status().values())


def _stalled(member: Member) -> bool:
    return any(pipeline["dead_letters"]["stalled_reason"] is not None for pipeline in member.status().values())


def _wait_until_stalled(member: Member, world: World) -> None:
    """Wait until metric, log and `/status` report stalled dead letters; their records must still be open."""
    (group,) = world.pipelines

    def is_reported() -> bool:
        metric = member.metrics().get(("cdp_dead_letters_stalled", (("pipeline", group),)))
        return _stalled(member) and metric == 1 and bool(member.lines("dead letter write failed"))

    member.wait_until(is_reported, 180, "the stalled dead letters are not reported")
    assert not _all_settled(member)
