"""The service as a row runs it: its configuration, its process, and the memory ceiling that `check` prints."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.benchmarks.mock_kafka import DEAD_LETTERS
from tests.benchmarks.workload import MAPPINGS, PARTITIONS

ROOT = Path(__file__).parents[2]
_SHUTDOWN_TIMEOUT_S = 60.0

_DESTINATIONS = {
    "customerio": "url: {sink}/v1\n    api_key: bench\n    batch: {{events: 5000, linger: 1s}}",
    "copilot": "url: {sink}\n    client_id: bench\n    client_secret: bench",
    # The documented rate is 5 requests a second. The row measures this service, not Yotpo's rate limit.
    "yotpo": "url: {sink}/core/v3\n    store_id: bench\n    secret: bench\n    rate: 1000000/s",
}

_CONFIG = """\
kafka:
  bootstrap.servers: {bootstrap}
  fetch.wait.max.ms: 10   # the mock cluster keeps an empty fetch open until then
topics: [{topic}]
start: earliest
schemas: {{registry: {{url: {sink}}}}}
mapping: mapping.yaml
pipelines: {{{group}: [{kind}]}}
destinations:
  {kind}:
    {destination}
    lanes: {lanes}
dead_letters: {{topic: {dead_letters}}}
http: {{address: 127.0.0.1:0}}
"""


@dataclass(frozen=True, slots=True)
class Options:
    """Settings of one run of the service."""

    bootstrap: str
    sink: str
    topic: str
    group: str
    kind: str
    lanes: int


def write_config(folder: Path, options: Options) -> Path:
    """Write configuration and mapping into a folder. Return the path of the configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mapping.yaml").write_text(MAPPINGS[options.kind])
    config = folder / "cdp.yaml"
    config.write_text(
        _CONFIG.format(
            bootstrap=options.bootstrap,
            topic=options.topic,
            sink=options.sink,
            group=options.group,
            kind=options.kind,
            lanes=options.lanes,
            destination=_DESTINATIONS[options.kind].format(sink=options.sink),
            dead_letters=DEAD_LETTERS,
        )
    )
    return config


def clean_environment() -> dict[str, str]:
    """Return our environment without the variables that change Python or measure coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON"))}


class Service:
    """One `python -m consumer run`."""

    def __init__(self, config: Path, pin: frozenset[int] | None) -> None:
        self.log = config.with_suffix(".log")
        with self.log.open("wb") as out:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "consumer", "run", "--config", str(config)],
                cwd=ROOT,
                env=clean_environment(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        if pin is not None:
            os.sched_setaffinity(self.process.pid, pin)
        self._port = 0

    def status(self) -> dict[str, Any] | None:
        """Return the `/status` of the one pipeline, or `None` until it has one."""
        if not self._port:
            lines = self.log.read_text(errors="replace").splitlines()
            starting = next((line for line in lines if '"starting"' in line), None)
            if starting is None:
                return None
            self._port = int(json.loads(starting)["port"])
        with contextlib.suppress(OSError):
            with urllib.request.urlopen(f"http://127.0.0.1:{self._port}/status", timeout=5) as response:
                pipelines = json.load(response)["pipelines"]
            return dict(pipelines[0]) if pipelines else None
        return None

    def failure(self) -> str | None:
        """Return exit code and end of the log if the process has ended."""
        if self.process.poll() is None:
            return None
        return f"the service exited with {self.process.returncode}: {self.log.read_text(errors='replace')[-3000:]}"

    def stop(self) -> int:
        """Send SIGTERM and return the exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(_SHUTDOWN_TIMEOUT_S)


@contextlib.contextmanager
def running(config: Path, pin: frozenset[int] | None) -> Iterator[Service]:
    """Run the service. Kill the process at the end if it still runs."""
    service = Service(config, pin)
    try:
        yield service
    finally:
        if service.process.poll() is None:
            service.process.kill()
        service.process.wait()


def printed_ceiling(config: Path, largest: int) -> int:
    """Return the memory ceiling in bytes that `check` prints."""
    output = subprocess.run(
        [
            *(sys.executable, "-m", "consumer", "check", "--config", str(config), "--format", "json"),
            *("--partitions", str(PARTITIONS), "--largest-record", str(largest)),
        ],
        cwd=ROOT,
        env=clean_environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout
    return int(json.loads(output)["memory"]["total_bytes"])


def wait_while(service: Service, busy: Callable[[], bool], timeout_s: float, row: str) -> None:
    """Wait until `busy()` is false.

    Raises:
        RuntimeError: the process ended, or `timeout_s` is over.
    """
    deadline = time.monotonic() + timeout_s
    while busy():
        if failure := service.failure():
            raise RuntimeError(f"{row}: {failure}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{row}: not finished within {timeout_s:g} s")
        time.sleep(0.05)
