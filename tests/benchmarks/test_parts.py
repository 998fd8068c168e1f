"""The benchmark's parts work: a tiny run of the real process end to end; nothing here is timed."""

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
from tests.benchmarks.run import Bench, WrongError
from tests.benchmarks.sink import Row as Counted
from tests.benchmarks.table import RATIOS, printed, ratios, summed_up
from tests.benchmarks.workload import EVENT_ID_AT, PARTITIONS, records, repeated


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    with Bench() as made:
        yield made


def _row(name: str, events: int) -> Row:
    return replace(next(row for row in ROWS if row.name == name), events=events)


def test_the_real_process_delivers_a_tiny_row_exactly_once(bench: Bench) -> None:
    figures = bench.run(_row("S1", 200))
    assert figures["events_per_s"] > 0
    assert figures["resident_most_mib"] > 20


def test_the_naive_loop_is_measured_like_the_service(bench: Bench) -> None:
    assert bench.run(_row("N1", 20))["events_per_s"] > 0


def test_translation_is_measured_alone(bench: Bench) -> None:
    assert bench.run(_row("T-copilot", 200))["cpu_us"] > 0


def test_records_are_those_of_the_study() -> None:
    base = records(500)
    assert 375 <= sum(len(each.value) for each in base) / len(base) <= 390
    assert len({each.value for each in base}) == len(base)
    made = list(repeated(base, 1_000))
    assert len({value for _, _, value in made}) == 1_000
    assert len({value[EVENT_ID_AT : EVENT_ID_AT + 36] for _, _, value in made}) == 1_000
    assert {len(value) for _, _, value in made} == {len(each.value) for each in base}
    places = {key: partition for partition, key, _ in made}
    assert all(places[key] == partition < PARTITIONS for partition, key, _ in made)


def test_the_sink_tells_a_repeated_identity_and_a_body_over_its_limit() -> None:
    row = Counted()
    row.take("yotpo", json.dumps({"id": "one"}, separators=(",", ":")).encode())
    row.take("yotpo", json.dumps({"id": "one"}, separators=(",", ":")).encode())
    assert (row.report()["events"], row.report()["distinct"], row.report()["over_limits"]) == (2, 1, 0)
    row.take("yotpo", b'{"id":"two"},{"id":"three"}')
    row.take("yotpo", b'{"id":"four","x":"' + b"x" * 100_000 + b'"}')
    assert row.report()["over_limits"] == 2


def test_what_was_sent_twice_is_no_figure(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = bench._report
    monkeypatch.setattr(bench, "_report", lambda: {**asked(), "distinct": 0})
    with pytest.raises(WrongError, match="distinct identities: 0, and not"):
        bench.run(_row("N1", 20))


def test_figures_are_summed_up_and_ratios_formed_within_each_round() -> None:
    runs = {
        "D": {0: {"cpu_us": 20.0}, 1: {"cpu_us": 40.0}},
        "T": {0: {"cpu_us": 30.0}, 1: {"cpu_us": 60.0}},
        "S1": {0: {"cpu_us": 35.0, "events_per_s": 1.0}, 1: {"cpu_us": 80.0, "events_per_s": 3.0}},
    }
    assert summed_up(runs)["S1"]["events_per_s"] == Spread(2.0, 1.0, 3.0)
    assert ratios(runs)["(S1 - T) / D"] == Spread(0.375, 0.25, 0.5)
    said = printed(ROWS, runs)
    assert "57.5 [35.0..80.0]" in said
    assert "0.38 [0.25..0.50]" in said
    assert "ceiling" not in said
    assert spread([3.0]).text(1) == "3.0"


def test_a_round_in_which_a_row_failed_makes_no_ratio() -> None:
    runs = {
        "D": {0: {"cpu_us": 20.0}, 1: {"cpu_us": 40.0}},
        "T": {0: {"cpu_us": 30.0}, 1: {"cpu_us": 60.0}},
        "S1": {1: {"cpu_us": 80.0}},
    }
    assert ratios(runs)["(S1 - T) / D"] == Spread(0.5, 0.5, 0.5)
    assert "S1 / N2" not in ratios(runs)


def test_every_ratio_is_of_rows_there_are() -> None:
    names = {row.name for row in ROWS}
    assert all(set(ratio.needs) <= names for ratio in RATIOS)


def test_cpu_and_memory_are_read_of_a_process() -> None:
    assert cpu_s(os.getpid()) > 0
    now, most = resident_bytes(os.getpid())
    assert 0 < now <= most
    assert resident_bytes(2**22 + 1) == (0, 0)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        os.waitid(os.P_PID, ended.pid, os.WEXITED | os.WNOWAIT)
        assert resident_bytes(ended.pid) == (0, 0)
