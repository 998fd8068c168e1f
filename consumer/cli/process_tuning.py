"""Process-wide settings of a run: the C library's allocator, and Python's garbage collector.

glibc gives threads pools of their own, up to eight for each core, and what is freed in one serves no other. A Kafka
client has a thread for each broker and starts new ones when a broker comes back: each may leave a prefetch's worth of
free pages in another pool, and the process grows with the number of absences and with the cores of the node, though
nothing is in use. One pool is as large as the most that was ever in use at one time, and stays so.
"""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Mapping

_M_ARENA_MAX = -8
"""glibc's malloc.h."""

_POOLS = 1
_NEW_OBJECTS = 50_000


def share_one_pool(environment: Mapping[str, str]) -> bool:
    """Have all threads take memory from one pool. Call it before there is a second thread: what it has, it keeps.

    Args:
        environment: of the process. Where it says a number of pools itself (`MALLOC_ARENA_MAX`, or
            `glibc.malloc.arena_max` in `GLIBC_TUNABLES`), that stays.

    Returns:
        Whether it was done; `False` as well where the C library is not glibc, and has no such pools.
    """
    if "MALLOC_ARENA_MAX" in environment or "glibc.malloc.arena_max" in environment.get("GLIBC_TUNABLES", ""):
        return False
    library = ctypes.CDLL(None)
    if not hasattr(library, "gnu_get_libc_version"):
        return False
    return bool(library.mallopt(_M_ARENA_MAX, _POOLS))


def collect_seldom() -> None:
    """Have Python look for cycles seldom, and never among what was there before the first record.

    Records in flight make no cycles, but there are many: looking through them all again and again costs more than
    sending them. What does make cycles (exceptions, mostly) is still found, some tens of megabytes later at the most.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 50)
