"""A process's memory as it reports it itself: resident, and allocated by its allocators.

Resident rises while that stays = pages kept for later, or full of holes. Both rise = something is kept.
"""

from __future__ import annotations

import ctypes
import os
import sys
from pathlib import Path

MIB = 1 << 20

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")

_BLOCK_BYTES = 92
"""One of Python's small blocks in the mean, by its own statistics: 27.3 million bytes in 298 000 of them, in a soak."""


_FIELDS = (
    *("arena", "ordblks", "smblks", "hblks", "hblkhd"),
    *("usmblks", "fsmblks", "uordblks", "fordblks", "keepcost"),
)


class _Mallinfo2(ctypes.Structure):
    """glibc's `struct mallinfo2` (malloc.h, since 2.33)."""

    _fields_ = tuple((name, ctypes.c_size_t) for name in _FIELDS)


_MALLINFO2 = getattr(ctypes.CDLL(None), "mallinfo2", None)
"""Created once: each creation makes a new class, which stays until the garbage collector looks for cycles."""

if _MALLINFO2 is not None:
    _MALLINFO2.restype = _Mallinfo2


def resident_mib() -> float:
    """Return this process's resident memory."""
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE_BYTES / MIB


def in_use_mib() -> float | None:
    """Return what is in use: the C library's blocks in all its arenas, those mapped by themselves, Python's small ones.

    `None` where the C library does not tell: before glibc 2.33, and on any other.
    """
    if _MALLINFO2 is None:
        return None
    said = _MALLINFO2()
    return float(said.uordblks + said.hblkhd + sys.getallocatedblocks() * _BLOCK_BYTES) / MIB
