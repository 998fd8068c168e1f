"""The error of an expression that has no result for an event."""

from __future__ import annotations


class UnmappableError(Exception):
    """An expression has no result for this event. `reason` names fields, functions and types, never a value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason
