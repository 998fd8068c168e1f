"""`python -m tests.benchmarks`: runs the rows in turn, several times over, and prints the table."""

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
from tests.benchmarks.run import Bench, WrongError
from tests.benchmarks.table import printed, ratios, summed_up

_QUICK = 10


def main() -> int:
    """Run what was asked for; 1 if a row broke a promise."""
    names = [row.name for row in ROWS]
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--runs", type=int, default=5, help="how often each row runs (default: 5)")
    parser.add_argument("--quick", action="store_true", help="one run, a tenth of the events: a look, no figure")
    parser.add_argument("--only", default="", metavar="A,B", help=f"these rows only: {', '.join(names)}")
    parser.add_argument("--json", type=Path, default=Path(tempfile.gettempdir()) / "cdp-bench.json", metavar="FILE")
    args = parser.parse_args()
    chosen = args.only.split(",") if args.only else names
    if unknown := [name for name in chosen if name not in names]:
        parser.error(f"no such row: {', '.join(unknown)}; there are {', '.join(names)}")
    rows = [row for row in ROWS if row.name in chosen]
    rounds = args.runs
    if args.quick:
        # HELD needs as many events as fill the limits.
        rows, rounds = [row if row.how == "held" else row.smaller(_QUICK) for row in rows], 1
    runs: dict[str, dict[int, dict[str, Any]]] = {row.name: {} for row in rows}
    wrong: list[str] = []
    with Bench() as bench:
        print(_where(bench), flush=True)
        for number in range(rounds):
            for row in rows:
                ended = "done"
                try:
                    runs[row.name][number] = bench.run(row)
                except (WrongError, RuntimeError) as error:
                    wrong.append(str(error))
                    ended = "FAILED"
                print(f"  run {number + 1} of {rounds}: {row.name} {ended}", file=sys.stderr, flush=True)
    print(printed(rows, runs))
    for complaint in wrong:
        print(f"WRONG: {complaint}")
    found = {"rows": summed_up(runs), "ratios": ratios(runs), "runs": runs, "wrong": wrong}
    args.json.write_text(json.dumps(found, indent=1))
    print(f"\nall figures: {args.json}")
    return 1 if wrong else 0


def _where(bench: Bench) -> str:
    pinned = "service, brokers and sink on a core each" if bench.pinned else "no affinity: that takes four cores"
    return (
        f"{platform.python_implementation()} {platform.python_version()}, {os.cpu_count()} cores ({pinned}); "
        f"confluent-kafka {confluent_kafka.__version__}, fastavro {fastavro.__version__}, httpx2 {httpx2.__version__}; "
        f"records of {bench.mean_bytes:.0f} bytes in the mean\n"
    )


if __name__ == "__main__":
    sys.exit(main())
