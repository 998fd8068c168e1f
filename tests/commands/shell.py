"""Run the command line as a user does: a process, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class EndedProcess:
    code: int
    out: str
    err: str

    @property
    def output(self) -> str:
        return self.out + self.err


def cdp(*words: str, cwd: Path, stdin: str | bytes = b"", environ: dict[str, str] | None = None) -> EndedProcess:
    """Run `cdp-consumer`. Assert that no run prints a traceback, or a colour into a pipe."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        **(environ or {}),
    }
    content = stdin if isinstance(stdin, bytes) else stdin.encode()
    done = subprocess.run(
        [sys.executable, "-m", "consumer", *words],
        cwd=cwd,
        input=content,
        env=env,
        capture_output=True,
        check=False,
        timeout=300,
    )
    ended = EndedProcess(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ended.output, ended.output
    assert "\x1b" not in ended.output
    return ended
