"""The maximum memory is a sum of named parts; each part depends on its own inputs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from consumer.check.json_indent import indented
from consumer.check.resource_budget import (
    BASE_BYTES,
    KIB,
    MIB,
    Ceiling,
    DestinationLoad,
    ceiling,
    fetch_queue_bytes,
    needs_of,
    shown_bytes,
)
from tests.unit.config_texts import GOOD, settings_of
from tests.unit.test_config_pipelines import SHARED


def total(kafka: dict[str, str] | None = None, destinations: int = 1, **changes: int) -> int:
    given = {"records": 1000, "size": 10 * MIB, "partitions": 4, "largest": MIB, **changes}
    lanes = given.pop("lanes", 4)
    batch = given.pop("batch", 500_000)
    found: Ceiling = ceiling(kafka or {}, [DestinationLoad(lanes, batch)] * destinations, **given)
    assert found.total == sum(size for _, size in found.parts)
    assert all(size > 0 for _, size in found.parts)
    return found.total


def test_each_input_changes_the_ceiling() -> None:
    least = total()
    assert total(partitions=5) - least == MIB
    assert total(largest=2 * MIB) - least == 4 * MIB
    assert total(batch=500_001) - least == 8
    assert total(kafka={"queued.max.messages.kbytes": "16385"}) - least == 2 * KIB
    assert total(records=1001) - least == KIB
    assert total(size=11 * MIB) - least == int(2.25 * MIB)
    assert total(destinations=2) > least
    assert total(lanes=5) > least


@pytest.mark.parametrize(
    ("text", "size"), [("1", KIB), ("16384", 16 * MIB), ("lots", 16 * MIB), ("", 16 * MIB), ("²", 16 * MIB)]
)
def test_invalid_fetch_queue_counts_as_the_default(text: str, size: int) -> None:
    assert fetch_queue_bytes({"queued.max.messages.kbytes": text}) == size


def test_base_counts_once_and_each_pipeline_separately(tmp_path: Path) -> None:
    one = needs_of(settings_of(tmp_path, GOOD), partitions=4)
    three = needs_of(settings_of(tmp_path, SHARED), partitions=4)
    assert list(three.ceilings) == ["cdp-copilot", "cdp-customerio", "cdp-yotpo"]
    assert one.memory_bytes == BASE_BYTES + one.ceilings["cdp-copilot"].total
    assert three.memory_bytes == BASE_BYTES + sum(each.total for each in three.ceilings.values())


def test_times_equal_those_that_the_configuration_checks(tmp_path: Path) -> None:
    times = needs_of(settings_of(tmp_path, GOOD), partitions=4).times
    assert times.revoke_sum == "drain 20s + poll gap 0.5s + commit 10s"
    assert (times.revoke_s, times.max_poll_interval_s) == (30.5, 300.0)
    assert times.shutdown_sum == "drain 20s + poll gap 0.5s + 2 commits of 10s + closing 13s"
    assert (times.shutdown_s, times.termination_grace_s) == (53.5, 60.0)
    settings = settings_of(tmp_path, GOOD)
    longer = replace(settings, budgets=replace(settings.budgets, drain_s=25.0))
    assert needs_of(longer, partitions=4).times.shutdown_s == 58.5


def test_sizes_are_shown_with_units() -> None:
    assert shown_bytes(64 * MIB) == "64 MiB"
    assert shown_bytes(500_000) == "488 KiB"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("{}", "{}"),
        ("[]", "[]"),
        ('{"a":1}', '{\n  "a": 1\n}'),
        ('{"a":[],"b":{}}', '{\n  "a": [],\n  "b": {}\n}'),
        ("[1.10,1e5]", "[\n  1.10,\n  1e5\n]"),
        (r'{"a":"{\"x\": [1,2]}"}', '{\n  "a": "{\\"x\\": [1,2]}"\n}'),
        (
            '{"a":{"b":[1,{"c":null}]}}',
            '{\n  "a": {\n    "b": [\n      1,\n      {\n        "c": null\n      }\n    ]\n  }\n}',
        ),
    ],
)
def test_indented_json_keeps_every_character_of_values(text: str, shown: str) -> None:
    assert indented(text) == shown
