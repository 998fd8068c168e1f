"""No schema and no bytes end the process, fill its memory or keep it: tried in a process that has little of either."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.unit.avro_bomb import DECODED, Bomb
from tests.unit.avro_bomb_cases import BOMBS

SEED = 20
NOISE = 3000
MOST_BYTES = 300 * 1024 * 1024
"""What the process may ever hold: the test's own texts of ten megabytes included."""


@cache
def results() -> dict[str, dict[str, Any]]:
    """Run all bombs in a process of their own; return what it told of each before it ended."""
    ended = subprocess.run(
        [sys.executable, "-m", "tests.unit.avro_bomb_cases", str(SEED), str(NOISE)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    lines = {line["name"]: line for line in map(json.loads, ended.stdout.splitlines())}
    lines["the end"] = {"code": ended.returncode, "errors": ended.stderr[-2000:]}
    return lines


def test_all_of_them_are_read_to_the_end() -> None:
    assert results()["the end"] == {"code": 0, "errors": ""}
    assert results()["noise"]["peak"] < MOST_BYTES


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_a_bomb_ends_as_stated(bomb: Bomb) -> None:
    assert bomb.expected in results()[bomb.name]["outcome"]
    assert (bomb.expected == DECODED) == (results()[bomb.name]["outcome"] == DECODED)


def test_noise_is_mostly_undecodable_and_some_of_it_means_something() -> None:
    outcome = results()["noise"]["outcome"]
    assert outcome["fine"] + outcome["faults"] == NOISE
    assert outcome["fine"] > 100
    assert outcome["faults"] > 100


QUICK = (
    "references of ten megabytes",
    "a row of types that is reached step by step",
    "ten thousand types in a row",
    "ten thousand references in a row",
    "references in a circle",
    "names that collide",
    "the same type referred to twice",
    "a type that stands within another, met after it was spoken of",
    "2^40 empty records in no bytes",
    "2^40 records of 2^62 nulls each",
    "an array of 2^40 records each",
    "two thousand nulls with each key",
    "maps in each other",
    "two records that cannot end",
    "a symbol before the first",
)


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if bomb.name in QUICK], ids=lambda bomb: bomb.name)
def test_a_bomb_that_is_small_ends_as_stated_in_this_process_too(bomb: Bomb) -> None:
    assert bomb.expected in bomb.outcome()
