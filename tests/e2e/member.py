"""A member: the real service as a process of its own, its log in a file, its status page asked over a socket."""

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
"""No promise is about how soon a member starts, says something or ends: a busy machine takes its time."""

_LOOK_S = 0.05


class Member:
    """One `cdp-consumer run`. It is killed when the `with` block ends and it is still there.

    Args:
        config: its configuration file.
        log: where its output goes; standard error goes beside it.
        options: more of the command line.
        program: what is run in place of `python -m consumer`, with its own arguments.
        listens: whether its standard input is a pipe, for a program that is told more while it runs.
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

    # ── what it says ──

    def lines(self, event: str | None = None) -> list[dict[str, Any]]:
        """Return the lines of its log, or those about one event. Half a line at the end is not read."""
        whole = self.log.read_bytes().rpartition(b"\n")[0].splitlines()
        found = [json.loads(line) for line in whole]
        return [line for line in found if event is None or line["event"] == event]

    def log_tail(self, count: int = 25) -> str:
        """Return the end of what it wrote."""
        said = self.log.read_text(errors="replace").splitlines()[-count:]
        return "\n".join((*said, self.errors.read_text(errors="replace")[-3000:]))

    def wait_for_line(self, event: str, within_s: float = _WITHIN_S, **fields: object) -> dict[str, Any]:
        """Return the first line about an event with these fields, as soon as it is there."""
        found: list[dict[str, Any]] = []

        def said() -> bool:
            found.extend(line for line in self.lines(event) if fields.items() <= line.items())
            return bool(found)

        self.wait_until(said, within_s, f"no line {event!r} with {fields}")
        return found[0]

    def wait_until(self, true: Callable[[], bool], within_s: float, otherwise: str) -> None:
        """Wait for something to be true while the process lives."""
        deadline = time.monotonic() + within_s
        while not true():
            assert self.process.poll() is None, f"the member ended with {self.process.returncode}\n{self.log_tail()}"
            assert time.monotonic() < deadline, f"{otherwise} within {within_s:g} s\n{self.log_tail()}"
            time.sleep(_LOOK_S)

    @property
    def port(self) -> int:
        """Where its pages are, once it has said so."""
        if self._port is None:
            self._port = int(self.wait_for_line("starting")["port"])
        return self._port

    def page(self, path: str) -> tuple[int, str]:
        """Return the status and the text of one of its pages."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}{path}", timeout=_WITHIN_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()

    def status(self) -> dict[str, dict[str, Any]]:
        """Return what `/status` says, by pipeline."""
        said = json.loads(self.page("/status")[1])
        return {pipeline["name"]: pipeline for pipeline in said["pipelines"]}

    def metrics(self) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
        """Return every sample of `/metrics` by its name and its sorted labels."""
        return {
            (sample.name, tuple(sorted(sample.labels.items()))): sample.value
            for family in text_string_to_metric_families(self.page("/metrics")[1])
            for sample in family.samples
        }

    def wait_for_partitions(self, count: int, within_s: float = _WITHIN_S) -> None:
        """Wait until every pipeline holds this many partitions."""
        self.port  # noqa: B018 - waits for the page to be there

        def held() -> bool:
            said = self.status().values()
            return bool(said) and all(len(pipeline["partitions"]) == count for pipeline in said)

        self.wait_until(held, within_s, f"not {count} partitions in every pipeline")

    # ── how it ends ──

    def terminate(self) -> None:
        """Send SIGTERM."""
        self.process.send_signal(signal.SIGTERM)

    def last_status(self, known: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        """Ask for its status again and again until its page is gone; return the last there was, or what was known."""
        last = known
        with contextlib.suppress(OSError, ValueError, HTTPException):
            while True:
                last = self.status()
        return last

    def wait(self, within_s: float = _WITHIN_S) -> int:
        """Wait for its end and return its code."""
        try:
            return self.process.wait(within_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"still there after {within_s:g} s\n{self.log_tail()}") from None

    def stop(self, within_s: float = _WITHIN_S) -> int:
        """Ask it to leave, wait for its end and return its code."""
        self.terminate()
        return self.wait(within_s)

    def kill(self) -> None:
        """End it with no goodbye."""
        self.process.kill()
        self.process.wait()
