"""Processes of tests: whatever fails, none is waited for."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill a process at the end: `with Popen` would wait for one that hangs, and no timeout could end its test."""
    with process:
        try:
            yield process
        finally:
            process.kill()
