"""A usage error is one readable block with exit code 2; no mistake of a user ends in a traceback."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from consumer import __version__
from consumer.cli import main
from tests.commands.shell import ROOT, cdp
from tests.processes import ended


def test_help_names_every_command_and_imports_none(tmp_path: Path) -> None:
    ended = cdp("--help", cwd=tmp_path)
    assert ended.code == 0
    for command in main.COMMANDS:
        assert f"  {command} " in ended.out
    code = "import sys; from consumer.cli import main; main.main(['--help']); print(sorted(sys.modules))"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, check=True, text=True)
    for library in ("confluent_kafka", "fastavro", "httpx2", "orjson", "ruamel.yaml"):
        assert f"'{library}'" not in done.stdout
    assert not [name for name in main.COMMANDS if f"'consumer.cli.{name}'" in done.stdout]


def test_version_is_printed(tmp_path: Path) -> None:
    ended = cdp("--version", cwd=tmp_path)
    assert (ended.code, ended.out) == (0, f"cdp-consumer {__version__}\n")


@pytest.mark.parametrize("command", sorted(main.COMMANDS))
def test_every_command_has_help(tmp_path: Path, command: str) -> None:
    ended = cdp(command, "--help", cwd=tmp_path)
    assert ended.code == 0
    assert f"usage: cdp-consumer {command}" in ended.out


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a command is missing; use one of `demo`, `run`, `check`, `translate`"),
        (["chek"], "unknown command `chek`: did you mean `check`?"),
        (["frobnicate"], "unknown command `frobnicate`: use one of `demo`, `run`, `check`, `translate`"),
        (["--versio"], "unknown argument `--versio` (did you mean `--version`?)"),
        (["check", "--confg=x"], "unknown argument `--confg` (did you mean `--config`?)"),
        (["check", "stray"], "unknown argument `stray`"),
        (["check", "--config"], "argument --config: expected one argument"),
        (["check", "--format", "xml"], "argument --format: invalid choice: 'xml' (choose from"),
        (["check", "--schema", "maping"], "argument --schema: invalid choice: 'maping' (choose from"),
        (["check", "--partitions", "0"], "argument --partitions: `0` is not a number of partitions"),
        (["check", "--largest-record", "1MB"], "argument --largest-record: `1MB` is not a size"),
        (["translate", "--event", "x"], "unknown argument `--event` (did you mean `--events`?)"),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_usage_error_is_one_block_with_the_nearest_name(tmp_path: Path, words: list[str], said: str) -> None:
    ended = cdp(*words, cwd=tmp_path)
    assert ended.code == 2
    assert ended.out == ""
    first, second = ended.err.splitlines()
    assert said in first
    assert second.strip().startswith("see `cdp-consumer")


def test_ctrl_c_ends_in_one_line(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_words: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(main, "_run", interrupted)
    assert main.main([]) == 1
    assert capsys.readouterr().err == "cdp-consumer: interrupted\n"


def test_closed_pipe_prints_no_error(tmp_path: Path) -> None:
    command = f"{sys.executable} -m consumer check --schema | head -c 1; exit ${{PIPESTATUS[0]}}"
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    done = subprocess.run(["bash", "-c", command], cwd=tmp_path, env=env, capture_output=True, check=False, text=True)  # noqa: S607 - any shell with PIPESTATUS
    assert done.stderr == ""
    assert done.stdout == "{"


def test_sigterm_before_the_start_exits_with_success(tmp_path: Path) -> None:
    config = tmp_path / "cdp.yaml"
    os.mkfifo(config)  # the read of the configuration blocks until the test writes it
    command = [sys.executable, "-m", "consumer", "run", "--config", str(config)]
    with ended(subprocess.Popen(command, cwd=ROOT, stderr=subprocess.PIPE, text=True)) as process:
        writer = _open_for_writing(config)  # keep it open: closed, it would be an empty configuration
        _wait_until_it_reads(process)
        process.send_signal(signal.SIGTERM)
        assert process.communicate()[1] == ""
        assert process.returncode == 0
        os.close(writer)


def _wait_until_it_reads(process: subprocess.Popen[str]) -> None:
    """Wait until a process blocks in a read of a pipe. A signal just before that is handled only after the read."""
    deadline = time.monotonic() + 180
    while "pipe" not in Path(f"/proc/{process.pid}/wchan").read_text():
        assert time.monotonic() < deadline, "the process did not wait for its configuration"
        time.sleep(0.02)


def _open_for_writing(fifo: Path) -> int:
    deadline = time.monotonic() + 180
    while time.monotonic() < deadline:
        try:
            return os.open(fifo, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:  # the process has not opened it for reading yet
            time.sleep(0.02)
    raise AssertionError("the process did not read the configuration")
