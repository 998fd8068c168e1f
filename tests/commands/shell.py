"""The command line as a person meets it: a process, its output and its exit code."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    code: int
    out: str
    err: str

    @property
    def said(self) -> str:
        return self.out + self.err


def cdp(*words: str, cwd: Path, given: str | bytes = b"", environ: dict[str, str] | None = None) -> Ended:
    """Run `cdp-consumer` and assert what holds for every run: no traceback, no colour into a pipe."""
    env = {
        "PATH": os.environ["PATH"],
        "PYTHONPATH": str(ROOT),
        "PYTHONWARNINGS": "error",
        **(environ or {}),
    }
    content = given if isinstance(given, bytes) else given.encode()
    done = subprocess.run(
        [sys.executable, "-m", "consumer", *words],
        cwd=cwd,
        input=content,
        env=env,
        capture_output=True,
        check=False,
        timeout=300,
    )
    ended = Ended(done.returncode, done.stdout.decode(), done.stderr.decode())
    assert "Traceback" not in ended.said, ended.said
    assert "\x1b" not in ended.said
    return ended
