"""The table of figures, and the ratios beside their goals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.measure import Spread, spread
from tests.benchmarks.rows import Row

Runs = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""Figures by row and round. A failed round is absent, so that no ratio mixes two rounds."""


class Ratio(NamedTuple):
    """A figure that is comparable between machines."""

    name: str
    rows: tuple[str, ...]
    """The rows that it is computed from."""
    value: Callable[[Mapping[str, Mapping[str, Any]]], float]
    goal: str


RATIOS = (
    Ratio("S1 / D", ("S1", "D"), lambda at: at["S1"]["cpu_us"] / at["D"]["cpu_us"], ""),
    Ratio(
        "(S1 - T) / D",
        ("S1", "T", "D"),
        lambda at: (at["S1"]["cpu_us"] - at["T"]["cpu_us"]) / at["D"]["cpu_us"],
        "<= 0.25",
    ),
    Ratio("S2 / D", ("S2", "D"), lambda at: at["S2"]["cpu_us"] / at["D"]["cpu_us"], ""),
    Ratio(
        "(S2 - T-copilot) / D",
        ("S2", "T-copilot", "D"),
        lambda at: (at["S2"]["cpu_us"] - at["T-copilot"]["cpu_us"]) / at["D"]["cpu_us"],
        "",
    ),
    Ratio(
        "S4 / N1@20ms", ("S4", "N1@20ms"), lambda at: at["S4"]["events_per_s"] / at["N1@20ms"]["events_per_s"], ">= 35"
    ),
    Ratio("S4 / limit of 64 lanes at 20 ms", ("S4",), lambda at: at["S4"]["events_per_s"] / (64 / 0.02), ""),
    Ratio(
        "S-slow / limit of 4 lanes at 100 ms",
        ("S-slow",),
        lambda at: at["S-slow"]["events_per_s"] / (4 * 100 / 0.1),
        "",
    ),
    Ratio("HELD / ceiling", ("HELD",), lambda at: at["HELD"]["resident_peak_mib"] / at["HELD"]["ceiling_mib"], "<= 1"),
    Ratio("S3 / N1", ("S3", "N1"), lambda at: at["S3"]["events_per_s"] / at["N1"]["events_per_s"], ""),
    Ratio("S1 / N2", ("S1", "N2"), lambda at: at["S1"]["events_per_s"] / at["N2"]["events_per_s"], ""),
)

_COLUMNS = (
    ("events_per_s", "events/s", 0),
    ("cpu_us", "CPU us/event", 1),
    ("events_per_request", "events/request", 0),
    ("resident_peak_mib", "peak RSS MiB", 0),
    ("ceiling_mib", "ceiling MiB", 0),
    ("open_records_peak", "peak open records", 0),
    ("paused_share", "paused share", 2),
)


def summarize(runs: Runs) -> dict[str, dict[str, Spread]]:
    """Return the spread of each figure of each row."""
    by_row = {name: list(rounds.values()) for name, rounds in runs.items() if rounds}
    return {
        name: {figure: spread([one[figure] for one in all_]) for figure in all_[0]} for name, all_ in by_row.items()
    }


def ratios(runs: Runs) -> dict[str, Spread]:
    """Return the spread of each ratio over the rounds in which all its rows ran."""
    spreads = {}
    for ratio in RATIOS:
        rounds = set.intersection(*(set(runs.get(name, {})) for name in ratio.rows))
        if rounds:
            spreads[ratio.name] = spread([ratio.value({name: runs[name][at] for name in ratio.rows}) for at in rounds])
    return spreads


def render(rows: Sequence[Row], runs: Runs) -> str:
    """Return the tables as text."""
    figures = summarize(runs)
    lines = [["row", "description", *(title for _, title, _ in _COLUMNS)]]
    for row in rows:
        if row.name in figures:
            measured = figures[row.name]
            cells = [measured[figure].text(digits) if figure in measured else "" for figure, _, digits in _COLUMNS]
            lines.append([row.name, row.title, *cells])
    goals = {ratio.name: ratio.goal for ratio in RATIOS}
    compared = [["ratio", "value", "goal"]] + [
        [name, value.text(2), goals[name]] for name, value in ratios(runs).items()
    ]
    return "\n".join([_aligned(lines), "", _aligned(compared)])


def _aligned(lines: list[list[str]]) -> str:
    filled = [at for at in range(len(lines[0])) if any(line[at] for line in lines[1:])]
    widths = {at: max(len(line[at]) for line in lines) for at in filled}
    rows = ["| " + " | ".join(line[at].ljust(widths[at]) for at in filled) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "|".join("-" * (widths[at] + 2) for at in filled) + "|", *rows[1:]])
