"""Kafka's side of the path fails: registry, broker, dead-letter topic. Nothing is lost, and nothing is dumped."""

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
from tests.fault_injection.settings import DRAIN_S, SHORT_POLL_INTERVAL, change, stay_out
from tests.kafka_clusters import RealBroker

_ONE = {"cdp-customerio": ("customerio",)}
_SESSION_MS = 120_000
"""Longer than a broker needs to come back: what is shown here is no question of sessions."""
_AGAIN_S = 10.0
"""Twice the longest pause between two questions to a registry, and between two attempts at a letter."""
_BUSY_S = 60.0
"""What a busy machine may add to that."""
_SLOW_S = 2.0
_BAD: Mapping[str, Any] = {"tag": POISON["customerio"], "customer": "customer-000-who-is-bad", "lines": ()}
"""Orders that become letters, of somebody who has no others: whoever comes behind a letter waits for it, in order."""


@pytest.mark.timeout(900)
def test_registry_outage_only_delays_records(apache_broker: RealBroker, tmp_path: Path) -> None:
    with World(apache_broker, tmp_path, _ONE) as world:
        _poll_often(world)
        shop, registry = OrderProducer(world, 71), world.registry
        registry.down, down = True, time.monotonic()
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            held, counted = assignment(member), rebalances(member)
            shop.orders(100)
            member.wait_until(lambda: _schema_trouble(member) == {"unreachable"}, 180, "nobody says why records wait")
            member.wait_for_line("schema fetch failed", result="unreachable")
            stay_out(down)
            assert world.customerio.received == []
            registry.down = False
            mended = time.monotonic()
            shop.wait_until_delivered(within_s=_AGAIN_S + _BUSY_S)
            print(f"\nthe registry was up: all delivered {time.monotonic() - mended:.1f} s later", end="")
            registry.down, down = True, time.monotonic()
            # What is known goes on; a record of a new schema waits, and with it its partition.
            shop.page()
            (page,) = shop.produce()
            others = [one for one in shop.orders(100) if one.partition != page.partition]
            _wait_until_held(world, others)
            member.wait_until(lambda: _schema_trouble(member) == {"unreachable"}, 180, "nobody says why records wait")
            stay_out(down)
            assert page.owed[0].stored_id not in world.customerio.stored_ids()
            registry.down = False
            mended = time.monotonic()
            shop.wait_until_delivered(within_s=_AGAIN_S + _BUSY_S)
            print(f", and {time.monotonic() - mended:.1f} s the second time")
            member.wait_until(lambda: not _schema_trouble(member), 180, "it is said still")
            assert (assignment(member), rebalances(member)) == (held, counted)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert registry.unavailable_responses >= 2
        assert oracle.violations(shop.records, gather(world)) == [], "a letter would be among the complaints"


@pytest.mark.timeout(900)
def test_broker_restart_loses_and_repeats_nothing(own_kafka: OwnKafka, tmp_path: Path) -> None:
    with own_kafka.front() as front, World(own_kafka, tmp_path, ISOLATED) as world:
        world.configure(bootstrap=own_kafka.front_bootstrap)
        change(world, kafka={"session.timeout.ms": _SESSION_MS})
        shop = OrderProducer(world, 72)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            shop.orders(200)
            shop.wait_until_delivered()
            member.wait_until(lambda: _all_settled(member), 180, "still open")
            held, counted = assignment(member), rebalances(member)
            # A lone broker that goes or comes tells of no broker at all for a moment. A client that hears it may lose
            # all for good (https://github.com/confluentinc/librdkafka/issues/5301); where others answer it never does.
            front.shut()
            own_kafka.stop()
            member.wait_until(lambda: bool(member.lines("kafka client error")), 180, "nobody noticed")
            began = time.monotonic()
            own_kafka.start()
            front.open()
            came = time.monotonic()
            shop.orders(300)
            shop.wait_until_delivered()
            print(f"\nit took {came - began:.1f} s to come; all was delivered {time.monotonic() - came:.1f} s later")
            member.wait_until(lambda: _all_settled(member), 180, "still open")
            assert (assignment(member), rebalances(member)) == (held, counted)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_missing_or_small_dead_letter_topic_loses_nothing(apache_broker: RealBroker, tmp_path: Path) -> None:
    most = 20_000
    with World(apache_broker, tmp_path, _ONE, topics=False) as world:
        world.create_topic()
        _poll_often(world)
        world.customerio.poison(POISON["customerio"])
        shop = OrderProducer(world, 73)
        with world.member() as member:
            member.wait_for_line("topic missing", topic=world.dead_letters)
            member.wait_for_partitions(PARTITIONS)
            held, counted, missing = assignment(member), rebalances(member), time.monotonic()
            shop.orders(5, **_BAD)
            (large,) = shop.orders(1, **_BAD, note="n" * (most + 1000))
            good = shop.orders(300)
            _wait_until_stalled(member, world)
            _wait_until_held(world, good)
            stay_out(missing)
            apache_broker.create_topic(world.dead_letters, exact=True, max_message_bytes=str(most))
            came = time.monotonic()
            member.wait_until(lambda: not _stalled(member), _AGAIN_S + _BUSY_S, "the alarm stays")
            member.wait_until(lambda: _all_settled(member), 180, "still open")
            print(f"\nthe topic came: all {len(good)} behind the letters settled {time.monotonic() - came:.1f} s later")
            assert (assignment(member), rebalances(member)) == (held, counted)
            assert leaks(world, member) == []
            assert member.stop() == 0
        evidence = gather(world)
        (small,) = [one for one in evidence.dead_letters if one.header("cdp-value-omitted") is not None]
        assert (small.value, small.header("cdp-value-omitted")) == (None, "true")
        # But for its value it is a letter like any other.
        whole = [_with_value(one, large) if one is small else one for one in evidence.dead_letters]
        assert oracle.violations(shop.records, dataclasses.replace(evidence, dead_letters=whole)) == []


@pytest.mark.timeout(900)
def test_dead_letters_wait_for_the_write_acl(own_kafka: OwnKafka, tmp_path: Path) -> None:
    with World(own_kafka, tmp_path, _ONE) as world:
        _poll_often(world)
        own_kafka.deny_writing(world.dead_letters)
        world.customerio.poison(POISON["customerio"])
        shop = OrderProducer(world, 74)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            held, counted, denied = assignment(member), rebalances(member), time.monotonic()
            shop.orders(10, **_BAD)
            good = shop.orders(300)
            _wait_until_stalled(member, world)
            assert member.wait_for_line("dead letter write failed")["code"] == "TOPIC_AUTHORIZATION_FAILED"
            _wait_until_held(world, good)
            stay_out(denied)
            assert kafka_io.read_dead_letters(own_kafka, world.dead_letters) == []
            own_kafka.allow_writing(world.dead_letters)
            member.wait_until(lambda: not _stalled(member), _AGAIN_S + _BUSY_S, "the alarm stays")
            member.wait_until(lambda: _all_settled(member), 180, "still open")
            assert (assignment(member), rebalances(member)) == (held, counted)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_slow_dead_letter_topic_delays_only_dead_letters(own_kafka: OwnKafka, tmp_path: Path) -> None:
    with own_kafka.front() as slow, World(own_kafka, tmp_path, _ONE) as world:
        world.configure(bootstrap=own_kafka.front_bootstrap)
        slow.delay_s = _SLOW_S
        world.customerio.poison(POISON["customerio"])
        shop = OrderProducer(world, 75)
        with world.member() as member:
            member.wait_for_partitions(PARTITIONS)
            held, counted = assignment(member), rebalances(member)
            bad = shop.orders(3, **_BAD)
            _wait_until_held(world, shop.orders(300))
            written = len(kafka_io.read_dead_letters(own_kafka, world.dead_letters))
            member.wait_until(lambda: _all_settled(member), 180, "still open")
            print(f"\na letter took {_SLOW_S:g} s: when all else was delivered {written} of {len(bad)} were written")
            assert (assignment(member), rebalances(member)) == (held, counted)
            assert leaks(world, member) == []
            assert member.stop() == 0
        assert slow.delayed > 0
        assert oracle.violations(shop.records, gather(world)) == []


def _poll_often(world: World) -> None:
    """Let members that are not heard of for ten seconds be expelled."""
    change(world, kafka=SHORT_POLL_INTERVAL, budgets={"drain": f"{DRAIN_S:g}s"}, every={"timeout": "2s"})


def _wait_until_held(world: World, records: Iterable[ProducedRecord]) -> None:
    due = {one.stored_id for record in records for one in record.owed if one.destination == "customerio"}
    world.customerio.wait_until(lambda: due <= world.customerio.stored_ids(), 180)


def _with_value(letter: DeadLetter, sent: ProducedRecord) -> DeadLetter:
    kept = [header for header in letter.headers if header[0] != "cdp-value-omitted"]
    return dataclasses.replace(letter, value=sent.value, headers=kept)


def _schema_trouble(member: Member) -> set[str | None]:
    """Return what the registry last answered about the schemas that records wait for."""
    return {wait["problem"] for pipeline in member.status().values() for wait in pipeline["schemas_pending"]}


def _all_settled(member: Member) -> bool:
    return all(not pipeline["records"]["open"] for pipeline in member.status().values())


def _stalled(member: Member) -> bool:
    return any(pipeline["dead_letters"]["stalled_reason"] is not None for pipeline in member.status().values())


def _wait_until_stalled(member: Member, world: World) -> None:
    """Wait until metric, log and status say that letters cannot be written; the offset of the first stays open."""
    (group,) = world.pipelines

    def said() -> bool:
        metric = member.metrics().get(("cdp_dead_letters_stalled", (("pipeline", group),)))
        return _stalled(member) and metric == 1 and bool(member.lines("dead letter write failed"))

    member.wait_until(said, 180, "nobody says that letters are stuck")
    assert not _all_settled(member)
