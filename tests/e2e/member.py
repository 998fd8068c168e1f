"""A member: the real service as a process, with its log in a file and its status page read over HTTP."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from prometheus_client.parser import text_string_to_metric_families

_WITHIN_S = 180.0
"""No promise limits the time of a start, a log line or an end, and a busy machine is slow."""

_LOOK_S = 0.05


class Member:
    """One `cdp-consumer run`. It is killed at the end of the `with` block if it still runs.

    Args:
        config: its configuration file.
        log: the file for its standard output. Standard error goes to a file beside it.
        options: further command-line options.
        program: the module to run instead of `consumer`, with its own arguments.
        listens: whether its standard input is a pipe, for a program that reads commands while it runs.
    """

    def __init__(
        self, config: Path, log: Path, *options: str, program: tuple[str, ...] = ("consumer",), listens: bool = False
    ) -> None:
        self.log = log
        self.errors = log.with_suffix(".err")
        self._port: int | None = None
        with log.open("wb") as out, self.errors.open("wb") as err:
            self.process = subprocess.Popen(
                [sys.executable, "-m", *program, "run", "--config", str(config), *options],
                cwd=Path(__file__).parents[2],
                env={name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")},
                stdin=subprocess.PIPE if listens else subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        if self.process.stdin is not None:
            self.process.stdin.close()
        if error is not None:
            print(f"--- the last of {self.log.name}:\n{self.log_tail()}")

    # ── its output ──

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of its log, or those of one event. An incomplete last line is left out."""
        complete = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        found = [json.loads(line) for line in complete]
        return [line for line in found if event is None or line["event"] == event]

    def log_tail(self, count: int = 25) -> str:
        """Return the end of its log and of its standard error."""
        tail = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join((*tail, self.errors.read_text(errors="replace")[-3000:]))

    def wait_for_line(self, event: str, within_s: float = _WITHIN_S, **fields: object) -> dict[str, Any]:
        """Wait for a log line of this event with these fields, and return the first."""
        found: list[dict[str, Any]] = []

        def is_logged() -> bool:
            found.extend(line for line in self.lines(event) if fields.items() <= line.items())
            return bool(found)

        self.wait_until(is_logged, within_s, f"no line {event!r} with {fields}")
        return found[0]

    def wait_until(self, true: Callable[[], bool], within_s: float, otherwise: str) -> None:
        """Wait until `true()` returns True while the process runs. `otherwise` is the message of a timeout."""
        deadline = time.monotonic() + within_s
        while not true():
            assert self.process.poll() is None, f"the member ended with {self.process.returncode}\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"{otherwise} within {within_s:g} s\n{self.log_tail()}"
            time.sleep(_LOOK_S)

    @property
    def port(self) -> int:
        """Its HTTP port, as soon as its log names it."""
        if self._port is None:
            self._port = int(self.wait_for_line("starting")["port"])
        return self._port

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of one of its pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_WITHIN_S) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def status(self) -> dict[str, dict[str, Any]]:
        """Return `/status` by pipeline."""
        document = json.loads(self.page("/status")[1])
        return {pipeline["name"]: pipeline for pipeline in document["pipelines"]}

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every sample of `/metrics` by its name and its sorted labels."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.page("/metrics")[1])
            for sample in family.samples
        }

    def wait_for_partitions(self, count: int, within_s: float = _WITHIN_S) -> None:
        """Wait until every pipeline has `count` assigned partitions."""
        self.port  # noqa: B018 - waits for the HTTP server

        def is_assigned() -> bool:
            pipelines = self.status().values()
            return bool(pipelines) and all(len(pipeline["partitions"]) == count for pipeline in pipelines)

        self.wait_until(is_assigned, within_s, f"not {count} partitions in every pipeline")

    # ── its end ──

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def last_status(self, known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Read `/status` until the page is gone. Return the last one, or `known` if there was none."""
        last = known
        with contextlib.suppress(OSError, ValueError, HTTPException):
            while True:
                last = self.status()
        return last

    def wait(self, within_s: float = _WITHIN_S) -> int:
        """Wait for its end and return its exit code."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still running after {within_s:g} s\n{self.log_tail()}") from None

    def stop(self, within_s: float = _WITHIN_S) -> int:
        """Send SIGTERM, wait for its end and return its exit code."""
        self.terminate()
        return self.wait(within_s)

    def kill(self) -> None:
        """Send SIGKILL."""
        self.process.kill()
        self.process.wait()
