"""CPU seconds and resident bytes from /proc, and medians with their spread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Indexes in /proc/PID/stat after the command name (proc(5): fields 14 and 15)."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds that a process has used in all its threads."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS


def resident_bytes(pid: int) -> tuple[int, int]:
    """Return the current and the peak resident bytes of a process; zeros if it has ended, reaped or not."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    fields = {line.partition(":")[0]: line.split() for line in lines if line.startswith("Vm")}
    if "VmRSS" not in fields:
        return 0, 0
    return int(fields["VmRSS"][1]) * 1024, int(fields["VmHWM"][1]) * 1024


class Spread(NamedTuple):
    """Median, minimum and maximum of some runs."""

    median: float
    least: float
    most: float

    def text(self, digits: int) -> str:
        """Return `12.3 [11.9..13.0]`, or `12.3` if all runs are equal."""
        if self.least == self.most:
            return f"{self.median:,.{digits}f}"
        return f"{self.median:,.{digits}f} [{self.least:,.{digits}f}..{self.most:,.{digits}f}]"


def spread(values: Sequence[float]) -> Spread:
    """Return the spread of one figure over the runs of a row."""
    return Spread(median(values), min(values), max(values))
