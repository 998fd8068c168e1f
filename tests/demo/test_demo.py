"""The whole demo as a person starts it: it ends by itself, and its exit code is the books'."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.processes import ended

BALANCE = "The books balance, by identity"
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def command(*words: str) -> list[str]:
    return [sys.executable, "-m", "consumer", "demo", *words]


def demo(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), capture_output=True, text=True, timeout=600, check=False)


def test_a_short_day_ends_by_itself_with_books_that_balance_and_leaves_nothing_behind(tmp_path: Path) -> None:
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
    ("words", "sign"),
    [
        (("--outage", "customerio"), "customerio answers 503 to everything"),
        (("--poison", "2%"), "400 ×"),
        (("--expire-credentials",), "new secrets are in their files"),
    ],
)
def test_with_each_fault_the_books_balance(words: tuple[str, ...], sign: str) -> None:
    done = demo("--events", "900", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    assert BALANCE in done.stdout
    assert sign in done.stdout


@pytest.mark.parametrize("liar", ["copilot", "yotpo"])
def test_a_server_that_loses_an_event_is_caught(liar: str) -> None:
    done = demo("--events", "300", "--lie", liar)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "The books do not balance: 1 difference." in done.stdout
    assert f"cdp-{liar}: {liar} does not hold " in done.stdout


def test_an_interruption_ends_it_early_with_the_books() -> None:
    with ended(subprocess.Popen(command("--for", "600s"), stdout=subprocess.PIPE, text=True)) as running:
        assert running.stdout is not None
        while "copilot" not in (line := running.stdout.readline()):
            assert line, "it ended before it showed anything"
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        rest = running.stdout.read()
        assert running.wait(300) == 0, rest
    assert BALANCE in rest
    assert time.monotonic() - began < 300


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--for", "soon"), "argument --for: `soon` is not a duration"),
        (("--events", "0"), "argument --events: `0` is no whole number above 0"),
        (("--rate", "fast"), "argument --rate: `fast` is no rate"),
        (("--poison", "120%"), "argument --poison: `120%` is no share"),
        (("--outage", "kafka"), "argument --outage: invalid choice"),
        (("--keep-runing",), "did you mean `--keep-running`?"),
    ],
)
def test_a_wrong_option_is_one_readable_block_and_exit_2(words: tuple[str, ...], complaint: str) -> None:
    done = demo(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert complaint in done.stderr
    assert "Traceback" not in done.stderr
