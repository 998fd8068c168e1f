"""A delivery's 16-byte identity as text: a UUID, or a ULID."""

from __future__ import annotations

from functools import lru_cache
from struct import Struct

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)
"""Text of every 10-bit number. Two letters per lookup halve the work of a ULID."""
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_LATEST_MS = 2**48 - 1
_LAST_TEN = Struct(">6xQH").unpack


def uuid_text(identity: bytes, _time_ms: int = 0) -> str:
    """Return the 16 bytes as an RFC 9562 UUID of version 8 (a vendor-defined hash), in lower case.

    Version and variant replace six of the 128 bits, so that a strict reader accepts it. It holds no time.
    """
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def ulid_text(identity: bytes, time_ms: int) -> str:
    """Return a ULID: 48 bits of the event's time in epoch milliseconds, then the *last* 10 of the 16 bytes.

    A time before 1970 counts as 1970, a time beyond 48 bits as the largest one: the hash alone separates deliveries.
    """
    time = time_ms if 0 <= time_ms <= _LATEST_MS else 0 if time_ms < 0 else _LATEST_MS
    pairs = _PAIRS
    high, low = _LAST_TEN(identity)
    return (
        f"{_second(time >> 10)}{pairs[time & 1023]}"
        f"{pairs[high >> 54]}{pairs[high >> 44 & 1023]}{pairs[high >> 34 & 1023]}{pairs[high >> 24 & 1023]}"
        f"{pairs[high >> 14 & 1023]}{pairs[high >> 4 & 1023]}"
        f"{pairs[(high & 15) << 6 | low >> 10]}{pairs[low & 1023]}"
    )


@lru_cache(maxsize=4096)
def _second(time: int) -> str:
    """Return the first 8 letters of a ULID. Cached: neighbours in a topic share them for about a second."""
    return "".join(_PAIRS[time >> shift & 1023] for shift in (30, 20, 10, 0))
