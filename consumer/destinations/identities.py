"""A delivery's 16 bytes as the destinations want to read them: a UUID, or a ULID."""

from __future__ import annotations

_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_PAIRS = tuple(a + b for a in _CROCKFORD for b in _CROCKFORD)
"""Text of every 10-bit number: two letters at a time halve the work of a ULID."""
_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
_LATEST_MS = 2**48 - 1


def uuid_text(identity: bytes) -> str:
    """Return the 16 bytes as an RFC 9562 UUID of version 8 (a vendor-defined hash), in lower case.

    Six of the 128 bits give way to version and variant, so that a strict reader accepts it.
    """
    digits = identity.hex()
    return f"{digits[:8]}-{digits[8:12]}-8{digits[13:16]}-{_VARIANT[digits[16]]}{digits[17:20]}-{digits[20:]}"


def ulid_text(identity: bytes, time_ms: int) -> str:
    """Return a ULID: 48 bits of the event's time in epoch milliseconds, then the *last* 10 of the 16 bytes.

    A time before 1970 counts as 1970, one beyond 48 bits as the last there is: the hash alone tells deliveries apart.
    """
    time = min(max(time_ms, 0), _LATEST_MS)
    pairs = _PAIRS
    high = int.from_bytes(identity[6:11], "big")
    low = int.from_bytes(identity[11:], "big")
    return (
        f"{pairs[time >> 40]}{pairs[time >> 30 & 1023]}{pairs[time >> 20 & 1023]}"
        f"{pairs[time >> 10 & 1023]}{pairs[time & 1023]}"
        f"{pairs[high >> 30]}{pairs[high >> 20 & 1023]}{pairs[high >> 10 & 1023]}{pairs[high & 1023]}"
        f"{pairs[low >> 30]}{pairs[low >> 20 & 1023]}{pairs[low >> 10 & 1023]}{pairs[low & 1023]}"
    )
