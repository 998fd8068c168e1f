"""`python -m tests.benchmarks`: run every row in turn, several rounds, and print the tables."""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import tempfile
from pathlib import Path
from typing import Any

import confluent_kafka
import fastavro
import httpx2

from tests.benchmarks.rows import ROWS
from tests.benchmarks.run import Bench, InvalidRunError
from tests.benchmarks.table import ratios, render, summarize

_QUICK_DIVISOR = 10


def main() -> int:
    """Run the rows of the command line. Return 1 if a run is invalid."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="number of rounds (default: 5)")
    parser.add_argument(
        "--quick", action="store_true", help="one round with a tenth of the events; the figures are not reliable"
    )
    parser.add_argument("--only", default="", metavar="A,B", help=f"run only these rows: {', '.join(names)}")
    json_file = Path(tempfile.gettempdir()) / "cdp-bench.json"
    parser.add_argument(
        "--json", type=Path, default=json_file, metavar="FILE", help=f"write all figures to FILE (default: {json_file})"
    )
    args = parser.parse_args()
    chosen = args.only.split(",") if args.only else names
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"--only: unknown row: {', '.join(unknown)}. Use some of {', '.join(names)}.")
    rows = [row for row in ROWS if row.name in chosen]
    rounds = args.runs
    if args.quick:
        # A HELD row needs enough events to fill the limits of records and bytes.
        rows, rounds = [row if row.mode == "held" else row.scaled_down(_QUICK_DIVISOR) for row in rows], 1
    runs: dict[str, dict[int, dict[str, Any]]] = {row.name: {} for row in rows}
    invalid: list[str] = []
    with Bench() as bench:
        print(_environment(bench), flush=True)
        for number in range(rounds):
            for row in rows:
                result = "done"
                try:
                    runs[row.name][number] = bench.run(row)
                except (InvalidRunError, RuntimeError) as error:
                    invalid.append(str(error))
                    result = "FAILED"
                print(f"  round {number + 1} of {rounds}: {row.name} {result}", file=sys.stderr, flush=True)
    print(render(rows, runs))
    for reason in invalid:
        print(f"INVALID RUN: {reason}")
    figures = {"rows": summarize(runs), "ratios": ratios(runs), "runs": runs, "invalid": invalid}
    args.json.write_text(json.dumps(figures, indent=1))
    print(f"\nAll figures: {args.json}")
    return 1 if invalid else 0


def _environment(bench: Bench) -> str:
    pinning = (
        "service, broker and sink pinned to one core each" if bench.pinned else "not pinned: fewer than four cores"
    )
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores ({pinning}); "
        f"confluent-kafka {confluent_kafka.__version__}, fastavro {fastavro.__version__}, httpx2 {httpx2.__version__}; "
        f"mean record size {bench.mean_bytes:.0f} bytes\n"
    )


if __name__ == "__main__":
    sys.exit(main())
