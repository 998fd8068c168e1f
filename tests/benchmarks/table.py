"""The table and the ratios: what was measured, summed up, beside what is wanted."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from tests.benchmarks.measure import Spread, spread
from tests.benchmarks.rows import Row

Runs = Mapping[str, Mapping[int, Mapping[str, Any]]]
"""By row and round: its figures. A round in which the row failed is not there, so that no ratio mixes two rounds."""


class Ratio(NamedTuple):
    """A figure that carries over to another machine."""

    name: str
    needs: tuple[str, ...]
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
    Ratio("S4 / what 64 lanes and 20 ms allow", ("S4",), lambda at: at["S4"]["events_per_s"] / (64 / 0.02), ""),
    Ratio("S-slow / what its API allows", ("S-slow",), lambda at: at["S-slow"]["events_per_s"] / (4 * 100 / 0.1), ""),
    Ratio("HELD / ceiling", ("HELD",), lambda at: at["HELD"]["resident_most_mib"] / at["HELD"]["ceiling_mib"], "<= 1"),
    Ratio("S3 / N1", ("S3", "N1"), lambda at: at["S3"]["events_per_s"] / at["N1"]["events_per_s"], ""),
    Ratio("S1 / N2", ("S1", "N2"), lambda at: at["S1"]["events_per_s"] / at["N2"]["events_per_s"], ""),
)

_SHOWN = (
    ("events_per_s", "ev/s", 0),
    ("cpu_us", "CPU us/ev", 1),
    ("events_per_request", "ev/call", 0),
    ("resident_most_mib", "RSS MiB", 0),
    ("ceiling_mib", "ceiling MiB", 0),
    ("open_records_most", "open", 0),
    ("paused_share", "paused", 2),
)


def summed_up(runs: Runs) -> dict[str, dict[str, Spread]]:
    """Return median, least and most of each figure of each row."""
    found = {name: list(rounds.values()) for name, rounds in runs.items() if rounds}
    return {name: {figure: spread([one[figure] for one in all_]) for figure in all_[0]} for name, all_ in found.items()}


def ratios(runs: Runs) -> dict[str, Spread]:
    """Return each ratio: formed within each round in which all its rows ran, then summed up."""
    found = {}
    for ratio in RATIOS:
        rounds = set.intersection(*(set(runs.get(name, {})) for name in ratio.needs))
        if rounds:
            found[ratio.name] = spread([ratio.value({name: runs[name][at] for name in ratio.needs}) for at in rounds])
    return found


def printed(rows: Sequence[Row], runs: Runs) -> str:
    """Return the tables as text."""
    figures = summed_up(runs)
    lines = [["row", "what", *(title for _, title, _ in _SHOWN)]]
    for row in rows:
        if row.name in figures:
            mine = figures[row.name]
            cells = [mine[figure].text(digits) if figure in mine else "" for figure, _, digits in _SHOWN]
            lines.append([row.name, row.what, *cells])
    said = [_aligned(lines), ""]
    goals = {ratio.name: ratio.goal for ratio in RATIOS}
    held = [["ratio", "value", "goal"]] + [[name, value.text(2), goals[name]] for name, value in ratios(runs).items()]
    return "\n".join([*said, _aligned(held)])


def _aligned(lines: list[list[str]]) -> str:
    kept = [at for at in range(len(lines[0])) if any(line[at] for line in lines[1:])]
    wide = {at: max(len(line[at]) for line in lines) for at in kept}
    rows = ["| " + " | ".join(line[at].ljust(wide[at]) for at in kept) + " |" for line in lines]
    return "\n".join([rows[0], "|" + "|".join("-" * (wide[at] + 2) for at in kept) + "|", *rows[1:]])
