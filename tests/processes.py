"""Child processes of tests."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Kill the process at the end. `with Popen` alone would wait forever for a process that hangs."""
    with process:
        try:
            yield process
        finally:
            process.kill()
