"""Starts of the service in an environment in which something is missing or wrong."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e import kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.schemas import MERGE, PROFILE
from tests.e2e.shop import Shop
from tests.e2e.world import CANARY, TIMEOUT_S, World
from tests.kafka_clusters import Broker
from tests.kafka_clusters.broker import free_port

_PIPELINE = {"cdp-customerio": ("customerio",)}


def _shop(world: World) -> Shop:
    shop = Shop(world.topic, world.partitions, world.pipelines, random.Random(1), customers=5)
    shop.ordinary(50)
    shop.one_of_each_defect()
    world.customerio.poison("poison-customerio")
    return shop


@pytest.mark.timeout(900)
@pytest.mark.parametrize("missing", ["topic", "dead-letter topic"])
def test_missing_topic_is_reported_at_start_and_waited_for(broker: Broker, tmp_path: Path, missing: str) -> None:
    with World(broker, tmp_path, _PIPELINE, topics=False) as world:
        later: Callable[[], None]
        if missing == "topic":
            world.create_dead_letters()
            name, later = world.topic, world.create_topic
        else:
            world.create_topic()
            name, later = world.dead_letters, world.create_dead_letters
        with world.member() as member:
            member.wait_for_line("topic missing", topic=name)
            member.wait_until(
                lambda: any(name in pipeline["missing_topics"] for pipeline in member.status().values()),
                10,
                "the topic is missing from `missing_topics`",
            )
            later()
            shop = _shop(world)
            kafka_io.produce(broker, world.topic, shop.records)
            member.wait_until(
                lambda: all(
                    pipeline["records"]["settled"] == len(shop.records) for pipeline in member.status().values()
                ),
                180,
                "the records were not settled",
            )
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []


def test_unreachable_broker_is_reported_and_waited_for_until_sigterm(embedded_broker: Broker, tmp_path: Path) -> None:
    with World(embedded_broker, tmp_path, _PIPELINE) as world:
        world.configure(bootstrap=f"127.0.0.1:{free_port()}")
        with world.member() as member:
            line = member.wait_for_line("kafka client error")
            assert line["hint"]
            assert member.process.poll() is None
            assert member.page("/livez")[0] == 200
            assert member.page("/readyz")[0] == 503
            assert member.stop() == 0


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (lambda text: text.replace('"topics"', '"topcis"'), ("topcis", "topics")),
        (lambda text: text.replace('"mapping.yaml"', '"nowhere.yaml"'), ("nowhere.yaml",)),
        (lambda text: text.replace(f'"{CANARY}"', '"${NOT_SET_ANYWHERE}"'), ("NOT_SET_ANYWHERE",)),
        (lambda text: text.replace(f'"timeout": "{TIMEOUT_S:g}s"', '"timeout": "1 parsec"'), ("timeout",)),
        (lambda text: text[: len(text) // 2], ("cdp.yaml",)),
        (lambda text: text.replace('"kafka": {', '"kafka": {"enable.auto.commit": "true",'), ("enable.auto.commit",)),
    ],
    ids=["unknown key", "no mapping", "variable not set", "no duration", "truncated file", "reserved property"],
)
def test_invalid_configuration_exits_2_with_one_line_per_finding(
    embedded_broker: Broker, tmp_path: Path, change: Callable[[str], str], named: tuple[str, ...]
) -> None:
    with World(embedded_broker, tmp_path, _PIPELINE) as world:
        world.config.write_text(change(world.config.read_text()))
        with world.member() as member:
            assert member.wait() == 2
            block = member.errors.read_text()
            assert all(word in block for word in named), block
            assert member.log.read_text() == ""
            lines = [json.loads(line) for line in block.splitlines()]
            assert {(line["level"], line["event"]) for line in lines} == {("error", "configuration error")}


def test_all_mapping_errors_are_reported_at_once_with_their_place(embedded_broker: Broker, tmp_path: Path) -> None:
    with World(embedded_broker, tmp_path, _PIPELINE) as world:
        mapping = tmp_path / "mapping.yaml"
        mapping.write_text(
            mapping.read_text()
            .replace("to: customerio.alias", "to: customerio.alyas")
            .replace("consent: marketing_ok", "consent: marketing_ok[")
        )
        with world.member() as member:
            assert member.wait() == 2
            block = member.errors.read_text()
            lines = [json.loads(line) for line in block.splitlines()]
            assert all(re.search(r"mapping\.yaml:\d+:\d+$", line["at"]) for line in lines), block
            assert {line["about"].partition(".deliver")[0] for line in lines} == {
                f"events.{PROFILE}",
                f"events.{MERGE}",
            }
            assert "did you mean `alias`?" in [line["hint"] for line in lines]


def test_http_address_in_use_exits_1(embedded_broker: Broker, tmp_path: Path) -> None:
    with World(embedded_broker, tmp_path, _PIPELINE) as world, world.member() as first:
        world.config.write_text(world.config.read_text().replace("127.0.0.1:0", f"127.0.0.1:{first.port}"))
        with world.member() as second:
            assert second.wait() == 1
            line = json.loads(second.errors.read_text())
            assert (line["event"], line["about"]) == ("start failed", "http.address")
