"""The whole demo as a process: it ends by itself, and its exit code is 0 only if the accounting balances."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ended

BALANCE = "The accounting balances: "
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "consumer", "demo", *words]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=600, check=False)


def test_short_run_ends_balanced_and_removes_its_folder(tmp_path: Path) -> None:
    done = subprocess.run(
        command("--events", "600"),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    assert (done.returncode, done.stderr) == (0, ""), done.stdout
    assert BALANCE in done.stdout
    assert "600 events in" in done.stdout
    assert "\x1b" not in done.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("words", "printed"),
    [
        (("--outage", "customerio"), "customerio responds 503 to every request"),
        (("--poison", "2%"), "400 ×"),
        (("--expire-credentials",), "new secrets are written to the secret files"),
    ],
)
def test_accounting_balances_with_each_fault(words: tuple[str, ...], printed: str) -> None:
    done = demo("--events", "900", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert BALANCE in done.stdout
    assert printed in done.stdout


@pytest.mark.parametrize("loser", ["copilot", "yotpo"])
def test_server_that_loses_an_event_is_named(loser: str) -> None:
    done = demo("--events", "300", "--lie", loser)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The accounting does not balance: 1 difference." in done.stdout
    assert f"cdp-{loser}: {loser} has not stored " in done.stdout


def test_interrupt_ends_the_run_early_and_balanced() -> None:
    with ended(subprocess.Popen(command("--for", "600s"), stdout=subprocess.PIPE, text=True)) as running:
        assert running.stdout is not None
        while "copilot" not in (line := running.stdout.readline()):
            assert line, "the demo ended before its first line of progress"
        sent = time.monotonic()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait(300) == 0, rest
    assert BALANCE in rest
    assert time.monotonic() - sent < 300


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("--for", "soon"), "argument --for: `soon` is not a duration"),
        (("--events", "0"), "argument --events: `0` is not a whole number above 0"),
        (("--rate", "fast"), "argument --rate: `fast` is not a rate"),
        (("--poison", "120%"), "argument --poison: `120%` is not a share"),
        (("--outage", "kafka"), "argument --outage: invalid choice"),
        (("--keep-runing",), "did you mean `--keep-running`?"),
    ],
)
def test_invalid_option_is_one_readable_block_and_exit_2(words: tuple[str, ...], error: str) -> None:
    done = demo(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert error in done.stderr
    assert "Traceback" not in done.stderr
