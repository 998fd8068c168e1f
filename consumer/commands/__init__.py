"""One file a command: it parses, calls and prints, and decides nothing. Here is what their exit codes mean."""

from typing import Final

ENDED: Final = 0
"""Ended as asked."""

FAILED: Final = 1
"""Anything else, an interruption included."""

WRONG: Final = 2
"""Wrong usage, configuration or mapping."""
