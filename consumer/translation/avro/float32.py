"""Avro's `float`: the number that its shortest text says.

A producer writes 19.99, and Avro stores the nearest of the 32-bit numbers, 19.9899997711181640625. Read as a 64-bit
number it would stay that: it would not equal 19.99, and no cents would come of it. Every 32-bit number has a text of at
most nine digits that no other has, and that text is meant, as a `double` means the shortest text of its 64 bits.
"""

from __future__ import annotations

import math
from functools import lru_cache
from struct import Struct

_pack, _unpack = Struct("<f").pack, Struct("<f").unpack
_EXACT_INTEGERS = 2.0**24
"""Whole numbers below it are 32-bit numbers, each with its own digits."""
_SMALLEST_NORMAL = 2.0**-126
"""All six digits of a text survive in a 32-bit number above it; below it perhaps only one."""
_MAX_DIGITS = 9


def shortest_float32(value: float) -> float:
    """Return the number whose text has the fewest digits to which a 32-bit number rounds, and which rounds back to it.

    Args:
        value: a 32-bit number, as a 64-bit one. NaN and the infinities stay as they are.
    """
    if (value.is_integer() and abs(value) < _EXACT_INTEGERS) or not math.isfinite(value):
        return value
    return _shortest(value)


@lru_cache(maxsize=8192)
def _shortest(value: float) -> float:
    """Cached: prices and measures repeat, and a search takes as long as the decoding of a small record."""
    for digits in range(6 if abs(value) >= _SMALLEST_NORMAL else 1, _MAX_DIGITS):
        candidate = float(f"{value:.{digits}g}")
        if _unpack(_pack(candidate))[0] == value:
            return candidate
    return float(f"{value:.{_MAX_DIGITS}g}")
