"""`python -m tests.record`: compare with the record, or write it anew for an intended change (`--write`)."""

from __future__ import annotations

import argparse
import sys

from tests.record.comparison import differences, observed, record, recorded
from tests.record.renames import Renames, read_table


def main() -> int:
    """Compare or write. Return 1 if there is a difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.record", description=__doc__)
    parser.add_argument("--write", action="store_true", help="replace the record with the current behaviour")
    table = read_table()
    write = parser.parse_args().write
    if write and Renames(table).unused:
        parser.error("--write: renames.toml has rows. Remove them first: the new record will have the new names.")
    seen = observed(Renames(table).new_config_keys())
    if write:
        record(seen)
        return 0
    found = differences(recorded(), seen, table)
    print("\n".join(found) or "no difference")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
