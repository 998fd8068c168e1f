"""A wall clock that starts at a fixed instant, so that time windows and ids are the same in every run.

`python -m tests.record.clock MODULE ARGUMENT…` runs a module with it. Child processes inherit the offset.
"""

from __future__ import annotations

import os
import runpy
import sys
import time
from datetime import UTC, datetime

START = datetime(2026, 11, 21, 12, tzinfo=UTC)
START_MS = int(START.timestamp() * 1000)

_LONGEST_RUN_S = 3600
_VARIABLE = "CDP_RECORD_CLOCK_OFFSET_NS"


def install() -> None:
    """Replace `time.time` and `time.time_ns`. Call this before the modules under test are imported."""
    real_ns = time.time_ns
    if _VARIABLE not in os.environ:
        os.environ[_VARIABLE] = str(START_MS * 1_000_000 - real_ns())
    offset_ns = int(os.environ[_VARIABLE])
    time.time_ns = lambda: real_ns() + offset_ns
    time.time = lambda: (real_ns() + offset_ns) / 1e9


def is_installed() -> bool:
    """Return True if this process runs with the fixed clock."""
    return _VARIABLE in os.environ and abs(time.time() - START.timestamp()) < _LONGEST_RUN_S


def command(module: str, *arguments: str) -> list[str]:
    """Return the command line that runs a module with the fixed clock."""
    return [sys.executable, "-m", "tests.record.clock", module, *arguments]


if __name__ == "__main__":
    install()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
