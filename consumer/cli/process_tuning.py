"""Process-wide settings of a run: the C library's allocator, and Python's garbage collector.

glibc gives threads their own allocation arenas, up to eight for each core. Memory that is freed in one arena is not
available in another. A Kafka client has a thread for each broker, and starts new ones when a broker returns. Each may
leave the free pages of a whole prefetch in another arena. So the process would grow with the number of broker outages
and with the cores of the node, although nothing is in use. A single arena grows to the peak usage and stays there.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Mapping

_M_ARENA_MAX = -8
"""The constant of glibc's malloc.h."""

_ARENAS = 1
_NEW_OBJECTS_PER_COLLECTION = 50_000


def share_one_arena(environment: Mapping[str, str]) -> bool:
    """Let all threads allocate from one arena. Call this before a second thread exists: it would keep its own arena.

    Args:
        environment: of the process. A number of arenas set there (`MALLOC_ARENA_MAX`, or `glibc.malloc.arena_max` in
            `GLIBC_TUNABLES`) is kept.

    Returns:
        Whether the limit was set. `False` also where the C library is not glibc, which has no such arenas.
    """
    if "MALLOC_ARENA_MAX" in environment or "glibc.malloc.arena_max" in environment.get("GLIBC_TUNABLES", ""):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_M_ARENA_MAX, _ARENAS))


def collect_rarely() -> None:
    """Run Python's cycle collector rarely, and never over the objects that exist before the first record.

    Records in flight form no cycles, but they are many: scanning them all repeatedly costs more than sending them.
    Objects that do form cycles (mostly exceptions) are still collected, at most some tens of megabytes later.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS_PER_COLLECTION, 20, 50)
