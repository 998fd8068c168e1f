"""Processes that keep the processors busy while the tests run, as on a shared machine: `make test LOADED=1`."""

from __future__ import annotations

import subprocess
import sys

import pytest

# It ends with its stdin, so that a run that is killed leaves nothing behind.
_LOOP = "import os, threading; threading.Thread(target=lambda: (os.read(0, 1), os._exit(0))).start()\nwhile True: pass"

_LOOPS = pytest.StashKey[list["subprocess.Popen[bytes]"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that says how many."""
    parser.addoption("--busy-loops", type=int, default=0, metavar="N", help="keep N processors busy while tests run")


def pytest_configure(config: pytest.Config) -> None:
    """Start them, once: workers run beside those of their controller."""
    if not hasattr(config, "workerinput"):
        count = config.getoption("--busy-loops")
        config.stash[_LOOPS] = [
            subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE) for _ in range(count)
        ]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say that they run."""
    running = config.stash.get(_LOOPS, [])
    return f"busy loops: {len(running)}" if running else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """End them."""
    for loop in config.stash.get(_LOOPS, []):
        loop.kill()
        loop.communicate()
