"""Directives for a real member while it runs: they become active, are shown, and end. No key appears in any output."""

from __future__ import annotations

import dataclasses
import json
import os
import random
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from consumer.demo.fakes.fault_rules import Hang, contains
from tests.e2e import accounting, kafka_io, oracle
from tests.e2e.evidence import gather
from tests.e2e.member import Member
from tests.e2e.produced import ProducedRecord
from tests.e2e.shop import Shop
from tests.e2e.world import World
from tests.kafka_clusters import Broker

_PARTITIONS = 2
_FAR_FUTURE = "2100-01-01T00:00:00Z"
_CANARY = "canary-customer@example.com"


def enable_directives(world: World) -> Path:
    """Configure a directives file, and return its path. The file itself is not created."""
    config = json.loads(world.config.read_text())
    world.config.write_text(json.dumps({**config, "directives": "directives.yaml"}))
    return world.folder / "directives.yaml"


def write(path: Path, *directives: str, until: str = _FAR_FUTURE) -> None:
    """Replace the directives file atomically."""
    lines = [f"  - {{{each}, until: '{until}', reason: 'as asked'}}\n" for each in directives]
    new = path.with_suffix(".next")
    new.write_text("directives:\n" + "".join(lines))
    new.replace(path)


def due(records: Iterable[ProducedRecord], destination: str) -> set[str]:
    """Return the ids that must arrive at a destination."""
    return {one.stored_id for each in records for one in each.owed if one.destination == destination and not one.cause}


def directives_status(member: Member) -> dict[str, Any]:
    """Return the `directives` of `/status`."""
    status: dict[str, Any] = json.loads(member.page("/status")[1])["directives"]
    return status


def wait_for_reading(member: Member, number: int) -> None:
    """Wait until the file has been read `number` times."""
    member.wait_until(
        lambda: len(member.lines("directives read")) >= number, 180, f"the file was not read {number} times"
    )


def wait_for_commits(world: World, member: Member) -> None:
    """Wait until every pipeline has committed the ends of all partitions."""
    ends = kafka_io.log_ends(world.broker, world.topic, _PARTITIONS)
    for group in world.pipelines:
        member.wait_until(
            lambda group=group: kafka_io.committed(world.broker, group, world.topic, _PARTITIONS) == ends,  # type: ignore[misc]
            180,
            f"{group} did not commit everything",
        )


@pytest.mark.timeout(900)
def test_pause_stops_a_destination_until_removed_or_ended(broker: Broker, tmp_path: Path) -> None:
    """Another destination continues, and an invalid file changes nothing about the active pause."""
    pipelines = {"cdp-customerio": ("customerio",), "cdp-copilot": ("copilot",)}
    with World(broker, tmp_path, pipelines, partitions=_PARTITIONS) as world:
        path = enable_directives(world)
        shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(11), customers=20)
        shop.ordinary(300)
        early, paused, ending = shop.records[:100], shop.records[100:200], shop.records[200:]
        with world.member() as member:
            member.wait_for_partitions(_PARTITIONS)
            assert [line["level"] for line in member.lines("directives file missing")] == ["warning"]
            assert directives_status(member) == {"active": [], "rejected": []}
            kafka_io.produce(broker, world.topic, early)
            member.wait_until(lambda: due(early, "customerio") <= world.customerio.stored_ids(), 180, "not all arrived")

            write(path, "pause: {destination: customerio}")
            wait_for_reading(member, 2)
            kafka_io.produce(broker, world.topic, paused)
            member.wait_until(
                lambda: due(paused, "copilot") <= world.copilot.stored_ids(), 180, "copilot is paused as well"
            )
            (shown,) = directives_status(member)["active"]
            assert (shown["directive"], shown["destination"], shown["reason"]) == ("pause", "customerio", "as asked")

            # An invalid file is rejected as a whole, and the active pause stays active.
            write(path, "pause: {destination: customerol}", f"quarantine: {{topic: elsewhere, key: '{_CANARY}'}}")
            member.wait_for_line("directives file rejected")
            assert len(directives_status(member)["rejected"]) == 2
            assert directives_status(member)["active"] == [shown]
            assert member.metrics()["cdp_directives_file_valid", ()] == 0
            assert not due(paused, "customerio") & world.customerio.stored_ids()

            write(path)
            member.wait_until(
                lambda: due(paused, "customerio") <= world.customerio.stored_ids(),
                180,
                "the pause did not end when removed",
            )
            assert member.metrics()["cdp_directives_file_valid", ()] == 1

            # On a busy machine the member may read the file only after the pause has ended: then try a longer pause.
            for reading, pause_s in enumerate((2, 10, 60), start=4):
                end = time.time() + pause_s
                write(path, "pause: {destination: customerio}", until=datetime.fromtimestamp(end, UTC).isoformat())
                wait_for_reading(member, reading)
                if time.time() < end - 1:
                    break
            assert time.time() < end, "the pause was never active"
            kafka_io.produce(broker, world.topic, ending)
            member.wait_until(
                lambda: due(ending, "customerio") <= world.customerio.stored_ids(),
                180,
                "the pause did not end by itself",
            )
            ended_at = time.monotonic() - (time.time() - end)
            first_arrival = min(one.at for one in world.customerio.received if one.id in due(ending, "customerio"))
            assert first_arrival > ended_at - 0.1

            wait_for_commits(world, member)
            assert accounting.mismatches(member.status()) == []
            assert member.stop() == 0
            assert _CANARY not in member.log.read_text() + member.errors.read_text()
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_quarantine_of_an_offset_and_of_a_key(broker: Broker, tmp_path: Path) -> None:
    """An event that makes its requests hang is quarantined by its offset, and a customer by the ordering key."""
    pipelines = {"cdp-customerio": ("customerio",), "cdp-copilot": ("copilot",)}
    with World(broker, tmp_path, pipelines, partitions=_PARTITIONS) as world:
        path = enable_directives(world)
        shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(12), customers=20)
        shop.ordinary(60)
        shop.order(kind="hangs", vip=False, lines=("one",))
        hanging = shop.records[-1]
        shop.ordinary(60)
        key = next(one.key for record in shop.records for one in record.owed if one.destination == "copilot")
        for record in shop.records:
            record.owed = [
                dataclasses.replace(one, cause="quarantined")
                if (one.destination == "customerio" and record is hanging)
                or (one.destination == "copilot" and one.key == key)
                else one
                for one in record.owed
            ]
        by_key = f"quarantine: {{topic: {world.topic}, key: {key}, destination: copilot}}"
        by_position = (
            f"quarantine: {{position: {world.topic}/{hanging.partition}/{hanging.offset}, destination: customerio}}"
        )
        its_delivery = next(one for one in hanging.owed if one.destination == "customerio")
        rule = world.customerio.faults.add(Hang(60), when=contains(its_delivery.stored_id), name="hangs")
        write(path, by_key)
        with world.member() as member:
            member.wait_for_partitions(_PARTITIONS)
            kafka_io.produce(broker, world.topic, shop.records)
            world.customerio.wait_until(lambda: rule.hits > 0, 180)
            write(path, by_key, by_position)
            member.wait_until(
                lambda: due(shop.records, "customerio") <= world.customerio.stored_ids(),
                180,
                "deliveries behind it are blocked",
            )
            wait_for_commits(world, member)
            shown = directives_status(member)["active"]
            assert [(each["directive"], each.get("key"), each.get("position")) for each in shown] == [
                ("quarantine", "set", None),
                ("quarantine", None, f"{world.topic}/{hanging.partition}/{hanging.offset}"),
            ]
            pages = [member.page(page)[1] for page in ("/status", "/metrics", "/")]
            assert accounting.mismatches(member.status()) == []
            assert member.stop() == 0
            for text in (*pages, member.log.read_text(), member.errors.read_text()):
                assert key not in text
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_start_with_invalid_directives_file_sends_nothing(broker: Broker, tmp_path: Path) -> None:
    """The valid directives of an invalid file are active, and sending starts once the file is valid."""
    with World(broker, tmp_path, {"cdp-customerio": ("customerio",)}, partitions=_PARTITIONS) as world:
        path = enable_directives(world)
        shop = Shop(world.topic, _PARTITIONS, world.pipelines, random.Random(13), customers=5)
        shop.ordinary(20)
        write(path, "pause: {destination: customerio}", "pause: {destination: customerol}")
        with world.member() as member:
            member.wait_for_partitions(_PARTITIONS)
            member.wait_for_line("directives file rejected")
            kafka_io.produce(broker, world.topic, shop.records)
            member.wait_until(
                lambda: sum(each["records"]["accepted"] for each in member.status().values()) == len(shop.records),
                180,
                "not all records were accepted",
            )
            status = directives_status(member)
            assert ("pause", "customerio") in [(each["directive"], each["destination"]) for each in status["active"]]
            assert len(status["rejected"]) == 1
            metrics = member.metrics()
            assert [paused for (name, _), paused in metrics.items() if name == "cdp_destination_paused"] == [1]
            assert metrics["cdp_directives_file_valid", ()] == 0
            assert not world.customerio.received
            write(path)
            wait_for_commits(world, member)
            assert member.stop() == 0
        assert oracle.violations(shop.records, gather(world)) == []


@pytest.mark.timeout(900)
def test_shutdown_works_while_the_directives_file_hangs(broker: Broker, tmp_path: Path) -> None:
    """The read hangs at the start, before any record is consumed."""
    with World(broker, tmp_path, {"cdp-customerio": ("customerio",)}, partitions=_PARTITIONS) as world:
        path = enable_directives(world)
        os.mkfifo(path)  # never written: it blocks its reader, as a hanging disk does
        writer = os.open(path, os.O_RDWR)
        try:
            with world.member() as member:
                member.wait_for_line("starting")
                assert member.stop() == 0
        finally:
            os.close(writer)
