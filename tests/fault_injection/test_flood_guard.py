"""The flood guard with a real member and broker: few refused events are dead-lettered, the others wait."""

from __future__ import annotations

import dataclasses
import random
import time
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.fakes.fault_rules import Respond, contains
from consumer.demo.registry import SchemaRegistry
from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.schemas import ORDER
from tests.e2e.shop import LONG_AGO_MS, Shop
from tests.e2e.world import World
from tests.fault_injection.config_changes import reconfigure
from tests.kafka_clusters import Broker

_PARTITIONS = 2
_PIPELINE = {"cdp-customerio": ("customerio",)}
_REFUSALS = 10
_EXPECTED_DEAD_LETTERS = _REFUSALS - 1
"""The refusal that trips the guard is the first to wait."""


@pytest.mark.timeout(900)
def test_wrong_registry_costs_few_dead_letters(broker: Broker, tmp_path: Path) -> None:
    """A registry without any schema trips the guard; with the correct registry, all other events are delivered."""
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        (group,) = world.pipelines
        # Records older than the grace period: an unknown schema id is refused at once.
        shop = Shop(
            world.topic,
            _PARTITIONS,
            world.pipelines,
            random.Random(21),
            customers=20,
            now_ms=int(time.time() * 1000) - LONG_AGO_MS,
        )
        for _ in range(120):
            shop.order(lines=())
        kafka_io.produce(broker, world.topic, shop.records)
        config_before = world.config.read_text()
        with SchemaRegistry({}) as empty_registry:
            schemas = {"registry": {"url": empty_registry.url}, "directory": "avro"}
            reconfigure(
                world,
                schemas=schemas,
                flood_guard=_guard_settings(),
                budgets={"drain": "240s", "termination_grace": "600s"},
            )
            with world.member() as member:
                member.wait_for_partitions(_PARTITIONS)
                tripped = member.wait_for_line("flood guard tripped")
                assert (tripped["cause"], tripped["refused"], tripped["of"]) == ("unknown_schema", _REFUSALS, _REFUSALS)
                member.wait_until(
                    lambda: _waiting_count(member, group) == 120 - _EXPECTED_DEAD_LETTERS,
                    180,
                    "not all others are parked",
                )
                guards = member.status()[group]["guards"]
                assert [(each["topic"], each["cause"]) for each in guards] == [(world.topic, "unknown_schema")]
                assert accounting.mismatches(member.status()) == []
                assert not world.customerio.requests
                began = time.monotonic()
                assert member.stop() == 0
                assert time.monotonic() - began < 150, "the shutdown waited for parked deliveries"
        dead_letters = kafka_io.read_dead_letters(broker, world.dead_letters)
        assert [dead_letter.header("cdp-cause") for dead_letter in dead_letters] == [
            "unknown_schema"
        ] * _EXPECTED_DEAD_LETTERS
        dead_lettered = {(int(_original(each, "partition")), int(_original(each, "offset"))) for each in dead_letters}
        due = {one.stored_id for one in shop.owed if (one.partition, one.offset) not in dead_lettered}
        assert len(due) == 120 - _EXPECTED_DEAD_LETTERS
        world.config.write_text(config_before)
        with world.member() as fixed:
            fixed.wait_until(lambda: due <= world.customerio.stored_ids(), 180, "not everything arrived")
            _wait_for_commits(world, fixed, group)
            assert fixed.stop() == 0
        # Dead-lettered records at or above the committed offsets may have been delivered as well.
        assert world.customerio.stored_ids() <= {one.stored_id for one in shop.owed}
        assert _dead_letter_count(world) == _EXPECTED_DEAD_LETTERS


@pytest.mark.timeout(900)
def test_refused_event_type_costs_few_dead_letters_until_accepted(broker: Broker, tmp_path: Path) -> None:
    """The directive `accept_refusals` resets the guard, and the parked refusals are dead-lettered."""
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        (group,) = world.pipelines
        shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(22), customers=20)
        for _ in range(60):
            shop.order(lines=())
            shop.page()
        for record in shop.records:
            record.owed = [
                dataclasses.replace(one, cause="refused", status=400) if one.event_type == ORDER else one
                for one in record.owed
            ]
        world.customerio.faults.add(Respond(400), when=contains("Order Completed"), name="refuses orders")
        directives = world.folder / "directives.yaml"
        reconfigure(world, directives=directives.name, flood_guard=_guard_settings())
        with world.member() as member:
            member.wait_for_partitions(_PARTITIONS)
            kafka_io.produce(broker, world.topic, shop.records)
            tripped = member.wait_for_line("flood guard tripped")
            assert (tripped["event_type"], tripped["cause"], tripped["refused"]) == (ORDER, "refused", _REFUSALS)
            member.wait_until(
                lambda: (
                    [(each["event_type"], each["cause"]) for each in _guards(member, group)] == [(ORDER, "refused")]
                ),
                180,
                "the tripped guard is not on /status",
            )
            # One probe per second; each is refused, and none is dead-lettered.
            requests_before = len(world.customerio.requests)
            world.customerio.wait_until(lambda: len(world.customerio.requests) >= requests_before + 3, 180)
            member.wait_until(
                lambda: _dead_letter_count(world) >= _EXPECTED_DEAD_LETTERS,
                180,
                "the first refusals are not dead-lettered",
            )
            assert _dead_letter_count(world) == _EXPECTED_DEAD_LETTERS
            assert accounting.mismatches(member.status()) == []

            directives.write_text(
                "directives:\n  - {accept_refusals: {destination: customerio, event_type: "
                f"{ORDER}, cause: refused}}, until: '2100-01-01T00:00:00Z'}}\n"
            )
            assert member.wait_for_line("flood guard reset")["by"] == "directive"
            _wait_for_commits(world, member, group)
            member.wait_until(lambda: _guards(member, group) == [], 180, "the guard is still on /status")
            assert accounting.mismatches(member.status()) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []
        assert _dead_letter_count(world) == 60


def _guard_settings() -> dict[str, Any]:
    return {"refusals": _REFUSALS, "window": "10m", "share": 0.5}


def _guards(member: Member, group: str) -> list[dict[str, Any]]:
    (destination,) = member.status()[group]["destinations"]
    found: list[dict[str, Any]] = destination["guards"]
    return found


def _dead_letter_count(world: World) -> int:
    return len(kafka_io.read_dead_letters(world.broker, world.dead_letters))


def _waiting_count(member: Member, group: str) -> int:
    return sum(each["waiting"] for each in member.status()[group]["guards"])


def _original(dead_letter: kafka_io.DeadLetter, name: str) -> str:
    text = dead_letter.header(f"cdp-original-{name}")
    assert text is not None
    return text


def _wait_for_commits(world: World, member: Member, group: str) -> None:
    ends = kafka_io.log_ends(world.broker, world.topic, _PARTITIONS)
    member.wait_until(
        lambda: kafka_io.committed(world.broker, group, world.topic, _PARTITIONS) == ends,
        180,
        "not all offsets were committed",
    )
