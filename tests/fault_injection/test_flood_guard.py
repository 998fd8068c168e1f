"""A flood of refusals, real member and broker: few are dead-lettered, the rest waits, and all goes on in the end."""

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
_LETTERS = _REFUSALS - 1
"""The refusal that closes the guard is the first that waits."""


@pytest.mark.timeout(900)
def test_wrong_registry_costs_few_dead_letters(broker: Broker, tmp_path: Path) -> None:
    with World(broker, tmp_path, _PIPELINE, partitions=_PARTITIONS) as world:
        (group,) = world.pipelines
        # Old enough for an unknown id to be judged at once.
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
        right = world.config.read_text()
        with SchemaRegistry({}) as wrong:
            schemas = {"registry": {"url": wrong.url}, "directory": "avro"}
            reconfigure(
                world, schemas=schemas, flood_guard=_guard(), budgets={"drain": "240s", "termination_grace": "600s"}
            )
            with world.member() as member:
                member.wait_for_partitions(_PARTITIONS)
                closed = member.wait_for_line("flood guard tripped")
                assert (closed["cause"], closed["refused"], closed["of"]) == ("unknown_schema", _REFUSALS, _REFUSALS)
                member.wait_until(lambda: _waiting(member, group) == 120 - _LETTERS, 180, "not all the rest is parked")
                shown = member.status()[group]["guards"]  # as just seen to be there
                assert [(each["topic"], each["cause"]) for each in shown] == [(world.topic, "unknown_schema")]
                assert accounting.mismatches(member.status()) == []
                assert not world.customerio.requests
                began = time.monotonic()
                assert member.stop() == 0
                assert time.monotonic() - began < 150, "leaving waited for what is parked"
        letters = kafka_io.read_dead_letters(broker, world.dead_letters)
        assert [letter.header("cdp-cause") for letter in letters] == ["unknown_schema"] * _LETTERS
        gone = {(int(_said(each, "partition")), int(_said(each, "offset"))) for each in letters}
        due = {one.stored_id for one in shop.owed if (one.partition, one.offset) not in gone}
        assert len(due) == 120 - _LETTERS
        world.config.write_text(right)
        with world.member() as mended:
            mended.wait_until(lambda: due <= world.customerio.stored_ids(), 180, "not everything arrived")
            _wait_for_commits(world, mended, group)
            assert mended.stop() == 0
        # Letters not below what was committed may have been delivered as well: nothing is missing all the same.
        assert world.customerio.stored_ids() <= {one.stored_id for one in shop.owed}
        assert _letters(world) == _LETTERS


@pytest.mark.timeout(900)
def test_refused_event_type_costs_few_dead_letters_until_accepted(broker: Broker, tmp_path: Path) -> None:
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
        reconfigure(world, directives=directives.name, flood_guard=_guard())
        with world.member() as member:
            member.wait_for_partitions(_PARTITIONS)
            kafka_io.produce(broker, world.topic, shop.records)
            closed = member.wait_for_line("flood guard tripped")
            assert (closed["event_type"], closed["cause"], closed["refused"]) == (ORDER, "refused", _REFUSALS)
            member.wait_until(
                lambda: (
                    [(each["event_type"], each["cause"]) for each in _guards(member, group)] == [(ORDER, "refused")]
                ),
                180,
                "the closed guard is not shown",
            )
            # A probe a second, each refused, and none of them dead-lettered.
            asked = len(world.customerio.requests)
            world.customerio.wait_until(lambda: len(world.customerio.requests) >= asked + 3, 180)
            member.wait_until(lambda: _letters(world) >= _LETTERS, 180, "the first are not dead-lettered")
            assert _letters(world) == _LETTERS
            assert accounting.mismatches(member.status()) == []

            directives.write_text(
                "directives:\n  - {accept_refusals: {destination: customerio, event_type: "
                f"{ORDER}, cause: refused}}, until: '2100-01-01T00:00:00Z'}}\n"
            )
            assert member.wait_for_line("flood guard reset")["by"] == "directive"
            _wait_for_commits(world, member, group)
            member.wait_until(lambda: _guards(member, group) == [], 180, "the guard is still shown")
            assert accounting.mismatches(member.status()) == []
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []
        assert _letters(world) == 60


def _guard() -> dict[str, Any]:
    return {"refusals": _REFUSALS, "window": "10m", "share": 0.5}


def _guards(member: Member, group: str) -> list[dict[str, Any]]:
    (destination,) = member.status()[group]["destinations"]
    found: list[dict[str, Any]] = destination["guards"]
    return found


def _letters(world: World) -> int:
    return len(kafka_io.read_dead_letters(world.broker, world.dead_letters))


def _waiting(member: Member, group: str) -> int:
    return sum(each["waiting"] for each in member.status()[group]["guards"])


def _said(letter: kafka_io.DeadLetter, name: str) -> str:
    said = letter.header(f"cdp-original-{name}")
    assert said is not None
    return said


def _wait_for_commits(world: World, member: Member, group: str) -> None:
    ends = kafka_io.log_ends(world.broker, world.topic, _PARTITIONS)
    member.wait_until(
        lambda: kafka_io.committed(world.broker, group, world.topic, _PARTITIONS) == ends, 180, "not all is committed"
    )
