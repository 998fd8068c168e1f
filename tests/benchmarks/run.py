"""Run rows, each in its own processes, and assert after each that nothing was lost, repeated or above a limit."""

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
    clean_environment,
    printed_ceiling,
    running,
    wait_while,
    write_config,
)
from tests.benchmarks.workload import records

_ROW_TIMEOUT_S = 300.0
_STATUS_INTERVAL_S = 1.0
_STEADY_POLLS = 30
"""Polls, 50 ms apart, without a change in the number of open records: the limits are full."""

_PINS = {"service": frozenset({0}), "kafka": frozenset({2}), "sink": frozenset({3})}
_CORES_TO_PIN = 4


class InvalidRunError(AssertionError):
    """A run lost, repeated or exceeded something, so its figures are void."""


class Bench:
    """Mock cluster, sink and folder, for the duration of a `with` block."""

    def __init__(self) -> None:
        self._resources = contextlib.ExitStack()
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
            self._resources = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._resources.close()

    def run(self, row: Row) -> dict[str, Any]:
        """Run one row once and return its figures."""
        self._runs += 1
        group = f"bench-{self._runs}"
        topic = self._kafka.topic(row.events + 2 * row.margin) if row.events else ""
        options = Options(self._kafka.bootstrap, self._sink, topic, group, row.kind, row.lanes)
        config = write_config(self._folder / group, options)
        if row.mode == "held":
            return self._held(row, config)
        if row.mode == "service":
            return self._service(row, options, config)
        return self._reference(row, options, config)

    def _service(self, row: Row, options: Options, config: Path) -> dict[str, Any]:
        with running(config, self._pin()) as service:
            total = row.events + 2 * row.margin
            self._begin(row, service.process.pid)
            statuses: list[dict[str, Any]] = []
            requested_at = [0.0]

            def busy() -> bool:
                # At this interval only: each response costs the service a millisecond or two of CPU.
                due = time.monotonic() - requested_at[0] > _STATUS_INTERVAL_S
                if due and (status := service.status()) is not None:
                    statuses.append(status)
                    requested_at[0] = time.monotonic()
                return bool(self._report()["events"] < total)

            wait_while(service, busy, _ROW_TIMEOUT_S, row.name)
            report = self._report()
            _expect(row, "exit code of the service", service.stop(), 0)
        _expect(row, "events at the sink", self._report()["events"], total)
        _expect(row, "distinct identities", report["distinct"], total)
        _expect(row, "requests above a limit", report["over_limits"], 0)
        _expect(
            row, "partitions not committed to the log end", self._kafka.uncommitted(options.group, options.topic), {}
        )
        figures = _rates(report)
        figures["events_per_request"] = total / report["requests"]
        figures["resident_peak_mib"] = report["resident"][1] / 2**20
        figures["open_records_peak"] = max((each["records"]["open"] for each in statuses), default=0)
        figures["paused_share"] = _paused_share(statuses)
        return figures

    def _held(self, row: Row, config: Path) -> dict[str, Any]:
        with running(config, self._pin()) as service:
            self._begin(row, service.process.pid, status=404)
            unchanged: list[int] = []

            def filling() -> bool:
                status = service.status()
                open_records = 0 if status is None else int(status["records"]["open"])
                if not open_records or (unchanged and unchanged[-1] != open_records):
                    unchanged.clear()
                unchanged.append(open_records)
                return not open_records or len(unchanged) < _STEADY_POLLS

            wait_while(service, filling, _ROW_TIMEOUT_S, row.name)
            report = self._report()
            status = service.status() or {}
            _expect(row, "exit code of the service", service.stop(), 0)
        ceiling = printed_ceiling(config, self._largest)
        resident, peak = report["resident"]
        if peak > ceiling:
            raise InvalidRunError(
                f"{row.name}: peak of {peak / 2**20:.0f} MiB resident, "
                f"above the ceiling of {ceiling / 2**20:.0f} MiB that `check` prints"
            )
        return {
            "resident_mib": resident / 2**20,
            "resident_peak_mib": peak / 2**20,
            "ceiling_mib": ceiling / 2**20,
            "open_records_peak": status["records"]["open"],
            "open_bytes_mib": sum(each["open_bytes"] for each in status["destinations"]) / 2**20,
        }

    def _reference(self, row: Row, options: Options, config: Path) -> dict[str, Any]:
        total = row.events + 2 * row.margin
        command = [sys.executable, "-m", "tests.benchmarks.reference", row.mode, "--events", str(total)]
        arguments = {"bootstrap": options.bootstrap, "topic": options.topic, "group": options.group, "sink": self._sink}
        for name, value in {**arguments, "config": str(config)}.items():
            command += [f"--{name}", value]
        with subprocess.Popen(
            command, cwd=ROOT, env=clean_environment(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        ) as process:
            try:
                if pin := self._pin():
                    os.sched_setaffinity(process.pid, pin)
                self._begin(row, process.pid)
                output, _ = process.communicate(timeout=_ROW_TIMEOUT_S)
            except BaseException:
                process.kill()
                raise
        _expect(row, "exit code", process.returncode, 0)
        if row.mode in {"decode", "translate"}:
            return dict(json.loads(output))
        report = self._report()
        _expect(row, "distinct identities", report["distinct"], total)
        return _rates(report)

    def _pin(self) -> frozenset[int] | None:
        return _PINS["service"] if self.pinned else None

    def _begin(self, row: Row, pid: int, status: int = 200) -> None:
        marks = {"begin": row.margin, "end": row.events + row.margin}
        self._post("row", {"pid": pid, "delay_s": row.delay_s, "status": status, **marks})

    def _report(self) -> dict[str, Any]:
        return self._post("report", {})

    def _post(self, command: str, document: dict[str, Any]) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._sink}/bench/{command}", data=json.dumps(document).encode())  # noqa: S310
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310 - our own sink
            return dict(json.load(response))


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


def _rates(report: dict[str, Any]) -> dict[str, Any]:
    window = report["window"]
    if window is None:
        raise InvalidRunError("the sink received too few events for a measurement")
    return {"events_per_s": window["events"] / window["wall_s"], "cpu_us": window["cpu_s"] / window["events"] * 1e6}


def _paused_share(statuses: list[dict[str, Any]]) -> float:
    """Return the mean share of partitions that were paused."""
    paused = [each["paused"] for status in statuses for each in status["partitions"]]
    return sum(paused) / len(paused) if paused else 0.0


def _expect(row: Row, name: str, actual: object, expected: object) -> None:
    if actual != expected:
        raise InvalidRunError(f"{row.name}: {name}: expected {expected}, got {actual}")
