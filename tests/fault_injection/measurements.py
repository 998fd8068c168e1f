"""Measurements during a scenario: a member's memory, its assignment, and pauses of the machine."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.e2e.member import Member
from tests.e2e.world import World

MIB = 1 << 20
_TICK_S = 0.02
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


class Measurements:
    """Measures a member in a thread of its own while the `with` block lasts.

    It also measures the pauses of the machine, which are added to the time limits of a test. If this thread wakes up
    late, the machine paused this process, with the servers in it. For the member, the kernel reports how long its main
    thread was ready to run without a processor.

    Args:
        member: the member to measure.
    """

    def __init__(self, member: Member) -> None:
        self._statm = Path(f"/proc/{member.process.pid}/statm")
        self._schedstat = self._statm.with_name("schedstat")
        self._memory: list[tuple[float, int]] = []
        self._waited: list[tuple[float, float]] = []
        self._late: list[tuple[float, float]] = []
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._over.set()
        self._thread.join()

    def peak_bytes(self, after: float, before: float) -> int:
        """Return the peak resident memory between two times."""
        return max(size for at, size in self._memory if after <= at <= before)

    def paused_s(self, after: float, before: float) -> float:
        """Return how long the machine paused this process and the member between two times."""
        waited = [waited for at, waited in self._waited if after <= at <= before] or [0.0]
        return sum(late for at, late in self._late if after <= at <= before) + waited[-1] - waited[0]

    def _watch(self) -> None:
        slept_at = time.monotonic()
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            self._late.append((now, max(0.0, now - slept_at - _TICK_S)))
            slept_at = now
            try:
                resident = int(self._statm.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
            except OSError:
                return  # the process has ended
            self._memory.append((now, resident))
            with contextlib.suppress(OSError):  # not every kernel has this file
                self._waited.append((now, int(self._schedstat.read_text(encoding="ascii").split()[1]) / 1e9))


def stated_ceiling_bytes(world: World, *, partitions: int, largest: str) -> int:
    """Return the memory ceiling that `check` prints for a world's configuration."""
    command = [sys.executable, "-m", "consumer", "check", "--config", str(world.config), "--format", "json"]
    result = subprocess.run(
        [*command, "--partitions", str(partitions), "--largest-record", largest],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert result.returncode == 0, result.stdout.decode()
    total: int = json.loads(result.stdout)["memory"]["total_bytes"]
    return total


def rebalances(member: Member) -> float:
    """Return how many rebalances the member has counted in all its groups."""
    return sum(value for (name, _), value in member.metrics().items() if name == "cdp_kafka_rebalances_total")


def assignment(member: Member) -> set[tuple[str, int, int]]:
    """Return the assignment: by pipeline, each partition with its epoch."""
    return {
        (name, one["partition"], one["epoch"])
        for name, pipeline in member.status().items()
        for one in pipeline["partitions"]
    }
