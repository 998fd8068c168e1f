"""The wall clock, in the unit that records, events and headers use."""

import time


def now_ms() -> int:
    """Return the wall clock in epoch milliseconds."""
    return int(time.time() * 1000)
