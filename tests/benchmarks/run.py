"""Runs rows, each in processes of its own, and asserts after each that nothing was lost, repeated or too large."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.benchmarks.mock_kafka import MockKafka
from tests.benchmarks.rows import Row
from tests.benchmarks.service import (
    ROOT,
    Options,
    Service,
    clean_environment,
    printed_ceiling,
    running,
    wait_while,
    write_config,
)
from tests.benchmarks.workload import records

_ROW_S = 300.0
_LOOK_EVERY_S = 1.0
_HELD_SAME = 30
"""Looks of a twentieth of a second at which no more was taken: the limits are full."""

_PINS = {"service": frozenset({0}), "kafka": frozenset({2}), "sink": frozenset({3})}
_CORES_TO_PIN = 4


class WrongError(AssertionError):
    """A row broke a promise: its figures are worth nothing."""


class Bench:
    """Mock cluster, sink and folder for as long as the `with` block lasts."""

    def __init__(self) -> None:
        self._left = contextlib.ExitStack()
        self._runs = 0
        self.pinned = len(os.sched_getaffinity(0)) >= _CORES_TO_PIN

    def __enter__(self) -> Self:
        with contextlib.ExitStack() as stack:
            self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="cdp-bench-")))
            base = records()
            self._largest = max(len(each.value) + len(each.key) for each in base)
            self.mean_bytes = sum(len(each.value) for each in base) / len(base)
            self._kafka = stack.enter_context(MockKafka(base))
            port, pid = stack.enter_context(_sink())
            self._sink = f"http://127.0.0.1:{port}"
            if self.pinned:
                os.sched_setaffinity(self._kafka.pid, _PINS["kafka"])
                os.sched_setaffinity(pid, _PINS["sink"])
            self._left = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._left.close()

    def run(self, row: Row) -> dict[str, Any]:
        """Run one row once and return its figures."""
        self._runs += 1
        group = f"bench-{self._runs}"
        topic = self._kafka.topic(row.events + 2 * row.margin) if row.events else ""
        options = Options(self._kafka.bootstrap, self._sink, topic, group, row.kind, row.lanes)
        config = write_config(self._folder / group, options)
        if row.how == "held":
            return self._held(row, config)
        if row.how == "service":
            return self._service(row, options, config)
        return self._reference(row, options, config)

    def _service(self, row: Row, options: Options, config: Path) -> dict[str, Any]:
        with running(config, self._pin()) as service:
            total = row.events + 2 * row.margin
            self._begin(row, service.process.pid)
            looks: list[dict[str, Any]] = []
            looked = [0.0]

            def busy() -> bool:
                # Seldom: answering costs the service a millisecond or two.
                if time.monotonic() - looked[0] > _LOOK_EVERY_S and (seen := service.status()) is not None:
                    looks.append(seen)
                    looked[0] = time.monotonic()
                return bool(self._report()["events"] < total)

            wait_while(service, busy, _ROW_S, row.name)
            said = self._report()
            _expect(row, "the service's exit code", service.leave(), 0)
        _expect(row, "events at the sink", self._report()["events"], total)
        _expect(row, "distinct identities", said["distinct"], total)
        _expect(row, "calls over a limit", said["over_limits"], 0)
        _expect(row, "partitions not committed to their end", self._kafka.uncommitted(options.group, options.topic), {})
        figures = _rates(said)
        figures["events_per_request"] = total / said["requests"]
        figures["resident_most_mib"] = said["resident"][1] / 2**20
        figures["open_records_most"] = max((each["records"]["open"] for each in looks), default=0)
        figures["paused_share"] = _paused(looks)
        return figures

    def _held(self, row: Row, config: Path) -> dict[str, Any]:
        with running(config, self._pin()) as service:
            self._begin(row, service.process.pid, status=404)
            same: list[int] = []

            def filling() -> bool:
                seen = service.status()
                taken = 0 if seen is None else int(seen["records"]["open"])
                if not taken or (same and same[-1] != taken):
                    same.clear()
                same.append(taken)
                return not taken or len(same) < _HELD_SAME

            wait_while(service, filling, _ROW_S, row.name)
            said = self._report()
            status = service.status() or {}
            _expect(row, "the service's exit code", service.leave(), 0)
        ceiling = printed_ceiling(config, self._largest)
        now, most = said["resident"]
        if most > ceiling:
            raise WrongError(f"{row.name}: {most / 2**20:.0f} MiB resident, above the ceiling of {ceiling / 2**20:.0f}")
        return {
            "resident_mib": now / 2**20,
            "resident_most_mib": most / 2**20,
            "ceiling_mib": ceiling / 2**20,
            "open_records_most": status["records"]["open"],
            "open_bytes_mib": sum(each["open_bytes"] for each in status["destinations"]) / 2**20,
        }

    def _reference(self, row: Row, options: Options, config: Path) -> dict[str, Any]:
        total = row.events + 2 * row.margin
        command = [sys.executable, "-m", "tests.benchmarks.reference", row.how, "--events", str(total)]
        given = {"bootstrap": options.bootstrap, "topic": options.topic, "group": options.group, "sink": self._sink}
        for name, value in {**given, "config": str(config)}.items():
            command += [f"--{name}", value]
        with subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                if pin := self._pin():
                    os.sched_setaffinity(process.pid, pin)
                self._begin(row, process.pid)
                said, _ = process.communicate(timeout=_ROW_S)
            except BaseException:
                process.kill()
                raise
        _expect(row, "exit code", process.returncode, 0)
        if row.how in {"decode", "translate"}:
            return dict(json.loads(said))
        seen = self._report()
        _expect(row, "distinct identities", seen["distinct"], total)
        return _rates(seen)

    def _pin(self) -> frozenset[int] | None:
        return _PINS["service"] if self.pinned else None

    def _begin(self, row: Row, pid: int, status: int = 200) -> None:
        marks = {"begin": row.margin, "end": row.events + row.margin}
        self._ask("row", {"pid": pid, "delay_s": row.delay_s, "status": status, **marks})

    def _report(self) -> dict[str, Any]:
        return self._ask("report", {})

    def _ask(self, what: str, said: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._sink}/bench/{what}", data=json.dumps(said).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310 - our own sink
            return dict(json.load(answer))


@contextlib.contextmanager
def _sink() -> Iterator[tuple[int, int]]:
    with subprocess.Popen(
        [sys.executable, "-m", "tests.benchmarks.sink"],
        cwd=ROOT,
        env=clean_environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None
            yield int(process.stdout.readline()), process.pid
        finally:
            process.kill()


def _rates(said: dict[str, Any]) -> dict[str, Any]:
    window = said["window"]
    if window is None:
        raise WrongError("the sink saw too few events to measure anything")
    return {"events_per_s": window["events"] / window["wall_s"], "cpu_us": window["cpu_s"] / window["events"] * 1e6}


def _paused(looks: list[dict[str, Any]]) -> float:
    """Return the share of (partition, look) pairs in which a partition was paused."""
    states = [each["paused"] for look in looks for each in look["partitions"]]
    return sum(states) / len(states) if states else 0.0


def _expect(row: Row, what: str, found: object, wanted: object) -> None:
    if found != wanted:
        raise WrongError(f"{row.name}: {what}: {found}, and not {wanted}")


__all__ = ["Bench", "Service", "WrongError"]
