"""The parts of the benchmark, and a small run of the real process from end to end. Nothing is timed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.benchmarks.measure import Spread, cpu_s, resident_bytes, spread
from tests.benchmarks.rows import ROWS, Row
from tests.benchmarks.run import Bench, InvalidRunError
from tests.benchmarks.sink import RowCounts
from tests.benchmarks.table import RATIOS, ratios, render, summarize
from tests.benchmarks.workload import EVENT_ID_AT, PARTITIONS, records, repeated


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as running:
        yield running


def _row(name: str, events: int) -> Row:
    return replace(next(row for row in ROWS if row.name == name), events=events)


def test_real_process_delivers_each_event_of_a_row_once(bench: Bench) -> None:
    figures = bench.run(_row("S1", 200))
    assert figures["events_per_s"] > 0
    assert figures["resident_peak_mib"] > 20


def test_naive_loop_is_measured_like_the_service(bench: Bench) -> None:
    assert bench.run(_row("N1", 20))["events_per_s"] > 0


def test_translation_is_measured_alone(bench: Bench) -> None:
    assert bench.run(_row("T-copilot", 200))["cpu_us"] > 0


def test_records_are_distinct_and_of_the_intended_size() -> None:
    """The size is the one that the published figures were measured with. A key has one partition."""
    base = records(500)
    assert 375 <= sum(len(each.value) for each in base) / len(base) <= 390
    assert len({each.value for each in base}) == len(base)
    copies = list(repeated(base, 1_000))
    assert len({value for _, _, value in copies}) == 1_000
    assert len({value[EVENT_ID_AT : EVENT_ID_AT + 36] for _, _, value in copies}) == 1_000
    assert {len(value) for _, _, value in copies} == {len(each.value) for each in base}
    partition_of = {key: partition for partition, key, _ in copies}
    assert all(partition_of[key] == partition < PARTITIONS for partition, key, _ in copies)


def test_sink_counts_repeated_identities_and_bodies_above_limits() -> None:
    row = RowCounts()
    row.count("yotpo", json.dumps({"id": "one"}, separators=(",", ":")).encode())
    row.count("yotpo", json.dumps({"id": "one"}, separators=(",", ":")).encode())
    assert (row.report()["events"], row.report()["distinct"], row.report()["over_limits"]) == (2, 1, 0)
    row.count("yotpo", b'{"id":"two"},{"id":"three"}')
    row.count("yotpo", b'{"id":"four","x":"' + b"x" * 100_000 + b'"}')
    assert row.report()["over_limits"] == 2


def test_repeated_identity_makes_the_run_invalid(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    report = bench._report
    monkeypatch.setattr(bench, "_report", lambda: {**report(), "distinct": 0})
    with pytest.raises(InvalidRunError, match="distinct identities: expected 24, got 0"):
        bench.run(_row("N1", 20))


def test_spreads_are_over_rounds_and_ratios_within_one_round() -> None:
    runs = {
        "D": {0: {"cpu_us": 20.0}, 1: {"cpu_us": 40.0}},
        "T": {0: {"cpu_us": 30.0}, 1: {"cpu_us": 60.0}},
        "S1": {0: {"cpu_us": 35.0, "events_per_s": 1.0}, 1: {"cpu_us": 80.0, "events_per_s": 3.0}},
    }
    assert summarize(runs)["S1"]["events_per_s"] == Spread(2.0, 1.0, 3.0)
    assert ratios(runs)["(S1 - T) / D"] == Spread(0.375, 0.25, 0.5)
    text = render(ROWS, runs)
    assert "57.5 [35.0..80.0]" in text
    assert "0.38 [0.25..0.50]" in text
    assert "ceiling" not in text
    assert spread([3.0]).text(1) == "3.0"


def test_round_in_which_a_row_failed_has_no_ratio() -> None:
    runs = {
        "D": {0: {"cpu_us": 20.0}, 1: {"cpu_us": 40.0}},
        "T": {0: {"cpu_us": 30.0}, 1: {"cpu_us": 60.0}},
        "S1": {1: {"cpu_us": 80.0}},
    }
    assert ratios(runs)["(S1 - T) / D"] == Spread(0.5, 0.5, 0.5)
    assert "S1 / N2" not in ratios(runs)


def test_every_ratio_names_existing_rows() -> None:
    names = {row.name for row in ROWS}
    assert all(set(ratio.rows) <= names for ratio in RATIOS)


def test_cpu_and_memory_of_a_process_are_read() -> None:
    assert cpu_s(os.getpid()) > 0
    current, peak = resident_bytes(os.getpid())
    assert 0 < current <= peak
    assert resident_bytes(2**22 + 1) == (0, 0)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert resident_bytes(ended.pid) == (0, 0)
