"""Background processes that load the CPUs during the tests, as on a shared machine: `make test LOADED=1`."""

from __future__ import annotations

import subprocess
import sys

import pytest

# Each process exits when its stdin closes. Otherwise a killed test run would leave it behind.
_LOOP = "import os, threading; threading.Thread(target=lambda: (os.read(0, 1), os._exit(0))).start()\nwhile True: pass"

_LOOPS = pytest.StashKey[list["subprocess.Popen[bytes]"]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option for the number of processes."""
    parser.addoption("--busy-loops", type=int, default=0, metavar="N", help="load N CPUs while the tests run")


def pytest_configure(config: pytest.Config) -> None:
    """Start the processes in the controller only; they load the CPUs of its workers too."""
    if not hasattr(config, "workerinput"):
        count = config.getoption("--busy-loops")
        config.stash[_LOOPS] = [
            subprocess.Popen([sys.executable, "-c", _LOOP], stdin=subprocess.PIPE) for _ in range(count)
        ]


def pytest_report_header(config: pytest.Config) -> str | None:
    """Report the number of running processes."""
    running = config.stash.get(_LOOPS, [])
    return f"busy loops: {len(running)}" if running else None


def pytest_unconfigure(config: pytest.Config) -> None:
    """Kill the processes."""
    for loop in config.stash.get(_LOOPS, []):
        loop.kill()
        loop.communicate()
