"""What is read from /proc and how it is summed up: CPU seconds, resident bytes, medians with their spread."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import NamedTuple

_TICKS = os.sysconf("SC_CLK_TCK")
_UTIME, _STIME = 11, 12
"""Places in /proc/PID/stat after the command's name (proc(5): fields 14 and 15)."""


def cpu_s(pid: int) -> float:
    """Return the CPU seconds a process has used, all of its threads included."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[_UTIME]) + int(fields[_STIME])) / _TICKS


def resident_bytes(pid: int) -> tuple[int, int]:
    """Return a process's resident bytes, now and at the most; noughts if it has ended, waited for or not."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {line.partition(":")[0]: line.split() for line in lines if line.startswith("Vm")}
    if "VmRSS" not in found:
        return 0, 0
    return int(found["VmRSS"][1]) * 1024, int(found["VmHWM"][1]) * 1024


class Spread(NamedTuple):
    """A median and what it lies between."""

    middle: float
    least: float
    most: float

    def text(self, digits: int) -> str:
        """Return `12.3 [11.9..13.0]`; a single run has no spread."""
        if self.least == self.most:
            return f"{self.middle:,.{digits}f}"
        return f"{self.middle:,.{digits}f} [{self.least:,.{digits}f}..{self.most:,.{digits}f}]"


def spread(values: Sequence[float]) -> Spread:
    """Sum up the runs of one row."""
    return Spread(median(values), min(values), max(values))
