"""`python -m tests.record`: compare with the record; with `--write`, record anew (only for a change that is meant)."""

from __future__ import annotations

import argparse
import sys

from tests.record.comparison import differences, observed, record, recorded
from tests.record.renames import Renames, read_table


def main() -> int:
    """Compare or write; 1 if there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.record", description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the record by what is seen now")
    table = read_table()
    write = parser.parse_args().write
    if write and Renames(table).unused:
        parser.error("renames.toml has rows: a record under new names needs an empty table")
    seen = observed(Renames(table).new_config_keys())
    if write:
        record(seen)
        return 0
    found = differences(recorded(), seen, table)
    print("\n".join(found) or "no difference")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
