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
    """Watches a member from a thread of its own for as long as the `with` block lasts.

    A thread that asks to be woken every so often and is woken later was kept waiting by the machine, and so were the
    servers of its process; how long the member's loop was ready and no processor was free, the kernel tells. What a
    promise about time allows is lengthened by both.

    Args:
        member: who is watched.
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

    def stood_still_s(self, after: float, before: float) -> float:
        """Return how long the machine paused this process and the member between two times."""
        waited = [waited for at, waited in self._waited if after <= at <= before] or [0.0]
        return sum(late for at, late in self._late if after <= at <= before) + waited[-1] - waited[0]

    def _watch(self) -> None:
        asked = time.monotonic()
        while not self._over.wait(_TICK_S):
            now = time.monotonic()
            self._late.append((now, max(0.0, now - asked - _TICK_S)))
            asked = now
            try:
                resident = int(self._statm.read_text(encoding="ascii").split()[1]) * _PAGE_BYTES
            except OSError:
                return  # the process has ended
            self._memory.append((now, resident))
            with contextlib.suppress(OSError):  # not every kernel counts it
                self._waited.append((now, int(self._schedstat.read_text(encoding="ascii").split()[1]) / 1e9))


def stated_ceiling_bytes(world: World, *, partitions: int, largest: str) -> int:
    """Return the memory ceiling that `check` prints for a world's configuration."""
    command = [sys.executable, "-m", "consumer", "check", "--config", str(world.config), "--format", "json"]
    said = subprocess.run(
        [*command, "--partitions", str(partitions), "--largest-record", largest],
        cwd=Path(__file__).parents[2],
        env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
        capture_output=True,
        check=False,
        timeout=300,
    )
    assert said.returncode == 0, said.stdout.decode()
    total: int = json.loads(said.stdout)["memory"]["total_bytes"]
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
