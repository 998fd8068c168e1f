"""No schema and no bytes end the process, exhaust its memory or block it. Tested in a process with small limits."""

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
"""Peak memory of the process, with the test's own texts of ten megabytes."""


@cache
def results() -> dict[str, dict[str, Any]]:
    """Run all cases in a process of their own. Return the line it printed for each."""
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


def test_process_survives_all_cases_within_its_memory() -> None:
    assert results()["the end"] == {"code": 0, "errors": ""}
    assert results()["noise"]["peak"] < MOST_BYTES


@pytest.mark.parametrize("bomb", BOMBS, ids=lambda bomb: bomb.name)
def test_case_has_the_expected_outcome(bomb: Bomb) -> None:
    assert bomb.expected in results()[bomb.name]["outcome"]
    assert (bomb.expected == DECODED) == (results()[bomb.name]["outcome"] == DECODED)


def test_random_data_is_partly_decodable() -> None:
    outcome = results()["noise"]["outcome"]
    assert outcome["decoded"] + outcome["faults"] == NOISE
    assert outcome["decoded"] > 100
    assert outcome["faults"] > 100


QUICK = (
    "references of ten megabytes",
    "a chain of types that is reached step by step",
    "a chain of ten thousand types",
    "a chain of ten thousand references",
    "references in a circle",
    "names that collide",
    "the same type referred to twice",
    "a type defined within another, after its first use",
    "2^40 empty records in no bytes",
    "2^40 records of 2^62 nulls each",
    "an array of 2^40 records each",
    "two thousand nulls with each key",
    "nested maps of records",
    "two records that cannot end",
    "a symbol before the first",
)


@pytest.mark.parametrize("bomb", [bomb for bomb in BOMBS if bomb.name in QUICK], ids=lambda bomb: bomb.name)
def test_small_case_has_the_expected_outcome_in_this_process(bomb: Bomb) -> None:
    assert bomb.expected in bomb.outcome()
